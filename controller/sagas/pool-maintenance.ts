import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

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
