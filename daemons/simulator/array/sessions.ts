import { randomUUID } from 'node:crypto'
import { type Connection, PluginError, type Source } from '@moorage/contract'
import { fields, invalid, oneOf, text, whole } from '../check.ts'
import { type Difference, differences, readImage, writeImage } from '../layers.ts'
import type { Store } from '../store.ts'
import { arrayAt } from './array.ts'
import { type ExposureRow, findChap, findExposure, LUN, targetOf } from './access.ts'
import { heldBack } from './pace.ts'
import { enforcedQos, findVolume } from './volumes.ts'

/** A connection over iSCSI: the only kind that leads to a simulated array. */
export type IscsiConnection = Extract<Connection, { readonly via: 'iscsi' }>

/** Reads a connection; throws `UNSUPPORTED` for anything but iSCSI. */
export function readConnection(value: unknown, name: string): IscsiConnection {
  const given = fields(value, name)
  const via = oneOf(given['via'], `${name}.via`, ['iscsi', 'rbd', 'nbd', 'file'])
  if (via !== 'iscsi') throw new PluginError('UNSUPPORTED', `${name}: ${via} is not spoken here`, 'none')
  const chap = given['chap'] === undefined ? undefined : fields(given['chap'], `${name}.chap`)
  return {
    via,
    portal: text(given['portal'], `${name}.portal`),
    iqn: text(given['iqn'], `${name}.iqn`),
    lun: whole(given['lun'], `${name}.lun`, 0),
    initiator: text(given['initiator'], `${name}.initiator`),
    ...(chap && {
      chap: { user: text(chap['user'], `${name}.chap.user`), secret: text(chap['secret'], `${name}.chap.secret`) },
    }),
  }
}

/**
 * Logs in: answers the id of a new session. Throws `UNAVAILABLE` where there is no such portal, `DENIED` for an
 * initiator that the target does not admit or CHAP that does not match, `NOT_FOUND` for another LUN.
 */
export function login(store: Store, connection: IscsiConnection): string {
  const array = arrayAt(store, connection.portal)
  if (!array) throw new PluginError('UNAVAILABLE', `nothing listens at ${connection.portal}`, 'none')
  const { name } = array
  const exposure = store
    .all<ExposureRow>('SELECT * FROM exposures WHERE array = ? AND initiator = ?', name, connection.initiator)
    .find((row) => targetOf(name, sourceOf(row)) === connection.iqn)
  if (!exposure) throw denied(`${connection.iqn} does not admit ${connection.initiator}`)
  const chap = findChap(store, exposure)
  if (!chap || chap.user !== connection.chap?.user || chap.secret !== connection.chap.secret) {
    throw denied(`${connection.iqn}: CHAP of ${connection.initiator} failed`)
  }
  if (connection.lun !== LUN)
    throw new PluginError('NOT_FOUND', `${connection.iqn} has no LUN ${connection.lun}`, 'none')
  const id = randomUUID()
  store.run('INSERT INTO sessions VALUES (?, ?, ?, ?)', id, name, exposure.key, Date.now())
  return id
}

/** Ends a session; one that has ended already is fine. */
export function logout(store: Store, session: string): void {
  store.run('DELETE FROM sessions WHERE id = ?', session)
}

/** Whether a session is open. */
export function isOpen(store: Store, session: string): boolean {
  return store.one('SELECT 1 FROM sessions WHERE id = ?', session) !== undefined
}

/** Size of what a session reaches. Throws `UNAVAILABLE` once the session has ended. */
export function capacity(store: Store, session: string): number {
  return opened(store, session).bytes
}

/**
 * Writes through a session, and answers for how many milliseconds the limits of the volume would have held the write.
 * Throws `UNAVAILABLE` once the session has ended, `DENIED` when its access is read-only.
 */
export function sessionWrite(
  store: Store,
  session: string,
  at: { readonly offset: number; readonly data: Buffer },
): number {
  const target = opened(store, session)
  if (target.exposure.mode !== 'rw' || target.exposure.sourceKind !== 'volume') {
    throw denied(`${target.exposure.key} is exposed read-only`)
  }
  refuseOutside(target.bytes, at.offset, at.data.length)
  writeImage(store, target.image, at)
  count(store, target.exposure, { column: 'write', length: at.data.length })
  const { array, sourceId } = target.exposure
  const qos = enforcedQos(store, array, sourceId)
  return heldBack(store, `${array}/${sourceId}`, { qos, bytes: at.data.length })
}

/** Reads through a session. Throws `UNAVAILABLE` once it has ended. */
export function sessionRead(
  store: Store,
  session: string,
  at: { readonly offset: number; readonly length: number },
): Buffer {
  const target = opened(store, session)
  refuseOutside(target.bytes, at.offset, at.length)
  count(store, target.exposure, { column: 'read', length: at.length })
  return readImage(store, target.image, at)
}

/** Where what a session reaches may hold anything but zeros, ascending. Throws `UNAVAILABLE` once it has ended. */
export function sessionExtents(store: Store, session: string): readonly Difference[] {
  return differences(store, opened(store, session).image, { start: 0, limit: Infinity })
}

/** Two sessions, of which one is read, and the other written or compared. */
export interface Ends {
  readonly from: string
  readonly to: string
}

/** Copies all that one session reaches to what the other does, through both. Throws as `sessionRead` and `sessionWrite`. */
export function copyThrough(store: Store, { from, to }: Ends): void {
  for (const at of piecesOf(store, { from, to })) {
    sessionWrite(store, to, { offset: at.offset, data: sessionRead(store, from, at) })
  }
}

/** Reads what both sessions reach, and answers whether it is the same. Throws as `sessionRead`. */
export function sameThrough(store: Store, { from, to }: Ends): boolean {
  return piecesOf(store, { from, to }).every((at) => sessionRead(store, from, at).equals(sessionRead(store, to, at)))
}

/** Where either has bytes, within what is reached from the first: elsewhere both read as zeros. */
function piecesOf(store: Store, { from, to }: Ends): readonly { readonly offset: number; readonly length: number }[] {
  const bytes = capacity(store, from)
  return [...sessionExtents(store, from), ...sessionExtents(store, to)]
    .map(({ offset, length }) => ({ offset, length: Math.min(length, bytes - offset) }))
    .filter(({ length }) => length > 0)
}

interface Target {
  readonly exposure: ExposureRow
  readonly bytes: number
  readonly image: number
}

/** The access rule is looked up for every I/O, so that a rule that went takes its sessions along. */
function opened(store: Store, session: string): Target {
  const sql = 'SELECT array, exposure FROM sessions WHERE id = ?'
  const row = store.one<{ array: string; exposure: string }>(sql, session)
  const exposure = row && findExposure(store, row.array, row.exposure)
  const image = exposure && imageOf(store, exposure)
  if (!image) throw new PluginError('UNAVAILABLE', `session ${session} has ended`, 'none')
  return { exposure, ...image }
}

function imageOf(store: Store, row: ExposureRow): { readonly bytes: number; readonly image: number } | undefined {
  if (row.sourceKind === 'volume') return findVolume(store, row.array, row.sourceId)
  return store.one('SELECT bytes, image FROM snapshots WHERE array = ? AND id = ?', row.array, row.sourceId)
}

function count(
  store: Store,
  row: ExposureRow,
  io: { readonly column: 'read' | 'write'; readonly length: number },
): void {
  if (row.sourceKind !== 'volume') return
  const { column, length } = io
  store.run(
    `UPDATE volumes SET ${column}Ops = ${column}Ops + 1, ${column}Bytes = ${column}Bytes + ? WHERE array = ? AND id = ?`,
    length,
    row.array,
    row.sourceId,
  )
}

function refuseOutside(bytes: number, offset: number, length: number): void {
  if (offset + length > bytes)
    throw invalid(`offset: ${offset} + ${length} lies beyond the ${bytes} bytes that there are`)
}

function sourceOf(row: ExposureRow): Source {
  return { kind: row.sourceKind, id: row.sourceId } as Source // Stored by expose, which read it as a Source.
}

function denied(message: string): PluginError {
  return new PluginError('DENIED', message, 'none')
}
