import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { insertAuditRecord } from '@moorage/controller/store/audit.ts'
import { sealAudit } from '@moorage/controller/store/audit-chain.ts'
import { verifyAudit } from '@moorage/controller/store/audit-verify.ts'
import { recordEvent } from '@moorage/controller/store/events.ts'
import { type OpenedStore, openStore } from '@moorage/controller/store/open.ts'
import type { Tx } from '@moorage/controller/store/store.ts'
import type { Bench, BenchRow } from './report.ts'

const SECONDS = 4
const CLIENTS = 16
const SILENT = { info: () => {}, warn: () => {}, error: () => {} }

/** What the audit costs: transactions of one small insert each, without it, with it, and as a chain that every one extends. */
export const audit: Bench = {
  name: 'audit',
  about: `transactions per second of ${CLIENTS} clients, ${SECONDS} s each, with fsync`,
  async run() {
    const dataDir = mkdtempSync(join(tmpdir(), 'moorage-bench-'))
    const store = await openStore({ url: undefined, dataDir, masterKey: randomBytes(32), log: SILENT })
    try {
      const bare = await rate(store, effect)
      const recorded = await rate(store, async (tx) => {
        await effect(tx)
        await record(store, tx)
      })
      await sealAll(store)
      const chained = await rate(store, async (tx) => {
        await effect(tx)
        // As a chain in the effect's transaction would: its last hash is read under a lock and written.
        await tx.selectFrom('auditChain').selectAll().forUpdate().execute()
        await record(store, tx)
        await tx
          .updateTable('auditChain')
          .set((eb) => ({ headPosition: eb('headPosition', '+', 0) }))
          .execute()
      })
      const row = (name: string, value: number): BenchRow => {
        const note = `${((100 * value) / bare).toFixed(0)} % of the same without`
        return { bench: 'audit', case: name, value, unit: 'transactions/s', note }
      }
      return [row('no record', bare), row('a record', recorded), row('a link', chained), ...(await sealing(store))]
    } finally {
      await store.close()
      rmSync(dataDir, { recursive: true, force: true })
    }
  },
}

async function effect(tx: Tx): Promise<void> {
  await recordEvent(tx, { type: 'BENCH', state: 'Completed', description: 'something happened' })
}

async function record(store: OpenedStore, tx: Tx): Promise<void> {
  const who = { node: 'bench', request: randomUUID(), account: 'bench', username: 'bench', source: '127.0.0.1' }
  const params = JSON.stringify({ name: 'bench', size: '10', zoneid: randomUUID(), diskofferingid: randomUUID() })
  await insertAuditRecord(store, tx, { ...who, command: 'createVolume', params, outcome: 'done', text: '' })
}

async function rate(store: OpenedStore, work: (tx: Tx) => Promise<void>): Promise<number> {
  const began = performance.now()
  const until = began + SECONDS * 1000
  let done = 0
  const client = async () => {
    for (; performance.now() < until; done += 1) await store.transact(work)
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return (done * 1000) / (performance.now() - began)
}

async function sealAll(store: OpenedStore): Promise<number> {
  let all = 0
  for (let last = 1; last > 0; all += last) last = await sealAudit(store)
  return all
}

async function sealing(store: OpenedStore): Promise<readonly BenchRow[]> {
  const [began, sealed] = [performance.now(), await sealAll(store)]
  const middle = performance.now()
  const { records, faults } = await verifyAudit(store)
  if (faults.length > 0) throw new Error(`the audit is not whole: ${faults[0]?.text}`)
  const perSecond = (n: number, ms: number) => (n * 1000) / ms
  const unit = 'records/s'
  return [
    { bench: 'audit', case: 'sealing', value: perSecond(sealed, middle - began), unit, note: `${sealed} records` },
    {
      bench: 'audit',
      case: 'verifying',
      value: perSecond(records, performance.now() - middle),
      unit,
      note: `${records} records`,
    },
  ]
}
