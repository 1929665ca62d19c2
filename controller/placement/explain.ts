import { inWords } from '../domain/size.ts'
import type { PlacementRequest, PoolFacts } from './facts.ts'
import { type FilterName, FILTERS, grownVerdicts, type Verdict } from './filters.ts'
import type { Judged } from './place.ts'
import { type Change, smallestChange } from './smallest-change.ts'
import { comparison, obstacle } from './wording.ts'

/** A refusal in two wordings: `tenant` names no pool and no host, but what was needed and there is; `operator` names all. */
export interface RefusalText {
  readonly tenant: string
  readonly operator: string
  /** The smallest change that would fit, where there is one: it is in both texts. */
  readonly change?: Change
}

/** Why nothing fits: for operators pool by pool, for tenants by rule, both with the smallest change that would fit if there is one. */
export function explain(
  request: PlacementRequest,
  pools: readonly PoolFacts[],
  judged: readonly Judged[],
): RefusalText {
  const wanted = `a volume of ${inWords(request.bytes)}`
  if (judged.length === 0) {
    const none = `No storage pool for ${wanted}: the zone has none`
    return { tenant: none, operator: none }
  }
  const change = smallestChange(request, pools, judged)
  const advice = change === undefined ? '' : `. ${change.text}`
  const first = Map.groupBy(
    judged.flatMap((one) => inTheWay(failed(one.verdicts()))),
    ({ filter }) => filter,
  )
  // What stands in the way of the pools that pass most comes first.
  const rules = [...first]
    .toSorted(([one], [other]) => FILTERS.indexOf(other) - FILTERS.indexOf(one))
    .map(([filter, verdicts]) => obstacle(filter, verdicts))
  return {
    tenant: `No storage pool for ${wanted}: ${rules.join('; ')}${advice}`,
    operator: `${judged.map(onePool).join(' | ')}${advice}`,
    ...(change === undefined ? {} : { change }),
  }
}

/** What a volume holds of its pool, or is to hold. */
export interface Share {
  readonly bytes: number
  readonly iops: number
}

/** Why a volume cannot grow, or be guaranteed more, where it lives: `held` is what it has there now. */
export function explainGrowth(pool: PoolFacts, held: Share, wanted: Share): RefusalText {
  const short = failed(grownVerdicts(pool, held, wanted))
    .map(comparison)
    .join('; ')
  const tenant = `The storage pool of the volume has no room for the change: ${short}`
  return { tenant, operator: `${pool.name}: ${short}` }
}

function onePool(one: Judged): string {
  return `${one.name}: ${failed(one.verdicts())
    .map(({ filter, text }) => `${filter}: ${text}`)
    .join('; ')}`
}

const QUANTITIES: ReadonlySet<FilterName> = new Set(['host', 'size', 'slots', 'usage', 'bytes', 'iops'])

/** What a tenant is told of a pool: the first reason; where it is a quantity, all that are too small. */
function inTheWay(failed: readonly Verdict[]): readonly Verdict[] {
  const [first] = failed
  return first && QUANTITIES.has(first.filter) ? failed : failed.slice(0, 1)
}

function failed(verdicts: readonly Verdict[]): readonly Verdict[] {
  return verdicts.filter(({ passed }) => !passed)
}
