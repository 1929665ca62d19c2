import { type Insertable, sql, type Updateable } from 'kysely'
import type { VmRow, VmTable } from './generated/schema.ts'
import { later } from './pipeline.ts'
import type { Reader, Tx } from './store.ts'

/** Adds a VM. */
export async function insertVm(tx: Tx, vm: Insertable<VmTable>): Promise<void> {
  await later(tx.insertInto('vm').values(vm))
}

/** The VM, expunged ones included. */
export async function vmById(reader: Reader, id: string): Promise<VmRow | undefined> {
  return reader.selectFrom('vm').selectAll().where('id', '=', id).executeTakeFirst()
}

/** As `vmById`, its row locked until the transaction ends. */
export async function lockVm(tx: Tx, id: string): Promise<VmRow | undefined> {
  return tx.selectFrom('vm').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Changes columns of a VM. */
export async function updateVm(tx: Tx, id: string, changes: Updateable<VmTable>): Promise<void> {
  if (Object.keys(changes).length === 0) return
  await later(tx.updateTable('vm').set(changes).where('id', '=', id))
}

/** The VM is on no host any more, and the host it was on is where it ran last. */
export async function vmLeftHost(tx: Tx, id: string, state: string): Promise<void> {
  await later(
    tx
      .updateTable('vm')
      .set({ state, lastHostId: sql<string | null>`coalesce(host_id, last_host_id)`, hostId: null })
      .where('id', '=', id),
  )
}

/** Notes when the VM was destroyed: its time for recovery runs from there. */
export async function vmDestroyed(tx: Tx, id: string): Promise<void> {
  await later(
    tx
      .updateTable('vm')
      .set({ destroyedAt: sql<Date>`now()` })
      .where('id', '=', id),
  )
}

/** VMs in state Destroyed for longer than `seconds`. */
export async function vmsToExpunge(
  reader: Reader,
  seconds: number,
): Promise<readonly Pick<VmRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId'])
    .where('state', '=', 'Destroyed')
    .where('removedAt', 'is', null)
    .where('destroyedAt', '<=', sql<Date>`now() - make_interval(secs => ${seconds})`)
    .orderBy('destroyedAt')
    .execute()
}

/** Marks a VM expunged: it keeps its row for history and leaves every list. */
export async function removeVm(tx: Tx, id: string): Promise<void> {
  await later(
    tx
      .updateTable('vm')
      .set({ removedAt: sql<Date>`coalesce(removed_at, now())` })
      .where('id', '=', id),
  )
}

/** Image of templates whose machines have no guest: nothing boots in them. */
const NO_IMAGE = 'none'

/** The boot image that a VM's host holds; `undefined` when the VM has no template, one without a guest, or one that is a disk. */
export async function imageOf(reader: Reader, template: string | null): Promise<string | undefined> {
  if (template === null) return undefined
  const row = await reader
    .selectFrom('template')
    .select(['image', 'archiveId'])
    .where('id', '=', template)
    .executeTakeFirst()
  return row?.image === NO_IMAGE || row?.archiveId !== null ? undefined : row.image
}

/** VMs that should run on the host, as far as the database knows. */
export async function runningOn(
  reader: Reader,
  host: string,
): Promise<readonly Pick<VmRow, 'id' | 'accountId' | 'operationId' | 'generation'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId', 'operationId', 'generation'])
    .where('hostId', '=', host)
    .where('state', '=', 'Running')
    .where('removedAt', 'is', null)
    .execute()
}

/** VMs that a pool's maintenance had stopped and nobody has started since. */
export async function parkedBy(reader: Reader, pool: string): Promise<readonly Pick<VmRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId'])
    .where('parkedByPoolId', '=', pool)
    .where('state', '=', 'Stopped')
    .where('removedAt', 'is', null)
    .orderBy('id')
    .execute()
}

/** VMs whose removal began and is not done. */
export async function vmsToFinish(reader: Reader): Promise<readonly Pick<VmRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId'])
    .where('state', '=', 'Expunging')
    .where('removedAt', 'is', null)
    .execute()
}

/** VMs that are on the host as far as the database knows, in whatever state. */
export async function vmsOn(
  reader: Reader,
  host: string,
): Promise<readonly Pick<VmRow, 'id' | 'accountId' | 'generation' | 'ha' | 'state'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId', 'generation', 'ha', 'state'])
    .where('hostId', '=', host)
    .where('removedAt', 'is', null)
    .orderBy('id')
    .execute()
}

/** VMs that are on the host as far as the database knows, in whatever state, and those on their way to it. */
export async function vmsOnOrComing(reader: Reader, host: string): Promise<readonly Pick<VmRow, 'id' | 'accountId'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId'])
    .where(({ or, eb }) => or([eb('hostId', '=', host), eb('targetHostId', '=', host)]))
    .where('removedAt', 'is', null)
    .orderBy('id')
    .execute()
}

/** VMs that were stopped because their host was lost or taken out of service, and are to run again. */
export async function vmsToRestart(reader: Reader): Promise<readonly Pick<VmRow, 'id' | 'accountId' | 'lastHostId'>[]> {
  return reader
    .selectFrom('vm')
    .select(['id', 'accountId', 'lastHostId'])
    .where('restartWanted', '=', true)
    .where('state', '=', 'Stopped')
    .where('removedAt', 'is', null)
    .orderBy('id')
    .execute()
}

/** Accounts by VM; those that are not known are absent. */
export async function ownersOf(reader: Reader, vms: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (vms.length === 0) return new Map()
  const rows = await reader
    .selectFrom('vm')
    .select(['id', 'accountId'])
    .where('id', 'in', [...vms])
    .execute()
  return new Map(rows.map(({ id, accountId }) => [id, accountId]))
}
