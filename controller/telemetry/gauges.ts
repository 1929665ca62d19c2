import { Gauge, type Registry } from 'prom-client'
import { METRICS, type MetricFacts } from './metric-table.ts'

/** How much is to do in one lane. */
export interface QueueSample {
  readonly lane: string
  readonly queued: number
  readonly running: number
  readonly oldestSeconds: number
  readonly oldestRunningSeconds: number
}

/** A pool's capacity and ledger. Pools of one name in one zone are shown as one. */
export interface PoolSample {
  readonly zone: string
  readonly pool: string
  readonly sizeBytes: number
  readonly usedBytes: number
  readonly promisableBytes: number
  readonly reservedBytes: number
  readonly promisableIops: number | null
  readonly reservedIops: number
  readonly reachable: boolean
}

/** What is read at a scrape. What throws is counted and left out. */
export interface Sources {
  queue(): Promise<readonly QueueSample[]>
  pools(): Promise<readonly PoolSample[]>
  hosts(): Promise<readonly { readonly state: string; readonly count: number }[]>
  findings(): Promise<readonly { readonly kind: string; readonly state: string; readonly count: number }[]>
  controllers(): Promise<number>
  /** Audit records without a place in the chain. */
  unsealed(): Promise<number>
  /** Connections of the database pool. */
  connections(): { readonly total: number; readonly idle: number; readonly waiting: number }
  /** Seconds since the last heartbeat that succeeded. */
  renewalAge(): number
}

interface Value {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** How long a scrape waits for the database: it always answers, with what is known. */
const PATIENCE_MS = 2_000

/** Adds what is read at a scrape. Each source is read once for all of its gauges; `failed` hears of one that could not be. */
export function addGauges(registry: Registry, sources: Sources, failed: (source: string) => void): void {
  const from = <Sample>(source: string, read: () => Promise<readonly Sample[]>) => {
    const samples = readOnce(read, () => failed(source))
    return (facts: MetricFacts, values: (sample: Sample) => readonly Value[]) =>
      addGauge(registry, facts, async () => (await samples()).flatMap(values))
  }
  const queue = from('queue', () => sources.queue())
  queue(METRICS.operations, ({ lane, queued, running }) => byState(lane, queued, running))
  queue(METRICS.oldest, ({ lane, oldestSeconds, oldestRunningSeconds }) =>
    byState(lane, oldestSeconds, oldestRunningSeconds),
  )
  addPools(from('pools', () => sources.pools()))
  const hosts = from('hosts', () => sources.hosts())
  hosts(METRICS.hosts, ({ state, count }) => [{ labels: { state }, value: count }])
  const findings = from('findings', () => sources.findings())
  findings(METRICS.findings, ({ kind, state, count }) => [{ labels: { kind, state }, value: count }])
  const controllers = from('controllers', async () => [await sources.controllers()])
  controllers(METRICS.controllers, (value) => [{ value }])
  const unsealed = from('audit', async () => [await sources.unsealed()])
  unsealed(METRICS.unsealed, (value) => [{ value }])
  addGauge(registry, METRICS.connections, async () => {
    const { total, idle } = sources.connections()
    return [
      { labels: { state: 'idle' }, value: idle },
      { labels: { state: 'busy' }, value: total - idle },
    ]
  })
  addGauge(registry, METRICS.connectionWaiters, async () => [{ value: sources.connections().waiting }])
  addGauge(registry, METRICS.renewalAge, async () => [{ value: sources.renewalAge() }])
}

function addPools(pools: (facts: MetricFacts, values: (sample: PoolSample) => readonly Value[]) => void): void {
  const shown = (facts: MetricFacts, of: (sample: PoolSample) => number | null) =>
    pools(facts, (sample) => {
      const value = of(sample)
      return value === null ? [] : [{ labels: { zone: sample.zone, pool: sample.pool }, value }]
    })
  shown(METRICS.poolTotal, ({ sizeBytes }) => sizeBytes)
  shown(METRICS.poolUsed, ({ usedBytes }) => usedBytes)
  shown(METRICS.poolPromisable, ({ promisableBytes }) => promisableBytes)
  shown(METRICS.poolReserved, ({ reservedBytes }) => reservedBytes)
  shown(METRICS.poolPromisableIops, ({ promisableIops }) => promisableIops)
  shown(METRICS.poolReservedIops, ({ reservedIops }) => reservedIops)
  shown(METRICS.poolReachable, ({ reachable }) => (reachable ? 1 : 0))
}

function byState(lane: string, queued: number, running: number): readonly Value[] {
  return [
    { labels: { lane, state: 'queued' }, value: queued },
    { labels: { lane, state: 'running' }, value: running },
  ]
}

function addGauge(
  registry: Registry,
  { name, help, labels }: MetricFacts,
  values: () => Promise<readonly Value[]>,
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect: async () => {
      const found = await values()
      // What the last scrape showed and this one does not know must not stay.
      gauge.reset()
      if (labels.length === 0) gauge.remove()
      for (const { labels: of = {}, value } of found) gauge.inc({ ...of }, value)
    },
  })
}

/** The gauges of a scrape are collected side by side; one reading serves them all. */
function readOnce<Sample>(
  read: () => Promise<readonly Sample[]>,
  failed: () => void,
): () => Promise<readonly Sample[]> {
  let reading: Promise<readonly Sample[]> | undefined
  return () => {
    reading ??= inTime(read)
      .catch(() => {
        failed()
        return []
      })
      .finally(() => {
        reading = undefined
      })
    return reading
  }
}

async function inTime<Result>(read: () => Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS} ms`)), PATIENCE_MS)
  const work = read()
  // Whichever loses the race has nobody who looks at it.
  work.catch(() => {})
  return await Promise.race([work, promise]).finally(() => clearTimeout(timer))
}
