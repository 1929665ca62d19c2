import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { explain } from './explain.ts'
import type { PlacementRequest, PoolFacts } from './facts.ts'
import { FILTERS, judge } from './filters.ts'
import { place } from './place.ts'
import { chooseTier } from './qos-tier.ts'
import { applied } from './smallest-change.ts'
import { HOST, POOL, REQUEST } from './testing.ts'

/** Has 400 IOPS left. */
const BUSY = { capIops: 1000, factor: 0.5, chargedIops: 100, chargedRate: 0 } as const

function failing(request: Partial<PlacementRequest>, pool: Partial<PoolFacts> = {}): readonly string[] {
  return judge({ ...REQUEST, ...request }, { ...POOL, ...pool })
    .verdicts()
    .filter(({ passed }) => !passed)
    .map(({ filter }) => filter)
}

describe('each filter refuses on its own', () => {
  test.each([
    ['state', {}, { state: 'Maintenance' }],
    ['state', {}, { closed: { why: 'no plug-in is called acme', forNow: false } }],
    ['source', { pool: 'b' }, {}],
    ['reach', {}, { zoneId: 'elsewhere' }],
    ['reach', {}, { scope: 'CLUSTER', clusterId: 'another' }],
    ['reach', {}, { scope: 'HOST', hostId: 'another' }],
    ['reach', {}, { hypervisor: 'VMware' }],
    ['protocol', {}, { protocols: ['rbd'] }],
    ['tags', { tags: ['ssd', 'gold'] }, { tags: ['gold'] }],
    ['capability', { needs: ['clones'] }, {}],
    ['filling', { filling: { movers: [['nbd']], seeds: new Set<string>() } }, {}],
    ['qos', { qos: { readBytes: { max: 1 } } }, {}],
    ['size', { bytes: 101 * GIB }, { capBytes: 1000 * GIB }],
    ['bounds', {}, { boundedOnly: true }],
    ['host', { qos: { totalIops: { max: 500 } }, hosts: [{ ...HOST, ledger: BUSY }] }, { can: new Set() }],
    ['slots', {}, { volumes: 4, limits: { ...POOL.limits, maxVolumes: 4 } }],
    ['slots', {}, { volumes: 3, foreignVolumes: 1, limits: { ...POOL.limits, maxVolumes: 4 } }],
    ['slots', {}, { volumes: 2, capVolumes: 2 }],
    ['usage', {}, { usedBytes: 80 * GIB, usedThreshold: 0.8 }],
    ['bytes', {}, { reservedBytes: 91 * GIB }],
    ['bytes', {}, { foreignBytes: 91 * GIB }],
    ['bytes', {}, { reservedBytes: 71 * GIB, allocatedThreshold: 0.8 }],
    ['iops', {}, { floorIops: 100, reservedIops: 9_950 }],
    ['iops', {}, { floorIops: 100, foreignIops: 9_950 }],
    ['iops', { qos: { totalIops: { min: 600 } } }, { reservedIops: 9_500 }],
  ] satisfies readonly (readonly [string, Partial<PlacementRequest>, Partial<PoolFacts>])[])(
    '%s',
    (filter, request, pool) => {
      expect(failing(request, pool)).toEqual([filter])
    },
  )

  test('but a threshold is nothing to a pool that is below it, nor a cap to a host that has room', () => {
    expect(
      failing({}, { usedBytes: 79 * GIB, usedThreshold: 0.8, reservedBytes: 70 * GIB, allocatedThreshold: 0.8 }),
    ).toEqual([])
    const request = { qos: { totalIops: { max: 400 } }, hosts: [{ ...HOST, ledger: BUSY }] }
    expect(failing(request, { can: new Set() })).toEqual([])
  })

  test('and none does where everything fits', () => {
    expect(failing({ qos: { totalIops: { min: 500, max: 1000 } } })).toEqual([])
  })
})

const pools = fc.uniqueArray(
  fc.record({
    id: fc.uuid(),
    state: fc.constantFrom('Up', 'Up', 'Up', 'Disabled'),
    tags: fc.subarray(['ssd', 'gold']),
    capBytes: fc.integer({ min: 0, max: 500 }).map((gib) => gib * GIB),
    reservedBytes: fc.integer({ min: 0, max: 500 }).map((gib) => gib * GIB),
    bytesFactor: fc.double({ min: 0.5, max: 3, noNaN: true }),
    capIops: fc.integer({ min: 0, max: 20_000 }),
    reservedIops: fc.integer({ min: 0, max: 20_000 }),
    iopsFactor: fc.double({ min: 0.5, max: 2, noNaN: true }),
  }),
  { selector: ({ id }) => id, maxLength: 8 },
)
const requests = fc.record({
  bytes: fc.integer({ min: 1, max: 120 * GIB }),
  min: fc.integer({ min: 50, max: 5_000 }),
  tags: fc.subarray(['ssd', 'gold']),
})

function build(parts: {
  readonly bytes: number
  readonly min: number
  readonly tags: readonly string[]
}): PlacementRequest {
  const { bytes, min, tags } = parts
  return { ...REQUEST, bytes, tags, qos: { totalIops: { min } } }
}

describe('placement', () => {
  test('never promises more than cap times factor, and gives every pool a verdict on every filter', () => {
    fc.assert(
      fc.property(requests, pools, (parts, given) => {
        const facts = given.map((pool) => ({ ...POOL, ...pool, name: `secret-${pool.id}` }))
        const placement = place(build(parts), facts)
        for (const one of placement.judged) expect(one.verdicts().map(({ filter }) => filter)).toEqual(FILTERS)
        for (const { pool: id, bytes, iops } of placement.placed ? placement.candidates : []) {
          const pool = facts.find((one) => one.id === id)
          const judged = placement.judged.find((one) => one.pool === id)
          expect(judged?.verdicts().filter(({ passed }) => !passed)).toEqual([])
          expect(pool?.state).toBe('Up')
          expect(bytes).toBeGreaterThanOrEqual(parts.bytes)
          expect((pool?.reservedBytes ?? 0) + bytes).toBeLessThanOrEqual(
            (pool?.capBytes ?? 0) * (pool?.bytesFactor ?? 0),
          )
          expect((pool?.reservedIops ?? 0) + iops).toBeLessThanOrEqual((pool?.capIops ?? 0) * (pool?.iopsFactor ?? 0))
        }
      }),
    )
  })

  test('answers the same whatever the order of the pools', () => {
    fc.assert(
      fc.property(requests, pools, (parts, given) => {
        const facts = given.map((pool) => ({ ...POOL, ...pool }))
        const [one, other] = [place(build(parts), facts), place(build(parts), facts.toReversed())]
        expect(one.placed && one.candidates).toEqual(other.placed && other.candidates)
      }),
    )
  })

  test('spreads volumes over pools that are about equal, and not to ones that are fuller', () => {
    const equal = ['a', 'b', 'c', 'd'].map((id, nth) => ({ ...POOL, id, reservedBytes: 40 * GIB + nth }))
    const fuller = { ...POOL, id: 'e', reservedBytes: 50 * GIB }
    const chosen = Array.from({ length: 40 }, (_, nth) => {
      const placement = place({ ...REQUEST, spread: `volume-${nth}` }, [...equal, fuller])
      return placement.placed && placement.candidates[0].pool
    })
    expect(new Set(chosen)).toEqual(new Set(['a', 'b', 'c', 'd']))
  })

  test('tells a tenant why nothing fits without naming a pool', () => {
    fc.assert(
      fc.property(requests, pools, (parts, given) => {
        const request = build(parts)
        const facts = given.map((pool) => ({ ...POOL, ...pool, name: `secret-${pool.id}` }))
        const placement = place(request, facts)
        fc.pre(!placement.placed)
        const { tenant, operator } = explain(request, facts, placement.judged)
        expect(tenant).toMatch(/^No storage pool for a volume of /)
        for (const { id, name } of facts) {
          expect(tenant).not.toContain(id)
          expect(operator).toContain(name)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('prefers the pool that keeps most of what is scarcer there', () => {
    const roomy = { ...POOL, id: 'b', reservedBytes: 10 * GIB }
    const tight = { ...POOL, id: 'a', reservedBytes: 50 * GIB }
    const placement = place(REQUEST, [tight, roomy])
    expect(placement.placed && placement.candidates.map(({ pool }) => pool)).toEqual(['b', 'a'])
  })

  test('offers a change only where the changed request is accepted', () => {
    fc.assert(
      fc.property(requests, pools, (parts, given) => {
        const request = build(parts)
        const facts = given.map((pool) => ({ ...POOL, ...pool }))
        const placement = place(request, facts)
        fc.pre(!placement.placed)
        const { change, tenant } = explain(request, facts, placement.judged)
        fc.pre(change !== undefined)
        expect(tenant).toContain(change.text)
        expect(place(applied(request, change), facts).placed).toBe(true)
      }),
    )
  })

  test('offers a change wherever a smaller size or minimum would fit', () => {
    fc.assert(
      fc.property(requests, pools, (parts, given) => {
        const request = build(parts)
        const facts = given.map((pool) => ({ ...POOL, ...pool }))
        const least = place({ ...request, bytes: GIB, qos: { totalIops: { min: 50 } } }, facts)
        fc.pre(least.placed)
        const placement = place(request, facts)
        expect(placement.placed || explain(request, facts, placement.judged).change !== undefined).toBe(true)
      }),
    )
  })
})

describe('the tier that enforces QoS', () => {
  const limited = { totalIops: { max: 1000 } }
  const guaranteed = { totalIops: { min: 100, max: 1000 } }
  const plain: PoolFacts = { ...POOL, can: new Set() }

  test.each([
    { name: 'nobody, when nothing is asked', qos: {}, wanted: 'any', pool: POOL, choice: { tier: 'none' } },
    { name: 'the array, when it can', qos: guaranteed, wanted: 'any', pool: POOL, choice: { tier: 'storage' } },
    {
      name: 'the hypervisor, when the array cannot',
      qos: limited,
      wanted: 'any',
      pool: plain,
      choice: { tier: 'hypervisor' },
    },
    {
      name: 'the hypervisor, when the offering says so',
      qos: limited,
      wanted: 'hypervisor',
      pool: POOL,
      choice: { tier: 'hypervisor' },
    },
    {
      name: 'refused, when only the array may and cannot',
      qos: limited,
      wanted: 'storage',
      pool: plain,
      choice: { refused: 'the array keeps no QoS' },
    },
    {
      name: 'refused, when the offering sells none',
      qos: limited,
      wanted: 'none',
      pool: POOL,
      choice: { refused: 'the offering sells no QoS' },
    },
    {
      name: 'refused, when a minimum is asked of a hypervisor',
      qos: guaranteed,
      wanted: 'hypervisor',
      pool: POOL,
      choice: { refused: 'the hypervisor does not keep totalIops min' },
    },
  ] as const)('is $name', ({ qos, wanted, pool, choice }) => {
    expect(chooseTier({ qos, wantedTier: wanted }, pool, [HOST])).toEqual(choice)
  })

  test('charges the pool for a minimum that the array keeps, and for nothing that a hypervisor does', () => {
    const charged = (qos: PlacementRequest['qos'], pool: PoolFacts) => {
      const placement = place({ ...REQUEST, qos }, [pool])
      return placement.placed && placement.candidates[0].iops
    }
    expect(charged(guaranteed, POOL)).toBe(100)
    expect(charged(limited, plain)).toBe(0)
  })
})
