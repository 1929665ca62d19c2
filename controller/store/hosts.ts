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

/** The host answered: it is Up. Answers the state it had before, `undefined` when it is not registered any more, or given up. */
export async function hostSeen(
  tx: Tx,
  id: string,
  report: { readonly version: string; readonly cpus: number; readonly memoryBytes: number },
): Promise<string | undefined> {
  const before = await lockHost(tx, id)
  if (!before || before.lostAt !== null) return undefined
  await tx
    .updateTable('host')
    .set({ ...report, state: 'Up', silentSince: null, lastSeenAt: sql<Date>`now()` })
    .where('id', '=', id)
    .execute()
  return before.state
}

/** The host did not answer: it is in state Alert. True when that is news. */
export async function hostSilent(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .updateTable('host')
    .set({ state: 'Alert', silentSince: sql<Date>`now()` })
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .where('state', '=', 'Up')
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/** The host is Down: given up until `hostReturned`. */
export async function giveHostUp(tx: Tx, id: string, dead: boolean): Promise<void> {
  await tx
    .updateTable('host')
    .set({ state: 'Down', dead, lostAt: sql<Date>`coalesce(lost_at, now())` })
    .where('id', '=', id)
    .execute()
}

/** A host that had been given up is Up. False when it is not one, or registered no more. */
export async function hostReturned(tx: Tx, id: string): Promise<boolean> {
  const row = await tx
    .updateTable('host')
    .set({ state: 'Up', dead: false, lostAt: null, silentSince: null, lastSeenAt: sql<Date>`now()` })
    .where('id', '=', id)
    .where('removedAt', 'is', null)
    .where('lostAt', 'is not', null)
    .returning('id')
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Hosts that have been silent for longer than `seconds` and are not given up yet. None of a zone of which more than half is
 * silent: then it is more likely us who are cut off.
 */
export async function hostsToGiveUp(reader: Reader, seconds: number): Promise<readonly HostRow[]> {
  const rows = await reader
    .selectFrom('host')
    .selectAll()
    .where('removedAt', 'is', null)
    .where('lostAt', 'is', null)
    .execute()
  const { now } = await reader.selectNoFrom(sql<Date>`now()`.as('now')).executeTakeFirstOrThrow()
  const silent = rows.filter(({ state }) => state === 'Alert')
  const inZone = (of: readonly HostRow[], zone: string) => of.filter(({ zoneId }) => zoneId === zone).length
  return silent.filter(
    ({ zoneId, silentSince }) =>
      silentSince !== null &&
      now.getTime() - silentSince.getTime() >= seconds * 1000 &&
      inZone(silent, zoneId) * 2 <= inZone(rows, zoneId),
  )
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
