/** I/O counters of a volume: operations and bytes since some beginning. */
export interface IoCounters {
  readonly readOps: number
  readonly writeOps: number
  readonly readBytes: number
  readonly writeBytes: number
}

/** No I/O. */
export const NO_IO: IoCounters = { readOps: 0, writeOps: 0, readBytes: 0, writeBytes: 0 }

/** What stands in a row whose counter is to be read for the first time, and may count what is long over. */
export const UNREAD = 'unread'

/** Name of the counter that an array keeps of a volume in a pool: it lives as long as the volume does there. */
export function arrayCounter(pool: string): string {
  return `pool/${pool}`
}

/** Name of the counter that a host keeps of a disk: it begins anew with every life of the machine, and every plug. */
export function machineCounter(of: {
  readonly vm: string
  readonly life: number
  readonly host: string
  readonly generation: number
}): string {
  return `vm/${of.vm}/${of.life}/${of.host}/${of.generation}`
}

/** A counter as it was read. */
export interface Reading {
  /** Which counter: see `arrayCounter` and `machineCounter`. */
  readonly source: string
  readonly counters: IoCounters
}

/**
 * The I/O between two readings, no part of it below zero. A counter other than the last one, and one that went down, has
 * begun at zero since: what it shows is new. But what it shows is not the guest's doing where it is read for the
 * first time (`UNREAD`), or where the volume was carried to another pool: the copying counts there, too.
 */
export function ioSince(last: Reading, now: Reading): IoCounters {
  if (last.source === UNREAD) return NO_IO
  if (last.source === now.source && !wentDown(last.counters, now.counters)) return minus(now.counters, last.counters)
  const carried = last.source !== now.source && last.source.startsWith('pool/') && now.source.startsWith('pool/')
  return carried ? NO_IO : now.counters
}

/** Both together. */
export function plus(one: IoCounters, other: IoCounters): IoCounters {
  return {
    readOps: one.readOps + other.readOps,
    writeOps: one.writeOps + other.writeOps,
    readBytes: one.readBytes + other.readBytes,
    writeBytes: one.writeBytes + other.writeBytes,
  }
}

function minus(one: IoCounters, other: IoCounters): IoCounters {
  return {
    readOps: one.readOps - other.readOps,
    writeOps: one.writeOps - other.writeOps,
    readBytes: one.readBytes - other.readBytes,
    writeBytes: one.writeBytes - other.writeBytes,
  }
}

function wentDown(last: IoCounters, now: IoCounters): boolean {
  const { readOps, writeOps, readBytes, writeBytes } = minus(now, last)
  return readOps < 0 || writeOps < 0 || readBytes < 0 || writeBytes < 0
}

/** Types of usage: CloudStack's numbers and names, and ours from 10001 on, for what it has none. */
export const USAGE_TYPES = [
  { id: 1, name: 'RUNNING_VM', description: 'Running Vm Usage' },
  { id: 2, name: 'ALLOCATED_VM', description: 'Allocated Vm Usage' },
  { id: 6, name: 'VOLUME', description: 'Volume Usage' },
  { id: 9, name: 'SNAPSHOT', description: 'Snapshot Usage' },
  { id: 21, name: 'VM_DISK_IO_READ', description: 'VM Disk usage(I/O Read)' },
  { id: 22, name: 'VM_DISK_IO_WRITE', description: 'VM Disk usage(I/O Write)' },
  { id: 23, name: 'VM_DISK_BYTES_READ', description: 'VM Disk usage(Bytes Read)' },
  { id: 24, name: 'VM_DISK_BYTES_WRITE', description: 'VM Disk usage(Bytes Write)' },
  { id: 10001, name: 'VOLUME_MIN_IOPS', description: 'Guaranteed IOPS of volumes, in IOPS hours' },
  { id: 10002, name: 'VOLUME_MAX_IOPS', description: 'Highest IOPS of volumes, in IOPS hours' },
] as const
/** A number in `USAGE_TYPES`. */
export type UsageType = (typeof USAGE_TYPES)[number]['id']
