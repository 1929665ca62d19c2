import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { POOL_MACHINE } from '../domain/pool.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import { lockPool, updatePool } from '../store/pools.ts'
import type { Tx } from '../store/store.ts'
import { parkedBy } from '../store/vms.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { submitInternal } from './internal.ts'
import { ends, type Outcome } from './outcome.ts'
import { vmStart } from './vm-start.ts'

/** Put `pool` back into service. */
export interface PoolMaintenanceCancelInput {
  readonly pool: string
}

/** Puts a pool back into service and starts the VMs that its maintenance had stopped. */
export const poolMaintenanceCancel = sagaHead<PoolMaintenanceCancelInput>({
  name: 'pool-maintenance-cancel',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { pool }) => [resourceName('pool', pool)],
  about: ({ pool }) => ({ kind: 'pool', id: pool }),
})

const OUTCOME: Outcome<PoolMaintenanceCancelInput> = {
  type: 'MAINTENANCE.CANCEL.PS',
  kind: 'StoragePool',
  id: ({ pool }) => pool,
  doing: 'cancelling maintenance of storage pool',
}

/** Steps: begin, resume. The VMs start in operations of their own, which this one does not wait for. */
export function poolMaintenanceCancelSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<PoolMaintenanceCancelInput, Tx>(poolMaintenanceCancel)
    .step('begin', {
      decide: async (tx, { input }) => {
        const pool = await lockPool(tx, input.pool)
        if (!pool) throw new Refusal('NOT_FOUND', `There is no storage pool ${input.pool}`)
        const state = next(POOL_MACHINE, pool.state, { event: 'MaintenanceCancelled', of: `Storage pool ${pool.id}` })
        await updatePool(tx, pool.id, { state })
        return {}
      },
    })
    .step('resume', {
      run: async ({ input }, context) => {
        const jobs = deps.jobs()
        await deps.store.transact(async (tx) => {
          for (const vm of await parkedBy(tx, input.pool)) {
            const id = derivedId(context.operation, 'start', vm.id)
            await submitInternal(tx, jobs, { head: vmStart, input: { vm: vm.id }, id, account: vm.accountId })
          }
        })
      },
      undo: async () => {},
    })
    .build(ends(OUTCOME, async () => {}))
}
