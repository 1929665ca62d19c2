import { Refusal } from '../domain/failures.ts'
import { hostMaintenance, unready } from '../sagas/host-maintenance.ts'
import { recorded } from '../sagas/recorded.ts'
import { vmStart } from '../sagas/vm-start.ts'
import { submitInternal } from '../sagas/internal.ts'
import { derivedId } from '../domain/derived-id.ts'
import { lockHost, updateHost } from '../store/hosts.ts'
import { vmsToRestart } from '../store/vms.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Submits taking a host out of service: its VMs move, or stop where they cannot. Callers are operators. */
export async function enterHostMaintenance(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const host = certain(await lockHost(tx, id), 'id')
    const why = host.operationId === null ? unready(host) : undefined
    if (why !== undefined) throw new Refusal('INVALID', `Host ${host.name} ${why}`)
    const operation = await submit(tx, by, {
      command: 'prepareHostForMaintenance',
      head: hostMaintenance,
      input: { host: id },
      event: {
        type: 'MAINT.PREPARE',
        description: `Taking host ${host.name} out of service`,
        resource: { kind: 'Host', id },
      },
    })
    return { operation, id }
  })
}

const OUT_OF_SERVICE = new Set(['Maintenance', 'ErrorInMaintenance'])

/** Puts a host back into service, at once; VMs that had run there last and could not move start again. Callers are operators. */
export async function leaveHostMaintenance(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const host = certain(await lockHost(tx, id), 'id')
    if (!OUT_OF_SERVICE.has(host.resourceState))
      throw new Refusal('INVALID', `Host ${host.name} is ${host.resourceState}: it is not in maintenance`)
    await updateHost(tx, id, { resourceState: 'Enabled' })
    const operation = await submit(tx, by, {
      command: 'cancelHostMaintenance',
      head: recorded,
      input: { kind: 'host', id },
      event: {
        type: 'MAINT.CANCEL',
        description: `Put host ${host.name} back into service`,
        resource: { kind: 'Host', id },
      },
    })
    for (const vm of (await vmsToRestart(tx)).filter(({ lastHostId }) => lastHostId === id)) {
      const order = {
        head: vmStart,
        input: { vm: vm.id },
        id: derivedId(operation, 'start', vm.id),
        account: vm.accountId,
      }
      await submitInternal(tx, by.system.jobs, order)
    }
    return { operation, id }
  })
}
