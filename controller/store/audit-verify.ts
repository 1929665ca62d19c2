import {
  auditChain,
  type Chain,
  isAuthentic,
  linkHash,
  type SealedRecord,
  sealedAfter,
  unsealedCount,
} from './audit-chain.ts'
import type { Reader, Store } from './store.ts'

/**
 * What is wrong with the audit. `changed`: a record is not what a controller wrote. `moved`: a record is not where it was
 * sealed, or its time was changed. `missing`: records are gone. `ends`: what is recorded of the chain's ends is not what it
 * has, or somebody else wrote it.
 */
export interface AuditFault {
  readonly kind: 'changed' | 'moved' | 'missing' | 'ends'
  readonly text: string
}

/** What a verification found. */
export interface AuditVerdict {
  /** Sealed records that were read. */
  readonly records: number
  /** Records that wait for their seal: a controller seals them within seconds. */
  readonly unsealed: number
  /** Where retention let the chain begin: 0 for its very beginning. */
  readonly base: number
  readonly head: { readonly position: number; readonly hash: string }
  /** Up to a hundred. */
  readonly faults: readonly AuditFault[]
}

const PAGE = 2000
const MOST_FAULTS = 100

/**
 * Walks the whole chain. `expect`: a position and hash that were noted before, elsewhere: they must still be in it, so that
 * nobody can have put back an older database. Reads while controllers write: what they add since is not looked at.
 */
export async function verifyAudit(
  store: Pick<Store, 'mac' | 'reader'>,
  expect?: { readonly position: number; readonly hash: string },
): Promise<AuditVerdict> {
  const { reader } = store
  const chain = await auditChain(store, reader)
  const faults: AuditFault[] = []
  const fault = (kind: AuditFault['kind'], text: string) => {
    if (faults.length < MOST_FAULTS) faults.push({ kind, text })
  }
  if (!chain.intact) fault('ends', 'the ends of the chain were not written by a controller of this installation')
  const walked = await walk(store, { chain, fault, expect })
  if (walked.position !== chain.head.position)
    fault('missing', `the last record is ${walked.position}, but ${chain.head.position} were sealed`)
  else if (!walked.hash.equals(chain.head.hash)) fault('ends', 'the hash of the last record is not that of the chain')
  if (expect !== undefined && expect.position > chain.head.position)
    fault('missing', `record ${expect.position} is expected, but only ${chain.head.position} were sealed`)
  const head = { position: chain.head.position, hash: chain.head.hash.toString('hex') }
  return { records: walked.records, unsealed: await unsealedCount(reader), base: chain.base.position, head, faults }
}

interface Walk {
  readonly chain: Chain
  readonly fault: (kind: AuditFault['kind'], text: string) => void
  readonly expect: { readonly position: number; readonly hash: string } | undefined
}

async function walk(
  store: Pick<Store, 'mac'> & { readonly reader: Reader },
  { chain, fault, expect }: Walk,
): Promise<{ readonly records: number; readonly position: number; readonly hash: Buffer }> {
  let last = chain.base
  let records = 0
  for (;;) {
    const page = await sealedAfter(store.reader, last.position, PAGE)
    for (const record of page) {
      if (record.position > chain.head.position) return { records, ...last }
      if (record.position !== last.position + 1) fault('missing', missing(last.position + 1, record.position - 1))
      check(store, { record, before: record.position === last.position + 1 ? last.hash : record.previous, fault })
      if (expect?.position === record.position && expect.hash !== record.hash.toString('hex'))
        fault('moved', `record ${record.position} is not the one that is expected`)
      last = record
      records += 1
    }
    if (page.length < PAGE) return { records, position: last.position, hash: last.hash }
  }
}

function check(
  store: Pick<Store, 'mac'>,
  of: { readonly record: SealedRecord; readonly before: Buffer; readonly fault: Walk['fault'] },
): void {
  const { record, before, fault } = of
  const { position } = record
  const name = `record ${position} (${record.command} of ${record.at})`
  if (!isAuthentic(store, record)) fault('changed', `${name} is not what a controller wrote`)
  else if (!record.previous.equals(before)) fault('moved', `${name} was not sealed behind the record before it`)
  else if (!linkHash(store, { position, previous: record.previous }, record).equals(record.hash))
    fault('moved', `${name} was not sealed at this place and time`)
}

function missing(from: number, to: number): string {
  return from === to ? `record ${from} is gone` : `records ${from} to ${to} are gone`
}
