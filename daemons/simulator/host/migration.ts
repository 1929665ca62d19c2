import { type BackendVm, type MigrationProgress, PluginError, type VmId } from '@moorage/contract'
import { type Fields, fields, text, uuid, whole } from '../check.ts'
import { closeDisk, disksOf } from './disks.ts'
import type { HostRequest } from './host.ts'
import { backendVm, conflict, findVm, isAway, makeVm, needRow, readDisks, type VmPhase, type VmRow } from './vms.ts'

/** Method `migration/describe`. */
export function describeVm(request: HostRequest): object {
  const { cpus, memoryBytes } = runningHere(request)
  return { cpus, memoryBytes }
}

/** Method `migration/prepare`. The ticket names the host and is the same for as long as what was prepared waits. */
export function prepareVm(request: HostRequest): object {
  const { store, host, owner } = request
  const spec = fields(request.args['spec'], 'spec')
  const id: VmId = uuid(spec['id'], 'spec.id')
  const [cpus, memoryBytes] = [whole(spec['cpus'], 'spec.cpus', 1), whole(spec['memoryBytes'], 'spec.memoryBytes', 1)]
  const description = fields(request.args['description'], 'description')
  const disks = readDisks(spec['disks'])
  const found = findVm(store, host.name, id)
  if (found && (found.owner !== owner || (found.phase !== 'waiting' && found.phase !== 'received'))) {
    throw conflict(`machine ${id} is here already`)
  }
  if (description['cpus'] !== cpus || description['memoryBytes'] !== memoryBytes)
    throw conflict(`machine ${id} has another size`)
  if (!found) makeVm(request, { id, name: text(spec['name'], 'spec.name'), cpus, memoryBytes, phase: 'waiting' }, disks)
  return { host: host.name }
}

/** Method `migration/send`. Takes two calls, so that callers must ask again: the machine runs in between. */
export function sendVm(request: HostRequest): MigrationProgress {
  const { store, args } = request
  const row = needRow(request, uuid(args['vm'], 'vm'))
  if (row.phase === 'sent') return { state: 'sent' }
  const source = runningHere(request)
  const destination = waiting(request, fields(args['ticket'], 'ticket'))
  if (source.phase === 'running') {
    setPhase(request, source, 'sending')
    return { state: 'sending', doneBytes: Math.floor(source.memoryBytes / 2), totalBytes: source.memoryBytes }
  }
  setPhase(request, source, 'sent')
  setPhase(request, destination, 'received')
  const sql = 'UPDATE vms SET frozenAt = ?, thawsAt = ? WHERE host = ? AND id = ?'
  store.run(sql, source.frozenAt, source.thawsAt, destination.host, destination.id)
  return { state: 'sent' }
}

/** Method `migration/arrive`. */
export function arriveVm(request: HostRequest): BackendVm {
  const row = needRow(request, uuid(request.args['vm'], 'vm'))
  if (row.phase === 'waiting' || row.phase === 'sent') {
    throw new PluginError('BUSY', `machine ${row.id} has not been sent here`, 'none')
  }
  if (row.phase === 'received') setPhase(request, row, 'running')
  return backendVm(request.store, needRow(request, row.id))
}

/** Method `migration/abandon`. */
export function abandonVm(request: HostRequest): { readonly arrived: boolean } {
  const { store, host, owner } = request
  const row = findVm(store, host.name, uuid(request.args['vm'], 'vm'))
  if (row?.owner !== owner) return { arrived: false }
  if (row.phase !== 'waiting' && row.phase !== 'received') return { arrived: !isAway(row) }
  for (const disk of disksOf(store, host.name, row.id)) closeDisk(store, disk)
  store.run('DELETE FROM vms WHERE host = ? AND id = ?', host.name, row.id)
  return { arrived: false }
}

/** Method `migration/resume`. */
export function resumeVm(request: HostRequest): BackendVm {
  const row = needRow(request, uuid(request.args['vm'], 'vm'))
  if (row.phase === 'waiting' || row.phase === 'received') throw conflict(`machine ${row.id} was never sent from here`)
  setPhase(request, row, 'running')
  return backendVm(request.store, needRow(request, row.id))
}

function runningHere(request: HostRequest): VmRow {
  const row = needRow(request, uuid(request.args['vm'], 'vm'))
  if (!isAway(row)) return row
  throw new PluginError('NOT_FOUND', `machine ${row.id} does not run on ${row.host}`, 'none')
}

/** The machine that the ticket names. What was abandoned is there no more; the source runs on then. */
function waiting(request: HostRequest, ticket: Fields): VmRow {
  const host = text(ticket['host'], 'ticket.host')
  const row = findVm(request.store, host, uuid(request.args['vm'], 'vm'))
  if (row?.owner === request.owner && row.phase === 'waiting') return row
  throw conflict(`nothing waits on ${host} for this machine`)
}

function setPhase({ store }: HostRequest, row: VmRow, phase: VmPhase): void {
  store.run('UPDATE vms SET phase = ? WHERE host = ? AND id = ?', phase, row.host, row.id)
}
