import type { VmId } from '@moorage/contract'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { attachmentsOfVm } from '../store/attachments.ts'
import { connectionsTo } from '../store/connections.ts'
import { hostById } from '../store/hosts.ts'
import { hostRegistration } from '../store/registrations.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { type Grant, withdrawLetGo } from './access.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { forgetGrants } from './stopping.ts'

/** End what `host` keeps of `vm`, which does not belong there. */
export interface VmLeaveInput {
  readonly vm: string
  readonly host: string
}

/**
 * Ends the machine of a VM on a host where it is not recorded, and that host's access to its volumes: what a migration left,
 * or what a host brings back that had been lost. Of a VM that is recorded there nothing is touched.
 */
export const vmLeave = sagaHead<VmLeaveInput>({
  name: 'vm-leave',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

/** Steps: begin, stop, withdraw. The host is asked itself, also one that was given up. */
export function vmLeaveSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VmLeaveInput, Tx>(vmLeave)
    .step('begin', {
      decide: async (tx, { input }): Promise<{ readonly grants: readonly Grant[] } | null> => {
        const vm = await lockVm(tx, input.vm)
        const host = await hostById(tx, input.host)
        if (!host || (host.lostAt === null && (vm?.hostId === host.id || vm?.targetHostId === host.id))) return null
        const volumes = (await attachmentsOfVm(tx, input.vm)).map(({ volumeId }) => volumeId)
        const grants = await connectionsTo(tx, volumes)
        return { grants: grants.filter((grant) => grant.host === host.id) }
      },
    })
    .step('stop', {
      run: async ({ input, begin }, context) => {
        const row = begin && (await hostById(deps.store.reader, input.host))
        if (!row) return
        const host = await deps.plugins.openHost({ ...hostRegistration(deps.store, row), lost: false })
        await saying(
          'The host did not end what it kept of the virtual machine',
          async () => host.adapter(context.log).vms.stop(input.vm as VmId, { force: true }, part(context.call, 'stop')), // An id of ours is made by us.
        )
      },
      undo: async () => {},
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawLetGo(deps, begin?.grants ?? [], context),
      record: async (tx, { begin }) => forgetGrants(tx, begin?.grants ?? []),
      undo: async () => {},
    })
    .build()
}
