import { sql } from 'kysely'
import { type AuditContent, contentMac } from './audit.ts'
import { jsonText } from './json.ts'
import type { Reader, Store, Tx } from './store.ts'

/** An end of the chain: of which record, and its hash. Position 0 is before the first. */
export interface Link {
  readonly position: number
  readonly hash: Buffer
}

/** The chain as it is recorded: what is before its first record, and its last. */
export interface Chain {
  readonly base: Link
  readonly head: Link
  /** The MAC over both is right: nobody else wrote them. */
  readonly intact: boolean
}

/** What the chain's hash of a record covers, besides its place. `at` to the microsecond, as text. */
interface Sealing {
  readonly seq: number
  readonly at: string
  readonly mac: Buffer
}

const NOTHING: Link = { position: 0, hash: Buffer.alloc(32) }
const BATCH = 1000

/**
 * Seals records that were written since, up to a thousand, the oldest first, and answers how many; 0 while another
 * controller does so. Records of transactions that commit late are sealed then: the chain's order is that of sealing.
 */
export async function sealAudit(store: Pick<Store, 'transact' | 'reader' | 'mac'>): Promise<number> {
  // Mostly there is nothing, and nothing need be locked to find that.
  const first = await store.reader
    .selectFrom('auditRecord')
    .select('seq')
    .where('position', 'is', null)
    .limit(1)
    .execute()
  if (first.length === 0) return 0
  return await store.transact(async (tx) => {
    const chain = await lockedChain(store, tx)
    if (chain === undefined) return 0
    const { rows } = await sql<Sealing>`
      select seq, ${atText()} as at, mac from audit_record where position is null order by seq limit ${BATCH}`.execute(
      tx,
    )
    let last = chain.head
    const sealed = rows.map((row) => {
      const previous = last.hash
      const position = last.position + 1
      last = { position, hash: linkHash(store, { position, previous }, row) }
      return { seq: row.seq, position, previous: previous.toString('hex'), hash: last.hash.toString('hex') }
    })
    await sql`
      update audit_record r set position = s.position, previous = decode(s.previous, 'hex'), hash = decode(s.hash, 'hex')
      from jsonb_to_recordset(${jsonText(sealed)}::jsonb) as s (seq bigint, position bigint, previous text, hash text)
      where r.seq = s.seq`.execute(tx)
    await writeChain(store, tx, { base: chain.base, head: last })
    return rows.length
  })
}

/**
 * Deletes sealed records older than `days` from the beginning of the chain, up to a thousand, and answers how many. What is
 * left begins where they ended, which is recorded under a MAC; the last record always stays.
 */
export async function trimAudit(store: Pick<Store, 'transact' | 'mac'>, days: number): Promise<number> {
  return await store.transact(async (tx) => {
    const chain = await lockedChain(store, tx)
    if (chain === undefined) return 0
    const { rows } = await sql<{ position: number; hash: Buffer; old: boolean }>`
      select position, hash, at < now() - make_interval(days => ${days}) as old from audit_record
      where position > ${chain.base.position} and position < ${chain.head.position} order by position limit ${BATCH}`.execute(
      tx,
    )
    const young = rows.findIndex(({ old }) => !old)
    const gone = young === -1 ? rows : rows.slice(0, young)
    const last = gone.at(-1)
    if (last === undefined) return 0
    await tx.deleteFrom('auditRecord').where('position', '<=', last.position).execute()
    await writeChain(store, tx, { base: { position: last.position, hash: last.hash }, head: chain.head })
    return gone.length
  })
}

/** The chain's ends; before the first record both are nothing. */
export async function auditChain(store: Pick<Store, 'mac'>, reader: Reader): Promise<Chain> {
  const row = await reader.selectFrom('auditChain').selectAll().executeTakeFirst()
  return row === undefined ? { base: NOTHING, head: NOTHING, intact: true } : chainOf(store, row)
}

/** A record as `verifyAudit` reads it. */
export interface SealedRecord extends AuditContent, Sealing, Link {
  readonly previous: Buffer
}

/** Sealed records after `position`, in the chain's order, up to `most`. */
export async function sealedAfter(reader: Reader, position: number, most: number): Promise<readonly SealedRecord[]> {
  const { rows } = await sql<SealedRecord>`
    select seq, ${atText()} as at, node, request, account_id, account, principal_id, username, source, command, params, outcome,
      code, text, operation_id, mac, position, previous, hash
    from audit_record where position > ${position} order by position limit ${most}`.execute(reader)
  return rows
}

/** How many records wait to be sealed. */
export async function unsealedCount(reader: Reader): Promise<number> {
  const { n } = await reader
    .selectFrom('auditRecord')
    .where('position', 'is', null)
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return n
}

/** The hash of a record at its place: it covers that place, the record, and by `previous` all before it. */
export function linkHash(
  store: Pick<Store, 'mac'>,
  at: { readonly position: number; readonly previous: Buffer },
  record: Sealing,
): Buffer {
  const text = [at.position, at.previous.toString('hex'), record.seq, record.at, record.mac.toString('hex')]
  return store.mac('audit link', JSON.stringify(text))
}

/** True when the record is what a controller wrote. */
export function isAuthentic(store: Pick<Store, 'mac'>, record: AuditContent & Pick<Sealing, 'mac'>): boolean {
  return contentMac(store, record).equals(record.mac)
}

/** The chain, locked until the transaction ends; `undefined` while another has it. Throws when somebody else wrote it. */
async function lockedChain(store: Pick<Store, 'mac'>, tx: Tx): Promise<Chain | undefined> {
  const row = await tx.selectFrom('auditChain').selectAll().forUpdate().skipLocked().executeTakeFirst()
  if (row !== undefined) {
    const chain = chainOf(store, row)
    if (!chain.intact) throw new Error('the ends of the audit chain were changed: run moorage audit verify')
    return chain
  }
  const known = await tx.selectFrom('auditChain').select('one').executeTakeFirst()
  if (known !== undefined) return undefined
  // Of several that begin the chain one does; the others come again.
  const made = await tx
    .insertInto('auditChain')
    .values({ ...columnsOf({ base: NOTHING, head: NOTHING }), mac: chainMac(store, { base: NOTHING, head: NOTHING }) })
    .onConflict((oc) => oc.doNothing())
    .returning('one')
    .executeTakeFirst()
  return made && { base: NOTHING, head: NOTHING, intact: true }
}

type Ends = Pick<Chain, 'base' | 'head'>

async function writeChain(store: Pick<Store, 'mac'>, tx: Tx, ends: Ends): Promise<void> {
  await tx
    .updateTable('auditChain')
    .set({ ...columnsOf(ends), mac: chainMac(store, ends) })
    .execute()
}

function columnsOf({ base, head }: Ends) {
  return { basePosition: base.position, baseHash: base.hash, headPosition: head.position, headHash: head.hash }
}

function chainMac(store: Pick<Store, 'mac'>, { base, head }: Ends): Buffer {
  const ends = [base.position, base.hash.toString('hex'), head.position, head.hash.toString('hex')]
  return store.mac('audit chain', JSON.stringify(ends))
}

function chainOf(store: Pick<Store, 'mac'>, row: ReturnType<typeof columnsOf> & { readonly mac: Buffer }): Chain {
  const ends = {
    base: { position: row.basePosition, hash: row.baseHash },
    head: { position: row.headPosition, hash: row.headHash },
  }
  return { ...ends, intact: chainMac(store, ends).equals(row.mac) }
}

function atText() {
  return sql`to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
}
