import { type Insertable, sql, type Updateable } from 'kysely'
import type { HostRow, HostTable } from './generated/schema.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a host. Throws on a second registration of one host (unique index `host_identity`). */
export async function insertHost(tx: Tx, host: Insertable<HostTable>): Promise<void> {
  await tx.insertInto('host').values(host).execute()
}

/** The host, unless it was removed. */
export async function hostById(reader: Reader, id: string): Promise<HostRow | undefined> {
  return reader.selectFrom('host').selectAll().where('id', '=', id).where('removedAt', 'is', null).executeTakeFirst()
}

/** All hosts that were not removed; of one zone, if given. */
export async function allHosts(reader: Reader, zone?: string): Promise<readonly HostRow[]> {
  const query = reader.selectFrom('host').selectAll().where('removedAt', 'is', null).orderBy('id')
  return zone === undefined ? query.execute() : query.where('zoneId', '=', zone).execute()
}

/**
 * As `allHosts` of a zone, rows locked until the transaction ends: of two VMs that want the last memory of a host the later
 * one sees the earlier.
 */
export async function lockHosts(tx: Tx, zone: string): Promise<readonly HostRow[]> {
  return tx
    .selectFrom('host')
    .selectAll()
    .where('removedAt', 'is', null)
    .where('zoneId', '=', zone)
    .orderBy('id')
    .forUpdate()
    .execute()
}

/**
 * Bytes of memory promised to VMs that run, or are about to, on each host of a zone; one that migrates counts on both. A host
 * without any is absent.
 */
export async function memoryInUse(reader: Reader, zone: string): Promise<ReadonlyMap<string, number>> {
  const rows = await reader
    .selectFrom('vm')
    .innerJoin('host', (join) =>
      join.on(({ or, eb }) =>
        or([eb('host.id', '=', eb.ref('vm.hostId')), eb('host.id', '=', eb.ref('vm.targetHostId'))]),
      ),
    )
    .select(['host.id', sql<number>`sum(vm.memory_bytes)::bigint`.as('bytes')])
    .where('vm.zoneId', '=', zone)
    .where('vm.removedAt', 'is', null)
    .groupBy('host.id')
    .execute()
  return new Map(rows.map(({ id, bytes }) => [id, bytes]))
}

/** Changes columns of a host. */
export async function updateHost(tx: Tx, id: string, changes: Updateable<HostTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await tx.updateTable('host').set(changes).where('id', '=', id).execute()
}

/** The host answered: it is Up. Answers the state it had before, `undefined` when it is not registered any more. */
export async function hostSeen(
  tx: Tx,
  id: string,
  report: { readonly version: string; readonly cpus: number; readonly memoryBytes: number },
): Promise<string | undefined> {
  const before = await lockHost(tx, id)
  if (!before) return undefined
  await tx
    .updateTable('host')
    .set({ ...report, state: 'Up', lastSeenAt: sql<Date>`now()` })
    .where('id', '=', id)
    .execute()
  return before.state
}

/** The host did not answer: it is in state Alert. True when that is news. */
export async function hostSilent(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .updateTable('host')
    .set({ state: 'Alert' })
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .where('state', '<>', 'Alert')
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** As `hostById`, its row locked until the transaction ends. */
export async function lockHost(tx: Tx, id: string): Promise<HostRow | undefined> {
  return tx
    .selectFrom('host')
    .selectAll()
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .forUpdate()
    .executeTakeFirst()
}
