import { locationOf } from '../../store/locations.ts'
import { volumeMigrate } from '../volume-migrate.ts'
import { asked, type Scene } from './scene.ts'
import { idle, plugged } from './scene-parts.ts'
import type { World } from './world.ts'

/** The real parts are one array; and how often a real copy is looked at is not known before. The conformance kit mirrors real disks. */
const ONE_ARRAY = 'it takes two arrays, and as many looks as the copy happens to last'

/** Scenes of volumes that move from one pool to another. */
export const MOVE_SCENES: readonly Scene[] = [
  {
    saga: 'volume-migrate',
    of: 'a volume of a running VM',
    calls: {
      begin: [],
      create: ['array/volumes/create'],
      expose: ['array/access/expose'],
      carry: [],
      copy: ['host/mirror/copy', 'host/mirror/copy', 'host/mirror/copy'],
      switch: ['host/mirror/switch'],
      leave: [],
      withdraw: ['array/access/withdraw'],
    },
    // It has moved by then, so that the undo finishes.
    undoing: { expose: ['array/access/withdraw'] },
    notReal: ONE_ARRAY,
    stage: async (world) => asked(world, volumeMigrate, await elsewhere(world, (await plugged(world)).volume)),
  },
  {
    saga: 'volume-migrate',
    of: 'a volume at rest',
    calls: {
      begin: [],
      create: ['array/volumes/create'],
      expose: ['array/access/expose', 'array/access/expose'],
      carry: ['host/vms/start'],
      copy: ['host/mirror/copy', 'host/mirror/copy', 'host/mirror/copy'],
      switch: ['host/mirror/switch'],
      leave: ['host/vms/stop'],
      withdraw: ['array/access/withdraw', 'array/access/withdraw'],
    },
    undoing: { carry: ['host/vms/stop'], expose: ['array/access/withdraw', 'array/access/withdraw'] },
    notReal: ONE_ARRAY,
    stage: async (world) => asked(world, volumeMigrate, await elsewhere(world, await idle(world))),
  },
]

/** The pool in which the volume does not live. */
async function elsewhere(world: World, volume: string) {
  const { fast, slow } = world.pools
  const location = await locationOf(world.store.reader, volume)
  return { volume, pool: location?.poolId === fast ? slow : fast, live: true }
}
