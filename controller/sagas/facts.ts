import type { HostLoad } from '../placement/choose-host.ts'
import type { HostFacts, PoolFacts } from '../placement/facts.ts'
import type { HostRow, PoolRow } from '../store/generated/schema.ts'
import { hostRegistration, poolRegistration } from '../store/registrations.ts'
import type { SagaDeps } from './deps.ts'

type Opening = Pick<SagaDeps, 'store' | 'plugins'>

/** What placement needs to know of a pool. No I/O. `volumes` counts those that live there. */
export function poolFacts(deps: Opening, row: PoolRow, volumes: number): PoolFacts {
  const pool = deps.plugins.openPool(poolRegistration(deps.store, row))
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
    protocols: pool.plugin.protocols,
    can: pool.can,
    limits: pool.limits,
    volumes,
    capBytes: row.capacityBytes ?? row.totalBytes,
    bytesFactor: row.bytesFactor,
    reservedBytes: row.reservedBytes,
    ...(capIops === null ? {} : { capIops }),
    iopsFactor: row.iopsFactor,
    reservedIops: row.reservedIops,
  }
}

/** What placement needs to know of a host. No I/O. */
export function hostFacts(deps: Opening, row: HostRow): HostFacts {
  const host = deps.plugins.openHost(hostRegistration(deps.store, row))
  const { id, name, zoneId, clusterId, hypervisor } = row
  return { id, name, zoneId, clusterId, hypervisor, accepts: host.accepts, limits: host.limits, can: host.can }
}

/** As `hostFacts`, with what runs there. `usedMemoryBytes` is promised to VMs. */
export function hostLoad(deps: Opening, row: HostRow, usedMemoryBytes: number): HostLoad {
  const { state, resourceState, tags, cpus, memoryBytes } = row
  return { ...hostFacts(deps, row), state, resourceState, tags, cpus, memoryBytes, usedMemoryBytes }
}
