import type { StorageLimits } from '@moorage/contract'
import type { Machine } from './machine.ts'

/** States of a pool, as CloudStack's `StoragePoolStatus` names them. */
export const POOL_STATES = [
  'Up',
  'Disabled',
  'PrepareForMaintenance',
  'Maintenance',
  'ErrorInMaintenance',
  'Removed',
] as const
/** A name in `POOL_STATES`. */
export type PoolState = (typeof POOL_STATES)[number]

/**
 * True while the array may be asked to work for volumes that live there already. A pool that is Disabled takes no new
 * volumes, which is placement's to see to; only maintenance leaves the array alone.
 */
export function inService(state: string): boolean {
  return state === 'Up' || state === 'Disabled'
}

/**
 * True where access may be withdrawn from a host that has not let go, such as one that is lost: the array ends its sessions
 * itself. Else only a host that has confirmed the detach, or is proven dead, may be taken its access; until then the volume
 * is given to no other.
 */
export function endsSessions({ withdrawal }: Pick<StorageLimits, 'withdrawal'>): boolean {
  return withdrawal !== 'host-must-detach'
}

/** Events of a pool. CloudStack has no machine for pools; these are the ways its code takes. */
export const POOL_EVENTS = [
  'Enable',
  'Disable',
  'MaintenanceRequested',
  'MaintenanceReached',
  'MaintenanceFailed',
  'MaintenanceCancelled',
  'Remove',
] as const
/** A name in `POOL_EVENTS`. */
export type PoolEvent = (typeof POOL_EVENTS)[number]

/** As CloudStack: removal only from Maintenance; maintenance can be cancelled from every state of it. */
export const POOL_MACHINE: Machine<PoolState, PoolEvent> = {
  Up: { Disable: 'Disabled', MaintenanceRequested: 'PrepareForMaintenance' },
  Disabled: { Enable: 'Up', MaintenanceRequested: 'PrepareForMaintenance', Remove: 'Removed' },
  PrepareForMaintenance: {
    MaintenanceReached: 'Maintenance',
    MaintenanceFailed: 'ErrorInMaintenance',
    MaintenanceCancelled: 'Up',
  },
  Maintenance: { MaintenanceCancelled: 'Up', Remove: 'Removed' },
  ErrorInMaintenance: { MaintenanceRequested: 'PrepareForMaintenance', MaintenanceCancelled: 'Up' },
  Removed: {},
}
