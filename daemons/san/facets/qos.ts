import type { AppliedQos, Qos, Source, VolumeId, VolumeStats } from '@moorage/contract'
import { fenceOf } from '../state/fences.ts'
import { type Caller, change, type San } from './context.ts'
import { admitQos, findVolume } from './volumes.ts'

/** `qos/apply`: the whole vector, live, read back from where it is enforced. */
export function applyQos(
  san: San,
  options: { readonly id: VolumeId; readonly qos: Qos; readonly caller: Caller },
): Promise<AppliedQos> {
  const { id, qos, caller } = options
  return change(san, { object: { kind: 'volume', id }, call: caller.call }, async () => {
    findVolume(san, id, caller)
    const admitted = admitQos(san, qos, id)
    san.objects.setVolumeQos(id, admitted)
    await san.engine.throttles.change(id, admitted.applied)
    return admitted
  })
}

/** `qos/read`: what is enforced now. */
export function readAppliedQos(san: San, id: VolumeId, caller: Caller): Promise<Qos> {
  const object: Source = { kind: 'volume', id }
  return san.locks.run([fenceOf(object)], caller.call, () =>
    san.engine.work(caller.call, () => {
      findVolume(san, id, caller)
      return san.engine.throttles.read(id)
    }),
  )
}

/**
 * `stats/read`. What is answered is made durable first, so that it is never taken back: not by a restart of ours, and
 * not by the death of tgtd, with which the counting workers go.
 */
export function readStats(san: San, id: VolumeId, caller: Caller): VolumeStats {
  findVolume(san, id, caller)
  san.counters.sample(id)
  san.counters.save(id)
  return { ...san.counters.total(id), at: Date.now() }
}
