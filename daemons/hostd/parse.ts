import { isAbsolute } from 'node:path'
import {
  type Chap,
  type Connection,
  type DiskSpec,
  type MirrorSpec,
  PluginError,
  type Qos,
  QOS_AXES,
  type QosRate,
  type Reach,
  type VmId,
  type VmSpec,
  type VolumeId,
} from '@moorage/contract'
import { MAX_DISKS } from './attachments.ts'

/** An object as it came over the wire. */
type Fields = Readonly<Record<string, unknown>>

/** Reads a JSON object. Every reader here throws `INVALID` with effect `none`, naming the field. */
export function fields(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  return invalid(name, 'an object')
}

/** A non-empty text. */
export function text(from: Fields, name: string): string {
  const value = from[name]
  return typeof value === 'string' && value !== '' ? value : invalid(name, 'a text')
}

/** A whole number in a range. */
export function integer(from: Fields, name: string, range: { readonly min: number; readonly max: number }): number {
  const value = from[name]
  const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= range.min && value <= range.max
  return fits ? value : invalid(name, `a whole number in ${range.min}..${range.max}`)
}

/** True or false. */
export function flag(from: Fields, name: string): boolean {
  const value = from[name]
  return typeof value === 'boolean' ? value : invalid(name, 'true or false')
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** True for what may be the id of a VM. */
export function isVmId(text: string): text is VmId {
  return UUID.test(text)
}

/** Id of a VM. */
export function vmId(from: Fields, name: string): VmId {
  return uuid(from, name) as VmId // A UUID in a place where the contract has a VM's.
}

/** Id of a volume. */
export function volumeId(from: Fields, name: string): VolumeId {
  return uuid(from, name) as VolumeId // A UUID in a place where the contract has a volume's.
}

function uuid(from: Fields, name: string): string {
  const value = text(from, name)
  if (UUID.test(value)) return value
  return invalid(name, 'a lower-case UUID')
}

/** A generation of an attachment. */
export function generation(from: Fields): number {
  return integer(from, 'generation', { min: 0, max: Number.MAX_SAFE_INTEGER })
}

const BYTES = { min: 1, max: Number.MAX_SAFE_INTEGER }

/** A size in bytes. */
export function bytes(from: Fields, name: string): number {
  return integer(from, name, BYTES)
}

/** What to run. */
export function vmSpec(value: unknown): VmSpec {
  const from = fields(value, 'spec')
  const disks = from['disks']
  if (!Array.isArray(disks)) return invalid('spec.disks', 'a list')
  if (disks.length > MAX_DISKS) throw new PluginError('LIMIT', `more than ${MAX_DISKS} disks`, 'none')
  const spec = {
    id: vmId(from, 'id'),
    name: text(from, 'name'),
    cpus: integer(from, 'cpus', { min: 1, max: 255 }),
    memoryBytes: bytes(from, 'memoryBytes'),
    disks: disks.map((disk) => diskSpec(disk)),
  }
  const [image, boot] = [from['image'], from['boot']]
  if (boot !== undefined && (boot !== 'disk' || image !== undefined))
    return invalid('spec.boot', "'disk', and no image")
  if (boot !== undefined && !spec.disks.some(({ deviceId }) => deviceId === 0))
    return invalid('spec.disks', 'a list with device id 0, from which the machine is to boot')
  return {
    ...spec,
    ...(image === undefined ? {} : { image: text(from, 'image') }),
    ...(boot === undefined ? {} : { boot }),
  }
}

/** One attachment. */
export function diskSpec(value: unknown): DiskSpec {
  const from = fields(value, 'disk')
  const mode = text(from, 'mode')
  if (mode !== 'rw' && mode !== 'ro') return invalid('disk.mode', "'rw' or 'ro'")
  const serial = text(from, 'serial')
  if (!/^[0-9A-Za-z_-]{1,20}$/.test(serial)) return invalid('disk.serial', 'at most 20 letters and digits')
  return {
    volume: volumeId(from, 'volume'),
    generation: generation(from),
    connection: connection(from['connection']),
    mode,
    serial,
    deviceId: integer(from, 'deviceId', { min: 0, max: 1024 }),
    throttle: qos(from['throttle'], 'disk.throttle'),
  }
}

/** How a disk is to be copied. */
export function mirrorSpec(value: unknown): MirrorSpec {
  const from = fields(value, 'mirror')
  return { ...mirrorKey(value), source: connection(from['source']), target: connection(from['target']) }
}

/** Which mirror of which disk. */
export function mirrorKey(value: unknown): Pick<MirrorSpec, 'id' | 'volume' | 'generation'> {
  const from = fields(value, 'mirror')
  return { id: uuid(from, 'id'), volume: volumeId(from, 'volume'), generation: generation(from) }
}

function connection(value: unknown): Connection {
  const from = fields(value, 'connection')
  const via = text(from, 'via')
  switch (via) {
    case 'iscsi': {
      const target = {
        portal: text(from, 'portal'),
        iqn: text(from, 'iqn'),
        lun: integer(from, 'lun', { min: 0, max: 16_383 }),
        initiator: text(from, 'initiator'),
      }
      return from['chap'] === undefined ? { via, ...target } : { via, ...target, chap: chap(from['chap']) }
    }
    case 'file': {
      const format = text(from, 'format')
      if (format !== 'raw' && format !== 'qcow2') return invalid('connection.format', "'raw' or 'qcow2'")
      const readOnly = from['readOnly']
      if (readOnly !== undefined && readOnly !== true) return invalid('connection.readOnly', 'true, or absent')
      return { via, path: text(from, 'path'), format, ...(readOnly === true ? { readOnly } : {}) }
    }
    case 'nbd': {
      const name = from['export']
      return {
        via,
        uri: text(from, 'uri'),
        export: typeof name === 'string' ? name : invalid('connection.export', 'a text'),
      }
    }
    default:
      throw new PluginError('UNSUPPORTED', `this host does not attach disks over '${via}'`, 'none')
  }
}

/** How disks of a pool are reached. */
export function reach(value: unknown): Reach {
  const from = fields(value, 'reach')
  const via = text(from, 'via')
  if (via === 'iscsi') {
    const portals = from['portals']
    if (!Array.isArray(portals) || portals.length === 0) return invalid('reach.portals', 'a list of portals')
    return { via, portals: portals.map((portal: unknown) => text({ portal }, 'portal')) }
  }
  if (via !== 'file') throw new PluginError('UNSUPPORTED', `this host does not attach disks over '${via}'`, 'none')
  const mark = fields(from['mark'], 'reach.mark')
  const [directory, name] = [text(from, 'directory'), text(mark, 'name')]
  if (!isAbsolute(directory)) return invalid('reach.directory', 'an absolute path')
  if (name.includes('/')) return invalid('reach.mark.name', 'a name without slashes')
  return { via, directory, mark: { name, text: text(mark, 'text') } }
}

function chap(value: unknown): Chap {
  const from = fields(value, 'connection.chap')
  return { user: text(from, 'user'), secret: text(from, 'secret') }
}

/** A QoS vector. */
export function qos(value: unknown, name: string): Qos {
  const from = fields(value, name)
  const vector: Qos = Object.fromEntries(
    QOS_AXES.filter((axis) => from[axis] !== undefined).map(
      (axis) => [axis, rate(from[axis], `${name}.${axis}`)] as const,
    ),
  )
  return from['ioBytes'] === undefined ? vector : { ...vector, ioBytes: integer(from, 'ioBytes', BYTES) }
}

function rate(value: unknown, name: string): QosRate {
  const from = fields(value, name)
  const parts = ['min', 'max', 'burst', 'burstSeconds'] as const
  const given = parts.filter((part) => from[part] !== undefined)
  return Object.fromEntries(given.map((part) => [part, positive(from[part], `${name}.${part}`)]))
}

function positive(value: unknown, name: string): number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value) ? value : invalid(name, 'a positive number')
}

function invalid(name: string, wanted: string): never {
  throw new PluginError('INVALID', `${name} must be ${wanted}`, 'none')
}
