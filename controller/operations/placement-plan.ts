import type { Qos } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { inService } from '../domain/pool.ts'
import { readQos, type WantedTier } from '../domain/qos.ts'
import { type AskedQos, offeredQos, type OfferedQos, volumeQos } from '../domain/qos-terms.ts'
import { GIB } from '../domain/size.ts'
import type { HostFacts, PoolFacts } from '../placement/facts.ts'
import { told, type Told } from '../placement/record.ts'
import { poolsOfVm, possibleHosts, runningHost } from '../sagas/attaching.ts'
import { poolChoices } from '../sagas/facts.ts'
import { type Placed, placementRequest, sourceOf } from '../sagas/placing.ts'
import { soldTerms } from '../sagas/terms.ts'
import { attachmentOf } from '../store/attachments.ts'
import type { LocationRow, OfferingRow, VolumeRow } from '../store/generated/schema.ts'
import { locationOf } from '../store/locations.ts'
import { poolsOfZone } from '../store/pools.ts'
import { reservationOf } from '../store/reservations.ts'
import type { Tx } from '../store/store.ts'
import { transact } from '../store/transact.ts'
import { vmById } from '../store/vms.ts'
import { offeringById, volumeById } from '../store/volumes.ts'
import { certain } from './certain.ts'
import type { System } from './context.ts'
import { bytesOf, offeredBytes } from './size.ts'

/**
 * What to plan: a new volume of `offering` in `zone`; or `volume` as it is or with what is named changed. One that lives
 * somewhere is judged there, unless it is to `migrate`: then everywhere else. `sizeGib` in GiB.
 */
export interface PlanRequest {
  readonly volume?: string
  readonly zone?: string
  readonly offering?: string
  readonly sizeGib?: number
  readonly qos: AskedQos
  /** VM that is to use it; absent: the one that has it, if any. */
  readonly vm?: string
  readonly migrate?: boolean
  /** Only this pool. */
  readonly pool?: string
}

/** Whether and where it would fit now, and why; nothing is changed or reserved. Throws `Refusal` as the command that would do it. */
export async function planPlacement(system: System, request: PlanRequest): Promise<Told> {
  // It changes nothing, so that it is not where the audit's record belongs, as in `store.transact`.
  return await transact(system.store.reader, async (tx) => {
    const before = request.volume === undefined ? undefined : certain(await volumeById(tx, request.volume), 'id')
    const location = before && (await locationOf(tx, before.id))
    const volume = before ? await changed(tx, before, request) : await anew(tx, request)
    const pools = await poolsFor(system, tx, { volume, location, request })
    const hosts = await hostsFor(system, tx, request.vm ?? (before && (await attachmentOf(tx, before.id))?.vmId))
    const source = location ? undefined : await sourceOf(tx, volume)
    const asked = await placementRequest(tx, { volume, source, ...(hosts ? { hosts } : {}) })
    const grows = location !== undefined && request.migrate !== true && volume.bytes > (before?.bytes ?? 0)
    return told(grows ? { ...asked, needs: ['resize'] } : asked, pools)
  })
}

/** Pools as the request's volume would find them: of one that stays where it lives, that pool without its own share. */
export async function poolsFor(
  system: System,
  tx: Tx,
  on: {
    readonly volume: Pick<Placed, 'zoneId'>
    readonly location: LocationRow | undefined
    readonly request: Pick<PlanRequest, 'pool' | 'migrate'>
  },
): Promise<readonly PoolFacts[]> {
  const { volume, location, request } = on
  const all = await poolsOfZone(tx, volume.zoneId)
  const stays = location !== undefined && request.migrate !== true
  const rows = all.filter(
    ({ id }) =>
      (request.pool === undefined || id === request.pool) &&
      (location === undefined || (id === location.poolId) === stays),
  )
  const facts = await poolChoices(system, rows)
  if (!stays) return facts
  const held = await reservationOf(tx, location.volumeId)
  return facts.map((pool) => ({
    ...pool,
    // What lives there may grow into all that is left, its own share and that of new volumes.
    state: inService(pool.state) ? 'Up' : pool.state,
    volumes: pool.volumes - 1,
    reservedBytes: pool.reservedBytes - (held?.bytes ?? 0),
    reservedIops: pool.reservedIops - (held?.iops ?? 0),
    allocatedThreshold: 1,
    usedThreshold: 1,
    boundedOnly: false,
  }))
}

/** Hosts from which a VM may use a volume: the one that it is on, else those on which it could start; without a VM `undefined`. */
export async function hostsFor(
  system: System,
  tx: Tx,
  id: string | undefined,
): Promise<readonly HostFacts[] | undefined> {
  const vm = id === undefined ? undefined : certain(await vmById(tx, id), 'virtualmachineid')
  if (!vm) return undefined
  const running = vm.state === 'Running' ? await runningHost(system, tx, vm) : undefined
  return running ? [running] : await possibleHosts(system, tx, { vm, pools: await poolsOfVm(tx, vm.id) })
}

async function anew(tx: Tx, request: PlanRequest): Promise<Placed> {
  const offering = await offeringNamed(tx, request.offering)
  if (!offering || request.zone === undefined)
    throw new Refusal('INVALID', 'Parameter id is needed, or zoneid and diskofferingid for a new volume')
  const bytes = offeredBytes(offering, request.sizeGib)
  return {
    zoneId: request.zone,
    bytes,
    ...termsOf(await soldTerms(tx, offering), request.qos, bytes),
    offeringId: offering.id,
    sourceSnapshotId: null,
    templateId: null,
  }
}

async function changed(tx: Tx, volume: VolumeRow, request: PlanRequest): Promise<Placed> {
  const offering = await offeringNamed(tx, request.offering)
  const size = request.sizeGib ?? (offering && !offering.customized ? (offering.bytes ?? 0) / GIB : undefined)
  const bytes = size ? Math.max(volume.bytes, bytesOf(size)) : volume.bytes
  const own = offering ?? (await offeringById(tx, volume.offeringId))
  const offered = offering
    ? await soldTerms(tx, offering)
    : own && { ...offeredQos(own), qos: readQos(volume.qosRequested) }
  return {
    ...volume,
    bytes,
    ...(offered ? termsOf(offered, request.qos, bytes) : {}),
    ...(offering ? { offeringId: offering.id } : {}),
  }
}

function termsOf(
  offered: OfferedQos,
  asked: AskedQos,
  bytes: number,
): { readonly qosRequested: Qos; readonly qosTier: WantedTier } {
  return { qosRequested: volumeQos(offered, asked, bytes), qosTier: offered.tier }
}

async function offeringNamed(tx: Tx, id: string | undefined): Promise<OfferingRow | undefined> {
  if (id === undefined) return undefined
  const offering = certain(await offeringById(tx, id), 'diskofferingid')
  if (offering.kind === 'disk') return offering
  throw new Refusal('INVALID', 'Invalid parameter diskofferingid: it names a service offering')
}
