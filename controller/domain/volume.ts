import type { Machine } from './machine.ts'

/** States of a volume, as CloudStack names them. Whether it is attached is not part of the state. */
export const VOLUME_STATES = [
  'Allocated',
  'Creating',
  'Ready',
  'Attaching',
  'Snapshotting',
  'RevertSnapshotting',
  'Resizing',
  'Migrating',
  'Destroy',
  'Expunging',
  'Expunged',
  'Error',
] as const
/** A name in `VOLUME_STATES`. */
export type VolumeState = (typeof VOLUME_STATES)[number]

/** Events of a volume, as CloudStack's `Volume.Event` names them. */
export const VOLUME_EVENTS = [
  'CreateRequested',
  'AttachRequested',
  'SnapshotRequested',
  'RevertSnapshotRequested',
  'ResizeRequested',
  'MigrationRequested',
  'DestroyRequested',
  'RecoverRequested',
  'ExpungingRequested',
  'OperationSucceeded',
  'OperationFailed',
] as const
/** A name in `VOLUME_EVENTS`. */
export type VolumeEvent = (typeof VOLUME_EVENTS)[number]

/**
 * CloudStack 4.20's `Volume.State` without uploads and restore. It differs in three places. A deletion is
 * valid from every state, as an operation may fail at any point and nothing may stay stuck. A failed deletion stays
 * Expunging, since the bytes may be gone: it can be asked again, never recovered. A volume that was never made recovers
 * to Allocated, which is why Destroy has two ways back. Error is new: the array lost its bytes, and all that is left is to
 * delete it.
 */
export const VOLUME_MACHINE: Machine<VolumeState, VolumeEvent> = {
  Allocated: { CreateRequested: 'Creating', DestroyRequested: 'Destroy', ExpungingRequested: 'Expunging' },
  Creating: { OperationSucceeded: 'Ready', OperationFailed: 'Allocated', ExpungingRequested: 'Expunging' },
  Ready: {
    AttachRequested: 'Attaching',
    SnapshotRequested: 'Snapshotting',
    RevertSnapshotRequested: 'RevertSnapshotting',
    ResizeRequested: 'Resizing',
    MigrationRequested: 'Migrating',
    DestroyRequested: 'Destroy',
    ExpungingRequested: 'Expunging',
  },
  Attaching: { OperationSucceeded: 'Ready', OperationFailed: 'Ready', ExpungingRequested: 'Expunging' },
  Snapshotting: { OperationSucceeded: 'Ready', OperationFailed: 'Ready', ExpungingRequested: 'Expunging' },
  RevertSnapshotting: { OperationSucceeded: 'Ready', OperationFailed: 'Ready', ExpungingRequested: 'Expunging' },
  Resizing: { OperationSucceeded: 'Ready', OperationFailed: 'Ready', ExpungingRequested: 'Expunging' },
  Migrating: { OperationSucceeded: 'Ready', OperationFailed: 'Ready', ExpungingRequested: 'Expunging' },
  Destroy: { ExpungingRequested: 'Expunging', RecoverRequested: 'Ready' },
  Expunging: { OperationSucceeded: 'Expunged', OperationFailed: 'Expunging', ExpungingRequested: 'Expunging' },
  Expunged: {},
  Error: { ExpungingRequested: 'Expunging' },
}

/** The state that a destroyed volume recovers to: Ready when it lives on an array, else Allocated. */
export function recovered(located: boolean): VolumeState {
  return located ? 'Ready' : 'Allocated'
}

/** Device id of the root disk. */
export const ROOT_DEVICE = 0
/** CloudStack keeps device id 3 for the CD drive. */
export const CD_DEVICE = 3

/**
 * How many of the disks that its hypervisor allows a VM takes: one more than those recorded where it boots an image that its
 * host holds, and has no root disk.
 */
export function diskSlots(vm: { readonly templateId: string | null }, deviceIds: readonly number[]): number {
  return deviceIds.length + (vm.templateId === null || deviceIds.includes(ROOT_DEVICE) ? 0 : 1)
}

/** The lowest device id that is free for a data disk. `taken` holds those of the VM's other disks. */
export function nextDeviceId(taken: ReadonlySet<number>): number {
  let id = ROOT_DEVICE + 1
  while (taken.has(id) || id === CD_DEVICE) id += 1
  return id
}
