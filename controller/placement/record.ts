import type { PlacementRequest, PoolFacts } from './facts.ts'
import type { Verdict } from './filters.ts'
import { explain } from './explain.ts'
import { type Candidate, type Placement, place } from './place.ts'
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
  if (placement.placed) {
    const text = 'There is room for the volume'
    return { placed: true, text, pools: toldPools(placement, placement.candidates[0].pool) }
  }
  const { tenant, change } = explain(request, pools, placement.judged)
  return { placed: false, text: tenant, ...(change ? { change } : {}), pools: toldPools(placement, undefined) }
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
  const pools = toldPools(placement, chosen).map((one) =>
    one.chosen ? one : { ...one, verdicts: one.verdicts.filter(({ passed }) => !passed) },
  )
  return { volume, placed: chosen !== undefined, text, ...(change ? { change } : {}), pools } satisfies Told & {
    readonly volume: string
  }
}

function toldPools(placement: Placement, chosen: string | undefined): readonly ToldPool[] {
  const candidates = placement.placed ? placement.candidates : []
  return placement.judged.map(({ pool, name, verdicts }) => {
    const candidate = candidates.find((one) => one.pool === pool)
    return { pool, name, chosen: pool === chosen, verdicts, ...(candidate ? { candidate } : {}) }
  })
}
