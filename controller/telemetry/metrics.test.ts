import { expect, test } from 'vitest'
import type { Sources } from './gauges.ts'
import { METRICS } from './metric-table.ts'
import { createMetrics } from './metrics.ts'

const pool = {
  zone: 'one',
  pool: 'gold',
  sizeBytes: 100,
  usedBytes: 10,
  promisableBytes: 200,
  reservedBytes: 50,
  promisableIops: null,
  reservedIops: 7,
  reachable: true,
}
const SOURCES: Sources = {
  queue: () =>
    Promise.resolve([{ lane: 'access', queued: 3, running: 2, oldestSeconds: 1.5, oldestRunningSeconds: 9 }]),
  pools: () => Promise.resolve([pool]),
  hosts: () => Promise.resolve([{ state: 'Up', count: 2 }]),
  findings: () => Promise.resolve([{ kind: 'orphan', state: 'open', count: 4 }]),
  controllers: () => Promise.resolve(3),
  unsealed: () => Promise.resolve(6),
  connections: () => ({ total: 5, idle: 4, waiting: 1 }),
  renewalAge: () => 0.25,
}

function full(sources: Sources = SOURCES) {
  const metrics = createMetrics()
  metrics.onScrape(sources)
  metrics.jobs.step({ saga: 'volume-attach', step: 'expose', outcome: 'done' }, 0.02)
  metrics.jobs.ended({ saga: 'volume-attach', state: 'succeeded' }, 0.5)
  metrics.jobs.claimed('resumed')
  metrics.jobs.lost()
  metrics.audited('suppressed')
  metrics.jobs.renewed('failed')
  metrics.call({ plugin: 'simulator', method: 'volumes.create', outcome: 'BUSY' }, 0.2)
  metrics.request({ command: 'listZones', outcome: 'ok' }, 0.01)
  return metrics
}

test('a scrape shows what the runner, plug-ins, requests, the queue, the ledger and the database pool report', async () => {
  const text = await full().registry.metrics()
  for (const line of [
    'moorage_step_duration_seconds_count{saga="volume-attach",step="expose",outcome="done"} 1',
    'moorage_operation_duration_seconds_count{saga="volume-attach",state="succeeded"} 1',
    'moorage_operation_claims_total{how="resumed"} 1',
    'moorage_leases_lost_total 1',
    'moorage_lease_renewals_total{outcome="failed"} 1',
    'moorage_lease_renewal_age_seconds 0.25',
    'moorage_plugin_call_duration_seconds_count{plugin="simulator",method="volumes.create",outcome="BUSY"} 1',
    'moorage_api_request_duration_seconds_count{command="listZones",outcome="ok"} 1',
    'moorage_operations{lane="access",state="queued"} 3',
    'moorage_operations_oldest_age_seconds{lane="access",state="running"} 9',
    'moorage_pool_promisable_bytes{zone="one",pool="gold"} 200',
    'moorage_pool_reachable{zone="one",pool="gold"} 1',
    'moorage_hosts{state="Up"} 2',
    'moorage_census_findings{kind="orphan",state="open"} 4',
    'moorage_controllers 3',
    'moorage_audit_records_total{outcome="suppressed"} 1',
    'moorage_audit_unsealed_records 6',
    'moorage_database_connections{state="busy"} 1',
    'moorage_database_connection_waiters 1',
  ])
    expect(text.split('\n')).toContain(line)
  expect(text).not.toContain('moorage_pool_promisable_iops{')
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m)
})

test('what cannot be read, or not in time, is left out and counted, and the scrape answers all the same', async () => {
  let broken = false
  const metrics = full({
    ...SOURCES,
    queue: () => (broken ? Promise.reject(new Error('no database')) : SOURCES.queue()),
    controllers: () => (broken ? Promise.withResolvers<number>().promise : SOURCES.controllers()),
  })
  expect(await metrics.registry.metrics()).toMatch(/^moorage_operations\{/m)
  broken = true
  const text = await metrics.registry.metrics()
  expect(text).not.toMatch(/^moorage_operations\{/m)
  expect(text).not.toMatch(/^moorage_controllers /m)
  expect(text).toContain('moorage_pool_used_bytes{zone="one",pool="gold"} 10')
  // The counter is collected beside the readings: the next scrape shows it.
  broken = false
  const later = await metrics.registry.metrics()
  expect(later).toContain('moorage_scrape_errors_total{source="queue"} 1')
  expect(later).toContain('moorage_scrape_errors_total{source="controllers"} 1')
  expect(later).toMatch(/^moorage_controllers 3$/m)
})

test('names and labels are as Prometheus has them, and no label is an id', () => {
  const units = /_(seconds|bytes|iops|total)$/
  const plain = ['moorage_operations', 'moorage_controllers', 'moorage_hosts', 'moorage_census_findings']
  const counted = [
    'moorage_database_connections',
    'moorage_database_connection_waiters',
    'moorage_pool_reachable',
    'moorage_audit_unsealed_records',
  ]
  for (const { name, type, labels } of Object.values(METRICS)) {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    if (!units.test(name)) expect([...plain, ...counted]).toContain(name)
    expect({ name, total: name.endsWith('_total') }).toEqual({ name, total: type === 'counter' })
    for (const label of labels) expect(label).toMatch(/^(?!.*(id|uuid|account|user|volume)$)[a-z]+$/)
  }
})

test('what is declared is what a scrape has, and nothing of ours besides', async () => {
  const shown = (await full().registry.getMetricsAsJSON()).map(({ name, type }) => ({ name, type: String(type) }))
  const ours = shown.filter(({ name }) => name.startsWith('moorage_'))
  const declared = Object.values(METRICS).map(({ name, type }) => ({ name, type }))
  const byName = (a: { readonly name: string }, b: { readonly name: string }) => a.name.localeCompare(b.name)
  expect(ours.toSorted(byName)).toEqual(declared.toSorted(byName))
})
