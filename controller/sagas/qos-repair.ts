import { PluginError, type Qos, type VmId, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { readQos } from '../domain/qos.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { attachmentOf } from '../store/attachments.ts'
import { hold, release } from '../store/held.ts'
import { locationOf } from '../store/locations.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVolume, observeQos, updateVolume } from '../store/volumes.ts'
import { part, saying, unlessGone } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends } from './outcome.ts'
import { hostOfDisk } from './resize-begin.ts'
import { believed, type SetQos } from './resizing.ts'

/** Puts the limits of `volume` back in force. */
export interface QosRepairInput {
  readonly volume: string
}

/** Applies a volume's QoS again, after it was changed behind our back. */
export const qosRepair = sagaHead<QosRepairInput>({
  name: 'qos-repair',
  version: 1,
  lane: 'housekeeping',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME = {
  type: 'VOLUME.QOS.REPAIR',
  kind: 'Volume',
  id: ({ volume }: QosRepairInput) => volume,
  doing: 'putting the limits back in force on volume',
} as const

const UNKEPT = 'The limits were accepted, but others are in force still'

/** Where the vector is enforced, and what it is. */
interface Repairing {
  readonly volume: string
  readonly qos: Qos
  readonly at: { readonly pool: string } | { readonly vm: string; readonly host: string }
}

/** Steps: begin, apply. What is put in force is what was recorded all along, so that there is nothing to undo. */
export function qosRepairSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<QosRepairInput, Tx>(qosRepair)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, { operation }) => release(tx, 'volume', { id: input.volume, operation }),
    })
    .step('apply', {
      run: async ({ begin: repairing }, context) =>
        repairing ? believed(await apply(deps, repairing, context), UNKEPT) : null,
      record: async (tx, { input }, set) => {
        if (!set) return
        await updateVolume(tx, input.volume, { qosApplied: set.applied, qosAlerted: null })
        await observeQos(tx, input.volume, set.observed)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => release(tx, 'volume', { id: input.volume, operation })),
    )
}

/** `null` where nobody enforces anything now: a hypervisor is told again when the machine starts. */
async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: QosRepairInput; readonly under: Under },
): Promise<Repairing | null> {
  const volume = await lockVolume(tx, input.volume)
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  await hold(tx, 'volume', { id: volume.id, operation: under.operation })
  const location = await locationOf(tx, volume.id)
  if (location?.state !== 'present' || location.qosTier === 'none') return null
  const repairing = { volume: volume.id, qos: readQos(volume.qosRequested) }
  if (location.qosTier === 'storage') return { ...repairing, at: { pool: location.poolId } }
  const host = await hostOfDisk(deps, tx, await attachmentOf(tx, volume.id))
  return host ? { ...repairing, at: { vm: host.vm, host: host.facts.id } } : null
}

async function apply(
  deps: Pick<SagaDeps, 'plugins'>,
  { volume, qos: vector, at }: Repairing,
  context: StepContext,
): Promise<SetQos | null> {
  const [apply, read] = [part(context.call, 'apply'), part(context.call, 'read')]
  const id = volume as VolumeId // Ids of ours are made by us; the brands only keep kinds apart.
  if ('pool' in at) {
    const { qos } = (await deps.plugins.pool(at.pool)).provider(context.log)
    if (!qos) throw new PluginError('UNSUPPORTED', `pool ${at.pool} keeps no QoS`, 'none')
    return saying('The storage system did not take the limits', async () => ({
      ...(await qos.apply(id, vector, apply)),
      observed: await qos.read(id, read),
    }))
  }
  const { throttle } = (await deps.plugins.host(at.host)).adapter(context.log)
  if (!throttle) throw new PluginError('UNSUPPORTED', `host ${at.host} throttles nothing`, 'none')
  const vm = at.vm as VmId // As above.
  return saying('The hypervisor did not take the limits', async () =>
    // A machine that has gone meanwhile gets its limits when it starts.
    unlessGone(async () => ({
      ...(await throttle.apply(vm, { volume: id, qos: vector }, apply)),
      observed: await throttle.read(vm, id, read),
    })),
  )
}
