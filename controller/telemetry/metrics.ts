import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What `/metrics` shows, and the hooks that feed it. */
export interface Metrics {
  /** The exposition text, with its content type. */
  text(): Promise<{ readonly contentType: string; readonly body: string }>
  /** Fits the runner's observer. */
  readonly jobs: {
    step(of: { readonly saga: string; readonly step: string; readonly outcome: string }, seconds: number): void
    ended(of: { readonly saga: string; readonly state: string }, seconds: number): void
  }
  /** A request of the API: its command (as known, else `unknown`), HTTP status and duration. */
  request(of: { readonly command: string; readonly status: number }, seconds: number): void
  /** Read at every scrape. */
  onScrape(read: () => Promise<readonly QueueSample[]>): void
}

/** How much waits in one lane. */
export interface QueueSample {
  readonly lane: string
  readonly queued: number
  readonly running: number
  readonly oldestSeconds: number
}

const STEP_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 600]
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]

/** A registry of its own: several controllers in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const step = new Histogram({
    name: 'moorage_step_seconds',
    help: 'Time a step took, retries and all',
    labelNames: ['saga', 'step', 'outcome'],
    buckets: STEP_SECONDS,
    registers,
  })
  const ended = new Histogram({
    name: 'moorage_operation_seconds',
    help: 'Time an operation ran on the node that ended it',
    labelNames: ['saga', 'state'],
    buckets: STEP_SECONDS,
    registers,
  })
  const request = new Histogram({
    name: 'moorage_request_seconds',
    help: 'Time an API request took',
    labelNames: ['command', 'status'],
    buckets: REQUEST_SECONDS,
    registers,
  })
  const queued = new Gauge({
    name: 'moorage_operations_queued',
    help: 'Operations that wait, on all nodes',
    labelNames: ['lane'],
    registers,
  })
  const running = new Gauge({
    name: 'moorage_operations_running',
    help: 'Operations at work, on all nodes',
    labelNames: ['lane'],
    registers,
  })
  const oldest = new Gauge({
    name: 'moorage_operations_oldest_seconds',
    help: 'Age of the oldest operation that waits',
    labelNames: ['lane'],
    registers,
  })
  const scrapeErrors = new Counter({
    name: 'moorage_scrape_errors_total',
    help: 'Scrapes for which the queue could not be read',
    registers,
  })
  let readQueue: () => Promise<readonly QueueSample[]> = () => Promise.resolve([])
  return {
    jobs: {
      step: (of, seconds) => step.observe({ ...of }, seconds),
      ended: (of, seconds) => ended.observe({ ...of }, seconds),
    },
    request: (of, seconds) => request.observe({ ...of }, seconds),
    onScrape: (read) => {
      readQueue = read
    },
    text: async () => {
      try {
        for (const { lane, ...sample } of await readQueue()) {
          queued.set({ lane }, sample.queued)
          running.set({ lane }, sample.running)
          oldest.set({ lane }, sample.oldestSeconds)
        }
      } catch {
        scrapeErrors.inc()
      }
      return { contentType: registry.contentType, body: await registry.metrics() }
    },
  }
}
