import type { Machine } from './machine.ts'

/** States of a snapshot, as CloudStack names them. `BackedUp` means usable, wherever its copies are. */
export const SNAPSHOT_STATES = [
  'Allocated',
  'Creating',
  'CreatedOnPrimary',
  'BackingUp',
  'BackedUp',
  'Destroying',
  'Destroyed',
  'Error',
] as const
/** A name in `SNAPSHOT_STATES`. */
export type SnapshotState = (typeof SNAPSHOT_STATES)[number]

/** Events of a snapshot, as CloudStack's `Snapshot.Event` names them. */
export const SNAPSHOT_EVENTS = [
  'CreateRequested',
  'OperationNotPerformed',
  'BackupToSecondary',
  'DestroyRequested',
  'OperationSucceeded',
  'OperationFailed',
] as const
/** A name in `SNAPSHOT_EVENTS`. */
export type SnapshotEvent = (typeof SNAPSHOT_EVENTS)[number]

/**
 * CloudStack 4.20's `Snapshot.State`. `OperationNotPerformed` is its name for a snapshot that stays on the array. Unlike
 * there, one that stayed may be archived later, and is as it was when
 * that fails; and every state but Destroyed can be left: one that failed or was never taken can be deleted.
 */
export const SNAPSHOT_MACHINE: Machine<SnapshotState, SnapshotEvent> = {
  Allocated: { CreateRequested: 'Creating', OperationFailed: 'Error', DestroyRequested: 'Destroying' },
  Creating: { OperationSucceeded: 'CreatedOnPrimary', OperationFailed: 'Error', DestroyRequested: 'Destroying' },
  CreatedOnPrimary: { OperationNotPerformed: 'BackedUp', OperationFailed: 'Error', DestroyRequested: 'Destroying' },
  BackedUp: { BackupToSecondary: 'BackingUp', DestroyRequested: 'Destroying' },
  BackingUp: { OperationSucceeded: 'BackedUp', OperationFailed: 'BackedUp', DestroyRequested: 'Destroying' },
  Destroying: { OperationSucceeded: 'Destroyed', OperationFailed: 'BackedUp', DestroyRequested: 'Destroying' },
  Destroyed: {},
  Error: { DestroyRequested: 'Destroying' },
}
