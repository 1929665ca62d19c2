import { Refusal } from '../domain/failures.ts'
import { lockHost, updateHost } from '../store/hosts.ts'
import { forgetWays } from '../store/pool-reach.ts'
import { hostStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import { type By, note } from './submit.ts'

/**
 * Forgets a host; nothing on it is touched. Refused while a VM is on it, and while it has access to a volume: both would be
 * out of sight afterwards. Callers are operators.
 */
export async function removeHost(by: By, id: string): Promise<void> {
  await by.system.store.transact(async (tx) => {
    // Locked first, so that a VM which is being placed here is either seen below or finds the host gone.
    certain(await lockHost(tx, id), 'id')
    const host = certain(await hostStanding(tx, id), 'id')
    if (host.vms > 0)
      throw new Refusal('INVALID', `Host ${host.name} cannot be deleted: ${host.vms} virtual machines are on it`)
    if (host.connections > 0)
      throw new Refusal(
        'INVALID',
        `Host ${host.name} cannot be deleted: it still has access to ${host.connections} volumes`,
      )
    await updateHost(tx, id, { removedAt: new Date() })
    await forgetWays(tx, { host: id })
    await note(tx, by, {
      type: 'HOST.DELETE',
      description: `Removed host ${host.name}`,
      resource: { kind: 'Host', id },
    })
  })
}
