import { PluginError } from '@moorage/contract'
import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { POOL_MACHINE } from '../domain/pool.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { lockPool, updatePool, vmsUsingPool } from '../store/pools.ts'
import type { Tx } from '../store/store.ts'
import { updateVm } from '../store/vms.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { submitInternal } from './internal.ts'
import { ends, type Outcome } from './outcome.ts'
import { vmStop } from './vm-stop.ts'

/** Take `pool` out of service. */
export interface PoolMaintenanceInput {
  readonly pool: string
}

/** Stops every VM that uses the pool, then holds the pool in Maintenance: nothing is placed there. */
export const poolMaintenance = sagaHead<PoolMaintenanceInput>({
  name: 'pool-maintenance',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { pool }) => [resourceName('pool', pool)],
  about: ({ pool }) => ({ kind: 'pool', id: pool }),
})

const OUTCOME: Outcome<PoolMaintenanceInput> = {
  type: 'MAINTENANCE.PREPARE.PS',
  kind: 'StoragePool',
  id: ({ pool }) => pool,
  doing: 'preparing for maintenance storage pool',
}

/** Share of the time left that is spent waiting: the rest is for saying so before the step's deadline. */
const WAITING_SHARE = 0.8

/**
 * Steps: begin, stop. From `begin` on no VM can start on the pool and no volume is placed there, so the VMs that use it only
 * become fewer. They stop in operations of their own, which wait for whatever else is being done to the VM.
 */
export function poolMaintenanceSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<PoolMaintenanceInput, Tx>(poolMaintenance)
    .step('begin', {
      decide: async (tx, { input }, { operation }) => {
        const pool = await lockPool(tx, input.pool)
        if (!pool) throw new Refusal('NOT_FOUND', `There is no storage pool ${input.pool}`)
        const state = next(POOL_MACHINE, pool.state, { event: 'MaintenanceRequested', of: `Storage pool ${pool.id}` })
        await hold(tx, 'pool', { id: pool.id, operation })
        await updatePool(tx, pool.id, { state })
        return { from: pool.state }
      },
      unrecord: async (tx, { input }, { operation }) => {
        if (!(await isHeld(tx, 'pool', { id: input.pool, operation }))) return
        await updatePool(tx, input.pool, { state: 'ErrorInMaintenance' })
        await release(tx, 'pool', { id: input.pool, operation })
      },
    })
    .step('stop', {
      run: async ({ input }, context) => stopUsers(deps, input.pool, context),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        await updatePool(tx, input.pool, { state: 'Maintenance' })
        await release(tx, 'pool', { id: input.pool, operation })
      }),
    )
}

async function stopUsers(deps: SagaDeps, pool: string, context: StepContext): Promise<void> {
  const { store } = deps
  const jobs = deps.jobs()
  const users = await vmsUsingPool(store.reader, pool)
  const stops = users.map((vm) => ({ ...vm, operation: derivedId(context.operation, 'stop', vm.id) }))
  for (const { id: vm, accountId: account, state, operation } of stops) {
    await store.transact(async (tx) => {
      if (state !== 'Stopped') await updateVm(tx, vm, { parkedByPoolId: pool })
      await submitInternal(tx, jobs, { head: vmStop, input: { vm, force: false }, id: operation, account })
    })
  }
  let done = 0
  for (const { operation } of stops) {
    context.progress({ done, total: stops.length, unit: 'items', note: 'virtual machines stopped' })
    if (!(await jobs.ended(operation, Math.max(0, context.call.deadline - Date.now()) * WAITING_SHARE))) {
      throw new PluginError('BUSY', `waits for operation ${operation} to stop a virtual machine`, 'none')
    }
    done += 1
  }
  const left = await vmsUsingPool(store.reader, pool)
  if (left.length > 0) {
    throw new Refusal(
      'UNAVAILABLE',
      `Virtual machines that use the storage pool could not be stopped: ${left.map(({ id }) => id).join(', ')}`,
    )
  }
}
