import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HeldPoint, kept, type Kept, type Retention, settlePoints, type Settling } from './retention.ts'

const ZONE = 'Europe/Berlin'

const count = fc.integer({ min: 0, max: 6 })
const retention: fc.Arbitrary<Retention> = fc.record({
  newest: fc.integer({ min: 1, max: 6 }),
  days: count,
  weeks: count,
  months: count,
  years: count,
})
const wanted = retention.chain((each) =>
  fc.record({
    location: fc.constant('SECONDARY' as const),
    retention: fc.constant(each),
    onArray: fc.integer({ min: 0, max: each.newest }),
  }),
)

/** Points of one volume: each on its array, archived, or both; one at most has a copy there as a base. */
const points: fc.Arbitrary<readonly HeldPoint[]> = fc
  .uniqueArray(fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2026, 0, 1) }), { maxLength: 40 })
  .chain((times) =>
    fc.tuple(
      fc.constant(times.toSorted((one, other) => one - other)),
      fc.array(fc.constantFrom('array', 'archive', 'both'), { minLength: times.length, maxLength: times.length }),
      fc.boolean(),
    ),
  )
  .map(([times, places, only]) => {
    const newest = places.lastIndexOf('both')
    return times.map((at, index) => ({
      id: String(at),
      at,
      archived: places[index] !== 'array',
      onArray: places[index] !== 'archive',
      base: index === newest ? (only ? 'only' : 'also') : 'no',
    }))
  })

/** The points once all of it is done; archiving fails for those that `failing` names. */
function done(
  all: readonly HeldPoint[],
  { archive, withdraw, base, expire }: Settling<HeldPoint>,
  failing: (point: HeldPoint) => boolean = () => false,
): readonly HeldPoint[] {
  return all
    .filter((point) => !expire.includes(point))
    .map((point) => {
      if (archive.includes(point) && !failing(point)) return { ...point, archived: true }
      if (withdraw.includes(point)) return { ...point, onArray: false }
      return base.includes(point) ? { ...point, base: 'only' as const } : point
    })
}

const ids = (some: readonly { readonly id: string }[]) => some.map(({ id }) => id)
const goodIn = (all: readonly HeldPoint[], keep: Kept) =>
  ids(
    kept(
      all.filter(({ archived }) => archived),
      keep.retention,
      ZONE,
    ).map(({ point }) => point),
  )

test('a point is in one list at most, keeps a copy unless it expires, and only what is archived leaves its array', () => {
  fc.assert(
    fc.property(points, wanted, (all, keep) => {
      const { archive, withdraw, base, expire } = settlePoints(all, keep, ZONE)
      const named = [...archive, ...withdraw, ...base, ...expire]
      expect(new Set(named).size).toBe(named.length)
      expect([...withdraw, ...base].every(({ archived, onArray }) => archived && onArray)).toBe(true)
      expect(archive.every(({ archived, onArray }) => !archived && onArray)).toBe(true)
    }),
  )
})

test('whatever fails to be archived, nothing goes that the archive is asked to keep, and the newest points stay somewhere', () => {
  fc.assert(
    fc.property(points, wanted, fc.func(fc.boolean()), (all, keep, failing) => {
      const left = done(all, settlePoints(all, keep, ZONE), (point) => failing(point.id))
      expect(ids(left)).toEqual(expect.arrayContaining(goodIn(all, keep)))
      const newest = all.toSorted((one, other) => other.at - one.at).slice(0, keep.retention.newest)
      expect(ids(left)).toEqual(expect.arrayContaining(ids(newest)))
    }),
  )
})

test('a base is neither counted nor removed', () => {
  fc.assert(
    fc.property(points, wanted, (all, keep) => {
      const left = done(all, settlePoints(all, keep, ZONE))
      const bases = all.filter(({ base }) => base === 'only')
      expect(left).toEqual(expect.arrayContaining([...bases]))
      // What the next increment needs is on its array still.
      const needed = all.filter((point) => point.base === 'also' && ids(left).includes(point.id))
      expect(needed.every(({ id }) => left.some((point) => point.id === id && point.onArray))).toBe(true)
      const without = all.filter(({ base }) => base !== 'only')
      const count = (some: readonly HeldPoint[]) =>
        some.filter(({ archived, onArray, base }) => archived && onArray && base !== 'only').length
      // Those that were archived already; the others leave their array with the archiving, or at the next look.
      const archivedBefore = left.filter(({ id }) => all.find((point) => point.id === id)?.archived)
      expect(count(archivedBefore)).toBe(
        Math.min(keep.onArray, count(without.filter(({ id }) => ids(left).includes(id)))),
      )
    }),
  )
})

test('once all is archived nothing is left to do at the second look, and the archive holds what it is asked to', () => {
  fc.assert(
    fc.property(points, wanted, (all, keep) => {
      let left = done(all, settlePoints(all, keep, ZONE))
      left = done(left, settlePoints(left, keep, ZONE))
      expect(settlePoints(left, keep, ZONE)).toEqual({ archive: [], withdraw: [], base: [], expire: [] })
      const held = ids(left.filter(({ base }) => base !== 'only'))
      expect(goodIn(left, keep)).toEqual(expect.arrayContaining(held))
    }),
  )
})

test('on arrays alone all usable points count, wherever they are', () => {
  const point = (at: number, archived: boolean) =>
    ({ id: String(at), at, archived, onArray: !archived, base: 'no' }) as const
  const keep = { location: 'PRIMARY', retention: { newest: 2, days: 0, weeks: 0, months: 0, years: 0 } } as const
  const { expire, ...rest } = settlePoints([point(3, false), point(1, false), point(2, true)], keep, 'UTC')
  expect(ids(expire)).toEqual(['1'])
  expect(rest).toEqual({ archive: [], withdraw: [], base: [] })
})
