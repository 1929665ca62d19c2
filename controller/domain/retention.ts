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

/** Where a policy has its snapshots: on their array, or in an archive, and the newest `onArray` of those on the array, too. */
export type Kept =
  | { readonly location: 'PRIMARY'; readonly retention: Retention }
  | { readonly location: 'SECONDARY'; readonly retention: Retention; readonly onArray: number }

/** A point in time with the copies of it that can be used. */
export interface HeldPoint extends Point {
  readonly archived: boolean
  readonly onArray: boolean
  /**
   * Whether the next increment of its volume is told apart from its copy on the array: `only` where that copy is there for
   * nothing else, `also` where it would have to be.
   */
  readonly base: 'no' | 'also' | 'only'
}

/** What is to be done so that what a policy keeps is where it keeps it, the oldest first. A point is in one of the lists at most. */
export interface Settling<Held extends HeldPoint> {
  /** Of which a copy goes to an archive. */
  readonly archive: readonly Held[]
  /** Archived ones whose copy on the array goes. */
  readonly withdraw: readonly Held[]
  /** Archived ones whose copy on the array is there as a base only from now on. */
  readonly base: readonly Held[]
  /** Of which all copies go. */
  readonly expire: readonly Held[]
}

/**
 * What is to be done about the points of a policy. In an archive only what is archived counts, so that while archiving fails
 * nothing that is there makes room for what is not; what waits to be archived goes once it would not be kept there either. A
 * base is not counted on its array, and does not go as long as it is one.
 */
export function settlePoints<Held extends HeldPoint>(
  points: readonly Held[],
  wanted: Kept,
  zone: string,
): Settling<Held> {
  const goes = (point: Held) => point.base !== 'only'
  if (wanted.location === 'PRIMARY') {
    const expire = expired(points, wanted.retention, zone).filter(goes)
    return { archive: [], withdraw: [], base: [], expire }
  }
  const archived = points.filter((point) => point.archived)
  const waiting = points.filter((point) => !point.archived)
  const late = new Set(expired(points, wanted.retention, zone))
  const expire = [
    ...expired(archived, wanted.retention, zone).filter(goes),
    ...waiting.filter((point) => late.has(point)),
  ].toSorted(byAge)
  const going = new Set(expire)
  const local = archived.filter((point) => point.onArray && point.base !== 'only' && !going.has(point))
  const over = local.toSorted(byAge).slice(0, Math.max(0, local.length - wanted.onArray))
  return {
    archive: waiting.filter((point) => point.onArray && !going.has(point)).toSorted(byAge),
    withdraw: over.filter(({ base }) => base === 'no'),
    base: over.filter(({ base }) => base === 'also'),
    expire,
  }
}

function byAge(one: Point, other: Point): number {
  return one.at - other.at
}
