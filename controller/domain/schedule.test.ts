import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextDue, parseSchedule, type Schedule, settle } from './schedule.ts'
import { instantOf, isZone, wallOf } from './wall-time.ts'

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Africa/Casablanca',
] as const

const zone = fc.constantFrom(...ZONES)
const instant = fc.integer({ min: Date.UTC(2005, 0, 1), max: Date.UTC(2035, 0, 1) })
const minute = fc.integer({ min: 0, max: 59 })
const hour = fc.integer({ min: 0, max: 23 })
const schedule: fc.Arbitrary<Schedule> = fc.oneof(
  fc.record({ interval: fc.constant('HOURLY' as const), minute }),
  fc.record({ interval: fc.constant('DAILY' as const), minute, hour }),
  fc.record({ interval: fc.constant('WEEKLY' as const), minute, hour, weekday: fc.integer({ min: 0, max: 6 }) }),
  fc.record({ interval: fc.constant('MONTHLY' as const), minute, hour, day: fc.integer({ min: 1, max: 28 }) }),
)

const HOUR_MS = 3_600_000
const LONGEST_MS = {
  HOURLY: 2 * HOUR_MS,
  DAILY: 50 * HOUR_MS,
  WEEKLY: 15 * 24 * HOUR_MS,
  MONTHLY: 62 * 24 * HOUR_MS,
} as const

function dueAt(
  interval: Schedule['interval'],
  text: string,
  at: { readonly zone: string; readonly after: string },
): string {
  const parsed = parseSchedule(interval, text)
  if (!parsed) throw new Error(`${text} is no schedule`)
  return new Date(nextDue(parsed, at.zone, Date.parse(at.after))).toISOString()
}

describe('a schedule', () => {
  test('is due behind any instant, soon enough, and at the time that it names', () => {
    fc.assert(
      fc.property(schedule, zone, instant, (wanted, where, after) => {
        const due = nextDue(wanted, where, after)
        expect(due).toBeGreaterThan(after)
        expect(due - after).toBeLessThanOrEqual(LONGEST_MS[wanted.interval])
        const wall = wallOf(due, where)
        // Clocks that were put forward show another hour, and its minute where they are put by full hours.
        const shown = instantOf(wall, where) === due ? wall : undefined
        if (where === 'UTC') {
          expect(wall.minute).toBe(wanted.minute)
          if (wanted.interval !== 'HOURLY') expect(wall.hour).toBe(wanted.hour)
          if (wanted.interval === 'MONTHLY') expect(wall.day).toBe(wanted.day)
        }
        if (wanted.interval !== 'HOURLY') expect(shown).toBeDefined()
      }),
    )
  })

  test('leaves nothing out: behind any instant before it is due, it is due then', () => {
    fc.assert(
      fc.property(fc.record({ schedule, zone, instant, part: fc.double({ min: 0, max: 1, noNaN: true }) }), (drawn) => {
        const { schedule: wanted, zone: where, instant: after, part } = drawn
        const due = nextDue(wanted, where, after)
        const between = after + Math.floor((due - 1 - after) * part)
        expect(nextDue(wanted, where, between)).toBe(due)
      }),
    )
  })

  test('in an hour that clocks leave out is due after it', () => {
    const daily = { zone: 'Europe/Berlin', after: '2026-03-28T12:00:00Z' }
    expect(dueAt('DAILY', '30:02', daily)).toBe('2026-03-29T01:30:00.000Z')
    expect(dueAt('DAILY', '30:02', { ...daily, after: '2026-03-29T01:30:00Z' })).toBe('2026-03-30T00:30:00.000Z')
  })

  test('in an hour that clocks show twice is due once', () => {
    const daily = { zone: 'Europe/Berlin', after: '2026-10-24T12:00:00Z' }
    expect(dueAt('DAILY', '30:02', daily)).toBe('2026-10-25T00:30:00.000Z')
    expect(dueAt('DAILY', '30:02', { ...daily, after: '2026-10-25T00:30:00Z' })).toBe('2026-10-26T01:30:00.000Z')
  })

  test('that comes hourly follows the hours that pass, whatever clocks do', () => {
    const autumn = { zone: 'Europe/Berlin', after: '2026-10-25T00:05:00Z' }
    expect(dueAt('HOURLY', '5', autumn)).toBe('2026-10-25T01:05:00.000Z')
    expect(dueAt('HOURLY', '0', { zone: 'Asia/Kathmandu', after: '2026-01-01T00:00:00Z' })).toBe(
      '2026-01-01T00:15:00.000Z',
    )
  })

  test('of a week counts days from Sunday, and of a month from 1', () => {
    expect(dueAt('WEEKLY', '0:12:1', { zone: 'UTC', after: '2026-11-28T00:00:00Z' })).toBe('2026-11-29T12:00:00.000Z')
    expect(dueAt('MONTHLY', '0:12:28', { zone: 'UTC', after: '2026-02-28T12:00:00Z' })).toBe('2026-03-28T12:00:00.000Z')
  })

  test('on a day that an island skipped is due at the same time after it', () => {
    // Samoa went from 29 to 31 December 2011.
    const apia = { zone: 'Pacific/Apia', after: '2011-12-30T09:00:00Z' }
    expect(dueAt('DAILY', '0:12', apia)).toBe('2011-12-30T22:00:00.000Z')
  })

  test.each([
    ['HOURLY', '60'],
    ['HOURLY', '1:2'],
    ['DAILY', '0:24'],
    ['DAILY', '5'],
    ['WEEKLY', '0:0:0'],
    ['WEEKLY', '0:0:8'],
    ['MONTHLY', '0:0:29'],
    ['MONTHLY', '0:0:-1'],
    ['DAILY', 'a:b'],
    ['DAILY', ''],
  ] as const)('%s %s is none', (interval, text) => {
    expect(parseSchedule(interval, text)).toBeUndefined()
  })
})

describe('what was missed', () => {
  test('is made up for once, however long it was, and then goes on by the clock', () => {
    fc.assert(
      fc.property(
        fc.record({ schedule, zone, instant, late: fc.integer({ min: 0, max: 400 * 24 * HOUR_MS }) }),
        (drawn) => {
          const { schedule: wanted, zone: where, instant: due, late } = drawn
          const { isDue, next } = settle(wanted, where, { due, now: due + late })
          expect(isDue).toBe(true)
          expect(next).toBeGreaterThan(due + late)
        },
      ),
    )
  })

  test('is nothing before it is due', () => {
    expect(settle({ interval: 'HOURLY', minute: 0 }, 'UTC', { due: 100, now: 99 })).toEqual({ isDue: false, next: 100 })
  })
})

test('a zone is one that is known, by name or by offset', () => {
  expect(['UTC', 'Europe/Berlin', '+05:30', 'GMT'].every(isZone)).toBe(true)
  expect(['', 'Mars/Olympus', 'Europe/', '5'].some(isZone)).toBe(false)
})
