import type { BackendVolume, SnapshotId, VolumeId } from '@moorage/contract'
import { PluginError } from '@moorage/contract'
import type { StepContext } from '../jobs/saga.ts'
import { recordEvent } from '../store/events.ts'
import { updateLocation } from '../store/locations.ts'
import type { Tx } from '../store/store.ts'
import { updateVolume, volumeById } from '../store/volumes.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import type { VolumePlan } from './placing.ts'

/** Makes the array volume of a plan, empty or as a clone of its source. Idempotent on the volume's id. */
export async function makeVolume(
  deps: Pick<SagaDeps, 'plugins'>,
  plan: VolumePlan,
  context: StepContext,
): Promise<BackendVolume> {
  const pool = await deps.plugins.pool(plan.pool)
  const provider = pool.provider(context.log)
  // Ids of ours are made by us; the brands only keep kinds apart.
  const spec = { id: plan.volume as VolumeId, bytes: plan.bytes, qos: plan.arrayQos, settings: plan.settings }
  const call = part(context.call, `create/${plan.volume}`)
  return saying('The volume could not be made on the storage system', async () => {
    if (plan.source === undefined) return provider.volumes.create(spec, call)
    if (!provider.clones) throw new PluginError('UNSUPPORTED', `pool ${plan.pool} makes no clones`, 'none')
    // As above.
    return provider.clones.clone({ kind: 'snapshot', id: plan.source as SnapshotId }, spec, call)
  })
}

/** Deletes what `makeVolume` may have made. */
export async function unmakeVolume(
  deps: Pick<SagaDeps, 'plugins'>,
  plan: VolumePlan,
  context: StepContext,
): Promise<void> {
  const pool = await deps.plugins.pool(plan.pool)
  // Ids of ours are made by us; the brand only keeps kinds apart.
  await pool.provider(context.log).volumes.delete(plan.volume as VolumeId, part(context.call, `delete/${plan.volume}`))
}

/** Records what was made; says in an event where the array gave less, or other, than was asked. */
export async function recordMade(tx: Tx, plan: VolumePlan, made: BackendVolume): Promise<void> {
  await updateLocation(tx, plan.volume, {
    state: 'present',
    name: made.name,
    bytes: made.bytes,
    usedBytes: made.usedBytes,
  })
  if (plan.tier !== 'storage' || !made.qos) return
  await updateVolume(tx, plan.volume, { qosApplied: made.qos.applied })
  await recordClamping(tx, plan.volume, made.qos.clamped)
}

/** The location is only intended again: the array object is gone. */
export async function unrecordMade(tx: Tx, plan: VolumePlan): Promise<void> {
  await updateLocation(tx, plan.volume, { state: 'intended', name: null, usedBytes: 0 })
  await updateVolume(tx, plan.volume, { qosApplied: null })
}

/** An event for a QoS vector that was not kept as asked. Nothing when `clamped` is empty. */
export async function recordClamping(tx: Tx, volume: string, clamped: readonly string[]): Promise<void> {
  if (clamped.length === 0) return
  const row = await volumeById(tx, volume)
  await recordEvent(tx, {
    type: 'VOLUME.QOS.CLAMPED',
    level: 'WARN',
    state: 'Completed',
    description: `The limits in force differ from those requested for volume ${row?.name ?? volume} on ${clamped.join(', ')}`,
    ...(row ? { account: row.accountId } : {}),
    resource: { kind: 'Volume', id: volume },
  })
}
