import { Refusal } from '../domain/failures.ts'
import { readQos } from '../domain/qos.ts'
import { type OfferedQos, volumeQos, withDefaults } from '../domain/qos-terms.ts'
import { GIB } from '../domain/size.ts'
import type { PlacementRequest } from '../placement/facts.ts'
import { judge } from '../placement/filters.ts'
import { placementRequest, type Source, sourceOf } from '../sagas/placing.ts'
import { attachmentOf } from '../store/attachments.ts'
import { throttleDefaults } from '../store/configurations.ts'
import type { LocationRow, VolumeRow } from '../store/generated/schema.ts'
import { locationOf } from '../store/locations.ts'
import { poolById } from '../store/pools.ts'
import type { OfferingView } from '../store/queries/offerings.ts'
import type { Tx } from '../store/store.ts'
import { transact } from '../store/transact.ts'
import { vmById } from '../store/vms.ts'
import { volumeById } from '../store/volumes.ts'
import { certain } from './certain.ts'
import type { System } from './context.ts'
import { hostsFor, poolsFor } from './placement-plan.ts'

/** What a volume of an offering is to fit: each absent where it does not matter. */
export interface FitRequest {
  /** A volume that is to change to the offering; without `pool` where it lives, if anywhere. Absent: a new one. */
  readonly volume?: string
  readonly pool?: string
  /** VM that is to use it. */
  readonly vm?: string
}

/**
 * Of the offerings those of which a volume would fit now, as placement judges; of a size that is chosen for each volume, one of 1 GiB. A
 * volume fits no offering of a fixed size below its own, nor the one that it has. Nothing is changed or reserved.
 */
export async function offeringsThatFit(
  system: System,
  offerings: readonly OfferingView[],
  request: FitRequest,
): Promise<ReadonlySet<string>> {
  return await transact(system.store.reader, async (tx) => {
    const ground = await groundOf(system, tx, request)
    if (!ground) return new Set()
    const fitting: string[] = []
    for (const offering of offerings) {
      const asked = await requestFor(tx, offering, ground)
      if (asked && ground.pools.some((pool) => judge(asked, pool).fits)) fitting.push(offering.id)
    }
    return new Set(fitting)
  })
}

interface Ground {
  readonly zone: string
  readonly volume: VolumeRow | undefined
  readonly location: LocationRow | undefined
  readonly source: Source | undefined
  readonly pools: Awaited<ReturnType<typeof poolsFor>>
  readonly hosts: Awaited<ReturnType<typeof hostsFor>>
  /** Of the installation, where the hypervisor enforces. */
  readonly defaults: Awaited<ReturnType<typeof throttleDefaults>>
}

async function groundOf(system: System, tx: Tx, request: FitRequest): Promise<Ground | undefined> {
  const volume = request.volume === undefined ? undefined : certain(await volumeById(tx, request.volume), 'volumeid')
  const location = volume && (await locationOf(tx, volume.id))
  const vm = request.vm ?? (volume && (await attachmentOf(tx, volume.id))?.vmId)
  const zone = volume?.zoneId ?? (await zoneOf(tx, request))
  if (zone === undefined) return undefined
  const migrate = location !== undefined && request.pool !== undefined && request.pool !== location.poolId
  const where = request.pool === undefined ? { migrate } : { migrate, pool: request.pool }
  return {
    zone,
    volume,
    location: migrate ? undefined : location,
    source: volume && !location ? await sourceOf(tx, volume) : undefined,
    pools: await poolsFor(system, tx, { volume: { zoneId: zone }, location, request: where }),
    hosts: await hostsFor(system, tx, vm),
    defaults: await throttleDefaults(tx),
  }
}

async function zoneOf(tx: Tx, { pool, vm }: FitRequest): Promise<string | undefined> {
  if (pool !== undefined) return (await poolById(tx, pool))?.zoneId
  return vm === undefined ? undefined : certain(await vmById(tx, vm), 'virtualmachineid').zoneId
}

/** What is asked of placement; nothing where the offering cannot be had, whatever the pools. */
async function requestFor(tx: Tx, offering: OfferingView, ground: Ground): Promise<PlacementRequest | undefined> {
  const { volume, location, source, hosts } = ground
  const fixed = offering.customized ? undefined : (offering.bytes ?? undefined)
  if (volume && (offering.id === volume.offeringId || (fixed ?? volume.bytes) < volume.bytes)) return undefined
  const bytes = fixed ?? volume?.bytes ?? GIB
  const terms = termsOf(offering, ground)
  const asked = await placementRequest(tx, {
    volume: {
      zoneId: ground.zone,
      bytes,
      qosRequested: soldAt(terms, bytes),
      qosTier: terms.tier,
      offeringId: offering.id,
      sourceSnapshotId: volume?.sourceSnapshotId ?? null,
      templateId: volume?.templateId ?? null,
    },
    source,
    offering,
    ...(hosts ? { hosts } : {}),
  })
  return location && volume && bytes > volume.bytes ? { ...asked, needs: ['resize'] } : asked
}

function termsOf({ qosKind: kind, qosTier: tier, qos, perGib }: OfferingView, { defaults }: Ground): OfferedQos {
  const terms = { kind, tier, qos, ...(perGib ? { perGib } : {}) }
  return terms.tier === 'storage' || terms.tier === 'any' ? terms : withDefaults(terms, defaults)
}

/** What is sold at that size; what is not possible there by itself is the caller's to choose, and asks nothing yet. */
function soldAt(terms: OfferedQos, bytes: number) {
  try {
    return volumeQos(terms, {}, bytes)
  } catch (error) {
    if (error instanceof Refusal) return readQos({})
    throw error
  }
}
