import type { HypervisorInventoryItem } from '@moorage/contract'
import { vmLeave } from '../sagas/vm-leave.ts'
import { recordEvent } from '../store/events.ts'
import type { HostRow } from '../store/generated/schema.ts'
import { hostReturned } from '../store/hosts.ts'
import { hostRegistration } from '../store/registrations.ts'
import { ownersOf } from '../store/vms.ts'
import { askFor } from './ask.ts'
import type { ReconcilerDeps, Turn } from './reconciler.ts'

/**
 * A host that had been given up answers again. Whatever machines it still has are ended first, each by an operation of its
 * VM: its fence is above all that the host has seen. With none left the host is Up.
 */
export async function takeBack(deps: ReconcilerDeps, turn: Turn, host: HostRow): Promise<void> {
  const machines = await machinesOn(deps, turn, host)
  if (machines.length === 0) {
    await deps.store.transact(async (tx) => {
      if (!(await hostReturned(tx, host.id))) return
      await recordEvent(tx, {
        type: 'HOST.RECONNECT',
        state: 'Completed',
        description: `Host ${host.name} is back, with nothing left of what it ran`,
        resource: { kind: 'Host', id: host.id },
      })
    })
    return
  }
  const accounts = await ownersOf(deps.store.reader, machines)
  await askFor(deps, turn, {
    head: vmLeave,
    reason: 'its host was lost, and is back with its machine',
    wishes: machines.map((id) => ({
      kind: 'vm',
      id,
      account: accounts.get(id) ?? '',
      input: { vm: id, host: host.id },
    })),
  })
}

async function machinesOn(deps: ReconcilerDeps, turn: Turn, host: HostRow): Promise<readonly string[]> {
  const { adapter } = await deps.plugins.openHost({ ...hostRegistration(deps.store, host), lost: false })
  const { inventory } = adapter(() => {})
  const items: HypervisorInventoryItem[] = []
  let cursor: string | undefined
  for (let page = 0; ; page += 1) {
    const { items: more, next } = await inventory.list(cursor, turn.call(`host/${host.id}/list/${page}`))
    items.push(...more)
    if (next === undefined) break
    cursor = next
  }
  return items.flatMap((item) =>
    item.kind === 'vm' && item.owner === 'ours' && item.state !== 'stopped' ? [item.id] : [],
  )
}
