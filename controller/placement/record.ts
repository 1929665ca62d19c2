import type { PlacementRequest, PoolFacts } from './facts.ts'
import type { Verdict } from './filters.ts'
import { explain } from './explain.ts'
import { type Candidate, type Judged, type Placement, place } from './place.ts'
import type { Change } from './smallest-change.ts'

/** A placement as it is told: to operators all of it; to tenants without pools. Plain data. */
export interface Told {
  readonly placed: boolean
  /** For tenants: why nothing fits, or that something does. */
  readonly text: string
  readonly change?: Change
  readonly pools: readonly ToldPool[]
}

/** A pool with what was said of it. `verdicts` of a pool that is told in brief: those that refuse; that a filter is absent means that it passed. */
export interface ToldPool {
  readonly pool: string
  readonly name: string
  readonly chosen: boolean
  readonly verdicts: readonly Verdict[]
  /** Of a pool in which it fits. */
  readonly candidate?: Candidate
}

/** Judges a request and tells all of it: the dry run. Pure. */
export function told(request: PlacementRequest, pools: readonly PoolFacts[]): Told {
  const placement = place(request, pools)
  const all = (one: Judged) => one.verdicts()
  if (placement.placed) {
    const text = 'There is room for the volume'
    return { placed: true, text, pools: toldPools(placement, { chosen: placement.candidates[0].pool, verdicts: all }) }
  }
  const { tenant, change } = explain(request, pools, placement.judged)
  return {
    placed: false,
    text: tenant,
    ...(change ? { change } : {}),
    pools: toldPools(placement, { chosen: undefined, verdicts: all }),
  }
}

/**
 * What stands with an operation: of the chosen pool every verdict, of the others those that refuse, so that it stays small
 * where there are many pools. `volume` is the one that was placed, or was not.
 */
export function recorded(
  volume: string,
  placement: Placement,
  how: { readonly chosen?: string; readonly text: string; readonly change?: Change },
) {
  const { chosen, text, change } = how
  const pools = toldPools(placement, {
    chosen,
    verdicts: (one) => (one.pool === chosen ? one.verdicts() : one.fits ? [] : refusing(one)),
  })
  return { volume, placed: chosen !== undefined, text, ...(change ? { change } : {}), pools } satisfies Told & {
    readonly volume: string
  }
}

function refusing(one: Judged): readonly Verdict[] {
  return one.verdicts().filter(({ passed }) => !passed)
}

function toldPools(
  placement: Placement,
  how: { readonly chosen: string | undefined; readonly verdicts: (one: Judged) => readonly Verdict[] },
): readonly ToldPool[] {
  const candidates = new Map(placement.placed ? placement.candidates.map((one) => [one.pool, one]) : [])
  return placement.judged.map((one) => {
    const { pool, name } = one
    const candidate = candidates.get(pool)
    return { pool, name, chosen: pool === how.chosen, verdicts: how.verdicts(one), ...(candidate ? { candidate } : {}) }
  })
}
