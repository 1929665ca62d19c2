import { PluginError, type Qos, type StorageCapability } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { guaranteedIops, readQos, type Tier } from '../domain/qos.ts'
import type { Under } from '../jobs/saga.ts'
import { explain } from '../placement/explain.ts'
import type { HostFacts, PlacementRequest, PoolFacts } from '../placement/facts.ts'
import { type Candidate, type Placement, place } from '../placement/place.ts'
import { recorded } from '../placement/record.ts'
import { archiveById } from '../store/archives.ts'
import type { LocationRow, OfferingRow, PoolRow, VolumeRow } from '../store/generated/schema.ts'
import { writeLog } from '../store/journal-log.ts'
import { deleteLocation, insertLocation, locationOf } from '../store/locations.ts'
import { moversOfZone } from '../store/movers.ts'
import { likeliestPools, pinPools, poolsOfZone } from '../store/pools.ts'
import { texts } from '../store/registrations.ts'
import { giveBack, reserve, reserveSecond } from '../store/reservations.ts'
import { templateNow } from '../store/queries/places.ts'
import { seedsOf } from '../store/seeds.ts'
import { archiveCopyOf, arrayCopyOf, snapshotById } from '../store/snapshots.ts'
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
  what: {
    readonly volume: VolumeRow
    readonly hosts?: readonly HostFacts[]
    /** Of the volume; absent: it is looked up. */
    readonly offering?: Pick<OfferingRow, 'tags'> | undefined
    readonly under: Under
    /** It may be made empty, to be filled from an archive. Absent: what is in an archive only is refused. */
    readonly restores?: true
    /** Only this one will do. */
    readonly pool?: string | undefined
  },
): Promise<VolumePlan> {
  const { volume } = what
  const source = await sourceOf(tx, volume)
  if (source?.archive !== undefined && !what.restores) {
    throw new Refusal(
      'INVALID',
      `Volume ${volume.id} is to be made from ${source.what}, which is in secondary storage: it cannot be filled while it is attached. Create it anew from the snapshot, then attach it`,
    )
  }
  const request = { ...(await placementRequest(tx, { ...what, source })), spread: volume.id }
  const only = what.pool === undefined ? {} : { only: { pool: what.pool, take: reserve } }
  const candidate = await reserveBest(tx, deps, { volume: volume.id, request, under: what.under, ...only })
  const { pool, bytes, tier } = candidate
  const origin = source?.pool === undefined ? source?.seeds?.get(pool) : source.snapshot
  await insertLocation(tx, { volumeId: volume.id, poolId: pool, state: 'intended', bytes, qosTier: tier })
  return {
    volume: volume.id,
    pool,
    bytes,
    tier,
    arrayQos: tier === 'storage' ? request.qos : {},
    settings: texts(volume.settings),
    ...(origin === undefined ? {} : { source: origin }),
  }
}

/**
 * Reserves what a volume needs in the pool that it is to move to, beside what it holds where it lives, and answers what is to be
 * made there; the location stays. Throws `Refusal` `NO_CAPACITY` with the reasons when it does not fit.
 */
export async function placeElsewhere(
  tx: Tx,
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  what: {
    readonly volume: VolumeRow
    readonly location: LocationRow
    readonly pool: string
    readonly hosts: readonly HostFacts[]
    readonly under: Under
  },
): Promise<VolumePlan> {
  const { volume, location, pool, under } = what
  const asked = await placementRequest(tx, { ...what, source: undefined })
  // Who enforces its limits does not change with the move.
  const { bytes: least, qosTier: wantedTier } = location
  const request = { ...asked, wantedTier, leastBytes: least, bytes: Math.max(least, asked.bytes) }
  const only = { pool, take: reserveSecond }
  const { bytes, tier } = await reserveBest(tx, deps, { volume: volume.id, request, under, only })
  const arrayQos = tier === 'storage' ? request.qos : {}
  return { volume: volume.id, pool, bytes, tier, arrayQos, settings: texts(volume.settings) }
}

/** What of a volume placement asks about. */
export type Placed = Pick<
  VolumeRow,
  'zoneId' | 'bytes' | 'qosRequested' | 'qosTier' | 'offeringId' | 'sourceSnapshotId' | 'templateId'
>

/** What is asked of placement for a volume as it is recorded, or as it is to be. */
export async function placementRequest(
  tx: Tx,
  what: {
    readonly volume: Placed
    readonly hosts?: readonly HostFacts[]
    readonly source: Source | undefined
    readonly offering?: Pick<OfferingRow, 'tags'> | undefined
  },
): Promise<PlacementRequest> {
  const { volume, hosts, source } = what
  const offering = what.offering ?? (await offeringById(tx, volume.offeringId))
  return {
    zoneId: volume.zoneId,
    bytes: volume.bytes,
    qos: readQos(volume.qosRequested),
    wantedTier: volume.qosTier,
    tags: offering?.tags ?? [],
    ...(hosts ? { hosts } : {}),
    ...(source ? { leastBytes: source.bytes } : {}),
    ...(source?.pool === undefined ? {} : { pool: source.pool }),
    ...(source?.archive === undefined
      ? {}
      : {
          filling: { movers: await moversTo(tx, volume.zoneId, source.archive), seeds: new Set(source.seeds?.keys()) },
        }),
    needs: source?.pool === undefined ? [] : CLONING,
  }
}

/** The protocols of each mover of the zone that gets to the archive and answers. */
async function moversTo(tx: Tx, zone: string, id: string): Promise<readonly (readonly string[])[]> {
  const archive = await archiveById(tx, id)
  const movers = await moversOfZone(tx, zone)
  return movers
    .filter(({ silent, archives }) => !silent && archive !== undefined && archives.includes(archive.provider))
    .map(({ accepts }) => accepts)
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

/** How often placement is tried anew, because another took the room in between, before the pools are locked to settle it. */
const TRIES = 3

async function reserveBest(
  tx: Tx,
  deps: Pick<SagaDeps, 'store' | 'plugins'>,
  what: {
    readonly volume: string
    readonly request: PlacementRequest
    readonly under: Under
    /** The one pool that is asked for, and what takes the room there. */
    readonly only?: { readonly pool: string; readonly take: typeof reserve }
  },
): Promise<Candidate> {
  const { volume, request, under, only } = what
  const take = only?.take ?? reserve
  for (let turn = 1; ; turn += 1) {
    const among =
      turn === 1 && request.pool === undefined && !only
        ? await likeliest(tx, volume, request)
        : await poolsOfZone(tx, request.zoneId)
    const rows = only ? among.filter(({ id }) => id === only.pool) : among
    // Locked, what is read holds until the end of the transaction: what fits then is had, and what is refused is refused with true numbers.
    const settled =
      turn > TRIES
        ? await pinPools(
            tx,
            rows.map(({ id }) => id),
          )
        : rows
    const facts = await poolChoices(deps, settled)
    const placement = place(request, facts)
    // Among a few nothing is refused for good.
    if (!placement.placed && turn === 1) continue
    if (!placement.placed) throw refusalOf(volume, request, { facts, placement })
    for (const candidate of placement.candidates) {
      const { pool, bytes, iops } = candidate
      const maxVolumes = facts.find(({ id }) => id === pool)?.limits.maxVolumes
      // Another placement may have taken the room since the pools were read: the conditional update decides.
      if (!(await take(tx, { volume, pool, bytes, iops, maxVolumes }))) continue
      const detail = recorded(volume, placement, { chosen: pool, text: 'There is room for the volume' })
      await writeLog(tx, [{ operation: under.operation, kind: 'placed', fence: under.fence, detail }])
      return candidate
    }
    if (turn > TRIES) throw new Error('the ledger refuses what its locked rows have room for')
  }
}

/** How many pools are looked at before all of them are. */
const A_FEW = 8

async function likeliest(tx: Tx, volume: string, request: PlacementRequest): Promise<readonly PoolRow[]> {
  const { zoneId: zone, bytes, qos, tags, hosts } = request
  return likeliestPools(tx, {
    zone,
    bytes,
    iops: guaranteedIops(qos),
    tags,
    ...(hosts ? { hosts } : {}),
    spread: volume,
    limit: A_FEW,
  })
}

function refusalOf(
  volume: string,
  request: PlacementRequest,
  on: { readonly facts: readonly PoolFacts[]; readonly placement: Placement },
): Error {
  const { facts, placement } = on
  const passing = facts.find(({ closed }) => closed?.forNow === true)
  // It may have room, so that to refuse now would say too much: the step is tried again.
  if (passing) return new PluginError('UNAVAILABLE', `pool ${passing.name}: ${passing.closed?.why ?? ''}`, 'none')
  const { tenant, operator, change } = explain(request, facts, placement.judged)
  const reasons = recorded(volume, placement, { text: tenant, ...(change ? { change } : {}) })
  return new Refusal('NO_CAPACITY', tenant, { internal: operator, reasons })
}

/** What a volume is made from, and where that lives: on an array, or else in an archive. */
export type Source = {
  /** Under which its array, or the archive, has it. */
  readonly snapshot: string
  /** In words. */
  readonly what: string
  readonly bytes: number
} & (
  | { readonly pool: string; readonly archive?: never; readonly seeds?: never }
  | {
      readonly archive: string
      readonly pool?: never
      /** Snapshots on arrays that hold the same, by pool: there it is a clone. */
      readonly seeds?: ReadonlyMap<string, string>
    }
)

/** Throws `Refusal` `INVALID` when what the volume is made from cannot be used any more. */
export async function sourceOf(tx: Tx, volume: Placed): Promise<Source | undefined> {
  const source =
    volume.sourceSnapshotId === null
      ? await templateSource(tx, volume.templateId)
      : await snapshotSource(tx, volume.sourceSnapshotId)
  if (source && volume.bytes < source.bytes) {
    throw new Refusal('INVALID', `The volume is smaller than the ${source.what} that it is made from`)
  }
  return source
}

async function snapshotSource(tx: Tx, id: string): Promise<Source> {
  const snapshot = await snapshotById(tx, id)
  const copy = snapshot?.state === 'BackedUp' ? await arrayCopyOf(tx, id) : undefined
  const archived = snapshot?.state === 'BackedUp' ? await archiveCopyOf(tx, id) : undefined
  const where = copy ? { pool: copy.poolId } : archived ? { archive: archived.archiveId } : undefined
  if (!snapshot || !where)
    throw new Refusal('INVALID', `The volume is made from snapshot ${id}, which cannot be used any more`)
  return { snapshot: id, what: `snapshot ${id}`, bytes: snapshot.bytes, ...where }
}

/** The archive has the bytes of a template under the template's id. */
async function templateSource(tx: Tx, id: string | null): Promise<Source | undefined> {
  if (id === null) return undefined
  const template = await templateNow(tx, id)
  if (template?.state !== 'Ready' || template.archiveId === null)
    throw new Refusal('INVALID', `The volume is made from template ${id}, which cannot be used any more`)
  const whole = (await seedsOf(tx, id)).filter((seed) => seed.whole)
  const seeds = new Map(whole.map(({ poolId, snapshotId }) => [poolId, snapshotId]))
  return { snapshot: id, what: `template ${id}`, bytes: template.bytes, archive: template.archiveId, seeds }
}
