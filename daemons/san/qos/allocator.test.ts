import { array, assert, constant, double, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { allocate, type Contender } from './allocator.ts'

const CAPACITY = 1000

const contenders = array(
  record({
    min: oneof(constant(0), double({ min: 1, max: 300, noNaN: true })),
    extra: oneof(constant(Infinity), double({ min: 0, max: 5000, noNaN: true })),
    rate: double({ min: 0, max: 20_000, noNaN: true }),
    cap: oneof(constant(Infinity), double({ min: 50, max: 5000, noNaN: true })),
  }),
  { maxLength: 12 },
).map((all) => all.map(({ extra, ...rest }, index) => ({ ...rest, id: String(index), ceiling: rest.min + extra + 1 })))

/** Scales guarantees so that the pool can keep them, as the SAN makes sure before it accepts one. */
function keepable(all: readonly Contender[]): readonly Contender[] {
  const sum = all.reduce((total, { min }) => total + min, 0)
  return sum <= CAPACITY ? all : all.map((each) => ({ ...each, min: (each.min * CAPACITY) / sum }))
}

test('a cap is a number above zero, never below the guarantee', () => {
  assert(
    property(contenders.map(keepable), (all) => {
      const caps = allocate(CAPACITY, all)
      for (const { id, min } of all) expect(caps.get(id)).toBeGreaterThanOrEqual(Math.max(min, 1))
    }),
  )
})

test('without any guarantee nobody is capped', () => {
  assert(
    property(contenders, (all) => {
      const caps = allocate(
        CAPACITY,
        all.map((each) => ({ ...each, min: 0 })),
      )
      expect([...caps.values()].every((cap) => cap === Infinity)).toBe(true)
    }),
  )
})

test('what saturated volumes may do together stays within the pool, but for floors', () => {
  assert(
    property(contenders.map(keepable), (all) => {
      const saturated = all.map((each) => ({ ...each, ceiling: 100_000, rate: 100_000, cap: Infinity }))
      if (saturated.every(({ min }) => min === 0)) return
      const caps = [...allocate(CAPACITY, saturated).values()]
      const sum = caps.reduce((total, cap) => total + cap, 0)
      if (saturated.length * 100_000 > CAPACITY) expect(sum).toBeLessThanOrEqual(CAPACITY + 50 * saturated.length)
    }),
  )
})

test('a volume without a guarantee cannot push another below its own', () => {
  const caps = allocate(CAPACITY, [
    { id: 'guaranteed', min: 600, ceiling: 800, rate: 600, cap: 600 },
    { id: 'greedy', min: 0, ceiling: Infinity, rate: 12_000, cap: Infinity },
  ])
  expect(caps.get('guaranteed')).toBeGreaterThanOrEqual(600)
  expect(caps.get('greedy')).toBeLessThanOrEqual(400)
})

test('while demand fits nobody is capped', () => {
  const caps = allocate(CAPACITY, [
    { id: 'a', min: 300, ceiling: 500, rate: 200, cap: Infinity },
    { id: 'b', min: 0, ceiling: Infinity, rate: 300, cap: Infinity },
  ])
  expect([...caps.values()]).toEqual([Infinity, Infinity])
})

/** Plays rounds of saturating volumes: each does exactly what its cap and ceiling allow. */
function settle(
  volumes: readonly { id: string; min: number; ceiling: number }[],
  rounds = 20,
): ReadonlyMap<string, number> {
  let caps: ReadonlyMap<string, number> = new Map()
  let rates: ReadonlyMap<string, number> = new Map()
  for (let round = 0; round < rounds; round += 1) {
    const now = volumes.map((each) => ({
      ...each,
      cap: caps.get(each.id) ?? Infinity,
      rate: rates.get(each.id) ?? 0,
    }))
    caps = allocate(CAPACITY, now)
    rates = new Map(volumes.map(({ id, ceiling }) => [id, Math.min(caps.get(id) ?? 0, ceiling)]))
  }
  return rates
}

test('saturating volumes settle at shares in proportion to their guarantees, and take over what one leaves', () => {
  const [a, b, c] = [
    { id: 'a', min: 500, ceiling: 1000 },
    { id: 'b', min: 200, ceiling: 1000 },
    { id: 'c', min: 100, ceiling: 300 },
  ]
  const three = settle([a, b, c])
  expect(three.get('a')).toBeCloseTo(625, 0)
  expect(three.get('b')).toBeCloseTo(250, 0)
  expect(three.get('c')).toBeCloseTo(125, 0)
  const two = settle([b, c])
  expect(two.get('b')).toBeCloseTo(700, 0)
  expect(two.get('c')).toBeCloseTo(300, 0)
})
