import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

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
