import { asPluginError, FAILURES, type StorageLimits } from '@moorage/contract'
import type { HostLoad } from '../placement/choose-host.ts'
import type { HostFacts, HostLedger, PoolFacts } from '../placement/facts.ts'
import type { HostRow, PoolRow } from '../store/generated/schema.ts'
import type { Charged } from '../store/host-charges.ts'
import { readTermsFrom } from '../store/pool-terms.ts'
import { hostRegistration, poolRegistration } from '../store/registrations.ts'
import type { SagaDeps } from './deps.ts'

type Opening = Pick<SagaDeps, 'store' | 'plugins'>

/** What placement needs to know of a pool. No I/O to it. */
export async function poolFacts(deps: Opening, row: PoolRow): Promise<PoolFacts> {
  const pool = await deps.plugins.openPool(poolRegistration(deps.store, row))
  return { ...rowFacts(row), protocols: pool.plugin.protocols, can: pool.can, limits: pool.limits }
}

/**
 * As `poolFacts`, for pools among which one is chosen: one whose plug-in cannot be used on this controller, now or at all,
 * is `closed`, and must not keep the others from being chosen.
 */
export async function poolChoices(deps: Opening, rows: readonly PoolRow[]): Promise<readonly PoolFacts[]> {
  return Promise.all(
    rows.map(async (row) => {
      try {
        return await poolFacts(deps, row)
      } catch (thrown) {
        const { code, message } = asPluginError(thrown)
        const closed = { why: message, forNow: FAILURES[code].retry === 'later' }
        return { ...rowFacts(row), protocols: [], can: new Set<never>(), limits: UNKNOWN_LIMITS, closed }
      }
    }),
  )
}

/** Of a pool that is `closed`: they refuse nothing, since that it is closed is the reason. */
const UNKNOWN_LIMITS: StorageLimits = {
  minVolumeBytes: 1,
  maxVolumeBytes: Number.MAX_SAFE_INTEGER,
  granularityBytes: 1,
  cloneDependsOnParent: false,
}

function rowFacts(row: PoolRow): Omit<PoolFacts, 'protocols' | 'can' | 'limits'> {
  const capIops = row.capacityIops ?? row.totalIops
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    scope: row.scope,
    zoneId: row.zoneId,
    clusterId: row.clusterId,
    hostId: row.hostId,
    hypervisor: row.hypervisor,
    tags: row.tags,
    volumes: row.reservedVolumes,
    foreignVolumes: row.foreignVolumes,
    ...(row.capacityVolumes === null ? {} : { capVolumes: row.capacityVolumes }),
    capBytes: row.capacityBytes ?? row.totalBytes,
    bytesFactor: row.bytesFactor,
    reservedBytes: row.reservedBytes,
    // As `reserve` counts: an operator's cap is ours alone.
    foreignBytes: row.capacityBytes === null ? row.foreignBytes : 0,
    allocatedThreshold: row.allocatedThreshold,
    totalBytes: row.totalBytes,
    usedBytes: row.usedBytes,
    usedThreshold: row.usedThreshold,
    ...(capIops === null ? {} : { capIops }),
    iopsFactor: row.iopsFactor,
    reservedIops: row.reservedIops,
    foreignIops: row.capacityIops === null ? row.foreignVolumes * row.floorIops : 0,
    floorIops: row.floorIops,
    boundedOnly: row.boundedOnly,
    termsFrom: readTermsFrom(row.termsFrom),
  }
}

/**
 * What placement needs to know of a host; `cutOff` as `cutOffPools` says. Without `charged`, which `chargesOfHosts` tells, it is not
 * judged by what it throttles. No I/O to it.
 */
export async function hostFacts(
  deps: Opening,
  row: HostRow,
  {
    cutOff = new Set(),
    charged,
  }: { readonly cutOff?: ReadonlySet<string> | undefined; readonly charged?: Charged } = {},
): Promise<HostFacts> {
  const host = await deps.plugins.openHost(hostRegistration(deps.store, row))
  const { id, name, zoneId, clusterId, hypervisor } = row
  const ledger = charged ? { ledger: hostLedger(row, charged) } : {}
  return {
    ...ledger,
    id,
    name,
    zoneId,
    clusterId,
    hypervisor,
    accepts: host.accepts,
    limits: host.limits,
    can: host.can,
    cutOff,
  }
}

function hostLedger(row: HostRow, charged: Charged): HostLedger {
  return {
    ...(row.capacityIops === null ? {} : { capIops: row.capacityIops }),
    ...(row.capacityRate === null ? {} : { capRate: row.capacityRate }),
    factor: row.qosFactor,
    chargedIops: charged.iops,
    chargedRate: charged.rate,
  }
}

/**
 * As `hostFacts`, of hosts among which one is chosen, with the memory of what runs there. One whose plug-in cannot be used on this
 * controller is not in service here.
 */
export async function hostLoads(
  deps: Opening,
  rows: readonly HostRow[],
  known: {
    readonly memory: ReadonlyMap<string, number>
    readonly cutOff: ReadonlyMap<string, ReadonlySet<string>>
    readonly charges: ReadonlyMap<string, Charged>
  },
): Promise<readonly (HostLoad & { readonly initiator: string })[]> {
  return Promise.all(
    rows.map(async (row) => {
      const { state, resourceState, tags, cpus, memoryBytes, initiator, plugin } = row
      const more = {
        plugin,
        resourceState,
        tags,
        cpus,
        memoryBytes,
        initiator,
        usedMemoryBytes: known.memory.get(row.id) ?? 0,
      }
      try {
        const charged = known.charges.get(row.id) ?? { iops: 0, rate: 0 }
        return { ...(await hostFacts(deps, row, { cutOff: known.cutOff.get(row.id), charged })), ...more, state }
      } catch (thrown) {
        const { id, name, zoneId, clusterId, hypervisor } = row
        const nothing = { accepts: [], limits: { maxDisksPerVm: 0 }, can: new Set<never>(), cutOff: new Set<never>() }
        const closed = `closed on this controller: ${asPluginError(thrown).message}`
        return { id, name, zoneId, clusterId, hypervisor, ...nothing, ...more, state: closed }
      }
    }),
  )
}
