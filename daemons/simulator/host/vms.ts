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
}

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
    if (running.owner !== owner) throw conflict(`machine ${id} is of another owner`)
    if (running.cpus !== cpus || running.memoryBytes !== memoryBytes) {
      throw conflict(`machine ${id} runs with ${running.cpus} cpus and ${running.memoryBytes} bytes of memory`)
    }
    return backendVm(store, running)
  }
  if (cpus > host.cpus || memoryBytes > host.memoryBytes) {
    const has = `${host.cpus} cpus and ${host.memoryBytes} bytes of memory`
    throw new PluginError('LIMIT', `${host.name} has ${has}`, 'none')
  }
  store.run(
    'INSERT INTO vms(host, id, owner, name, cpus, memoryBytes) VALUES (?, ?, ?, ?, ?, ?)',
    host.name,
    id,
    owner,
    name,
    cpus,
    memoryBytes,
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

/** `paused` while a disk has no session and the array admits none: the guest waits for its I/O. */
export function stateOf(store: Store, row: VmRow): BackendVm['state'] {
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

function backendVm(store: Store, row: VmRow): BackendVm {
  return { id: row.id, state: stateOf(store, row), disks: disksOf(store, row.host, row.id).map(backendDisk) }
}

function needRow(request: HostRequest, id: string): VmRow {
  needVm(request, id)
  const row = findVm(request.store, request.host.name, id)
  if (!row) throw new Error(`machine ${id} is gone`)
  return row
}

function setFrozen(store: Store, row: VmRow, frozen: Pick<VmRow, 'frozenAt' | 'thawsAt'>): void {
  const sql = 'UPDATE vms SET frozenAt = ?, thawsAt = ? WHERE host = ? AND id = ?'
  store.run(sql, frozen.frozenAt, frozen.thawsAt, row.host, row.id)
}

function readDisks(value: unknown): readonly ReturnType<typeof readDisk>[] {
  if (!Array.isArray(value)) throw invalid('spec.disks must be a list')
  return value.map((disk: unknown, index) => readDisk(disk, `spec.disks[${index}]`))
}

function conflict(message: string): PluginError {
  return new PluginError('CONFLICT', message, 'none')
}
