import type { QosCapability, StorageCapability } from '@moorage/contract'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { explain } from './explain.ts'
import type { HostFacts, PlacementRequest, PoolFacts } from './facts.ts'
import { FILTERS, verdictsOn } from './filters.ts'
import { place } from './place.ts'
import { chooseTier } from './qos-tier.ts'

const ARRAY: QosCapability = {
  axes: ['totalIops'],
  parts: ['min', 'max', 'burst', 'burstSeconds'],
  iops: { min: 50, max: 100_000 },
  ioBytes: 'fixed',
}
const THROTTLE: QosCapability = { axes: ['totalIops', 'totalBytes'], parts: ['max'], ioBytes: 'none' }

const POOL: PoolFacts = {
  id: 'a',
  name: 'array-a',
  state: 'Up',
  scope: 'ZONE',
  zoneId: 'zone',
  clusterId: null,
  hostId: null,
  hypervisor: null,
  tags: [],
  protocols: ['iscsi'],
  can: new Set<StorageCapability>(['qos', 'snapshots']),
  limits: {
    minVolumeBytes: GIB,
    maxVolumeBytes: 100 * GIB,
    granularityBytes: GIB,
    cloneDependsOnParent: false,
    qos: ARRAY,
  },
  volumes: 0,
  capBytes: 100 * GIB,
  bytesFactor: 1,
  reservedBytes: 0,
  capIops: 10_000,
  iopsFactor: 1,
  reservedIops: 0,
}
const HOST: HostFacts = {
  id: 'host',
  name: 'host',
  zoneId: 'zone',
  clusterId: 'cluster',
  hypervisor: 'KVM',
  accepts: ['iscsi'],
  limits: { maxDisksPerVm: 16, qos: THROTTLE },
  can: new Set(['throttle'] as const),
  cutOff: new Set(),
}
const REQUEST: PlacementRequest = {
  zoneId: 'zone',
  bytes: 10 * GIB,
  qos: {},
  wantedTier: 'any',
  tags: [],
  hosts: [HOST],
  needs: [],
}

function failing(request: Partial<PlacementRequest>, pool: Partial<PoolFacts> = {}): readonly string[] {
  return verdictsOn({ ...REQUEST, ...request }, { ...POOL, ...pool })
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
    ['qos', { qos: { readBytes: { max: 1 } } }, {}],
    ['size', { bytes: 101 * GIB }, { capBytes: 1000 * GIB }],
    ['slots', {}, { volumes: 4, limits: { ...POOL.limits, maxVolumes: 4 } }],
    ['bytes', {}, { reservedBytes: 91 * GIB }],
    ['iops', { qos: { totalIops: { min: 600 } } }, { reservedIops: 9_500 }],
  ] satisfies readonly (readonly [string, Partial<PlacementRequest>, Partial<PoolFacts>])[])(
    '%s',
    (filter, request, pool) => {
      expect(failing(request, pool)).toEqual([filter])
    },
  )

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
        for (const { verdicts } of placement.judged) expect(verdicts.map(({ filter }) => filter)).toEqual(FILTERS)
        for (const { pool: id, bytes, iops } of placement.placed ? placement.candidates : []) {
          const pool = facts.find((one) => one.id === id)
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

  test('tells a tenant why nothing fits without naming a pool', () => {
    fc.assert(
      fc.property(requests, pools, (parts, given) => {
        const request = build(parts)
        const facts = given.map((pool) => ({ ...POOL, ...pool, name: `secret-${pool.id}` }))
        const placement = place(request, facts)
        fc.pre(!placement.placed)
        const { tenant, operator } = explain(request, placement.judged)
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

  test('says what smallest change would fit, in the tenant’s terms too', () => {
    const short = { ...REQUEST, qos: { totalIops: { min: 900 } } }
    const texts = (request: PlacementRequest, ...facts: readonly PoolFacts[]) =>
      explain(request, place(request, facts).judged)
    expect(texts(short, { ...POOL, reservedIops: 9_400 }, { ...POOL, id: 'b', reservedIops: 9_700 })).toEqual({
      tenant:
        'No storage pool for a volume of 10 GiB: a pool has too few IOPS left: 900 needed, at most 600 available. A minimum of 600 IOPS would fit',
      operator:
        'array-a: iops: needs 900 IOPS, has 600 of 10000 | array-a: iops: needs 900 IOPS, has 300 of 10000. A minimum of 600 IOPS would fit',
    })
    expect(texts(REQUEST, { ...POOL, reservedBytes: 96 * GIB }).tenant).toContain('4 GiB would fit')
    expect(texts(REQUEST).tenant).toBe('No storage pool for a volume of 10 GiB: the zone has none')
  })

  test.each([
    [
      { bytes: 100 * GIB },
      { reservedBytes: 60 * GIB },
      'a pool has too little space left: 100 GiB needed, at most 40 GiB available',
    ],
    [
      { bytes: 101 * GIB },
      { capBytes: 1000 * GIB },
      'a pool makes no volume that large: 101 GiB needed, at most 100 GiB possible',
    ],
    [{}, { volumes: 4, limits: { ...POOL.limits, maxVolumes: 4 } }, 'a pool has as many volumes as it can hold'],
    [{ tags: ['ssd', 'gold'] }, { tags: ['gold'] }, 'a pool does not carry the tags of the disk offering: ssd'],
    [
      { qos: { totalIops: { min: 10 } }, wantedTier: 'storage' },
      {},
      'a pool cannot keep the requested QoS: miniops 10 lies outside 50 to 100000, which is what the array accepts',
    ],
  ] satisfies readonly (readonly [Partial<PlacementRequest>, Partial<PoolFacts>, string])[])(
    'tells a tenant what was needed and what there is: %j',
    (request, pool, text) => {
      const asked = { ...REQUEST, ...request }
      const { tenant, operator } = explain(asked, place(asked, [{ ...POOL, ...pool }]).judged)
      expect(tenant).toContain(text)
      expect(operator).toMatch(/^array-a: /)
    },
  )

  test('tells an operator both sides of every comparison', () => {
    const asked: PlacementRequest = { ...REQUEST, tags: ['ssd'], needs: ['clones'] }
    const pool: PoolFacts = { ...POOL, tags: ['gold'], state: 'Disabled', reservedBytes: 96 * GIB }
    expect(explain(asked, place(asked, [pool]).judged).operator).toBe(
      'array-a: state: is Disabled, must be Up; tags: lacks tag ssd, carries gold; ' +
        'capability: cannot clones, can qos, snapshots; bytes: needs 10 GiB, has 4 GiB of 100 GiB',
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
      choice: { refused: 'the hypervisor does not keep min of totalIops' },
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
