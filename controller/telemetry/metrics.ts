import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'
import { addGauges, type Sources } from './gauges.ts'
import { METRICS, type MetricFacts } from './metric-table.ts'

/** What `/metrics` shows of this controller, and the hooks that feed it. Times in seconds. */
export interface Metrics {
  /** To serve. */
  readonly registry: Registry
  /** Fits the runner's observer. */
  readonly jobs: JobsMetrics
  /** A plug-in answered. `outcome`: `ok` or the failure code. */
  call(of: { readonly plugin: string; readonly method: string; readonly outcome: string }, seconds: number): void
  /** A request was answered. `command`: one of the registry's, or `unknown`. */
  request(of: { readonly command: string; readonly outcome: RequestOutcome }, seconds: number): void
  /** An attempt at a command that is audited was recorded, or not. */
  audited(outcome: string): void
  /** How to learn what a scrape shows besides; asked at every scrape. Call it once. */
  onScrape(sources: Sources): void
}

/** How a request ended. */
export type RequestOutcome = 'ok' | 'refused' | 'unauthenticated' | 'failed'

/** What the runner tells. */
export interface JobsMetrics {
  step(of: { readonly saga: string; readonly step: string; readonly outcome: string }, seconds: number): void
  ended(of: { readonly saga: string; readonly state: string }, seconds: number): void
  claimed(how: 'new' | 'resumed'): void
  lost(): void
  renewed(outcome: 'ok' | 'failed'): void
}

const FAST = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]
const SLOW = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600]

/** A registry of its own: several controllers in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const histogram = ({ name, help, labels }: MetricFacts, buckets: readonly number[]) =>
    new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers })
  const counter = ({ name, help, labels }: MetricFacts) =>
    new Counter({ name, help, labelNames: [...labels], registers })
  const request = histogram(METRICS.apiRequest, FAST)
  const call = histogram(METRICS.call, SLOW)
  const audited = counter(METRICS.audited)
  const errors = counter(METRICS.scrapeErrors)
  return {
    registry,
    jobs: jobsMetrics({ histogram, counter }),
    call: (of, seconds) => call.observe({ ...of }, seconds),
    request: (of, seconds) => request.observe({ ...of }, seconds),
    audited: (outcome) => audited.inc({ outcome }),
    onScrape: (sources) => addGauges(registry, sources, (source) => errors.inc({ source })),
  }
}

function jobsMetrics(make: {
  readonly histogram: (facts: MetricFacts, buckets: readonly number[]) => Histogram
  readonly counter: (facts: MetricFacts) => Counter
}): JobsMetrics {
  const step = make.histogram(METRICS.step, SLOW)
  const ended = make.histogram(METRICS.operation, SLOW)
  const claims = make.counter(METRICS.claims)
  const lost = make.counter(METRICS.lost)
  const renewals = make.counter(METRICS.renewals)
  return {
    step: (of, seconds) => step.observe({ ...of }, seconds),
    ended: (of, seconds) => ended.observe({ ...of }, seconds),
    claimed: (how) => claims.inc({ how }),
    lost: () => lost.inc(),
    renewed: (outcome) => renewals.inc({ outcome }),
  }
}
