import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from './connect.ts'
import { migrate, migrations } from './migrate.ts'
import type { Reader } from './store.ts'
import { testDatabase } from './testing.ts'

let database: Awaited<ReturnType<typeof testDatabase>>
let reader: Reader
beforeAll(async () => {
  database = await testDatabase({ empty: true })
  const address = { connectionString: database.url }
  reader = connect(address, { name: 'test', connections: 2, failed: () => {} }).reader
})
afterAll(async () => {
  await reader.destroy()
  await database.drop()
})

/** The schema as the release before usage had it. */
async function schemaBefore(): Promise<void> {
  const before = migrations().filter(({ name }) => name < '0010')
  expect(migrations()[before.length]?.name).toBe('0010-usage.sql')
  await sql`create table migration (number integer primary key, name text not null, checksum text not null,
    applied_at timestamptz not null default now())`.execute(reader)
  for (const { number, name, checksum, sql: text } of before) {
    await sql.raw(text).execute(reader)
    await sql`insert into migration (number, name, checksum) values (${number}, ${name}, ${checksum})`.execute(reader)
  }
}

test('what was there before usage was is metered from the upgrade on, and no I/O of before is billed', async () => {
  await schemaBefore()
  const [zone, domain, account, pool, offering] = [1, 2, 3, 4, 5].map(() => randomUUID())
  const [attached, detached, gone, vm, snapshot, copy] = [1, 2, 3, 4, 5, 6].map(() => randomUUID())
  await sql
    .raw(`
    insert into zone (id, name) values ('${zone}', 'z');
    insert into domain (id, name, path) values ('${domain}', 'ROOT', '/');
    insert into account (id, domain_id, name, role, chap_account) values ('${account}', '${domain}', 'a', 'user', 'a');
    insert into pool (id, zone_id, scope, name, provider, url, managed, settings, sealed_settings, identity, state,
        total_bytes, used_bytes)
      values ('${pool}', '${zone}', 'ZONE', 'p', 'x', 'x://x', true, '{}', '', 'p', 'Up', 1000, 0);
    insert into offering (id, kind, name, display_text, qos, qos_tier)
      values ('${offering}', 'service', 's', 's', '{}', 'none');
    insert into volume (id, account_id, zone_id, name, type, bytes, qos_tier, qos_requested, state, removed_at) values
      ('${attached}', '${account}', '${zone}', 'v', 'DATADISK', 10, 'storage', '{"totalIops":{"min":5}}', 'Ready', null),
      ('${detached}', '${account}', '${zone}', 'v', 'DATADISK', 20, 'storage', '{}', 'Ready', null),
      ('${gone}', '${account}', '${zone}', 'v', 'DATADISK', 30, 'storage', '{}', 'Expunged', now());
    insert into location (volume_id, pool_id, state, bytes, qos_tier) values
      ('${attached}', '${pool}', 'present', 10, 'storage'), ('${detached}', '${pool}', 'present', 20, 'storage');
    insert into vm (id, account_id, zone_id, name, display_name, offering_id, hypervisor, state, cpus, memory_bytes)
      values ('${vm}', '${account}', '${zone}', 'm', 'm', '${offering}', 'KVM', 'Running', 2, 1);
    insert into attachment (volume_id, vm_id, device_id, generation, desired, actual)
      values ('${attached}', '${vm}', 1, 1, 'attached', 'attached');
    insert into snapshot (id, account_id, zone_id, volume_id, name, state, bytes)
      values ('${snapshot}', '${account}', '${zone}', '${detached}', 's', 'BackedUp', 20);
    insert into snapshot_copy (id, snapshot_id, kind, pool_id, state, bytes)
      values ('${copy}', '${snapshot}', 'array', '${pool}', 'present', 7);`)
    .execute(reader)
  await migrate(reader)
  const open = await reader.selectFrom('usageOpen').select(['kind', 'partId', 'bytes', 'minIops', 'cpus']).execute()
  const expected = [
    { kind: 'volume', partId: attached, bytes: 10, minIops: 5, cpus: null },
    { kind: 'volume', partId: detached, bytes: 20, minIops: null, cpus: null },
    { kind: 'vm-allocated', partId: vm, bytes: null, minIops: null, cpus: 2 },
    { kind: 'vm-running', partId: vm, bytes: null, minIops: null, cpus: 2 },
    { kind: 'snapshot', partId: copy, bytes: 7, minIops: null, cpus: null },
  ]
  expect(open).toHaveLength(expected.length)
  expect(open).toEqual(expect.arrayContaining(expected))
  expect(await reader.selectFrom('usageSpan').selectAll().execute()).toEqual([])
  const counters = await reader.selectFrom('volumeIo').select(['volumeId', 'source', 'live']).execute()
  expect(new Map(counters.map(({ volumeId, ...rest }) => [volumeId, rest]))).toEqual(
    new Map([
      [attached, { source: 'unread', live: true }],
      [detached, { source: 'unread', live: false }],
    ]),
  )
})
