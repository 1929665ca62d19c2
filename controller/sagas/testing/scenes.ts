import type { SagaHead } from '../head.ts'
import { poolMaintenanceCancel } from '../pool-maintenance-cancel.ts'
import { poolMaintenance } from '../pool-maintenance.ts'
import { snapshotCreate } from '../snapshot-create.ts'
import { snapshotDelete } from '../snapshot-delete.ts'
import { snapshotRevert } from '../snapshot-revert.ts'
import type { World } from './world.ts'
import { vmExpunge } from '../vm-expunge.ts'
import { vmReboot } from '../vm-reboot.ts'
import { vmStart } from '../vm-start.ts'
import { vmStop } from '../vm-stop.ts'
import { volumeAttach } from '../volume-attach.ts'
import { volumeDelete } from '../volume-delete.ts'
import { volumeDetach } from '../volume-detach.ts'
import { volumeFromSnapshot } from '../volume-from-snapshot.ts'
import { volumeResize } from '../volume-resize.ts'

/** A saga about to run, and what is asked again once it has failed. */
export interface Staged {
  /** Submits it; answers the operation. */
  readonly ask: () => Promise<string>
  /** Asks for the same once more after a failure: it must succeed then. Absent: `ask` does. */
  readonly again?: () => Promise<string>
}

/** A saga with everything it needs to do something in each of its outer steps. */
export interface Scene {
  readonly saga: string
  /** Methods of the back ends that it calls, each at least once. */
  readonly calls: readonly string[]
  stage(world: World): Promise<Staged>
}

const QOS = { totalIops: { min: 100, max: 1000 } }

/** A running VM with a volume. */
async function plugged(
  world: World,
  tags: readonly string[] = [],
): Promise<{ readonly vm: string; readonly volume: string }> {
  const [vm, volume] = [await world.vm(), await world.volume({ qos: QOS, tags })]
  await world.done(vmStart, { vm })
  await world.done(volumeAttach, { vm, volume })
  return { vm, volume }
}

/** A volume on an array, attached to a stopped VM. */
async function resting(world: World): Promise<{ readonly vm: string; readonly volume: string }> {
  const [vm, volume] = [await world.vm(), await world.volume({ qos: QOS })]
  await world.done(volumeAttach, { vm, volume })
  return { vm, volume }
}

async function snapped(
  world: World,
): Promise<{ readonly volume: string; readonly vm: string; readonly snapshot: string }> {
  const rest = await resting(world)
  const snapshot = await world.snapshot(rest.volume)
  await world.done(snapshotCreate, { snapshot })
  return { ...rest, snapshot }
}

function asked<Input>(world: World, head: SagaHead<Input>, input: Input): Staged {
  return { ask: async () => world.submit(head, input) }
}

/** One scene for every saga that touches a back end. */
export const SCENES: readonly Scene[] = [
  {
    saga: 'volume-attach',
    calls: ['array/volumes/create', 'array/access/expose', 'host/disks/attach'],
    stage: async (world) => {
      const [vm, volume] = [await world.vm(), await world.volume({ qos: QOS })]
      await world.done(vmStart, { vm })
      return asked(world, volumeAttach, { vm, volume })
    },
  },
  {
    saga: 'volume-detach',
    calls: ['host/disks/detach', 'array/access/withdraw'],
    stage: async (world) => asked(world, volumeDetach, { volume: (await plugged(world)).volume }),
  },
  {
    saga: 'volume-delete',
    calls: ['array/volumes/delete'],
    stage: async (world) => {
      const { volume } = await resting(world)
      await world.done(volumeDetach, { volume })
      return asked(world, volumeDelete, { volume })
    },
  },
  {
    saga: 'volume-from-snapshot',
    calls: ['array/clones/clone'],
    stage: async (world) => {
      const { snapshot } = await snapped(world)
      return asked(world, volumeFromSnapshot, { volume: await world.volume(), snapshot })
    },
  },
  {
    saga: 'volume-resize',
    calls: ['array/qos/apply', 'array/qos/read', 'array/resize/grow', 'host/resize/refresh'],
    stage: async (world) => {
      const { volume } = await plugged(world)
      return asked(world, volumeResize, { volume, bytes: 2 * 1024 ** 3, qos: { totalIops: { min: 300, max: 2000 } } })
    },
  },
  {
    saga: 'volume-resize',
    calls: ['host/throttle/apply'],
    stage: async (world) => {
      const [vm, volume] = [
        await world.vm(),
        await world.volume({ qos: { totalIops: { max: 500 } }, tier: 'hypervisor' }),
      ]
      await world.done(vmStart, { vm })
      await world.done(volumeAttach, { vm, volume })
      return asked(world, volumeResize, { volume, qos: { totalIops: { max: 900 } } })
    },
  },
  {
    saga: 'snapshot-create',
    calls: ['array/snapshots/create'],
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
    calls: ['array/snapshots/delete'],
    stage: async (world) => asked(world, snapshotDelete, { snapshot: (await snapped(world)).snapshot }),
  },
  {
    saga: 'snapshot-revert',
    calls: ['array/revert/revert'],
    stage: async (world) => asked(world, snapshotRevert, { snapshot: (await snapped(world)).snapshot }),
  },
  {
    saga: 'vm-start',
    calls: ['array/access/expose', 'host/vms/start'],
    stage: async (world) => asked(world, vmStart, { vm: (await resting(world)).vm }),
  },
  {
    saga: 'vm-stop',
    calls: ['host/vms/stop', 'array/access/withdraw'],
    stage: async (world) => asked(world, vmStop, { vm: (await plugged(world)).vm, force: true }),
  },
  {
    saga: 'vm-reboot',
    calls: ['host/vms/reboot'],
    stage: async (world) => asked(world, vmReboot, { vm: (await plugged(world)).vm }),
  },
  {
    saga: 'vm-expunge',
    calls: ['host/vms/stop', 'array/access/withdraw'],
    stage: async (world) => asked(world, vmExpunge, { vm: (await plugged(world)).vm }),
  },
  {
    saga: 'pool-maintenance',
    calls: ['host/vms/stop'],
    stage: async (world) => {
      await plugged(world, ['fast'])
      return asked(world, poolMaintenance, { pool: world.pools.fast })
    },
  },
  {
    saga: 'pool-maintenance-cancel',
    calls: [],
    stage: async (world) => {
      await world.done(poolMaintenance, { pool: world.pools.fast })
      return asked(world, poolMaintenanceCancel, { pool: world.pools.fast })
    },
  },
]
