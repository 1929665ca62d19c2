import type { Machine } from './machine.ts'

/** States of a VM, as CloudStack names them. */
export const VM_STATES = [
  'Stopped',
  'Starting',
  'Running',
  'Stopping',
  'Migrating',
  'Destroyed',
  'Expunging',
  'Error',
] as const
/** A name in `VM_STATES`. */
export type VmState = (typeof VM_STATES)[number]

/** Events of a VM, as CloudStack's `VirtualMachine.Event` names them. */
export const VM_EVENTS = [
  'StartRequested',
  'StopRequested',
  'MigrationRequested',
  'DestroyRequested',
  'RecoveryRequested',
  'ExpungeOperation',
  'OperationSucceeded',
  'OperationFailed',
] as const
/** A name in `VM_EVENTS`. */
export type VmEvent = (typeof VM_EVENTS)[number]

/**
 * CloudStack's `VirtualMachine.State` without its snapshots. Stopping comes from every state in which a machine may be there.
 * An expunged VM keeps the state Expunging and is removed, as there.
 */
export const VM_MACHINE: Machine<VmState, VmEvent> = {
  Stopped: { StartRequested: 'Starting', DestroyRequested: 'Destroyed', ExpungeOperation: 'Expunging' },
  Starting: { OperationSucceeded: 'Running', OperationFailed: 'Stopped', StopRequested: 'Stopping' },
  Running: { StopRequested: 'Stopping', MigrationRequested: 'Migrating', ExpungeOperation: 'Expunging' },
  // Whether it went well or not it runs, on one host or the other; that its machine was lost on the way is a stop.
  Migrating: { OperationSucceeded: 'Running', OperationFailed: 'Running', StopRequested: 'Stopping' },
  Stopping: { OperationSucceeded: 'Stopped', OperationFailed: 'Running', StopRequested: 'Stopping' },
  Destroyed: { RecoveryRequested: 'Stopped', ExpungeOperation: 'Expunging' },
  Expunging: { OperationFailed: 'Expunging', ExpungeOperation: 'Expunging' },
  Error: { DestroyRequested: 'Destroyed', ExpungeOperation: 'Expunging' },
}
