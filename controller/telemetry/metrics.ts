import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What `/metrics` shows of this controller, and the hooks that feed it. */
export interface Metrics {
  /** To serve, and for others to add their own. */
  readonly registry: Registry
  /** Fits the runner's observer. */
  readonly jobs: {
    step(of: { readonly saga: string; readonly step: string; readonly outcome: string }, seconds: number): void
    ended(of: { readonly saga: string; readonly state: string }, seconds: number): void
  }
  /** How to learn what waits; asked at every scrape. */
  onScrape(read: () => Promise<readonly QueueSample[]>): void
}

/** How much waits in one lane. */
export interface QueueSample {
  readonly lane: string
  readonly queued: number
  readonly running: number
  readonly oldestSeconds: number
}

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600]

/** A registry of its own: several controllers in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const step = new Histogram({
    name: 'moorage_step_seconds',
    help: 'Seconds that a step of an operation took, with its repetitions',
    labelNames: ['saga', 'step', 'outcome'],
    buckets: SECONDS,
    registers,
  })
  const ended = new Histogram({
    name: 'moorage_operation_seconds',
    help: 'Seconds for which an operation ran on the node that ended it',
    labelNames: ['saga', 'state'],
    buckets: SECONDS,
    registers,
  })
  return {
    registry,
    jobs: {
      step: (of, seconds) => step.observe({ ...of }, seconds),
      ended: (of, seconds) => ended.observe({ ...of }, seconds),
    },
    onScrape: queueGauges(registry),
  }
}

/** Gauges of the queue. What cannot be read is counted and left as it was: a scrape always answers. */
function queueGauges(registry: Registry): Metrics['onScrape'] {
  const registers = [registry]
  const errors = new Counter({
    name: 'moorage_scrape_errors_total',
    help: 'Scrapes for which the queue of operations could not be read',
    registers,
  })
  let read: () => Promise<readonly QueueSample[]> = () => Promise.resolve([])
  let reading: Promise<readonly QueueSample[]> | undefined
  // The gauges are collected side by side; one reading serves them all.
  const sample = () => {
    reading ??= read()
      .catch(() => {
        errors.inc()
        return []
      })
      .finally(() => {
        reading = undefined
      })
    return reading
  }
  const gauge = (name: string, help: string, field: 'queued' | 'running' | 'oldestSeconds') => {
    const one = new Gauge({
      name,
      help,
      labelNames: ['lane'],
      registers,
      collect: async () => {
        for (const { lane, [field]: value } of await sample()) one.set({ lane }, value)
      },
    })
  }
  gauge('moorage_operations_queued', 'Operations that wait, on all nodes', 'queued')
  gauge('moorage_operations_running', 'Operations at work, on all nodes', 'running')
  gauge('moorage_operations_oldest_seconds', 'Age of the oldest operation that waits', 'oldestSeconds')
  return (how) => {
    read = how
  }
}
