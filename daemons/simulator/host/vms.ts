import { type BackendVm, PluginError, type VmId } from '@moorage/contract'
import { fields, invalid, text, uuid, whole } from '../check.ts'
import type { Store } from '../store.ts'
import { backendDisk, closeDisk, type DiskRow, disksOf, liveSession, needVm, openDisk, readDisk } from './disks.ts'
import type { HostRequest } from './host.ts'

/** A machine as it is stored. There is a row for as long as it runs. */
export interface VmRow {
  readonly host: string
  readonly id: VmId
  readonly owner: string
  readonly name: string
  readonly cpus: number
  readonly memoryBytes: number
  /** When its guest was frozen, and when the host thaws it at the latest; `null` when it is not. */
  readonly frozenAt: number | null
  readonly thawsAt: number | null
  readonly phase: VmPhase
}

/**
 * Where a machine is in its migration. `sending`: it runs, and its transfer has begun. `sent`: it stands still, all of it is
 * at the destination. `waiting`: prepared at the destination, nothing has come yet. `received`: all has come, it has not
 * arrived.
 */
export type VmPhase = 'running' | 'sending' | 'sent' | 'waiting' | 'received'

/** Method `vms/start`: the machine with all its disks, or nothing at all. */
export function startVm(request: HostRequest): BackendVm {
  const { store, host, owner } = request
  const spec = fields(request.args['spec'], 'spec')
  const id: VmId = uuid(spec['id'], 'spec.id')
  const name = text(spec['name'], 'spec.name')
  const cpus = whole(spec['cpus'], 'spec.cpus', 1)
  const memoryBytes = whole(spec['memoryBytes'], 'spec.memoryBytes', 1)
  const disks = readDisks(spec['disks'])
  const running = findVm(store, host.name, id)
  if (running) {
    if (isAway(running)) throw conflict(`machine ${id} is ${running.phase}: it is being migrated`)
    if (running.owner !== owner) throw conflict(`machine ${id} is of another owner`)
    if (running.cpus !== cpus || running.memoryBytes !== memoryBytes) {
      throw conflict(`machine ${id} runs with ${running.cpus} cpus and ${running.memoryBytes} bytes of memory`)
    }
    return backendVm(store, running)
  }
  return makeVm(request, { id, name, cpus, memoryBytes, phase: 'running' }, disks)
}

/** Makes a machine with its disks. Throws `LIMIT` for one larger than the host. */
export function makeVm(
  request: HostRequest,
  vm: Pick<VmRow, 'id' | 'name' | 'cpus' | 'memoryBytes' | 'phase'>,
  disks: ReturnType<typeof readDisks>,
): BackendVm {
  const { store, host, owner } = request
  const { id, name, cpus, memoryBytes, phase } = vm
  if (cpus > host.cpus || memoryBytes > host.memoryBytes) {
    const has = `${host.cpus} cpus and ${host.memoryBytes} bytes of memory`
    throw new PluginError('LIMIT', `${host.name} has ${has}`, 'none')
  }
  store.run(
    'INSERT INTO vms(host, id, owner, name, cpus, memoryBytes, phase) VALUES (?, ?, ?, ?, ?, ?, ?)',
    host.name,
    id,
    owner,
    name,
    cpus,
    memoryBytes,
    phase,
  )
  for (const disk of disks) openDisk(request, id, disk)
  return backendVm(store, needRow(request, id))
}

/** Method `vms/get`. */
export function getVm(request: HostRequest): BackendVm | undefined {
  const row = findVm(request.store, request.host.name, uuid(request.args['id'], 'id'))
  return row?.owner === request.owner ? backendVm(request.store, row) : undefined
}

/** Method `vms/stop`: a simulated guest always obeys, so that `force` makes no difference. */
export function stopVm(request: HostRequest): void {
  const { store, host, owner } = request
  const row = findVm(store, host.name, uuid(request.args['id'], 'id'))
  if (row?.owner !== owner) return
  for (const disk of disksOf(store, host.name, row.id)) closeDisk(store, disk)
  store.run('DELETE FROM vms WHERE host = ? AND id = ?', host.name, row.id)
}

/** Method `vms/reboot`. */
export function rebootVm(request: HostRequest): BackendVm {
  const row = needRow(request, uuid(request.args['id'], 'id'))
  setFrozen(request.store, row, { frozenAt: null, thawsAt: null })
  return backendVm(request.store, row)
}

/** Method `quiesce/freeze`. The thaw is a stored time: nothing has to run for it to happen. */
export function freezeVm(request: HostRequest): { readonly filesystems: number } {
  const row = needRow(request, uuid(request.args['vm'], 'vm'))
  const now = Date.now()
  const thawsAt = now + whole(request.args['withinMs'], 'withinMs', 1)
  setFrozen(request.store, row, { frozenAt: isFrozen(row) ? row.frozenAt : now, thawsAt })
  return { filesystems: disksOf(request.store, row.host, row.id).length }
}

/** Method `quiesce/thaw`. `held` is false when the host had thawed before, or was never asked to freeze. */
export function thawVm(request: HostRequest): { readonly held: boolean; readonly frozenMs: number } {
  const row = needRow(request, uuid(request.args['vm'], 'vm'))
  const { frozenAt, thawsAt } = row
  setFrozen(request.store, row, { frozenAt: null, thawsAt: null })
  if (frozenAt === null || thawsAt === null) return { held: false, frozenMs: 0 }
  return { held: isFrozen(row), frozenMs: Math.min(Date.now(), thawsAt) - frozenAt }
}

/** Whether the guest holds its writes now. */
export function isFrozen(row: Pick<VmRow, 'thawsAt'>): boolean {
  return row.thawsAt !== null && Date.now() < row.thawsAt
}

/** A machine by host and id, whoever owns it. */
export function findVm(store: Store, host: string, id: string): VmRow | undefined {
  return store.one<VmRow>('SELECT * FROM vms WHERE host = ? AND id = ?', host, id)
}

/** Whether the machine does not run here: it has been sent, or has not arrived. */
export function isAway({ phase }: Pick<VmRow, 'phase'>): boolean {
  return phase !== 'running' && phase !== 'sending'
}

/** `paused` while a disk has no session and the array admits none: the guest waits for its I/O. */
export function stateOf(store: Store, row: VmRow): BackendVm['state'] {
  if (isAway(row)) return 'paused'
  return disksOf(store, row.host, row.id).every((disk) => hasSession(store, disk)) ? 'running' : 'paused'
}

function hasSession(store: Store, disk: DiskRow): boolean {
  try {
    liveSession(store, disk)
    return true
  } catch (error) {
    if (error instanceof PluginError) return false
    throw error
  }
}

/** The machine as the contract shows it. */
export function backendVm(store: Store, row: VmRow): BackendVm {
  return { id: row.id, state: stateOf(store, row), disks: disksOf(store, row.host, row.id).map(backendDisk) }
}

/** The caller's machine of that id, in whatever phase; throws `NOT_FOUND`. */
export function needRow(request: HostRequest, id: string): VmRow {
  needVm(request, id)
  const row = findVm(request.store, request.host.name, id)
  if (!row) throw new Error(`machine ${id} is gone`)
  return row
}

function setFrozen(store: Store, row: VmRow, frozen: Pick<VmRow, 'frozenAt' | 'thawsAt'>): void {
  const sql = 'UPDATE vms SET frozenAt = ?, thawsAt = ? WHERE host = ? AND id = ?'
  store.run(sql, frozen.frozenAt, frozen.thawsAt, row.host, row.id)
}

/** Reads the disks of a machine. */
export function readDisks(value: unknown): readonly ReturnType<typeof readDisk>[] {
  if (!Array.isArray(value)) throw invalid('spec.disks must be a list')
  return value.map((disk: unknown, index) => readDisk(disk, `spec.disks[${index}]`))
}

/** An error about what is there already; nothing was changed. */
export function conflict(message: string): PluginError {
  return new PluginError('CONFLICT', message, 'none')
}
