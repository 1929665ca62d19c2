import { instantOf, plusDays, wallOf, type WallTime, weekdayOf } from './wall-time.ts'

/** How often a schedule comes round, by CloudStack's names. */
export type Interval = 'HOURLY' | 'DAILY' | 'WEEKLY' | 'MONTHLY'

/** When something is due. `weekday`: 0 is Sunday. */
export type Schedule =
  | { readonly interval: 'HOURLY'; readonly minute: number }
  | { readonly interval: 'DAILY'; readonly minute: number; readonly hour: number }
  | { readonly interval: 'WEEKLY'; readonly minute: number; readonly hour: number; readonly weekday: number }
  | { readonly interval: 'MONTHLY'; readonly minute: number; readonly hour: number; readonly day: number }

/** How CloudStack writes the schedule of each interval. */
export const SCHEDULE_FORMATS: Readonly<Record<Interval, string>> = {
  HOURLY: 'MM',
  DAILY: 'MM:HH',
  WEEKLY: 'MM:HH:DD, DD from 1 (Sunday) to 7',
  MONTHLY: 'MM:HH:DD, DD from 1 to 28',
}

/** Reads a schedule as CloudStack writes it (`SCHEDULE_FORMATS`); `undefined` when it is none. */
export function parseSchedule(interval: Interval, text: string): Schedule | undefined {
  const parts = text.split(':')
  const wanted = SCHEDULE_FORMATS[interval].split(',')[0]?.split(':').length
  if (parts.length !== wanted || !parts.every((part) => /^\d{1,2}$/.test(part))) return undefined
  const [minute = 0, hour = 0, day = 1] = parts.map(Number)
  if (minute > 59 || hour > 23) return undefined
  if (interval === 'HOURLY') return { interval, minute }
  if (interval === 'DAILY') return { interval, minute, hour }
  if (interval === 'WEEKLY') return day >= 1 && day <= 7 ? { interval, minute, hour, weekday: day - 1 } : undefined
  return day >= 1 && day <= 28 ? { interval, minute, hour, day } : undefined
}

const MINUTE_MS = 60_000

/** No offset between zones changes by more: how far the next full hour of a zone can be away. */
const MOST_MINUTES = 26 * 60

/** Days among which each schedule has at least two. */
const MOST_DAYS = 63

/**
 * The first instant behind `after`, in epoch milliseconds, at which the schedule is due by clocks of the zone. What falls
 * into an hour that clocks leave out is due after it, and what they show twice is due once; an hourly schedule follows the
 * hours that pass.
 */
export function nextDue(schedule: Schedule, zone: string, after: number): number {
  if (schedule.interval === 'HOURLY') return nextHourly(schedule.minute, zone, after)
  const start = wallOf(after, zone)
  for (let days = -1; days <= MOST_DAYS; days++) {
    const date = plusDays({ ...start, hour: schedule.hour, minute: schedule.minute }, days)
    if (!isOn(schedule, date)) continue
    const due = instantOf(date, zone)
    if (due > after) return due
  }
  throw new Error(`no ${schedule.interval} schedule is so rare`)
}

function nextHourly(minute: number, zone: string, after: number): number {
  const first = Math.floor(after / MINUTE_MS) + 1
  // An hour of a clock that was not put forward or back meanwhile.
  const usual = (first + ((minute - wallOf(first * MINUTE_MS, zone).minute + 60) % 60)) * MINUTE_MS
  if (isEven(zone, { from: first * MINUTE_MS, to: usual })) return usual
  for (let at = first; at < first + MOST_MINUTES; at++) {
    if (wallOf(at * MINUTE_MS, zone).minute === minute) return at * MINUTE_MS
  }
  throw new Error(`clocks in ${zone} never show minute ${minute}`)
}

/** Whether a clock in the zone went on evenly between two instants that are less than an hour apart. */
function isEven(zone: string, { from, to }: { readonly from: number; readonly to: number }): boolean {
  const [one, other] = [wallOf(from, zone), wallOf(to, zone)]
  return (other.hour * 60 + other.minute - one.hour * 60 - one.minute + 1440) % 1440 === (to - from) / MINUTE_MS
}

function isOn(schedule: Exclude<Schedule, { readonly interval: 'HOURLY' }>, date: WallTime): boolean {
  if (schedule.interval === 'WEEKLY') return weekdayOf(date) === schedule.weekday
  return schedule.interval === 'DAILY' || date.day === schedule.day
}

/** What is due at `now` of a schedule that was last due at `due` or will be: how many times it was missed, and when it is next. */
export function settle(
  schedule: Schedule,
  zone: string,
  at: { readonly due: number; readonly now: number },
): { readonly isDue: boolean; readonly next: number } {
  if (at.due > at.now) return { isDue: false, next: at.due }
  // However many were missed, one makes up for them.
  return { isDue: true, next: nextDue(schedule, zone, at.now) }
}
