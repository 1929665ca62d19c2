/** One metric as it is declared: what creates it and what docs/reference/metrics.md says of it. */
export interface MetricFacts {
  /** Prometheus' way: base unit as suffix, `_total` on counters. */
  readonly name: `moorage_${string}`
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Values of each label come from a set that does not grow with use: names of commands, sagas, plug-ins, never ids. */
  readonly labels: readonly string[]
}

const histogram = (name: `moorage_${string}_seconds`, labels: readonly string[], help: string) =>
  ({ name, type: 'histogram', labels, help }) as const
const counter = (name: `moorage_${string}_total`, labels: readonly string[], help: string) =>
  ({ name, type: 'counter', labels, help }) as const
const gauge = (name: `moorage_${string}`, labels: readonly string[], help: string) =>
  ({ name, type: 'gauge', labels, help }) as const
const POOL = ['zone', 'pool']

/** Every metric of ours, in the order of its page. */
export const METRICS = {
  apiRequest: histogram(
    'moorage_api_request_duration_seconds',
    ['command', 'outcome'],
    'Time to answer a request; outcome is ok, refused, unauthenticated or failed (a fault inside), command is unknown where it is none of ours',
  ),
  operation: histogram(
    'moorage_operation_duration_seconds',
    ['saga', 'state'],
    'Time for which an operation ran on the controller that ended it; state is succeeded, failed or aborted',
  ),
  step: histogram(
    'moorage_step_duration_seconds',
    ['saga', 'step', 'outcome'],
    'Time that a step of an operation took, with its repetitions; outcome is done, failed or undone',
  ),
  call: histogram(
    'moorage_plugin_call_duration_seconds',
    ['plugin', 'method', 'outcome'],
    'Time until a plug-in answered; outcome is ok or the failure code',
  ),
  operations: gauge(
    'moorage_operations',
    ['lane', 'state'],
    'Operations that have not ended, on all controllers; state is queued or running',
  ),
  oldest: gauge(
    'moorage_operations_oldest_age_seconds',
    ['lane', 'state'],
    'Age of the oldest operation that has not ended, since it was asked for (queued) or first taken up (running); 0 without any',
  ),
  claims: counter(
    'moorage_operation_claims_total',
    ['how'],
    'Operations that this controller took up (how=new) or took over or went on with (how=resumed)',
  ),
  lost: counter('moorage_leases_lost_total', [], 'Operations that were taken from this controller while it ran them'),
  renewals: counter(
    'moorage_lease_renewals_total',
    ['outcome'],
    'Heartbeats of this controller; outcome is ok or failed',
  ),
  renewalAge: gauge(
    'moorage_lease_renewal_age_seconds',
    [],
    'Time since the last heartbeat that the database took; above the lease of 10 s others take over',
  ),
  controllers: gauge('moorage_controllers', [], 'Controllers of this installation that were heard of within a lease'),
  connections: gauge(
    'moorage_database_connections',
    ['state'],
    'Connections of this controller to its database; state is busy or idle',
  ),
  connectionWaiters: gauge('moorage_database_connection_waiters', [], 'Requests that wait for a database connection'),
  poolTotal: gauge('moorage_pool_size_bytes', POOL, 'Bytes that the array has for the pool'),
  poolUsed: gauge('moorage_pool_used_bytes', POOL, 'Bytes that are written there'),
  poolPromisable: gauge(
    'moorage_pool_promisable_bytes',
    POOL,
    'Bytes that may be promised there: capacity times overcommit factor',
  ),
  poolReserved: gauge('moorage_pool_reserved_bytes', POOL, 'Bytes that the ledger has promised there'),
  poolPromisableIops: gauge(
    'moorage_pool_promisable_iops',
    POOL,
    'IOPS that may be promised there; absent where no capacity is set',
  ),
  poolReservedIops: gauge('moorage_pool_reserved_iops', POOL, 'IOPS that the ledger has promised there'),
  poolReachable: gauge(
    'moorage_pool_reachable',
    POOL,
    '1 while the array answers, else 0; pools of one name in one zone are added up, here and above',
  ),
  hosts: gauge('moorage_hosts', ['state'], 'Hosts by state: Up, Down, Disconnected and so on'),
  findings: gauge(
    'moorage_census_findings',
    ['kind', 'state'],
    'What the latest census found: kind is orphan, ghost, drifted or foreign; state is open or ignored',
  ),
  audited: counter(
    'moorage_audit_records_total',
    ['outcome'],
    'Attempts at commands that are audited; outcome is done, accepted, refused, failed, suppressed (too many strangers) or lost (could not be written: the log has it)',
  ),
  unsealed: gauge('moorage_audit_unsealed_records', [], 'Audit records that wait for their place in the chain'),
  scrapeErrors: counter(
    'moorage_scrape_errors_total',
    ['source'],
    'Readings that failed or took longer than 2 s; the gauges of that source are left out of the scrape',
  ),
} as const satisfies Readonly<Record<string, MetricFacts>>
