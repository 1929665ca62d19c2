import { inParameters, type Tier } from '../domain/qos.ts'
import { inWords, sizeOn } from '../domain/size.ts'
import { hostCharge, isBounded, poolIops } from './charges.ts'
import type { HostFacts, PlacementRequest, PoolFacts, PoolTerm, TermScope } from './facts.ts'
import { hostRoom } from './host-room.ts'
import { chooseTier, type TierChoice } from './qos-tier.ts'

/** Filters in the order in which they are shown. Each pool gets a verdict on every one of them. */
export const FILTERS = [
  'state',
  'source',
  'reach',
  'protocol',
  'tags',
  'capability',
  'filling',
  'qos',
  'bounds',
  'host',
  'size',
  'slots',
  'usage',
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
  /** Of `needed`, `available`, `limit` and `cap`; absent: a count. */
  readonly unit?: 'bytes' | 'IOPS' | 'bytes per second'
  readonly needed?: number
  readonly available?: number
  /** What `available` is what is left of: cap x factor, down to the threshold. */
  readonly limit?: number
  readonly cap?: number
  readonly factor?: Term
  readonly threshold?: Term
}

/** A term of the ledger, and where it was set; `usual`: nowhere. */
export interface Term {
  readonly value: number
  readonly scope: TermScope | 'usual'
}

/** A request and a pool, with what several filters ask of both. */
interface Look {
  readonly request: PlacementRequest
  readonly pool: PoolFacts
  /** Hosts within its scope; absent: nobody reads the volume yet. */
  readonly near: readonly HostFacts[] | undefined
  readonly choice: TierChoice
}

/** A verdict whose words are made only when they are shown: most never are. */
type Finding = Omit<Verdict, 'filter' | 'text'> & { readonly text: string | (() => string) }

type Filter = (look: Look) => Finding

const state: Filter = ({ pool }) => {
  const { closed } = pool
  if (closed) return verdict(false, () => `cannot be used by this controller: ${closed.why}`)
  return pool.state === 'Up' ? verdict(true, 'is Up') : verdict(false, () => `is ${pool.state}, must be Up`)
}

const source: Filter = ({ request, pool }) => {
  const passed = request.pool === undefined || request.pool === pool.id
  return verdict(passed, passed ? 'holds the source, or there is none' : 'does not hold the source')
}

const reach: Filter = ({ request, pool, near }) => {
  if (pool.zoneId !== request.zoneId) return verdict(false, 'is in another zone')
  if (!near) return verdict(true, 'is in the zone')
  if (near.length === 0) return verdict(false, () => `has scope ${pool.scope}, out of reach of the host`)
  const passed = near.some(({ cutOff }) => !cutOff.has(pool.id))
  return verdict(passed, passed ? 'is within reach of a host' : 'the host is cut off from it')
}

const protocol: Filter = ({ pool, near = [] }) => {
  if (near.length === 0) return verdict(true, 'nobody to match')
  const accepted = () => [...new Set(near.flatMap(({ accepts }) => accepts))].join(', ')
  return verdict(
    near.some((host) => speaks(host, pool)),
    () => `offers ${pool.protocols.join(', ')}; the host accepts ${accepted()}`,
  )
}

const tags: Filter = ({ request, pool }) => {
  const lacking = request.tags.filter((tag) => !pool.tags.includes(tag))
  if (lacking.length === 0) return verdict(true, 'carries the tags')
  return { ...verdict(false, () => `lacks tag ${lacking.join(', ')}, carries ${listed(pool.tags)}`), lacking }
}

const capability: Filter = ({ request, pool }) => {
  const missing = request.needs.filter((name) => !pool.can.has(name))
  if (missing.length === 0) return verdict(true, 'can all of it')
  return {
    ...verdict(false, () => `cannot ${missing.join(', ')}, can ${listed([...pool.can])}`),
    lacking: missing,
  }
}

const filling: Filter = ({ request, pool }) => {
  if (!request.filling) return verdict(true, 'nobody has to fill it')
  const { movers, seeds } = request.filling
  if (seeds.has(pool.id)) return verdict(true, 'holds a seed of the template')
  const passed = movers.some((accepted) => pool.protocols.some((name) => accepted.includes(name)))
  const accepted = () => listed([...new Set(movers.flat())])
  return verdict(
    passed,
    () => `offers ${pool.protocols.join(', ')}; the movers that get to the archive accept ${accepted()}`,
  )
}

const qos: Filter = ({ choice }) => {
  if ('tier' in choice) return verdict(true, () => `tier ${choice.tier}`)
  const refused = inParameters(choice.refused)
  return { ...verdict(false, refused), lacking: [refused] }
}

const size: Filter = ({ request, pool }) => {
  const needed = sizeOn(pool.limits, request.bytes)
  const limit = pool.limits.maxVolumeBytes
  const text = () => `a volume of ${inWords(needed)}; the largest there is ${inWords(limit)}`
  return { ...verdict(needed <= limit, text), unit: 'bytes', needed, limit }
}

const bounds: Filter = ({ request, pool }) => {
  const passed = !pool.boundedOnly || isBounded(request.qos)
  return verdict(passed, passed ? 'may be as fast as it is' : 'takes only volumes with a maximum')
}

const host: Filter = ({ request, choice, near = [] }) => {
  if (!('tier' in choice) || choice.tier !== 'hypervisor' || near.length === 0)
    return verdict(true, 'no host is to throttle it')
  const rooms = near.map((one) => hostRoom(one.ledger, hostCharge(request.qos)))
  const best = rooms.find(({ passed }) => passed) ?? rooms[0]
  return { ...verdict(best?.passed ?? true, best?.text ?? 'no limit'), ...best?.numbers }
}

const slots: Filter = ({ pool }) => {
  const { maxVolumes } = pool.limits
  if (maxVolumes === undefined && pool.capVolumes === undefined) return verdict(true, 'no limit')
  const ofArray = maxVolumes === undefined ? Infinity : maxVolumes - pool.foreignVolumes - pool.volumes
  const ours = pool.capVolumes === undefined ? Infinity : pool.capVolumes - pool.volumes
  const available = Math.max(0, Math.min(ofArray, ours))
  const limit = Math.min(maxVolumes ?? Infinity, pool.capVolumes ?? Infinity)
  const others = () => (pool.foreignVolumes === 0 ? '' : ` and ${pool.foreignVolumes} of others`)
  const text = () => `${pool.volumes} volumes${others()} of ${limit}`
  return { ...verdict(available >= 1, text), needed: 1, available, limit }
}

const usage: Filter = ({ pool }) => {
  const { usedThreshold: threshold, usedBytes, totalBytes } = pool
  // At 1 it says nothing: arrays that promise more than they have tell when they are full.
  const passed = threshold >= 1 || usedBytes < totalBytes * threshold
  const text = () => `${inWords(usedBytes)} of ${inWords(totalBytes)} are written, threshold ${threshold}`
  return {
    ...verdict(passed, text),
    unit: 'bytes',
    needed: usedBytes,
    limit: totalBytes,
    threshold: term(pool, 'usedThreshold'),
  }
}

const bytes: Filter = ({ request, pool }) => bytesFinding(pool, sizeOn(pool.limits, request.bytes))

function bytesFinding(pool: PoolFacts, needed: number): Finding {
  const limit = bytesLimit(pool)
  const available = Math.max(0, limit - pool.reservedBytes - pool.foreignBytes)
  const text = () => `needs ${inWords(needed)}, has ${inWords(available)} of ${inWords(limit)}`
  return {
    ...verdict(needed <= available, text),
    unit: 'bytes',
    needed,
    available,
    limit,
    cap: pool.capBytes,
    factor: term(pool, 'bytesFactor'),
    threshold: term(pool, 'allocatedThreshold'),
  }
}

const iops: Filter = (look) => iopsFinding(look.pool, chargedIops(look))

function iopsFinding(pool: PoolFacts, needed: number): Finding {
  const limit = iopsLimit(pool)
  // Without a number to promise from, nothing is counted, as CloudStack does for pools without capacityiops.
  if (limit === undefined) return { ...verdict(true, 'counts no IOPS'), unit: 'IOPS', needed }
  const available = Math.max(0, limit - pool.reservedIops - pool.foreignIops)
  return {
    ...verdict(needed <= available || needed === 0, () => `needs ${needed} IOPS, has ${available} of ${limit}`),
    unit: 'IOPS',
    needed,
    available,
    limit,
    ...(pool.capIops === undefined ? {} : { cap: pool.capIops }),
    factor: term(pool, 'iopsFactor'),
  }
}

/** What `bytes` and `iops` say of a volume that lives in the pool, and grows there: its thresholds are for new ones. */
export function grownVerdicts(
  pool: PoolFacts,
  held: { readonly bytes: number; readonly iops: number },
  wanted: { readonly bytes: number; readonly iops: number },
): readonly Verdict[] {
  const alone = {
    ...pool,
    reservedBytes: pool.reservedBytes - held.bytes,
    reservedIops: pool.reservedIops - held.iops,
    allocatedThreshold: 1,
  }
  return [
    wanted.bytes > held.bytes ? worded('bytes', bytesFinding(alone, wanted.bytes)) : undefined,
    wanted.iops > held.iops ? worded('iops', iopsFinding(alone, wanted.iops)) : undefined,
  ].filter((found) => found !== undefined)
}

/** Bytes that may be promised to new volumes: cap x factor, down to the threshold. As the ledger's conditional update counts. */
export function bytesLimit(pool: Pick<PoolFacts, 'capBytes' | 'bytesFactor' | 'allocatedThreshold'>): number {
  return Math.floor(pool.capBytes * pool.bytesFactor * pool.allocatedThreshold)
}

/** IOPS that may be promised; `undefined`: the pool counts none. As the ledger's conditional update counts. */
export function iopsLimit(pool: Pick<PoolFacts, 'capIops' | 'iopsFactor'>): number | undefined {
  return pool.capIops === undefined ? undefined : Math.floor(pool.capIops * pool.iopsFactor)
}

function term(pool: PoolFacts, name: Exclude<PoolTerm, 'floorIops' | 'boundedOnly'>): Term {
  return { value: pool[name], scope: pool.termsFrom[name] ?? 'usual' }
}

/** IOPS that the ledger charges to the pool for what is asked. */
function chargedIops({ choice, request, pool }: Look): number {
  return poolIops('tier' in choice ? choice.tier : 'none', request.qos, pool.floorIops)
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

function verdict(passed: boolean, text: Finding['text']): Finding {
  return { passed, text }
}

function worded(filter: FilterName, { text, ...finding }: Finding): Verdict {
  return { filter, ...finding, text: typeof text === 'string' ? text : text() }
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
  filling,
  qos,
  bounds,
  host,
  size,
  slots,
  usage,
  bytes,
  iops,
}

/** What the filters make of a pool. What is not asked for is not worked out. */
export interface Judgement {
  /** Whether every filter passes. */
  readonly fits: boolean
  /** Who enforces the QoS there; none where nobody can. */
  readonly tier: Tier
  /** What the ledger charges to the pool. */
  readonly iops: number
  /** The verdict of every filter, in the order of `FILTERS`. */
  verdicts(): readonly Verdict[]
}

/** Judges one pool. Pure. */
export function judge(request: PlacementRequest, pool: PoolFacts): Judgement {
  const near = request.hosts?.filter((one) => reaches(one, pool))
  const choice = chooseTier(request, pool, near ?? [])
  const look: Look = { request, pool, near, choice }
  let verdicts: readonly Verdict[] | undefined
  return {
    fits: FILTERS.every((name) => RUN[name](look).passed),
    tier: 'tier' in choice ? choice.tier : 'none',
    iops: chargedIops(look),
    verdicts: () => (verdicts ??= FILTERS.map((name) => worded(name, RUN[name](look)))),
  }
}
