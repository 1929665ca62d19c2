import { type BackendDisk, type MirrorProgress, PluginError } from '@moorage/contract'
import { capacity, copyThrough, login, logout, readConnection, sameThrough } from '../array/sessions.ts'
import { fields, text, uuid } from '../check.ts'
import { backendDisk, type DiskRow, liveSession, needDisk } from './disks.ts'
import type { HostRequest } from './host.ts'
import { endMirror, mirrorOf, sessionOf, setPhase } from './mirror-rows.ts'
import { whyNot } from './reach.ts'

/** Method `mirror/copy`. Takes three calls, so that callers must ask again: the first begins, the second copies, the third compares. */
export function copyMirror(request: HostRequest): MirrorProgress {
  const { store } = request
  const { disk, mirror, id } = asked(request)
  readConnection(fields(request.args['mirror'], 'mirror')['source'], 'mirror.source')
  if (!mirror || mirror.phase === 'switched') {
    if (mirror?.id === id) return { state: 'same' }
    begin(request, disk)
    return { state: 'copying', doneBytes: 0, totalBytes: disk.bytes }
  }
  if (mirror.id !== id) throw conflict(`mirror ${mirror.id} of ${disk.volume} is under way`)
  const ends = { from: liveSession(store, disk), to: sessionOf(store, mirror) }
  if (mirror.phase === 'begun') {
    copyThrough(store, ends)
    setPhase(store, mirror, 'copied')
    return { state: 'comparing', doneBytes: 0, totalBytes: disk.bytes }
  }
  if (!sameThrough(store, ends))
    throw new PluginError('DAMAGED', `the copy of ${disk.volume} is not what was copied`, 'possible')
  setPhase(store, mirror, 'same')
  return { state: 'same' }
}

/** Method `mirror/switch`. */
export function switchMirror(request: HostRequest): BackendDisk {
  const { store } = request
  const { disk, mirror, id } = asked(request)
  if (mirror?.id !== id) throw new PluginError('NOT_FOUND', `nothing copies ${disk.volume} under ${id}`, 'none')
  if (mirror.phase === 'switched') return backendDisk(disk)
  if (mirror.phase !== 'same') throw new PluginError('BUSY', `the copy of ${disk.volume} is not the same yet`, 'none')
  const session = sessionOf(store, mirror)
  logout(store, disk.session)
  const sql = 'UPDATE disks SET connection = ?, session = ? WHERE host = ? AND vm = ? AND volume = ?'
  store.run(sql, mirror.connection, session, disk.host, disk.vm, disk.volume)
  setPhase(store, mirror, 'switched')
  return backendDisk(needDisk(store, disk))
}

/** Method `mirror/abandon`. */
export function abandonMirror(request: HostRequest): { readonly switched: boolean } {
  const { store, host } = request
  const given = fields(request.args['mirror'], 'mirror')
  const [vm, volume] = [uuid(request.args['vm'], 'vm'), uuid(given['volume'], 'mirror.volume')]
  const mirror = mirrorOf(store, { host: host.name, vm, volume })
  if (mirror?.id !== text(given['id'], 'mirror.id')) return { switched: false }
  if (mirror.phase === 'switched') return { switched: true }
  endMirror(store, mirror)
  return { switched: false }
}

function begin(request: HostRequest, disk: DiskRow): void {
  const { store, host } = request
  const given = fields(request.args['mirror'], 'mirror')
  const target = readConnection(given['target'], 'mirror.target')
  const fault = whyNot({ store, host }, target.portal)
  if (fault !== undefined) throw new PluginError('UNAVAILABLE', fault, 'none')
  const session = login(store, target)
  const bytes = capacity(store, session)
  if (bytes < disk.bytes)
    throw new PluginError('INVALID', `mirror.target has ${bytes} bytes, the disk ${disk.bytes}`, 'none')
  store.run(
    `INSERT INTO mirrors(host, vm, volume, id, phase, connection, session) VALUES (?, ?, ?, ?, 'begun', ?, ?)
      ON CONFLICT(host, vm, volume) DO UPDATE SET id = excluded.id, phase = excluded.phase,
        connection = excluded.connection, session = excluded.session`,
    disk.host,
    disk.vm,
    disk.volume,
    text(given['id'], 'mirror.id'),
    JSON.stringify(target),
    session,
  )
}

function asked(request: HostRequest) {
  const { store, host, owner } = request
  const given = fields(request.args['mirror'], 'mirror')
  const at = { host: host.name, vm: uuid(request.args['vm'], 'vm'), volume: uuid(given['volume'], 'mirror.volume') }
  const ours = store.one('SELECT 1 FROM vms WHERE host = ? AND id = ? AND owner = ?', at.host, at.vm, owner)
  if (!ours) throw new PluginError('NOT_FOUND', `no machine ${at.vm} runs on ${at.host}`, 'none')
  return { disk: needDisk(store, at), mirror: mirrorOf(store, at), id: text(given['id'], 'mirror.id') }
}

function conflict(message: string): PluginError {
  return new PluginError('CONFLICT', message, 'none')
}
