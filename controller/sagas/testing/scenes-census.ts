import { randomUUID } from 'node:crypto'
import type { VolumeId } from '@moorage/contract'
import { updateFinding } from '../../store/findings.ts'
import { census } from '../census.ts'
import { censusPurge } from '../census-purge.ts'
import { censusResolve } from '../census-resolve.ts'
import { volumeDelete } from '../volume-delete.ts'
import { probe } from './places.ts'
import type { Scene } from './scene.ts'
import { lingering } from './scene-parts.ts'
import type { World } from './world.ts'

/** Scenes of what is done about findings. */
export const CENSUS_SCENES: readonly Scene[] = [
  {
    saga: 'census-resolve',
    of: 'access that was to be withdrawn',
    calls: {
      begin: [],
      look: ['array/inventory/list'],
      act: ['array/access/withdraw'],
      verify: ['array/inventory/list'],
      settle: [],
    },
    stage: async (world) => {
      const volume = await lingering(world)
      await world.done(census, {})
      const finding = await findingOf(world, `exposure:volume:${volume}@${world.hosts.one}`)
      const ask = async () => world.submit(censusResolve, { finding: finding.id, action: 'repair' })
      const again = async () => {
        const { state } = await findingOf(world, finding.object)
        // A later census has seen that the access is gone: what is left is what the record says, which a deletion ends.
        return state === 'open' ? ask() : world.submit(volumeDelete, { volume })
      }
      return { ask, again }
    },
  },
  {
    saga: 'census-resolve',
    of: 'a volume that nobody knows, taken back out of the recycle bin',
    calls: { begin: [], look: ['array/inventory/list'], act: ['array/volumes/get'], verify: [], settle: [] },
    stage: async (world) => {
      const id = await recycled(world)
      const { account } = world
      return { ask: async () => world.submit(censusResolve, { finding: id, action: 'adopt', account }) }
    },
  },
  {
    saga: 'census-purge',
    of: 'a volume that nobody knows, recycled long ago',
    calls: { begin: [], look: ['array/inventory/list'], delete: ['array/volumes/delete'] },
    stage: async (world) => {
      const id = await recycled(world)
      return { ask: async () => world.submit(censusPurge, { finding: id }) }
    },
  },
]

/** The finding of a volume that no record knows and that was recycled long ago. */
async function recycled(world: World): Promise<string> {
  const volume = await stray(world)
  await world.done(census, {})
  const { id } = await findingOf(world, `volume:${volume}`)
  await world.store.transact(async (tx) => updateFinding(tx, id, { state: 'recycled', recycledAt: new Date(0) }))
  return id
}

/** The finding of that object. */
export async function findingOf(world: World, object: string) {
  return world.store.reader
    .selectFrom('censusFinding')
    .selectAll()
    .where('object', '=', object)
    .orderBy('seq', 'desc')
    .executeTakeFirstOrThrow()
}

/** A volume on an array, `fast` unless told, that bears our mark and that no record knows. */
export async function stray(world: World, of: { readonly id?: string; readonly pool?: string } = {}): Promise<string> {
  const { id = randomUUID(), pool = world.pools.fast } = of
  const { volumes } = (await world.plugins.pool(pool)).provider(() => {})
  // An id made as the controller makes them.
  await volumes.create({ id: id as VolumeId, bytes: 1024 ** 2, qos: {}, settings: {} }, probe(id))
  return id
}
