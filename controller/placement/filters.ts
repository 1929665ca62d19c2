import { guaranteedIops, inParameters } from '../domain/qos.ts'
import { inWords, sizeOn } from '../domain/size.ts'
import type { HostFacts, PlacementRequest, PoolFacts } from './facts.ts'
import { chooseTier } from './qos-tier.ts'

/** Filters in the order in which they are shown. Each pool gets a verdict on every one of them. */
export const FILTERS = [
  'state',
  'source',
  'reach',
  'protocol',
  'tags',
  'capability',
  'qos',
  'size',
  'slots',
  'bytes',
  'iops',
] as const
/** A name in `FILTERS`. */
export type FilterName = (typeof FILTERS)[number]

/** What one filter says of one pool, with the numbers of both sides where it compares numbers. */
export interface Verdict {
  readonly filter: FilterName
  readonly passed: boolean
  /** For operators: may name pools. */
  readonly text: string
  /** For tenants: what is not there, where that is no number. Names no pool. */
  readonly lacking?: readonly string[]
  readonly needed?: number
  readonly available?: number
  readonly limit?: number
}

type Filter = (request: PlacementRequest, pool: PoolFacts) => Verdict

const state: Filter = (_request, pool) => {
  if (pool.closed) return verdict('state', false, `cannot be used by this controller: ${pool.closed.why}`)
  return verdict('state', pool.state === 'Up', pool.state === 'Up' ? 'is Up' : `is ${pool.state}, must be Up`)
}

const source: Filter = (request, pool) => {
  const passed = request.pool === undefined || request.pool === pool.id
  return verdict('source', passed, passed ? 'holds the source, or there is none' : 'does not hold the source')
}

const reach: Filter = (request, pool) => {
  if (pool.zoneId !== request.zoneId) return verdict('reach', false, 'is in another zone')
  if (!request.hosts) return verdict('reach', true, 'is in the zone')
  const near = request.hosts.filter((host) => reaches(host, pool))
  if (near.length === 0) return verdict('reach', false, `has scope ${pool.scope}, out of reach of the host`)
  const passed = near.some(({ cutOff }) => !cutOff.has(pool.id))
  return verdict('reach', passed, passed ? 'is within reach of a host' : 'the host is cut off from it')
}

const protocol: Filter = (request, pool) => {
  const within = request.hosts?.filter((host) => reaches(host, pool)) ?? []
  if (within.length === 0) return verdict('protocol', true, 'nobody to match')
  const passed = within.some((host) => speaks(host, pool))
  const accepted = [...new Set(within.flatMap(({ accepts }) => accepts))].join(', ')
  return verdict('protocol', passed, `offers ${pool.protocols.join(', ')}; the host accepts ${accepted}`)
}

const tags: Filter = (request, pool) => {
  const lacking = request.tags.filter((tag) => !pool.tags.includes(tag))
  if (lacking.length === 0) return verdict('tags', true, 'carries the tags')
  return { ...verdict('tags', false, `lacks tag ${lacking.join(', ')}, carries ${listed(pool.tags)}`), lacking }
}

const capability: Filter = (request, pool) => {
  const missing = request.needs.filter((name) => !pool.can.has(name))
  return verdict(
    'capability',
    missing.length === 0,
    missing.length === 0 ? 'can all of it' : `cannot ${missing.join(', ')}, can ${listed([...pool.can])}`,
  )
}

const qos: Filter = (request, pool) => {
  const hosts = request.hosts?.filter((host) => reaches(host, pool)) ?? []
  const choice = chooseTier(request, pool, hosts)
  if ('tier' in choice) return verdict('qos', true, `tier ${choice.tier}`)
  const refused = inParameters(choice.refused)
  return { ...verdict('qos', false, refused), lacking: [refused] }
}

const size: Filter = (request, pool) => {
  const needed = sizeOn(pool.limits, request.bytes)
  const limit = pool.limits.maxVolumeBytes
  const text = `a volume of ${inWords(needed)}; the largest there is ${inWords(limit)}`
  return { ...verdict('size', needed <= limit, text), needed, limit }
}

const slots: Filter = (_request, pool) => {
  const limit = pool.limits.maxVolumes
  if (limit === undefined) return verdict('slots', true, 'no limit')
  const available = limit - pool.volumes
  return { ...verdict('slots', available >= 1, `${pool.volumes} of ${limit} volumes`), needed: 1, available, limit }
}

const bytes: Filter = (request, pool) => {
  const needed = sizeOn(pool.limits, request.bytes)
  const limit = Math.floor(pool.capBytes * pool.bytesFactor)
  const available = Math.max(0, limit - pool.reservedBytes)
  const text = `needs ${inWords(needed)}, has ${inWords(available)} of ${inWords(limit)}`
  return { ...verdict('bytes', needed <= available, text), needed, available, limit }
}

const iops: Filter = (request, pool) => {
  const needed = chargedIops(request, pool)
  if (pool.capIops === undefined) {
    // Without a number to promise from, nothing is counted, as CloudStack does for pools without capacityiops.
    return { ...verdict('iops', true, 'counts no IOPS'), needed }
  }
  const limit = Math.floor(pool.capIops * pool.iopsFactor)
  const available = Math.max(0, limit - pool.reservedIops)
  return {
    ...verdict('iops', needed <= available, `needs ${needed} IOPS, has ${available} of ${limit}`),
    needed,
    available,
    limit,
  }
}

/** IOPS that the ledger charges to the pool: the guarantee, where the array gives it. */
export function chargedIops(request: PlacementRequest, pool: PoolFacts): number {
  const hosts = request.hosts?.filter((host) => reaches(host, pool)) ?? []
  const choice = chooseTier(request, pool, hosts)
  return 'tier' in choice && choice.tier === 'storage' ? guaranteedIops(request.qos) : 0
}

/** True when the pool's scope covers the host. */
export function reaches(host: Pick<HostFacts, 'id' | 'zoneId' | 'clusterId' | 'hypervisor'>, pool: PoolReach): boolean {
  if (pool.zoneId !== host.zoneId) return false
  if (pool.hypervisor !== null && pool.hypervisor.toLowerCase() !== host.hypervisor.toLowerCase()) return false
  if (pool.scope === 'ZONE') return true
  return pool.scope === 'CLUSTER' ? pool.clusterId === host.clusterId : pool.hostId === host.id
}

/** What of a pool decides who reaches it. */
export type PoolReach = Pick<PoolFacts, 'zoneId' | 'scope' | 'clusterId' | 'hostId' | 'hypervisor'>

/** True when host and pool have a protocol in common. */
export function speaks(host: Pick<HostFacts, 'accepts'>, pool: Pick<PoolFacts, 'protocols'>): boolean {
  return pool.protocols.some((name) => host.accepts.includes(name))
}

function verdict(filter: FilterName, passed: boolean, text: string): Verdict {
  return { filter, passed, text }
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

const RUN: Readonly<Record<FilterName, Filter>> = {
  state,
  source,
  reach,
  protocol,
  tags,
  capability,
  qos,
  size,
  slots,
  bytes,
  iops,
}

/** The verdict of every filter on one pool, in the order of `FILTERS`. */
export function verdictsOn(request: PlacementRequest, pool: PoolFacts): readonly Verdict[] {
  return FILTERS.map((name) => RUN[name](request, pool))
}
