import { PluginError, type Qos, type StorageCapability } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { readQos, type Tier } from '../domain/qos.ts'
import { explain } from '../placement/explain.ts'
import type { HostFacts, PlacementRequest, PoolFacts } from '../placement/facts.ts'
import { type Candidate, place } from '../placement/place.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { deleteLocation, insertLocation, locationOf } from '../store/locations.ts'
import { poolsOfZone, volumeCounts } from '../store/pools.ts'
import { texts } from '../store/registrations.ts'
import { giveBack, reserve } from '../store/reservations.ts'
import { arrayCopyOf, snapshotById } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { offeringById } from '../store/volumes.ts'
import type { SagaDeps } from './deps.ts'
import { poolChoices } from './facts.ts'

/** What is to be made, and where. Plain data: it stands in the journal. */
export interface VolumePlan {
  readonly volume: string
  readonly pool: string
  readonly bytes: number
  readonly tier: Tier
  /** What the array is to enforce; `{}` unless the tier is `storage`. */
  readonly arrayQos: Qos
  readonly settings: Readonly<Record<string, string>>
  /** Snapshot in the same pool whose bytes it begins with. */
  readonly source?: string
}

/**
 * Chooses a pool for a volume that lives nowhere, reserves what it needs there and records the intended location. Throws
 * `Refusal` `NO_CAPACITY` with the reasons when nothing fits. `hosts` absent: nobody has to reach it yet.
 */
export async function placeVolume(
  tx: Tx,
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  what: { readonly volume: VolumeRow; readonly hosts?: readonly HostFacts[] },
): Promise<VolumePlan> {
  const { volume, hosts } = what
  const source = await sourceOf(tx, volume)
  const pools = await poolsOfZone(tx, volume.zoneId)
  const counts = await volumeCounts(
    tx,
    pools.map(({ id }) => id),
  )
  const facts = await poolChoices(deps, pools, counts)
  const offering = await offeringById(tx, volume.offeringId)
  const qos = readQos(volume.qosRequested)
  const request: PlacementRequest = {
    zoneId: volume.zoneId,
    bytes: volume.bytes,
    qos,
    wantedTier: volume.qosTier,
    tags: offering?.tags ?? [],
    ...(hosts ? { hosts } : {}),
    ...(source ? { pool: source.pool } : {}),
    needs: source ? CLONING : [],
  }
  const candidate = await reserveBest(tx, request, { volume: volume.id, facts })
  const { pool, bytes, tier } = candidate
  await insertLocation(tx, { volumeId: volume.id, poolId: pool, state: 'intended', bytes, qosTier: tier })
  return {
    volume: volume.id,
    pool,
    bytes,
    tier,
    arrayQos: tier === 'storage' ? qos : {},
    settings: texts(volume.settings),
    ...(source ? { source: source.snapshot } : {}),
  }
}

const CLONING: readonly StorageCapability[] = ['snapshots', 'clones']

/** Forgets a location that was only intended, with its reservation. Answers whether there was one. */
export async function unplace(tx: Tx, volume: string): Promise<boolean> {
  const location = await locationOf(tx, volume)
  if (location?.state !== 'intended') return false
  await giveBack(tx, volume)
  await deleteLocation(tx, volume)
  return true
}

async function reserveBest(
  tx: Tx,
  request: PlacementRequest,
  what: { readonly volume: string; readonly facts: readonly PoolFacts[] },
): Promise<Candidate> {
  const placement = place(request, what.facts)
  const texts = explain(request, placement.judged)
  if (placement.placed) {
    for (const candidate of placement.candidates) {
      const { pool, bytes, iops } = candidate
      // Another placement may have taken the room since the pools were read: the conditional update decides.
      if (await reserve(tx, { volume: what.volume, pool, bytes, iops })) return candidate
    }
    throw new Refusal('NO_CAPACITY', 'The last room for this volume was taken a moment ago. Try again or ask for less')
  }
  const passing = what.facts.find(({ closed }) => closed?.forNow === true)
  // It may have room, so that to refuse now would say too much: the step is tried again.
  if (passing) throw new PluginError('UNAVAILABLE', `pool ${passing.name}: ${passing.closed?.why ?? ''}`, 'none')
  throw new Refusal('NO_CAPACITY', texts.tenant, { internal: texts.operator })
}

async function sourceOf(
  tx: Tx,
  volume: VolumeRow,
): Promise<{ readonly snapshot: string; readonly pool: string } | undefined> {
  if (volume.sourceSnapshotId === null) return undefined
  const snapshot = await snapshotById(tx, volume.sourceSnapshotId)
  const copy = snapshot?.state === 'BackedUp' ? await arrayCopyOf(tx, snapshot.id) : undefined
  if (!snapshot || !copy) {
    throw new Refusal(
      'INVALID',
      `The volume is made from snapshot ${volume.sourceSnapshotId}, which cannot be used any more`,
    )
  }
  if (volume.bytes < snapshot.bytes) {
    throw new Refusal('INVALID', `The volume is smaller than the snapshot ${snapshot.id} that it is made from`)
  }
  return { snapshot: snapshot.id, pool: copy.poolId }
}
