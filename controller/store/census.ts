import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { type CensusView, exposureKey, type Finding } from '../domain/census.ts'
import type { Reader, Tx } from './store.ts'

const OPEN = ['queued', 'running', 'undoing'] as const

/** The database's clock, as text that it reads back without loss. */
export async function databaseNow(reader: Reader): Promise<string> {
  const { rows } = await sql<{ readonly now: string }>`select clock_timestamp()::text as now`.execute(reader)
  const [row] = rows
  if (!row) throw new Error('the database has no clock')
  return row.now
}

/** What should be out there. Several statements: what changes in between belongs to an operation that `busySince` names. */
export async function censusView(reader: Reader): Promise<CensusView> {
  const [locations, copies, connections, vms, attachments] = await Promise.all([
    reader.selectFrom('location').select(['volumeId', 'poolId', 'state', 'bytes']).execute(),
    reader
      .selectFrom('snapshotCopy')
      .innerJoin('snapshot', 'snapshot.id', 'snapshotCopy.snapshotId')
      .select(['snapshotCopy.snapshotId', 'snapshotCopy.poolId', 'snapshotCopy.state', 'snapshot.volumeId'])
      .where('snapshotCopy.kind', '=', 'array')
      .where('snapshotCopy.state', '<>', 'gone')
      .execute(),
    reader.selectFrom('connection').select(['sourceKind', 'sourceId', 'hostId', 'poolId', 'state']).execute(),
    reader.selectFrom('vm').select(['id', 'hostId', 'state']).where('removedAt', 'is', null).execute(),
    reader.selectFrom('attachment').select(['volumeId', 'vmId', 'generation', 'actual']).execute(),
  ])
  return {
    volumes: new Map(locations.map(({ volumeId, poolId, state, bytes }) => [volumeId, { pool: poolId, state, bytes }])),
    snapshots: new Map(
      copies.map(({ snapshotId, poolId, state, volumeId }) => [
        snapshotId,
        { pool: poolId ?? '', state, volume: volumeId },
      ]),
    ),
    exposures: new Map(
      connections.map(({ sourceKind, sourceId, hostId, poolId, state }) => {
        const source = `${sourceKind}:${sourceId}`
        return [exposureKey(source, hostId), { pool: poolId, state, source }]
      }),
    ),
    vms: new Map(vms.map(({ id, hostId, state }) => [id, { host: hostId, state }])),
    disks: new Map(
      attachments.map(({ volumeId, vmId, generation, actual }) => [volumeId, { vm: vmId, generation, actual }]),
    ),
  }
}

/** Locks of every operation, but one, that is open or has ended since the moment that `databaseNow` answered. */
export async function busySince(reader: Reader, moment: string, except?: string): Promise<ReadonlySet<string>> {
  const rows = await reader
    .selectFrom('operation')
    .select('resources')
    .where((eb) => (except === undefined ? eb.lit(true) : eb('id', '<>', except)))
    .where(({ or, eb }) => or([eb('state', 'in', OPEN), eb('endedAt', '>=', sql<Date>`${moment}::timestamptz`)]))
    .execute()
  return new Set(rows.flatMap(({ resources }) => resources))
}

/** Volumes whose QoS their array enforces, with the vector it was last known to apply. */
export async function volumesWithArrayQos(
  reader: Reader,
  pool: string,
): Promise<readonly { readonly id: string; readonly qosRequested: unknown; readonly qosApplied: unknown }[]> {
  return reader
    .selectFrom('volume')
    .innerJoin('location', 'location.volumeId', 'volume.id')
    .select(['volume.id', 'volume.qosRequested', 'volume.qosApplied'])
    .where('location.poolId', '=', pool)
    .where('location.state', '=', 'present')
    .where('location.qosTier', '=', 'storage')
    .orderBy('volume.id')
    .execute()
}

/**
 * Records what a census found: a finding seen before is seen again, one that an operator ignores stays ignored, and one of
 * a place that was looked at and does not show any more is `gone`.
 */
export async function recordFindings(
  tx: Tx,
  run: string,
  seen: { readonly findings: readonly Omit<Finding, 'resources'>[]; readonly unlisted: readonly string[] },
): Promise<void> {
  for (const { kind, place, object, detail } of seen.findings) {
    await tx
      .insertInto('censusFinding')
      .values({ id: randomUUID(), kind, place, object, detail, state: 'open', runId: run })
      .onConflict((conflict) =>
        conflict.columns(['kind', 'place', 'object']).doUpdateSet((eb) => ({
          detail,
          runId: run,
          lastSeenAt: sql<Date>`now()`,
          firstSeenAt: sql<Date>`case when census_finding.state = 'gone' then now() else census_finding.first_seen_at end`,
          state: eb
            .case()
            .when('censusFinding.state', '=', 'ignored')
            .then('ignored' as const)
            .else('open' as const)
            .end(),
        })),
      )
      .execute()
  }
  await tx
    .updateTable('censusFinding')
    .set({ state: 'gone' })
    .where('state', '=', 'open')
    .where('runId', '<>', run)
    .where('place', 'not in', ['', ...seen.unlisted])
    .execute()
}
