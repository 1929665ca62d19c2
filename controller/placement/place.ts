import type { Tier } from '../domain/qos.ts'
import { sizeOn } from '../domain/size.ts'
import type { PlacementRequest, PoolFacts } from './facts.ts'
import { bytesLimit, iopsLimit, judge, type Judgement } from './filters.ts'

/** A pool with what the filters make of it. */
export interface Judged extends Judgement {
  readonly pool: string
  readonly name: string
}

/** A pool in which the volume fits, with what it will be charged there. Bytes, IOPS; a higher score is better. */
export interface Candidate {
  readonly pool: string
  readonly name: string
  readonly tier: Tier
  readonly bytes: number
  readonly iops: number
  /** The least of `scores`. */
  readonly score: number
  readonly scores: Readonly<Record<Weigher, number>>
}

/** What a pool is weighed by: the share of it that is free once the volume is in; 1 where it is not counted. */
export const WEIGHERS = ['bytes', 'iops', 'slots'] as const
/** A name in `WEIGHERS`. */
export type Weigher = (typeof WEIGHERS)[number]

/** What placement answers: candidates with the best first, or none; and the reasons in both cases. */
export type Placement =
  | {
      readonly placed: true
      readonly candidates: readonly [Candidate, ...Candidate[]]
      readonly judged: readonly Judged[]
    }
  | { readonly placed: false; readonly judged: readonly Judged[] }

/**
 * Where a volume can live. Pure: the same request and facts give the same answer. A pool fits when every filter passes;
 * the best leaves most free of what is scarcest there, bytes, IOPS or slots, after the volume is in; what is equal, `spread` decides, or the id.
 */
export function place(request: PlacementRequest, pools: readonly PoolFacts[]): Placement {
  const judged = pools.map((pool) => ({ pool: pool.id, name: pool.name, ...judge(request, pool) }))
  const { spread } = request
  const [best, ...rest] = pools
    .flatMap((pool, index) => {
      const one = judged[index]
      if (!one?.fits) return []
      return [{ of: candidate(request, pool, one), turn: spread === undefined ? 0 : mixed(`${spread}/${pool.id}`) }]
    })
    .toSorted((one, other) => better(one, other, { spread: spread !== undefined }))
    .map(({ of }) => of)
  return best ? { placed: true, candidates: [best, ...rest], judged } : { placed: false, judged }
}

function candidate(request: PlacementRequest, pool: PoolFacts, { tier, iops }: Judgement): Candidate {
  const bytes = sizeOn(pool.limits, request.bytes)
  const scores = {
    bytes: share(pool.reservedBytes + pool.foreignBytes + bytes, bytesLimit(pool)),
    iops: share(pool.reservedIops + pool.foreignIops + iops, iopsLimit(pool)),
    slots: slotsShare(pool),
  }
  return {
    pool: pool.id,
    name: pool.name,
    tier,
    bytes,
    iops,
    score: Math.min(...WEIGHERS.map((name) => scores[name])),
    scores,
  }
}

interface Entry {
  readonly of: Candidate
  /** Where it comes among equals. */
  readonly turn: number
}

/** Negative when `one` is the better choice. */
function better(one: Entry, other: Entry, { spread }: { readonly spread: boolean }): number {
  const byId = one.of.pool < other.of.pool ? -1 : 1
  if (!spread) return other.of.score - one.of.score || byId
  const steps = Math.round(other.of.score * 100) - Math.round(one.of.score * 100)
  return steps || one.turn - other.turn || byId
}

/** FNV-1a, 32 bits: spreads, and hides nothing. */
function mixed(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

function slotsShare(pool: PoolFacts): number {
  const ofArray = share(pool.volumes + pool.foreignVolumes + 1, pool.limits.maxVolumes)
  return Math.min(ofArray, share(pool.volumes + 1, pool.capVolumes))
}

/** 0 to 1; 1 where `of` is not limited. */
function share(used: number, of: number | undefined): number {
  if (of === undefined) return 1
  return of <= 0 ? 0 : Math.max(0, 1 - used / of)
}
