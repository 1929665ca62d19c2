import { wallOf, type WallTime } from './wall-time.ts'

/**
 * What a policy keeps: the `newest`, and besides, of each of the last so many days, weeks, months and years in which there
 * is one, the newest one (grandfather, father, son).
 */
export interface Retention {
  readonly newest: number
  readonly days: number
  readonly weeks: number
  readonly months: number
  readonly years: number
}

/** A point in time that is kept or not. `at`: epoch milliseconds. */
export interface Point {
  readonly id: string
  readonly at: number
}

/** Points that the retention keeps, with every reason, the newest first. Dates are those of clocks in the zone. */
export function kept<Kept extends Point>(
  points: readonly Kept[],
  retention: Retention,
  zone: string,
): readonly { readonly point: Kept; readonly reasons: readonly Reason[] }[] {
  const ordered = points.toSorted((one, other) => other.at - one.at)
  const reasons = new Map<Kept, Reason[]>(ordered.map((point) => [point, []]))
  for (const point of ordered.slice(0, retention.newest)) reasons.get(point)?.push('newest')
  for (const reason of PERIODS) {
    const seen = new Set<string>()
    for (const point of ordered) {
      const period = PERIOD_OF[reason](wallOf(point.at, zone))
      if (seen.has(period)) continue
      if (seen.size === retention[reason]) break
      seen.add(period)
      reasons.get(point)?.push(reason)
    }
  }
  return [...reasons].filter(([, why]) => why.length > 0).map(([point, why]) => ({ point, reasons: why }))
}

/** Points that the retention does not keep, the oldest first. */
export function expired<Kept extends Point>(
  points: readonly Kept[],
  retention: Retention,
  zone: string,
): readonly Kept[] {
  const stays = new Set(kept(points, retention, zone).map(({ point }) => point))
  return points.filter((point) => !stays.has(point)).toSorted((one, other) => one.at - other.at)
}

const PERIODS = ['days', 'weeks', 'months', 'years'] as const

/** Why a point is kept. */
export type Reason = 'newest' | (typeof PERIODS)[number]

const PERIOD_OF: Readonly<Record<(typeof PERIODS)[number], (wall: WallTime) => string>> = {
  days: ({ year, month, day }) => `${year}-${month}-${day}`,
  weeks: weekOf,
  months: ({ year, month }) => `${year}-${month}`,
  years: ({ year }) => `${year}`,
}

const DAY_MS = 24 * 3_600_000

/** Weeks begin on Monday, as in ISO 8601; 1 January 1970 was a Thursday. */
function weekOf({ year, month, day }: WallTime): string {
  const days = Math.floor(Date.UTC(year, month - 1, day) / DAY_MS)
  return String(Math.floor((days + 3) / 7))
}
