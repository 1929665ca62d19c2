import type { FindingClass } from '../../controller/domain/census-classes.ts'
import {
  killedVm,
  laterGeneration,
  pluggedDisk,
  qemuOfOurs,
  secondVm,
  startedVm,
  stoppedDaemon,
  unplugged,
} from './census-faults-host.ts'
import {
  copiedVolume,
  exposedOrphan,
  servedOrphan,
  servedSnapshot,
  strayFile,
  straySnapshot,
} from './census-faults-orphans.ts'
import {
  given,
  intended,
  letIn,
  lostSnapshot,
  lostVolume,
  moreStrangers,
  otherLimits,
  readOnly,
  resized,
  shutOut,
  strayMount,
  strayTarget,
} from './census-faults-san.ts'
import { type Fault, GIB } from './census-hands.ts'

/** Faults of every class, by what they show. Each goes past Moorage: by tools, files, daemons' own interfaces, or SQL. */
export const FAULTS: Readonly<Record<FindingClass, Readonly<Record<string, Fault>>>> = {
  'orphan-volume': {
    'that a controller of ours made and lost': { action: 'adopt', plant: servedOrphan },
    'to which a host has access': { action: 'recycle', plant: exposedOrphan },
    'that is a file under our mark': { action: 'recycle', plant: strayFile },
  },
  'orphan-snapshot': {
    'that a controller of ours took and lost': { action: 'adopt', plant: servedSnapshot },
    'that is a file under our mark': { action: 'recycle', plant: straySnapshot },
  },
  'orphan-vm': { 'that somebody started by hand': { action: 'repair', plant: qemuOfOurs } },
  'ghost-volume': { 'whose file was removed': { action: 'repair', plant: lostVolume } },
  'ghost-snapshot': { 'whose file was removed': { action: 'repair', plant: lostSnapshot } },
  'ghost-exposure': { 'whose initiator was shut out': { action: 'repair', plant: shutOut } },
  'ghost-vm': { 'whose QEMU was killed': { action: 'repair', plant: killedVm } },
  'ghost-disk': { 'that was unplugged': { action: 'repair', plant: unplugged } },
  'drifted-size': {
    'that was grown': { action: 'repair', plant: (yard) => resized(yard, 2 * GIB) },
    'that was cut': { action: 'repair', plant: (yard) => resized(yard, GIB / 2) },
  },
  'drifted-state': { 'that is recorded as intended only': { action: 'ignore', plant: intended } },
  'drifted-access': { 'that is to read only': { action: 'repair', plant: readOnly } },
  'drifted-qos': { 'with other limits': { action: 'repair', plant: otherLimits } },
  'drifted-disk': { 'of a later generation': { action: 'repair', plant: laterGeneration } },
  'drifted-vm': { 'that somebody started': { action: 'repair', plant: startedVm } },
  'duplicated-volume': { 'that somebody copied': { action: 'recycle', plant: copiedVolume } },
  'duplicated-vm': { 'that runs on two hosts': { action: 'repair', plant: secondVm } },
  'stale-exposure': { 'to which nobody is recorded to have access': { action: 'repair', plant: given } },
  'stale-disk': { 'that somebody plugged': { action: 'repair', plant: pluggedDisk } },
  'stale-structure': {
    'a target that serves nobody': { action: 'repair', plant: strayTarget },
    'an initiator let in to a target in use': { action: 'repair', plant: letIn },
    'a mount that nobody serves': { action: 'repair', plant: strayMount },
  },
  foreign: { 'of which there come to be more': { action: 'ignore', plant: moreStrangers } },
  unlisted: { 'because its daemon was stopped': { action: 'ignore', plant: stoppedDaemon } },
}
