import { asPluginError, type VmId } from '@moorage/contract'
import { resourceName } from '../domain/resource.ts'
import { vmStop } from '../sagas/vm-stop.ts'
import { recordEvent } from '../store/events.ts'
import type { HostRow } from '../store/generated/schema.ts'
import { allHosts, hostSeen, updateHost } from '../store/hosts.ts'
import { lockVm, runningOn } from '../store/vms.ts'
import { ask } from './ask.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** A host that has not answered for this long is Down, not only Alert. */
const DOWN_AFTER_MS = 5 * 60_000

/** The recorded state of every host, and of the VMs that should run there, is what the host says. */
export const hostReport: Reconciler = {
  name: 'host-report',
  everyMs: 30_000,
  async run(deps, turn) {
    const hosts = await allHosts(deps.store.reader)
    await Promise.all(hosts.map(async (host) => visit(deps, turn, host)))
  },
}

async function visit(deps: ReconcilerDeps, turn: Turn, host: HostRow): Promise<void> {
  try {
    const adapter = (await deps.plugins.host(host.id)).adapter(() => {})
    const { version, cpus, memoryBytes } = await adapter.hosts.report(turn.call(`host/${host.id}`))
    await deps.store.transact(async (tx) => {
      const before = await hostSeen(tx, host.id, { version, cpus, memoryBytes })
      if (before === undefined || before === 'Up') return
      await noteState(tx, host, 'Up')
    })
    // Read before the machines are asked: what starts from here on is not looked for.
    for (const vm of await runningOn(deps.store.reader, host.id)) {
      if (vm.operationId !== null) continue
      // An id of ours is made by us; the brand only keeps kinds apart.
      const found = await adapter.vms.get(vm.id as VmId, turn.call(`vm/${vm.id}`))
      if (found === undefined || found.state === 'stopped') await buryVm(deps, turn, { ...vm, host: host.id })
    }
  } catch (error) {
    await silent(deps, host, error)
  }
}

async function silent(deps: ReconcilerDeps, host: HostRow, error: unknown): Promise<void> {
  const { code, message } = asPluginError(error)
  deps.log.warn({ host: host.id, name: host.name, code, why: message }, 'a host does not report')
  const last = host.lastSeenAt ?? host.createdAt
  const state = Date.now() - last.getTime() > DOWN_AFTER_MS ? 'Down' : 'Alert'
  if (host.state === state) return
  await deps.store.transact(async (tx) => {
    await updateHost(tx, host.id, { state })
    await noteState(tx, host, state)
  })
}

async function noteState(tx: Parameters<typeof recordEvent>[0], host: HostRow, state: string): Promise<void> {
  await recordEvent(tx, {
    type: state === 'Up' ? 'HOST.RECONNECT' : 'HOST.ALERT',
    level: state === 'Up' ? 'INFO' : 'WARN',
    state: 'Completed',
    description: `Host ${host.name} is ${state}`,
    resource: { kind: 'Host', id: host.id },
  })
}

/** A machine that is gone is recorded as stopped, once access to its volumes is withdrawn. */
async function buryVm(
  deps: ReconcilerDeps,
  turn: Turn,
  vm: { readonly id: string; readonly accountId: string; readonly host: string },
): Promise<void> {
  const dead = await deps.store.transact(async (tx) => {
    const row = await lockVm(tx, vm.id)
    if (row?.state !== 'Running' || row.operationId !== null || row.hostId !== vm.host) return false
    await recordEvent(tx, {
      type: 'VM.STOP',
      level: 'WARN',
      state: 'Started',
      description: `Virtual machine ${row.displayName} was found stopped`,
      account: row.accountId,
      resource: { kind: 'UserVm', id: row.id },
    })
    return true
  })
  if (!dead) return
  const about = resourceName('vm', vm.id)
  await ask(deps, turn, {
    reason: 'died',
    head: vmStop,
    input: { vm: vm.id, force: true },
    about,
    account: vm.accountId,
  })
}
