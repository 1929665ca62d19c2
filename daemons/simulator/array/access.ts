import { createHash, randomInt } from 'node:crypto'
import { type AccessMode, type Chap, type Connection, PluginError, type Source } from '@moorage/contract'
import { fields, oneOf, text, uuid } from '../check.ts'
import type { Store } from '../store.ts'
import { type ArrayRequest, portalOf, readSource, sourceKey } from './array.ts'
import { sourceImage } from './volumes.ts'

/** LUN under which every target shows its one source. */
export const LUN = 1

/** An exposure as it is stored. */
export interface ExposureRow {
  readonly array: string
  readonly key: string
  readonly owner: string
  readonly sourceKind: Source['kind']
  readonly sourceId: string
  readonly consumer: string
  readonly consumerKind: 'host' | 'mover'
  readonly initiator: string
  readonly mode: AccessMode
  readonly account: string
  readonly createdAt: number
}

interface Wanted {
  readonly source: Source
  readonly consumer: string
  readonly consumerKind: 'host' | 'mover'
  readonly initiator: string
  readonly mode: AccessMode
  readonly account: string
}

/** Method `access/expose`. */
export function expose(request: ArrayRequest): Connection {
  const { store, array, owner } = request
  const wanted = readExposure(request.args['exposure'])
  sourceImage(request, wanted.source)
  if (wanted.source.kind === 'snapshot' && wanted.mode === 'rw') {
    throw new PluginError('INVALID', 'exposure.mode: a snapshot is exposed read-only', 'none')
  }
  const key = exposureKey(wanted.source, wanted.consumer)
  const existing = findExposure(store, array.name, key)
  if (existing) refuseDifferent(existing, wanted)
  else {
    store.run(
      'INSERT INTO exposures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      array.name,
      key,
      owner,
      wanted.source.kind,
      wanted.source.id,
      wanted.consumer,
      wanted.consumerKind,
      wanted.initiator,
      wanted.mode,
      wanted.account,
      Date.now(),
    )
  }
  return {
    via: 'iscsi',
    portal: portalOf(array.name),
    iqn: targetOf(array.name, wanted.source),
    lun: LUN,
    initiator: wanted.initiator,
    chap: ensureChap(request, wanted.account),
  }
}

/** Method `access/withdraw`: the rule and every session under it go in one step. */
export function withdraw(request: ArrayRequest): void {
  const access = fields(request.args['access'], 'access')
  const source = readSource(access['source'], 'access.source')
  const consumer = uuid(fields(access['consumer'], 'access.consumer')['id'], 'access.consumer.id')
  const existing = findExposure(request.store, request.array.name, exposureKey(source, consumer))
  if (existing?.owner === request.owner) removeExposure(request.store, existing)
}

/** Takes access away from a consumer: its open sessions are dead afterwards. */
export function removeExposure(store: Store, row: Pick<ExposureRow, 'array' | 'key'>): void {
  store.run('DELETE FROM sessions WHERE array = ? AND exposure = ?', row.array, row.key)
  store.run('DELETE FROM exposures WHERE array = ? AND key = ?', row.array, row.key)
}

/** The exposure under a key. */
export function findExposure(store: Store, array: string, key: string): ExposureRow | undefined {
  return store.one<ExposureRow>('SELECT * FROM exposures WHERE array = ? AND key = ?', array, key)
}

/** The iSCSI name of the target of one source. */
export function targetOf(array: string, source: Source): string {
  return `iqn.2025-01.io.moorage.simulator:${array}:${source.kind}.${source.id}`
}

/** The credentials of an account; `undefined` when none were made. */
export function findChap(store: Store, row: Pick<ExposureRow, 'array' | 'owner' | 'account'>): Chap | undefined {
  const sql = 'SELECT user, secret FROM accounts WHERE array = ? AND owner = ? AND account = ?'
  return store.one<Chap>(sql, row.array, row.owner, row.account)
}

function ensureChap({ store, array, owner }: ArrayRequest, account: string): Chap {
  const found = findChap(store, { array: array.name, owner, account })
  if (found) return { ...found }
  const user = `m-${createHash('sha256').update(`${owner}/${account}`).digest('hex').slice(0, 16)}`
  const secret = newSecret()
  store.run('INSERT INTO accounts VALUES (?, ?, ?, ?, ?)', array.name, owner, account, user, secret)
  return { user, secret }
}

/** 16 characters: RFC 7143 §9.2.1 wants 12 bytes or more, and common initiators take no more than 16. */
function newSecret(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length: 16 }, () => alphabet.charAt(randomInt(alphabet.length))).join('')
}

function exposureKey(source: Source, consumer: string): string {
  return `${sourceKey(source)}/${consumer}`
}

function refuseDifferent(existing: ExposureRow, wanted: Wanted): void {
  for (const name of ['mode', 'initiator', 'account', 'consumerKind'] as const) {
    if (existing[name] === wanted[name]) continue
    const message = `${existing.key} is exposed with ${name} ${existing[name]}, not ${wanted[name]}`
    throw new PluginError('CONFLICT', message, 'none')
  }
}

function readExposure(value: unknown): Wanted {
  const given = fields(value, 'exposure')
  const consumer = fields(given['consumer'], 'exposure.consumer')
  return {
    source: readSource(given['source'], 'exposure.source'),
    consumer: uuid(consumer['id'], 'exposure.consumer.id'),
    consumerKind: oneOf(consumer['kind'], 'exposure.consumer.kind', ['host', 'mover']),
    initiator: text(consumer['initiator'], 'exposure.consumer.initiator'),
    mode: oneOf(given['mode'], 'exposure.mode', ['rw', 'ro']),
    account: text(given['account'], 'exposure.account'),
  }
}
