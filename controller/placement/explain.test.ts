import { expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { explain, explainGrowth } from './explain.ts'
import type { PlacementRequest, PoolFacts } from './facts.ts'
import { FILTERS } from './filters.ts'
import { place } from './place.ts'
import { HOST, POOL, REQUEST } from './testing.ts'

interface Case {
  readonly what: string
  readonly request?: Partial<PlacementRequest>
  readonly pools: readonly Partial<PoolFacts>[]
}

const FULL = { reservedBytes: 96 * GIB } as const
const LEDGER = { capIops: 1000, factor: 1, chargedIops: 900, chargedRate: 0 } as const
const PLAIN = { can: new Set<never>() } as const
const min = (iops: number) => ({ qos: { totalIops: { min: iops } } })

/** Every reason for which placement refuses, alone, and the ways in which the numbers can be explained. */
const CASES: readonly Case[] = [
  { what: 'a zone without pools', pools: [] },
  { what: 'state', pools: [{ state: 'Maintenance' }] },
  { what: 'source', request: { pool: 'elsewhere' }, pools: [{}] },
  { what: 'reach', pools: [{ scope: 'CLUSTER', clusterId: 'another' }] },
  { what: 'protocol', pools: [{ protocols: ['rbd'] }] },
  { what: 'tags', request: { tags: ['gold', 'ssd'] }, pools: [{ tags: ['gold'] }] },
  { what: 'capability', request: { needs: ['clones'] }, pools: [{}] },
  { what: 'filling', request: { filling: { movers: [['nbd'], ['file', 'nbd']], seeds: new Set() } }, pools: [{}] },
  { what: 'filling, without movers', request: { filling: { movers: [], seeds: new Set() } }, pools: [{}] },
  { what: 'qos', request: { ...min(10), wantedTier: 'storage' }, pools: [{}] },
  { what: 'qos, which nobody keeps', request: { qos: { readBytes: { max: 1 } }, wantedTier: 'any' }, pools: [PLAIN] },
  { what: 'bounds', pools: [{ boundedOnly: true }] },
  {
    what: 'host, IOPS',
    request: { qos: { totalIops: { max: 500 } }, hosts: [{ ...HOST, ledger: LEDGER }] },
    pools: [PLAIN],
  },
  {
    what: 'host, bytes per second',
    request: {
      qos: { totalBytes: { max: 2 ** 27 } },
      hosts: [{ ...HOST, ledger: { ...LEDGER, capRate: 2 ** 28, chargedRate: 2 ** 28 - 2 ** 26 } }],
    },
    pools: [PLAIN],
  },
  { what: 'size', request: { bytes: 101 * GIB }, pools: [{ capBytes: 1000 * GIB }] },
  { what: 'slots', pools: [{ volumes: 3, foreignVolumes: 1, limits: { ...POOL.limits, maxVolumes: 4 } }] },
  { what: 'usage', pools: [{ usedBytes: 90 * GIB, usedThreshold: 0.85, termsFrom: { usedThreshold: 'zone' } }] },
  { what: 'bytes', pools: [FULL] },
  { what: 'bytes, of which nothing is left', pools: [{ reservedBytes: 100 * GIB }] },
  {
    what: 'bytes, with a factor and a threshold',
    pools: [
      {
        reservedBytes: 120 * GIB,
        bytesFactor: 1.5,
        allocatedThreshold: 0.85,
        termsFrom: { bytesFactor: 'pool', allocatedThreshold: 'global' },
      },
    ],
  },
  { what: 'iops', request: min(900), pools: [{ reservedIops: 9_400 }] },
  {
    what: 'iops, with a factor',
    request: min(900),
    pools: [{ reservedIops: 14_400, iopsFactor: 1.5, termsFrom: { iopsFactor: 'zone' } }],
  },
  { what: 'iops, a floor for a volume without QoS', pools: [{ reservedIops: 9_990, floorIops: 50 }] },
  { what: 'bytes and iops at once', request: min(900), pools: [{ ...FULL, reservedIops: 9_400 }] },
  {
    what: 'several pools, each for a reason of its own',
    request: { ...min(900), tags: ['ssd'] },
    pools: [
      { tags: ['ssd'], reservedIops: 9_400 },
      { tags: ['ssd'], reservedIops: 9_700 },
      { ...FULL, tags: ['ssd'] },
      { state: 'Disabled' },
      {},
    ],
  },
]

const GROWTHS = [
  { what: 'growth', pool: FULL, held: { bytes: 10 * GIB, iops: 0 }, wanted: { bytes: 20 * GIB, iops: 0 } },
  {
    what: 'growth and a higher minimum',
    pool: { ...FULL, reservedIops: 9_900 },
    held: { bytes: 10 * GIB, iops: 100 },
    wanted: { bytes: 20 * GIB, iops: 900 },
  },
] as const

/** Renewed by `tools/run vitest run controller/placement/explain.test.ts --update`, and then read: each is a sentence for a tenant. */
test('every refusal reads as it is written down, for tenants and for operators', async () => {
  const texts = CASES.map(({ what, request, pools }) => {
    const asked = { ...REQUEST, ...request }
    const facts = pools.map((pool, nth) => ({ ...POOL, id: `${nth}`, name: `array-${nth}`, ...pool }))
    const placement = place(asked, facts)
    expect([what, placement.placed]).toEqual([what, false])
    return { what, ...explain(asked, facts, placement.judged) }
  })
  const grown = GROWTHS.map(({ what, pool, held, wanted }) => ({
    what,
    ...explainGrowth({ ...POOL, ...pool }, held, wanted),
  }))
  const said = [...texts, ...grown].map(
    ({ what, tenant, operator }) => `# ${what}\ntenant:   ${tenant}\noperator: ${operator}\n`,
  )
  await expect(said.join('\n')).toMatchFileSnapshot('refusals.txt')
})

test('there is a text of every filter', () => {
  const seen = new Set(
    CASES.flatMap(({ request, pools }) =>
      place(
        { ...REQUEST, ...request },
        pools.map((pool) => ({ ...POOL, ...pool })),
      ).judged.flatMap((one) =>
        one
          .verdicts()
          .filter(({ passed }) => !passed)
          .map(({ filter }) => filter),
      ),
    ),
  )
  expect([...seen].toSorted()).toEqual([...FILTERS].toSorted())
})
