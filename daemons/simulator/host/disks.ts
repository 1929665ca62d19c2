import {
  type AccessMode,
  type AppliedQos,
  type BackendDisk,
  differingAxes,
  PluginError,
  type Qos,
  type VmId,
  type VolumeId,
} from '@moorage/contract'
import { fields, oneOf, text, uuid, whole } from '../check.ts'
import { clampQos, readQos } from '../qos.ts'
import type { Store } from '../store.ts'
import { capacity, type IscsiConnection, isOpen, login, logout, readConnection } from '../array/sessions.ts'
import { HOST_QOS, type HostRequest, MOST_DISKS } from './host.ts'
import { endMirrorOf } from './mirror-rows.ts'
import { whyNot } from './reach.ts'

/** A disk as it is stored: one volume in one machine. */
export interface DiskRow {
  readonly host: string
  readonly vm: VmId
  readonly volume: VolumeId
  readonly generation: number
  readonly deviceId: number
  readonly serial: string
  readonly mode: AccessMode
  readonly connection: string
  readonly session: string
  readonly bytes: number
  readonly throttle: string
  readonly readOps: number
  readonly writeOps: number
  readonly readBytes: number
  readonly writeBytes: number
}

interface Wanted {
  readonly volume: VolumeId
  readonly generation: number
  readonly deviceId: number
  readonly serial: string
  readonly mode: AccessMode
  readonly connection: IscsiConnection
  readonly throttle: Qos
}

/** Method `disks/attach`. */
export function attachDisk(request: HostRequest): BackendDisk {
  const vm: VmId = uuid(request.args['vm'], 'vm')
  const wanted = readDisk(request.args['disk'], 'disk')
  needVm(request, vm)
  return openDisk(request, vm, wanted)
}

/** Gives a machine a disk: logs in and records it. Idempotent on (vm, volume, generation). */
export function openDisk({ store, host }: HostRequest, vm: VmId, wanted: Wanted): BackendDisk {
  const disks = disksOf(store, host.name, vm)
  const held = disks.find((disk) => disk.volume === wanted.volume)
  if (held) {
    refuseDifferent(held, wanted)
    return backendDisk(held)
  }
  const other = disks.find((disk) => disk.deviceId === wanted.deviceId)
  if (other) throw conflict(`device ${wanted.deviceId} of ${vm} is volume ${other.volume}`)
  if (disks.length >= MOST_DISKS) throw new PluginError('LIMIT', `${vm} has ${MOST_DISKS} disks already`, 'none')
  const fault = whyNot({ store, host }, wanted.connection.portal)
  if (fault !== undefined) throw new PluginError('UNAVAILABLE', fault, 'none')
  const session = login(store, wanted.connection)
  store.run(
    `INSERT INTO disks(host, vm, volume, generation, deviceId, serial, mode, connection, session, bytes, throttle)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    host.name,
    vm,
    wanted.volume,
    wanted.generation,
    wanted.deviceId,
    wanted.serial,
    wanted.mode,
    JSON.stringify(wanted.connection),
    session,
    capacity(store, session),
    JSON.stringify(clampQos(wanted.throttle, HOST_QOS)),
  )
  return backendDisk(needDisk(store, { host: host.name, vm, volume: wanted.volume }))
}

/** Method `disks/detach`. */
export function detachDisk(request: HostRequest): void {
  const { store, host, owner } = request
  const vm = uuid(request.args['vm'], 'vm')
  const volume = uuid(fields(request.args['disk'], 'disk')['volume'], 'disk.volume')
  if (!store.one('SELECT 1 FROM vms WHERE host = ? AND id = ? AND owner = ?', host.name, vm, owner)) return
  const disk = findDisk(store, { host: host.name, vm, volume })
  if (disk) closeDisk(store, disk)
}

/** Takes a disk from its machine: its session is closed. */
export function closeDisk(store: Store, disk: DiskRow): void {
  logout(store, disk.session)
  endMirrorOf(store, disk)
  store.run('DELETE FROM disks WHERE host = ? AND vm = ? AND volume = ?', disk.host, disk.vm, disk.volume)
}

/** Method `resize/refresh`: asks the array for the size. Throws `BUSY` when the array does not show `bytes` yet. */
export function refreshDisk(request: HostRequest): BackendDisk {
  const { store } = request
  const wanted = whole(fields(request.args['disk'], 'disk')['bytes'], 'disk.bytes', 1)
  const disk = ownDisk(request, fields(request.args['disk'], 'disk')['volume'])
  const bytes = capacity(store, liveSession(store, disk))
  if (bytes < wanted) throw new PluginError('BUSY', `the array shows ${bytes} bytes, not yet ${wanted}`, 'none')
  store.run(
    'UPDATE disks SET bytes = ? WHERE host = ? AND vm = ? AND volume = ?',
    bytes,
    disk.host,
    disk.vm,
    disk.volume,
  )
  return backendDisk(needDisk(store, disk))
}

/** Method `throttle/apply`. */
export function applyThrottle(request: HostRequest): AppliedQos {
  const given = fields(request.args['disk'], 'disk')
  const disk = ownDisk(request, given['volume'])
  const requested = readQos(given['qos'], 'disk.qos', HOST_QOS)
  const sql = 'UPDATE disks SET throttle = ? WHERE host = ? AND vm = ? AND volume = ?'
  request.store.run(sql, JSON.stringify(clampQos(requested, HOST_QOS)), disk.host, disk.vm, disk.volume)
  const applied = backendDisk(needDisk(request.store, disk)).throttle
  return { applied, clamped: differingAxes(requested, applied) }
}

/** Method `throttle/read`. */
export function readThrottle(request: HostRequest): Qos {
  return backendDisk(ownDisk(request, request.args['volume'])).throttle
}

/** Method `stats/read`. */
export function readDiskStats(request: HostRequest): object {
  const { readOps, writeOps, readBytes, writeBytes } = ownDisk(request, request.args['volume'])
  return { readOps, writeOps, readBytes, writeBytes, at: Date.now() }
}

/**
 * The open session of a disk; one that was ended is opened anew where the array still admits the host, as iSCSI
 * initiators do by themselves. Throws as `login` does.
 */
export function liveSession(store: Store, disk: DiskRow): string {
  if (isOpen(store, disk.session)) return disk.session
  const session = login(store, JSON.parse(disk.connection) as IscsiConnection) // Stored by openDisk, checked.
  const sql = 'UPDATE disks SET session = ? WHERE host = ? AND vm = ? AND volume = ?'
  store.run(sql, session, disk.host, disk.vm, disk.volume)
  return session
}

/** The disks of a machine by device id. */
export function disksOf(store: Store, host: string, vm: string): readonly DiskRow[] {
  return store.all<DiskRow>('SELECT * FROM disks WHERE host = ? AND vm = ? ORDER BY deviceId', host, vm)
}

/** The disk as the contract shows it. */
export function backendDisk(disk: DiskRow): BackendDisk {
  const { volume, generation, bytes } = disk
  const throttle = JSON.parse(disk.throttle) as Qos // Stored after readQos only.
  return { volume, generation, device: deviceName(disk.deviceId), bytes, throttle }
}

/** A disk by host, machine and volume, whoever owns it; throws `NOT_FOUND`. */
export function needDisk(
  store: Store,
  at: { readonly host: string; readonly vm: string; readonly volume: string },
): DiskRow {
  const disk = findDisk(store, at)
  if (!disk) throw new PluginError('NOT_FOUND', `${at.vm} on ${at.host} has no volume ${at.volume}`, 'none')
  return disk
}

/** Throws `NOT_FOUND` unless the machine runs here and is the caller's. */
export function needVm({ store, host, owner }: HostRequest, vm: string): void {
  if (store.one('SELECT 1 FROM vms WHERE host = ? AND id = ? AND owner = ?', host.name, vm, owner)) return
  throw new PluginError('NOT_FOUND', `no machine ${vm} runs on ${host.name}`, 'none')
}

/** Reads a `DiskSpec`. */
export function readDisk(value: unknown, name: string): Wanted {
  const given = fields(value, name)
  return {
    volume: uuid(given['volume'], `${name}.volume`),
    generation: whole(given['generation'], `${name}.generation`, 0),
    deviceId: whole(given['deviceId'], `${name}.deviceId`, 0),
    serial: text(given['serial'], `${name}.serial`),
    mode: oneOf(given['mode'], `${name}.mode`, ['rw', 'ro']),
    connection: readConnection(given['connection'], `${name}.connection`),
    throttle: readQos(given['throttle'], `${name}.throttle`, HOST_QOS),
  }
}

function ownDisk(request: HostRequest, volume: unknown): DiskRow {
  const vm = uuid(request.args['vm'], 'vm')
  needVm(request, vm)
  return needDisk(request.store, { host: request.host.name, vm, volume: uuid(volume, 'volume') })
}

function findDisk(
  store: Store,
  at: { readonly host: string; readonly vm: string; readonly volume: string },
): DiskRow | undefined {
  const sql = 'SELECT * FROM disks WHERE host = ? AND vm = ? AND volume = ?'
  return store.one<DiskRow>(sql, at.host, at.vm, at.volume)
}

function refuseDifferent(held: DiskRow, wanted: Wanted): void {
  for (const name of ['generation', 'deviceId', 'mode', 'serial'] as const) {
    if (held[name] === wanted[name]) continue
    throw conflict(`volume ${held.volume} is attached with ${name} ${held[name]}, not ${wanted[name]}`)
  }
}

function deviceName(deviceId: number): string {
  let name = ''
  for (let left = deviceId; left >= 0; left = Math.floor(left / 26) - 1) {
    name = String.fromCharCode('a'.charCodeAt(0) + (left % 26)) + name
  }
  return `vd${name}`
}

function conflict(message: string): PluginError {
  return new PluginError('CONFLICT', message, 'none')
}
