import { asPluginError, type VmId } from '@moorage/contract'
import { vmStop } from '../sagas/vm-stop.ts'
import { recordEvent } from '../store/events.ts'
import type { HostRow } from '../store/generated/schema.ts'
import { allHosts } from '../store/hosts.ts'
import { hostRegistration } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, runningOn } from '../store/vms.ts'
import { askFor, type Wish } from './ask.ts'
import { inParallel } from './in-parallel.ts'
import type { Reconciler, ReconcilerDeps, Turn } from './reconciler.ts'

/** A VM that is recorded as running on a host that has no machine of it. */
interface Missed {
  readonly id: string
  readonly accountId: string
  readonly generation: number
  readonly host: string
}

/** What is missed is looked for once more after this. */
const SECOND_LOOK_MS = 5_000

/**
 * A VM is recorded as running only while its host has its machine: of one that is gone, access to its volumes is withdrawn
 * and it is recorded as stopped. It must be missed in two turns on end: a host that has just started may not know all of
 * its machines yet.
 */
export function createVmState(): Reconciler {
  let missedBefore: ReadonlySet<string> = new Set()
  return {
    name: 'vm-state',
    everyMs: 30_000,
    async run(deps, turn) {
      const before = missedBefore
      // A turn that fails half-way breaks the row.
      missedBefore = new Set()
      const missed: Missed[] = []
      await inParallel(await allHosts(deps.store.reader), async (host) => {
        missed.push(...(await missedOn(deps, turn, host)))
      })
      missedBefore = new Set(missed.map(keyOf))
      if (missed.some((vm) => !before.has(keyOf(vm)))) turn.againIn(SECOND_LOOK_MS)
      const wishes = missed.filter((vm) => before.has(keyOf(vm))).map(wishOf)
      await askFor(deps, turn, { head: vmStop, reason: 'its machine is gone', wishes })
    },
  }
}

function keyOf({ id, generation, host }: Missed): string {
  return `${id}/${generation}/${host}`
}

/** Nothing is known of the machines of a host that does not answer. */
async function missedOn(deps: ReconcilerDeps, turn: Turn, host: HostRow): Promise<readonly Missed[]> {
  // Read before the machines are asked for: what starts from here on is not looked for.
  const vms = await runningOn(deps.store.reader, host.id)
  if (vms.length === 0) return []
  const missed: Missed[] = []
  try {
    const adapter = (await deps.plugins.openHost(hostRegistration(deps.store, host))).adapter(() => {})
    for (const { id, accountId, generation, operationId } of vms) {
      if (operationId !== null) continue
      // An id of ours is made by us; the brand only keeps kinds apart.
      const found = await adapter.vms.get(id as VmId, turn.call(`vm/${id}`))
      if (found === undefined || found.state === 'stopped') missed.push({ id, accountId, generation, host: host.id })
    }
    return missed
  } catch (error) {
    const { code, message } = asPluginError(error)
    deps.log.warn({ host: host.id, name: host.name, code, why: message }, 'a host does not say which machines it has')
    return []
  }
}

function wishOf({ id, accountId: account, generation, host }: Missed): Wish<Parameters<typeof vmStop.submission>[1]> {
  return {
    kind: 'vm',
    id,
    account,
    input: { vm: id, force: true },
    still: async (tx) => {
      const vm = await lockVm(tx, id)
      return vm?.state === 'Running' && vm.operationId === null && vm.generation === generation && vm.hostId === host
    },
    note: async (tx, operation) => noteGone(tx, { id, account, operation }),
  }
}

async function noteGone(
  tx: Tx,
  vm: { readonly id: string; readonly account: string; readonly operation: string },
): Promise<void> {
  const row = await lockVm(tx, vm.id)
  await recordEvent(tx, {
    type: 'VM.STOP',
    level: 'WARN',
    state: 'Started',
    description: `Virtual machine ${row?.displayName ?? vm.id} was found stopped`,
    account: vm.account,
    resource: { kind: 'UserVm', id: vm.id },
    operation: vm.operation,
  })
}
