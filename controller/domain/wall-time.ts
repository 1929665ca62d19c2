/** A time as a clock on a wall shows it. `month` counts from 1. */
export interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

const formats = new Map<string, Intl.DateTimeFormat>()

/** Whether it is the name of a time zone, as IANA names them, or of an offset, as `+02:00`. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone)
    return true
  } catch {
    return false
  }
}

/** What a clock in the zone shows at an instant, in epoch milliseconds; seconds are left out. */
export function wallOf(instant: number, zone: string): WallTime {
  const parts = new Map(
    formatOf(zone)
      .formatToParts(instant)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
  return { year: part('year'), month: part('month'), day: part('day'), hour: part('hour'), minute: part('minute') }
}

/**
 * The instant at which a clock in the zone shows that time; where it does so twice, the first. A time that is left out when
 * clocks are put forward is the same time after that: 02:30 becomes 03:30.
 */
export function instantOf(wall: WallTime, zone: string): number {
  const asUtc = utc(wall)
  // No zone changes twice within two days, so that one of these offsets is in force.
  const candidates = [asUtc - DAY_MS, asUtc + DAY_MS].map((near) => asUtc - offsetAt(near, zone))
  const exact = candidates.filter((instant) => utc(wallOf(instant, zone)) === asUtc)
  if (exact.length > 0) return Math.min(...exact)
  // The offset from before the gap puts the time behind it.
  return candidates[0] ?? asUtc
}

/** The day of the week of a date, 0 being Sunday. */
export function weekdayOf({ year, month, day }: Pick<WallTime, 'year' | 'month' | 'day'>): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay()
}

/** The date that many days later. */
export function plusDays<Wall extends WallTime>(wall: Wall, days: number): WallTime {
  const moved = new Date(Date.UTC(wall.year, wall.month - 1, wall.day + days))
  return { ...wall, year: moved.getUTCFullYear(), month: moved.getUTCMonth() + 1, day: moved.getUTCDate() }
}

function offsetAt(instant: number, zone: string): number {
  return utc(wallOf(instant, zone)) - Math.floor(instant / MINUTE_MS) * MINUTE_MS
}

function utc({ year, month, day, hour, minute }: WallTime): number {
  return Date.UTC(year, month - 1, day, hour, minute)
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known) return known
  const format = new Intl.DateTimeFormat('en-u-ca-iso8601', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  formats.set(zone, format)
  return format
}
