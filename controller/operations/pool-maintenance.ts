import { next } from '../domain/machine.ts'
import { POOL_MACHINE } from '../domain/pool.ts'
import { poolMaintenance } from '../sagas/pool-maintenance.ts'
import { poolMaintenanceCancel } from '../sagas/pool-maintenance-cancel.ts'
import { poolStanding } from '../store/queries/standing.ts'
import { certain } from './certain.ts'
import type { Submitted } from './context.ts'
import { type By, carriedOut, submit } from './submit.ts'

/** Submits taking a pool out of service; the VMs that use it are stopped. Callers are operators. */
export async function enterMaintenance(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const pool = certain(await poolStanding(tx, id), 'id')
    if (!pool.busy) next(POOL_MACHINE, pool.state, { event: 'MaintenanceRequested', of: `Storage pool ${pool.name}` })
    const operation = await submit(tx, by, {
      command: 'enableStorageMaintenance',
      head: poolMaintenance,
      input: { pool: id },
      event: {
        type: 'MAINT.PREPARE.PS',
        description: `Taking storage pool ${pool.name} out of service`,
        resource: { kind: 'StoragePool', id },
      },
    })
    return { operation, id }
  })
}

/** Submits putting a pool back into service; the VMs that its maintenance stopped start again. Callers are operators. */
export async function leaveMaintenance(by: By, id: string): Promise<Submitted> {
  return await carriedOut(by, async (tx) => {
    const pool = certain(await poolStanding(tx, id), 'id')
    if (!pool.busy) next(POOL_MACHINE, pool.state, { event: 'MaintenanceCancelled', of: `Storage pool ${pool.name}` })
    const operation = await submit(tx, by, {
      command: 'cancelStorageMaintenance',
      head: poolMaintenanceCancel,
      input: { pool: id },
      event: {
        type: 'MAINT.CANCEL.PS',
        description: `Putting storage pool ${pool.name} back into service`,
        resource: { kind: 'StoragePool', id },
      },
    })
    return { operation, id }
  })
}
