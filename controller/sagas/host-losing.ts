import { derivedId } from '../domain/derived-id.ts'
import type { Jobs } from '../jobs/jobs.ts'
import { recordEvent } from '../store/events.ts'
import { giveHostUp, lockHost } from '../store/hosts.ts'
import { forgetWays } from '../store/pool-reach.ts'
import type { Tx } from '../store/store.ts'
import { vmsOn } from '../store/vms.ts'
import { submitInternal } from './internal.ts'
import { vmStop } from './vm-stop.ts'

/**
 * Gives a host up: it is Down, no VM is on it any more as soon as its access is withdrawn at the arrays, and those that ask
 * for it start elsewhere. `dead`: an operator vouches that it runs nothing. Idempotent; false when it is not registered.
 */
export async function loseHost(
  tx: Tx,
  jobs: Pick<Jobs<Tx>, 'submit'>,
  what: { readonly host: string; readonly dead: boolean; readonly because: string },
): Promise<boolean> {
  const { host: id, dead, because } = what
  const host = await lockHost(tx, id)
  if (!host) return false
  await giveHostUp(tx, id, dead || host.dead)
  await forgetWays(tx, { host: id })
  for (const vm of await vmsOn(tx, id)) {
    // One for each time that its host is lost, or declared dead.
    const operation = derivedId('lost', id, vm.id, String(vm.generation), String(dead))
    const input = { vm: vm.id, force: true, ...(vm.ha ? { restart: true } : {}) }
    const order = { head: vmStop, input, id: operation, account: vm.accountId }
    await submitInternal(tx, jobs, order)
  }
  if (host.lostAt !== null && host.dead === (dead || host.dead)) return true
  await recordEvent(tx, {
    type: 'HOST.DOWN',
    level: 'ERROR',
    state: 'Completed',
    description: `Host ${host.name} was given up: ${because}`,
    resource: { kind: 'Host', id },
  })
  return true
}
