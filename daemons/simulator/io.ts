import { type Connection, PluginError } from '@moorage/contract'
import { bytes, type Fields, label, text, uuid, whole } from './check.ts'
import { capacity, login, logout, readConnection, sessionRead, sessionWrite } from './array/sessions.ts'
import { liveSession, needDisk } from './host/disks.ts'
import { mirroredTo } from './host/mirror-rows.ts'
import { findVm, isAway, isFrozen } from './host/vms.ts'
import type { Store } from './store.ts'

const MOST_BYTES = 8 * 1024 * 1024

/**
 * Methods of the data path, beside the contract. Bytes travel as base64, at most 8 MiB a call.
 * `io/session` {connection} opens a session as any initiator would and answers {session, bytes};
 * `io/session-write` {session, offset, data}, `io/session-read` {session, offset, length} and `io/session-close`
 * {session} use it; `io/sessions` {connection} counts the open sessions of the connection's initiator at its target.
 * `io/write` {host, vm, volume, offset, data} and `io/read` {host, vm, volume, offset, length} are a guest's I/O: from its
 * disk through the host's session to the array; `io/serial` {host, vm, volume} is the serial that the guest sees.
 * `io/session-write` answers {heldMs}: for how long the limits of the volume would have held the write. The simulator
 * answers at once; who wants to feel limits waits for it.
 */
export const IO_METHODS: Readonly<Record<string, (store: Store, args: Fields) => unknown>> = {
  'io/session': openSession,
  'io/session-write': (store, args) => ({
    heldMs: sessionWrite(store, text(args['session'], 'session'), readWrite(args)),
  }),
  'io/session-read': (store, args) => ({
    data: sessionRead(store, text(args['session'], 'session'), readRead(args)).toString('base64'),
  }),
  'io/session-close': (store, args) => logout(store, text(args['session'], 'session')),
  'io/sessions': countSessions,
  'io/write': guestWrite,
  'io/read': guestRead,
  'io/serial': (store, args) => ({ serial: guestDisk(store, args).serial }),
}

function openSession(store: Store, args: Fields): { readonly session: string; readonly bytes: number } {
  const session = login(store, readConnection(args['connection'], 'connection'))
  return { session, bytes: capacity(store, session) }
}

function countSessions(store: Store, args: Fields): { readonly sessions: number } {
  const connection: Connection = readConnection(args['connection'], 'connection')
  const source = connection.iqn.slice(connection.iqn.lastIndexOf(':') + 1).replace('.', '/')
  const sql = `SELECT count(*) AS n FROM sessions s JOIN exposures e ON e.array = s.array AND e.key = s.exposure
    WHERE e.sourceKind || '/' || e.sourceId = ? AND e.initiator = ?`
  return { sessions: store.one<{ n: number }>(sql, source, connection.initiator)?.n ?? 0 }
}

function guestWrite(store: Store, args: Fields): void {
  const disk = guestDisk(store, args)
  if (disk.mode === 'ro') throw new PluginError('DENIED', `${disk.volume} is attached read-only`, 'none')
  const vm = findVm(store, disk.host, disk.vm)
  if (vm && isFrozen(vm)) throw new PluginError('BUSY', `the guest of ${disk.vm} is frozen`, 'none')
  const at = readWrite(args)
  refuseOutside(disk.bytes, at.offset + at.data.length)
  sessionWrite(store, liveSession(store, disk), at)
  const other = mirroredTo(store, disk)
  if (other !== undefined) sessionWrite(store, other, at)
  const sql = `UPDATE disks SET writeOps = writeOps + 1, writeBytes = writeBytes + ?
    WHERE host = ? AND vm = ? AND volume = ?`
  store.run(sql, at.data.length, disk.host, disk.vm, disk.volume)
}

function guestRead(store: Store, args: Fields): { readonly data: string } {
  const disk = guestDisk(store, args)
  const at = readRead(args)
  refuseOutside(disk.bytes, at.offset + at.length)
  const data = sessionRead(store, liveSession(store, disk), at)
  const sql = `UPDATE disks SET readOps = readOps + 1, readBytes = readBytes + ?
    WHERE host = ? AND vm = ? AND volume = ?`
  store.run(sql, at.length, disk.host, disk.vm, disk.volume)
  return { data: data.toString('base64') }
}

function guestDisk(store: Store, args: Fields) {
  const host = label(args['host'], 'host')
  const vm = findVm(store, host, uuid(args['vm'], 'vm'))
  if (vm && isAway(vm)) throw new PluginError('BUSY', `the guest of ${vm.id} does not run on ${host}`, 'none')
  return needDisk(store, { host, vm: uuid(args['vm'], 'vm'), volume: uuid(args['volume'], 'volume') })
}

/** A guest knows the size that its host told it last, whatever the array has made of it since. */
function refuseOutside(size: number, end: number): void {
  if (end > size)
    throw new PluginError('INVALID', `offset: ${end} lies beyond the ${size} bytes that the guest sees`, 'none')
}

function readWrite(args: Fields): { readonly offset: number; readonly data: Buffer } {
  const data = bytes(args['data'], 'data')
  if (data.length > MOST_BYTES) throw new PluginError('LIMIT', `data: at most ${MOST_BYTES} bytes`, 'none')
  return { offset: whole(args['offset'], 'offset', 0), data }
}

function readRead(args: Fields): { readonly offset: number; readonly length: number } {
  const length = whole(args['length'], 'length', 1)
  if (length > MOST_BYTES) throw new PluginError('LIMIT', `length: at most ${MOST_BYTES} bytes`, 'none')
  return { offset: whole(args['offset'], 'offset', 0), length }
}
