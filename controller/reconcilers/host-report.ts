import { asPluginError, type HostReport, PluginError } from '@moorage/contract'
import { recordEvent } from '../store/events.ts'
import type { HostRow } from '../store/generated/schema.ts'
import { loseHost } from '../sagas/host-losing.ts'
import { setting } from '../store/configurations.ts'
import { allHosts, hostSeen, hostSilent, hostsToGiveUp } from '../store/hosts.ts'
import { takeBack } from './host-return.ts'
import { hostRegistration } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** The recorded state of every host is whether it answers; what it says of itself is recorded. One in maintenance may be away. */
export const hostReport: Reconciler = {
  name: 'host-report',
  everyMs: 10_000,
  async run(deps, turn) {
    const hosts = await allHosts(deps.store.reader)
    const asked = hosts.filter(({ resourceState, lostAt }) => resourceState !== 'Maintenance' || lostAt !== null)
    await inParallel(asked, async (host) => visit(deps, turn, host))
    await giveUp(deps, turn)
  },
}

/** A host that has been silent for too long is given up. */
async function giveUp(deps: ReconcilerDeps, turn: Turn): Promise<void> {
  const after = await setting(deps.store.reader, 'host.lost.after')
  if (after === 0 || turn.signal.aborted) return
  for (const { id, name } of await hostsToGiveUp(deps.store.reader, after)) {
    const because = `it has not answered for ${after} seconds`
    await deps.store.transact(async (tx) => loseHost(tx, deps.jobs, { host: id, dead: false, because }))
    deps.log.error({ host: id, name, seconds: after }, 'a host was given up: its virtual machines are to run elsewhere')
  }
}

async function visit(deps: ReconcilerDeps, turn: Turn, host: HostRow): Promise<void> {
  const answer = await reportOf(deps, turn, host)
  if (turn.signal.aborted) return
  if (host.lostAt !== null) return answer instanceof PluginError ? undefined : takeBack(deps, turn, host)
  if (!(answer instanceof PluginError)) {
    const { version, cpus, memoryBytes } = answer
    await deps.store.transact(async (tx) => {
      const before = await hostSeen(tx, host.id, { version, cpus, memoryBytes })
      if (before !== undefined && before !== 'Up') await noteState(tx, host, 'Up')
    })
    return
  }
  const news = await deps.store.transact(async (tx) => {
    if (!(await hostSilent(tx, host.id))) return false
    await noteState(tx, host, 'Alert')
    return true
  })
  const { code, message } = answer
  if (news) deps.log.warn({ host: host.id, name: host.name, code, why: message }, 'a host does not report')
}

/** What the host says, or why it does not. Another machine at its address is not the host. */
async function reportOf(deps: ReconcilerDeps, turn: Turn, host: HostRow): Promise<HostReport | PluginError> {
  // What cannot be opened here is wrong with this controller, not with the host.
  const { adapter } = await deps.plugins.openHost(hostRegistration(deps.store, host))
  try {
    const report = await adapter(() => {}).hosts.report(turn.call(`host/${host.id}`))
    if (report.identity === host.identity) return report
    return new PluginError('CONFLICT', `reports as ${report.identity}, registered is ${host.identity}`, 'none')
  } catch (error) {
    return asPluginError(error)
  }
}

async function noteState(tx: Tx, host: HostRow, state: 'Up' | 'Alert'): Promise<void> {
  await recordEvent(tx, {
    type: state === 'Up' ? 'HOST.RECONNECT' : 'HOST.ALERT',
    level: state === 'Up' ? 'INFO' : 'WARN',
    state: 'Completed',
    description: state === 'Up' ? `Host ${host.name} answers again` : `Host ${host.name} does not answer`,
    resource: { kind: 'Host', id: host.id },
  })
}
