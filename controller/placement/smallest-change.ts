import type { Qos } from '@moorage/contract'
import { GIB, inWords } from '../domain/size.ts'
import type { PlacementRequest, PoolFacts } from './facts.ts'
import { type FilterName, judge, type Verdict } from './filters.ts'
import type { Judged } from './place.ts'

/** What to ask for instead so that it fits; of each, absent: as asked. Bytes, IOPS. */
export interface Change {
  readonly bytes?: number
  readonly minIops?: number
  readonly maxIops?: number
  /** Tags that the offering would have to do without. */
  readonly withoutTags?: readonly string[]
  /** True: no QoS at all. */
  readonly withoutQos?: true
  /** In words for tenants, as a sentence without its full stop. */
  readonly text: string
}

/** The request with the change applied. */
export function applied(request: PlacementRequest, change: Omit<Change, 'text'>): PlacementRequest {
  const { bytes, minIops, maxIops, withoutTags = [], withoutQos } = change
  return {
    ...request,
    ...(bytes === undefined ? {} : { bytes }),
    ...(minIops === undefined ? {} : { qos: withMinimum(request.qos, minIops) }),
    ...(maxIops === undefined ? {} : { qos: withMaximum(request.qos, maxIops) }),
    ...(withoutQos ? { qos: {}, wantedTier: 'none' as const } : {}),
    tags: request.tags.filter((tag) => !withoutTags.includes(tag)),
  }
}

/**
 * The smallest change of a refused request with which it fits; `undefined` where no change of size, minimum, tags or QoS
 * alone would do. What it answers has been tried: `place` accepts the changed request with the same facts. Of several, the
 * one that gives up the smallest share of what was asked; tags before all of the QoS.
 */
export function smallestChange(
  request: PlacementRequest,
  pools: readonly PoolFacts[],
  judged: readonly Judged[],
): Change | undefined {
  const byId = new Map(pools.map((pool) => [pool.id, pool]))
  const offers = judged.flatMap((one) => {
    const pool = byId.get(one.pool)
    return pool ? offersOf(request, pool, one).map((offer) => ({ ...offer, pool })) : []
  })
  const sorted = offers.toSorted((one, other) => other.kept - one.kept)
  // A pool that takes it alone takes it among all.
  return sorted.find(({ change, pool }) => judge(applied(request, change), pool).fits)?.change
}

/** A change that might do. `kept`: how much of what was asked is left, 1 for all. */
interface Offer {
  readonly change: Change
  readonly kept: number
}

/** That some quantity is less is better than to do without tags, which is better than to do without QoS. */
const WITHOUT_TAGS = -1
const WITHOUT_QOS = -2

function offersOf(request: PlacementRequest, pool: PoolFacts, judged: Judged): readonly Offer[] {
  const failed = judged.verdicts().filter(({ passed }) => !passed)
  const only = (...filters: readonly FilterName[]) => failed.every(({ filter }) => filters.includes(filter))
  if (only('size', 'bytes', 'iops')) {
    const offer = less(request, pool, failed)
    return offer ? [offer] : []
  }
  const host = failed.find(({ filter }) => filter === 'host')
  const most = request.qos.totalIops?.max
  if (only('host') && host?.unit === 'IOPS' && most !== undefined) {
    const maxIops = host.available ?? 0
    if (maxIops < 1) return []
    return [{ change: { maxIops, text: `A maximum of ${maxIops} IOPS would fit` }, kept: maxIops / most }]
  }
  const lacking = failed.find(({ filter }) => filter === 'tags')?.lacking ?? []
  if (only('tags')) {
    const text = `A disk offering without the tag${lacking.length > 1 ? 's' : ''} ${lacking.join(', ')} would fit`
    return [{ change: { withoutTags: lacking, text }, kept: WITHOUT_TAGS - lacking.length / (lacking.length + 1) }]
  }
  if (!only('qos')) return []
  return [{ change: { withoutQos: true, text: 'A disk offering without QoS would fit' }, kept: WITHOUT_QOS }]
}

/** Fewer bytes, a lower minimum, or both. */
function less(request: PlacementRequest, pool: PoolFacts, failed: readonly Verdict[]): Offer | undefined {
  const changes: { bytes?: number; minIops?: number } = {}
  const texts: string[] = []
  let kept = 1
  const room = failed.flatMap(({ filter, available, limit }) =>
    filter === 'bytes' ? [available ?? 0] : filter === 'size' ? [limit ?? 0] : [],
  )
  if (room.length > 0) {
    const bytes = wholeSize(Math.min(...room, pool.limits.maxVolumeBytes), pool)
    if (bytes === undefined || bytes < (request.leastBytes ?? 0)) return undefined
    changes.bytes = bytes
    texts.push(`a size of ${inWords(bytes)}`)
    kept = bytes / request.bytes
  }
  const iops = failed.find(({ filter }) => filter === 'iops')?.available
  if (iops !== undefined) {
    const asked = request.qos.totalIops?.min
    if (asked === undefined || iops < 1) return undefined
    changes.minIops = iops
    texts.push(`a minimum of ${iops} IOPS`)
    kept = Math.min(kept, iops / asked)
  }
  const text = texts.join(' with ')
  return { change: { ...changes, text: `${text.charAt(0).toUpperCase()}${text.slice(1)} would fit` }, kept }
}

/** The largest size that can be asked for, whole GiB, and that the array rounds to no more than `room`. */
function wholeSize(room: number, pool: PoolFacts): number | undefined {
  const { granularityBytes, minVolumeBytes } = pool.limits
  const onArray = room - (room % granularityBytes)
  const bytes = onArray - (onArray % GIB)
  return bytes >= GIB && onArray >= minVolumeBytes ? bytes : undefined
}

/** A maximum below the new minimum cannot be, so that it never is: the minimum only falls. */
function withMinimum(qos: Qos, min: number): Qos {
  return { ...qos, totalIops: { ...qos.totalIops, min } }
}

/** A burst above the maximum stays. */
function withMaximum(qos: Qos, max: number): Qos {
  return { ...qos, totalIops: { ...qos.totalIops, max } }
}
