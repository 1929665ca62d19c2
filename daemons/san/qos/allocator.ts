/** A volume that competes for the pool's operations per second. Rates are in operations of the volume's own I/O size. */
export interface Contender {
  readonly id: string
  /** Guaranteed; 0 without a guarantee. */
  readonly min: number
  /** The most its own QoS allows; `Infinity` without a limit. */
  readonly ceiling: number
  /** What it did lately. */
  readonly rate: number
  /** The cap it was under meanwhile; `Infinity` without one. */
  readonly cap: number
}

/** A volume that uses this much of what it may is taken to want more. */
const SATURATED = 0.85
/** Room for a volume that is not at its limit to speed up until the next round. */
const HEADROOM = 1.25
/** What every volume may do whatever others want, so that an idle one can show that it wants more. */
const IDLE = 50
/** Weight of a volume without a guarantee, as a share of the pool: it may not starve others, nor be starved. */
const UNGUARANTEED_SHARE = 0.01

/**
 * Shares out `capacity` operations per second: the caps for the next round by id, `Infinity` for none.
 *
 * Nobody is capped while demand fits, or while nobody has a guarantee. Else everyone gets what it wants up to its `min`,
 * and what is left goes to those who want more, in proportion to their `min` (or a small weight without one), never above
 * their ceiling. A cap is never below `min` or a small floor, even of a volume that asks for nothing now: it must find its
 * guarantee at once when it wakes up, and the others make room in the round after. Guarantees hold as long as their sum
 * does not exceed `capacity`, and as long as the machine can do `capacity`.
 */
export function allocate(capacity: number, contenders: readonly Contender[]): ReadonlyMap<string, number> {
  const demands = new Map(contenders.map((each) => [each.id, demandOf(each)]))
  const demand = (each: Contender) => demands.get(each.id) ?? 0
  const total = contenders.reduce((sum, each) => sum + demand(each), 0)
  if (total <= capacity || contenders.every(({ min }) => min === 0)) {
    return new Map(contenders.map(({ id }) => [id, Infinity]))
  }
  const grants = new Map(contenders.map((each) => [each.id, Math.min(each.min, demand(each))]))
  const granted = (each: Contender) => grants.get(each.id) ?? 0
  let spare = capacity - contenders.reduce((sum, each) => sum + granted(each), 0)
  let hungry = contenders.filter((each) => granted(each) < demand(each))
  // Each turn satisfies at least one contender or shares out everything, so there are at most as many turns.
  while (spare > 1e-6 && hungry.length > 0) {
    const weights = hungry.reduce((sum, each) => sum + weightOf(each, capacity), 0)
    let used = 0
    for (const each of hungry) {
      const share = Math.min((spare * weightOf(each, capacity)) / weights, demand(each) - granted(each))
      grants.set(each.id, granted(each) + share)
      used += share
    }
    spare -= used
    hungry = hungry.filter((each) => demand(each) - granted(each) > 1e-6)
  }
  return new Map(contenders.map((each) => [each.id, capOf(each, granted(each))]))
}

function demandOf({ ceiling, rate, cap }: Contender): number {
  const limit = Math.min(cap, ceiling)
  return rate >= SATURATED * limit ? ceiling : Math.min(ceiling, HEADROOM * rate)
}

function weightOf({ min }: Contender, capacity: number): number {
  return Math.max(min, UNGUARANTEED_SHARE * capacity)
}

function capOf({ min, ceiling }: Contender, grant: number): number {
  const cap = Math.max(grant, min, IDLE)
  return cap >= ceiling ? Infinity : cap
}
