import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expired, kept, type Retention } from './retention.ts'

const DAY_MS = 24 * 3_600_000
const NONE: Retention = { newest: 0, days: 0, weeks: 0, months: 0, years: 0 }

const count = fc.integer({ min: 0, max: 12 })
const retention = fc.record({ newest: count, days: count, weeks: count, months: count, years: count })
const points = fc
  .uniqueArray(fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2030, 0, 1) }), { maxLength: 60 })
  .map((times) => times.map((at) => ({ id: String(at), at })))
const daily = Array.from({ length: 800 }, (_, day) => ({ id: String(day), at: Date.UTC(2024, 0, 1, 3) + day * DAY_MS }))

test('every point is kept or expired, the newest ones are kept, and no more than the sum is', () => {
  fc.assert(
    fc.property(points, retention, (all, wanted) => {
      const stays = kept(all, wanted, 'Europe/Berlin').map(({ point }) => point.id)
      const goes = expired(all, wanted, 'Europe/Berlin').map(({ id }) => id)
      expect([...stays, ...goes].toSorted()).toEqual(all.map(({ id }) => id).toSorted())
      const newest = all.toSorted((a, b) => b.at - a.at).slice(0, wanted.newest)
      expect(newest.every(({ id }) => stays.includes(id))).toBe(true)
      expect(stays.length).toBeLessThanOrEqual(Object.values(wanted).reduce((sum, n) => sum + n, 0))
    }),
  )
})

test('what expired once does not come back, and what is left stays when it is looked at again', () => {
  fc.assert(
    fc.property(points, retention, (all, wanted) => {
      const left = kept(all, wanted, 'UTC').map(({ point }) => point)
      expect(expired(left, wanted, 'UTC')).toEqual([])
    }),
  )
})

test('what is left does not depend on whether one looked after each point or once at the end', () => {
  fc.assert(
    fc.property(points, retention, (all, wanted) => {
      let left: typeof all = []
      for (const point of all.toSorted((a, b) => a.at - b.at)) {
        left = kept([...left, point], wanted, 'Europe/Berlin').map((each) => each.point)
      }
      const once = kept(all, wanted, 'Europe/Berlin').map(({ point }) => point.id)
      expect(left.map(({ id }) => id)).toEqual(once)
    }),
  )
})

test('of days, weeks, months and years the newest point each is kept, with all its reasons', () => {
  const wanted = { ...NONE, newest: 2, days: 3, weeks: 2, months: 3, years: 2 }
  const dates = kept(daily, wanted, 'UTC').map(({ point, reasons }) => [
    new Date(point.at).toISOString().slice(0, 10),
    reasons.join(' '),
  ])
  expect(dates).toEqual([
    ['2026-03-10', 'newest days weeks months years'],
    ['2026-03-09', 'newest days'],
    ['2026-03-08', 'days weeks'],
    ['2026-02-28', 'months'],
    ['2026-01-31', 'months'],
    ['2025-12-31', 'years'],
  ])
})

test('a day is one of the zone', () => {
  const evening = { id: 'evening', at: Date.UTC(2026, 5, 1, 21) }
  const night = { id: 'night', at: Date.UTC(2026, 5, 1, 23) }
  const days = { ...NONE, days: 5 }
  expect(kept([evening, night], days, 'UTC').map(({ point }) => point.id)).toEqual(['night'])
  expect(kept([evening, night], days, 'Europe/Berlin').map(({ point }) => point.id)).toEqual(['night', 'evening'])
})
