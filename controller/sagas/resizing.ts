import { differingAxes, PluginError, type Qos, sameQos, type VmId, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { inWords } from '../domain/size.ts'
import type { StepContext } from '../jobs/saga.ts'
import { part, saying, unlessGone } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import type { Resizing } from './resize-begin.ts'

type Plugins = Pick<SagaDeps, 'plugins'>

/** A vector that was set: what the enforcing side says it applied, and what it reads back. */
export interface SetQos {
  readonly applied: Qos
  readonly observed: Qos
  readonly clamped: readonly string[]
}

/** Sets the array's vector when it is to change at all, and reads back what is enforced; `null` when nothing changes. */
export async function applyArrayQos(
  deps: Plugins,
  change: Resizing & { readonly vector: Qos },
  context: StepContext,
): Promise<SetQos | null> {
  const { pool: poolId, before, after, vector } = change
  if (poolId === undefined || sameQos(before.arrayQos, after.arrayQos)) return null
  const pool = await deps.plugins.pool(poolId)
  const { qos } = pool.provider(context.log)
  if (!qos) throw new PluginError('UNSUPPORTED', `pool ${poolId} keeps no QoS`, 'none')
  const id = change.volume as VolumeId // An id of ours is made by us; the brand only keeps kinds apart.
  return saying(`The storage system did not take the new limits: ${KEEPS}`, async () => {
    const { applied, clamped } = await qos.apply(id, vector, part(context.call, `apply/${wayOf(change)}`))
    const observed = await qos.read(id, part(context.call, `read/${wayOf(change)}`))
    return { applied, observed, clamped }
  })
}

const KEEPS = 'the volume keeps those that it had'
const UNKEPT = `The new limits were accepted, but others are in force: ${KEEPS}`

/**
 * As it is, where what is in force is what was said to be applied. Throws `Refusal` `INTERNAL` with the `sentence` where
 * it is something else: a change that is not in force has failed.
 */
export function believed(set: SetQos | null, sentence = UNKEPT): SetQos | null {
  if (!set || sameQos(set.applied, set.observed)) return set
  const axes = differingAxes(set.applied, set.observed).join(', ')
  throw new Refusal('INTERNAL', sentence, { internal: `applied and observed differ on ${axes}` })
}

/**
 * Sets the hypervisor's throttle on a plugged disk when it is to change, and reads it back; `null` when nothing changes, or no
 * machine runs.
 */
export async function applyThrottle(
  deps: Plugins,
  change: Resizing & { readonly vector: Qos },
  context: StepContext,
): Promise<SetQos | null> {
  const { plugged, before, after, vector } = change
  if (!plugged || sameQos(before.throttle, after.throttle)) return null
  const host = await deps.plugins.host(plugged.host)
  const { throttle } = host.adapter(context.log)
  if (!throttle) throw new PluginError('UNSUPPORTED', `host ${plugged.host} throttles nothing`, 'none')
  // Ids of ours are made by us; the brands only keep kinds apart.
  const [vm, disk] = [plugged.vm as VmId, { volume: change.volume as VolumeId, qos: vector }]
  return saying(`The hypervisor did not take the new limits: ${KEEPS}`, async () =>
    // A machine that has gone meanwhile gets its limits when it starts.
    unlessGone(async () => {
      const { applied, clamped } = await throttle.apply(vm, disk, part(context.call, `apply/${wayOf(change)}`))
      const observed = await throttle.read(vm, disk.volume, part(context.call, `read/${wayOf(change)}`))
      return { applied, observed, clamped }
    }),
  )
}

/** Grows the array volume; its new size, or `null` when it is large enough. */
export async function grow(deps: Plugins, change: Resizing, context: StepContext): Promise<number | null> {
  const { pool: poolId, before, after } = change
  if (poolId === undefined || after.locationBytes <= before.locationBytes) return null
  const pool = await deps.plugins.pool(poolId)
  const { resize } = pool.provider(context.log)
  if (!resize) throw new PluginError('UNSUPPORTED', `pool ${poolId} grows no volumes`, 'none')
  const grown = await saying(
    'The storage system did not grow the volume',
    async () => resize.grow(change.volume as VolumeId, after.locationBytes, part(context.call, 'grow')), // An id of ours is made by us.
  )
  return grown.bytes
}

/** The size that the array has, whatever became of growing it; `null` when there was nothing to grow. */
export async function lookAtSize(deps: Plugins, change: Resizing, context: StepContext): Promise<number | null> {
  const { pool: poolId, before, after } = change
  if (poolId === undefined || after.locationBytes <= before.locationBytes) return null
  const pool = await deps.plugins.pool(poolId)
  // An id of ours is made by us; the brand only keeps kinds apart.
  const found = await pool.provider(context.log).volumes.get(change.volume as VolumeId, part(context.call, 'look'))
  return found?.bytes ?? null
}

/** Tells the machine that its disk has grown. A machine that has meanwhile gone needs no telling. */
export async function refresh(
  deps: Plugins,
  change: Resizing & { readonly bytes: number },
  context: StepContext,
): Promise<void> {
  const { plugged, bytes } = change
  if (!plugged) return
  const host = await deps.plugins.host(plugged.host)
  const { resize } = host.adapter(context.log)
  if (!resize) throw new PluginError('UNSUPPORTED', `host ${plugged.host} refreshes no disks`, 'none')
  const disk = { volume: change.volume as VolumeId, bytes } // Ids of ours are made by us; the brands only keep kinds apart.
  const sentence = `The volume has grown to ${inWords(bytes)} and stays so, but its virtual machine could not be told: restart it to see the new size`
  await saying(sentence, async () => {
    await unlessGone(async () => resize.refresh(plugged.vm as VmId, disk, part(context.call, 'refresh'))) // As above.
  })
}

/** Part of a call's key: setting one vector and setting another back are different calls. */
function wayOf({ vector, after }: Resizing & { readonly vector: Qos }): string {
  return sameQos(vector, after.arrayQos) || sameQos(vector, after.throttle) ? 'set' : 'back'
}
