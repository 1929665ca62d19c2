import { qosRepair } from '../qos-repair.ts'
import { snapshotCreate } from '../snapshot-create.ts'
import { snapshotDelete } from '../snapshot-delete.ts'
import { snapshotRevert } from '../snapshot-revert.ts'
import { vmStart } from '../vm-start.ts'
import { volumeAttach } from '../volume-attach.ts'
import { volumeDelete } from '../volume-delete.ts'
import { volumeDetach } from '../volume-detach.ts'
import { volumeFromSnapshot } from '../volume-from-snapshot.ts'
import { volumeResize } from '../volume-resize.ts'
import { asked, type Scene } from './scene.ts'
import { kept, lingering, plugged, QOS, snapped, throttled, tombstone } from './scene-parts.ts'
import { ARCHIVE_SCENES } from './scenes-archive.ts'
import { MOVE_SCENES } from './scenes-move.ts'
import { CENSUS_SCENES } from './scenes-census.ts'
import { RECORD_SCENES } from './scenes-record.ts'
import { TEMPLATE_SCENES } from './scenes-template.ts'
import { VM_SCENES } from './scenes-vm.ts'

const VOLUME_SCENES: readonly Scene[] = [
  {
    saga: 'volume-attach',
    of: 'a volume that lives nowhere, to a running VM',
    calls: {
      begin: [],
      create: ['array/volumes/create'],
      expose: ['array/access/expose'],
      plug: ['host/disks/attach'],
    },
    undoing: {
      plug: ['host/disks/detach'],
      expose: ['array/access/withdraw'],
      create: ['array/volumes/delete'],
    },
    stage: async (world) => {
      const [vm, volume] = [await world.vm(), await world.volume({ qos: QOS })]
      await world.done(vmStart, { vm })
      return asked(world, volumeAttach, { vm, volume })
    },
  },
  {
    saga: 'volume-detach',
    of: 'a volume from a running VM',
    calls: { begin: [], unplug: ['host/disks/detach'], withdraw: ['array/access/withdraw'] },
    undoing: { unplug: ['host/vms/get'] },
    stage: async (world) => asked(world, volumeDetach, { volume: (await plugged(world)).volume }),
  },
  {
    saga: 'volume-delete',
    of: 'a volume to which a host still has access',
    calls: { begin: [], withdraw: ['array/access/withdraw'], delete: ['array/volumes/delete'] },
    stage: async (world) => asked(world, volumeDelete, { volume: await lingering(world) }),
  },
  {
    saga: 'volume-from-snapshot',
    of: 'a clone',
    calls: { begin: [], make: ['array/clones/clone'], expose: [], restore: [], withdraw: [] },
    undoing: { make: ['array/volumes/delete'] },
    stage: async (world) => {
      const { snapshot } = await snapped(world)
      return asked(world, volumeFromSnapshot, { volume: await world.volume(), snapshot })
    },
  },
  {
    saga: 'volume-resize',
    of: 'size, and limits that the array enforces, of a plugged volume',
    calls: {
      begin: [],
      'array-qos': ['array/qos/apply', 'array/qos/read'],
      throttle: [],
      grow: ['array/resize/grow'],
      refresh: ['host/resize/refresh'],
    },
    undoing: { grow: ['array/volumes/get'], 'array-qos': ['array/qos/apply', 'array/qos/read'] },
    stage: async (world) => {
      const { volume } = await plugged(world)
      return asked(world, volumeResize, { volume, bytes: 2 * 1024 ** 3, qos: { totalIops: { min: 300, max: 2000 } } })
    },
  },
  {
    saga: 'volume-resize',
    of: 'limits that the hypervisor enforces, of a plugged volume',
    calls: {
      begin: [],
      'array-qos': [],
      throttle: ['host/throttle/apply', 'host/throttle/read'],
      grow: [],
      refresh: [],
    },
    undoing: { throttle: ['host/throttle/apply', 'host/throttle/read'] },
    stage: async (world) => {
      const volume = await throttled(world)
      return asked(world, volumeResize, { volume, qos: { totalIops: { max: 900 } } })
    },
  },
  {
    saga: 'qos-repair',
    of: 'limits that the array enforces',
    calls: { begin: [], apply: ['array/qos/apply', 'array/qos/read'] },
    // Limits that strayed would be a finding of the census also after a repair that failed: here none has.
    stage: async (world) => asked(world, qosRepair, { volume: (await plugged(world)).volume }),
  },
  {
    saga: 'qos-repair',
    of: 'limits that the hypervisor enforces',
    calls: { begin: [], apply: ['host/throttle/apply', 'host/throttle/read'] },
    stage: async (world) => asked(world, qosRepair, { volume: await throttled(world) }),
  },
]

const SNAPSHOT_SCENES: readonly Scene[] = [
  {
    saga: 'snapshot-create',
    of: 'a plugged volume',
    calls: { begin: [], take: ['array/snapshots/create'] },
    undoing: { take: ['array/snapshots/delete'] },
    stage: async (world) => {
      const { volume } = await plugged(world)
      const snapshot = await world.snapshot(volume)
      return {
        ask: async () => world.submit(snapshotCreate, { snapshot }),
        again: async () => world.submit(snapshotCreate, { snapshot: await world.snapshot(volume) }),
      }
    },
  },
  {
    saga: 'snapshot-delete',
    of: 'the last snapshot of a deleted volume',
    calls: { begin: [], delete: ['array/snapshots/delete'], archive: [], tombstone: ['array/volumes/delete'] },
    undoing: { delete: ['array/snapshots/get'] },
    stage: async (world) => asked(world, snapshotDelete, { snapshot: await tombstone(world) }),
  },
  {
    saga: 'snapshot-delete',
    of: 'a snapshot of a living volume',
    calls: { begin: [], delete: ['array/snapshots/delete'], archive: [], tombstone: [] },
    undoing: { delete: ['array/snapshots/get'] },
    stage: async (world) => asked(world, snapshotDelete, { snapshot: (await snapped(world)).snapshot }),
  },
  {
    saga: 'snapshot-revert',
    of: 'a volume to which a host still has access',
    calls: { begin: [], withdraw: ['array/access/withdraw'], revert: ['array/revert/revert'] },
    stage: async (world) => asked(world, snapshotRevert, { snapshot: (await kept(world)).snapshot }),
  },
]

/** At least one scene for every saga of the registry, with what each of its steps can have to do. */
export const SCENES: readonly Scene[] = [
  ...VOLUME_SCENES,
  ...MOVE_SCENES,
  ...SNAPSHOT_SCENES,
  ...ARCHIVE_SCENES,
  ...TEMPLATE_SCENES,
  ...VM_SCENES,
  ...RECORD_SCENES,
  ...CENSUS_SCENES,
]

/** Those of sagas that change something. The census has tests of its own: it says which back end did not answer. */
export const SCENES_OF_CHANGE = SCENES.filter(({ saga }) => saga !== 'census')
