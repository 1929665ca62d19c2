import { type IscsiConnection, isOpen, login, logout } from '../array/sessions.ts'
import type { Store } from '../store.ts'

/** A disk, by host, machine and volume. */
interface DiskKey {
  readonly host: string
  readonly vm: string
  readonly volume: string
}

/**
 * A mirror as it is stored, one per disk: the last one, also once it has switched. `copied`: what the guest writes goes to both
 * sides.
 */
export interface MirrorRow {
  readonly host: string
  readonly vm: string
  readonly volume: string
  readonly id: string
  readonly phase: 'begun' | 'copied' | 'same' | 'switched'
  readonly connection: string
  readonly session: string
}

/** The last mirror of a disk. */
export function mirrorOf(store: Store, at: DiskKey): MirrorRow | undefined {
  const sql = 'SELECT * FROM mirrors WHERE host = ? AND vm = ? AND volume = ?'
  return store.one<MirrorRow>(sql, at.host, at.vm, at.volume)
}

/** Of a disk that goes: a copy that has not switched goes with it. */
export function endMirrorOf(store: Store, disk: DiskKey): void {
  const mirror = mirrorOf(store, disk)
  if (mirror && mirror.phase !== 'switched') endMirror(store, mirror)
}

/** The session to the other side of a disk, once all that was there has been copied to it; else `undefined`. */
export function mirroredTo(store: Store, disk: DiskKey): string | undefined {
  const mirror = mirrorOf(store, disk)
  return mirror?.phase === 'copied' || mirror?.phase === 'same' ? sessionOf(store, mirror) : undefined
}

/** As `liveSession`, of the other side. */
export function sessionOf(store: Store, mirror: MirrorRow): string {
  if (isOpen(store, mirror.session)) return mirror.session
  const session = login(store, JSON.parse(mirror.connection) as IscsiConnection) // Stored by begin, checked.
  const sql = 'UPDATE mirrors SET session = ? WHERE host = ? AND vm = ? AND volume = ?'
  store.run(sql, session, mirror.host, mirror.vm, mirror.volume)
  return session
}

/** Records how far it is. */
export function setPhase(store: Store, mirror: MirrorRow, phase: MirrorRow['phase']): void {
  const sql = 'UPDATE mirrors SET phase = ? WHERE host = ? AND vm = ? AND volume = ?'
  store.run(sql, phase, mirror.host, mirror.vm, mirror.volume)
}

/** Ends a copy: its session is closed. */
export function endMirror(store: Store, mirror: MirrorRow): void {
  logout(store, mirror.session)
  store.run('DELETE FROM mirrors WHERE host = ? AND vm = ? AND volume = ?', mirror.host, mirror.vm, mirror.volume)
}
