import { expect, test } from 'vitest'
import { createLogger } from './logger.ts'
import { createMetrics } from './metrics.ts'

function captured(): { readonly lines: string[]; readonly write: (line: string) => void } {
  const lines: string[] = []
  return { lines, write: (line) => void lines.push(line) }
}

test('a log line is JSON with time, level and message, and holds no secret at any level down to the fourth', () => {
  const out = captured()
  const log = createLogger({}, out)
  const chap = { user: 'tenant', secret: 'geheim' }
  log.info(
    { pool: { connection: { chap }, settings: { token: 'geheim' } }, password: 'geheim', safe: 'visible' },
    'pool opened',
  )
  log.info({ a: { b: { c: { secret: 'geheim' } } } }, 'deep')
  const line: unknown = JSON.parse(out.lines[0] ?? '')
  expect(line).toMatchObject({ level: 'info', msg: 'pool opened', safe: 'visible', password: '[redacted]' })
  expect(out.lines.join('')).not.toContain('geheim')
  expect(Date.parse((line as { readonly time: string }).time)).toBeGreaterThan(0) // asserted above to be the log line
})

test('metrics show what the runner and the queue report, and survive a queue that cannot be read', async () => {
  const metrics = createMetrics()
  metrics.jobs.step({ saga: 'volume-attach', step: 'expose', outcome: 'done' }, 0.02)
  metrics.jobs.ended({ saga: 'volume-attach', state: 'succeeded' }, 0.5)
  metrics.onScrape(() => Promise.resolve([{ lane: 'access', queued: 3, running: 2, oldestSeconds: 1.5 }]))
  const text = await metrics.registry.metrics()
  expect(text).toContain('moorage_step_seconds_count{saga="volume-attach",step="expose",outcome="done"} 1')
  expect(text).toContain('moorage_operations_queued{lane="access"} 3')
  expect(text).toContain('moorage_operations_oldest_seconds{lane="access"} 1.5')
  metrics.onScrape(() => Promise.reject(new Error('no database')))
  await metrics.registry.metrics()
  expect(await metrics.registry.metrics()).toContain('moorage_scrape_errors_total 1')
})
