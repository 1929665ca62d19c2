import { baseFor } from '../../store/snapshots.ts'
import { archiveCollect } from '../archive-collect.ts'
import { archiveDrill } from '../archive-drill.ts'
import { snapshotArchive } from '../snapshot-archive.ts'
import { snapshotCreate } from '../snapshot-create.ts'
import { snapshotDelete } from '../snapshot-delete.ts'
import { vmRestore } from '../vm-restore.ts'
import { volumeFromSnapshot } from '../volume-from-snapshot.ts'
import { asked, type Scene } from './scene.ts'
import { type Pair, QOS, snapped } from './scene-parts.ts'
import type { World } from './world.ts'

/** As `snapped`, with the snapshot in an archive, and on its array as the base of the next increment, unless `keepPrimary`. */
export async function archived(
  world: World,
  { keepPrimary = false }: { readonly keepPrimary?: boolean } = {},
): Promise<Pair & { readonly snapshot: string }> {
  const made = await snapped(world)
  await world.archive()
  await world.done(snapshotArchive, { snapshot: made.snapshot, keepPrimary })
  return made
}

/** A snapshot in an archive, and nowhere else. */
export async function archivedOnly(world: World): Promise<string> {
  const { snapshot } = await archived(world)
  await world.done(snapshotDelete, { snapshot, only: 'array' })
  return snapshot
}

/** A template that is a disk: an archived snapshot has its bytes, as archives keep templates by the same kind of id. */
export async function diskTemplate(world: World): Promise<string> {
  const snapshot = await archivedOnly(world)
  return world.template(snapshot, await world.archive())
}

/** A simulated mover has done what it is to do when it was looked at twice. */
export const JOB = ['mover/jobs/submit', 'mover/jobs/get', 'mover/jobs/get'] as const

/** What filling a volume from an archive calls, whatever is in it. */
const FILLED = {
  calls: {
    begin: [],
    make: ['array/volumes/create'],
    expose: ['array/access/expose'],
    restore: JOB,
    withdraw: ['array/access/withdraw', 'mover/jobs/forget'],
  },
  undoing: {
    restore: ['mover/jobs/cancel', 'mover/jobs/get', 'mover/jobs/forget'],
    expose: ['array/access/withdraw'],
    make: ['array/volumes/delete'],
  },
} as const

/** Scenes of what goes into archives and comes out of them. */
export const ARCHIVE_SCENES: readonly Scene[] = [
  {
    saga: 'snapshot-archive',
    of: 'an increment, after which the base before it goes',
    calls: {
      begin: [],
      expose: ['array/access/expose'],
      ready: ['mover/archives/prepare'],
      move: ['array/change-list/extents', ...JOB],
      withdraw: ['array/access/withdraw', 'mover/jobs/forget'],
    },
    undoing: {
      withdraw: ['mover/snapshots/remove'],
      move: ['mover/jobs/cancel', 'mover/jobs/get', 'mover/jobs/abandon', 'mover/jobs/forget'],
      expose: ['array/access/withdraw'],
    },
    stage: async (world) => {
      const { volume } = await archived(world)
      const snapshot = await world.snapshot(volume)
      await world.done(snapshotCreate, { snapshot })
      const base = (await baseFor(world.store.reader, { snapshot, volume })) ?? ''
      return asked(world, snapshotArchive, { snapshot, keepPrimary: false, base })
    },
  },
  {
    saga: 'archive-collect',
    of: 'what a deleted snapshot has left',
    calls: { begin: [], collect: JOB, forget: ['mover/jobs/forget'] },
    undoing: { collect: ['mover/jobs/cancel', 'mover/jobs/forget'] },
    stage: async (world) => {
      const snapshot = await archivedOnly(world)
      await world.done(snapshotDelete, { snapshot })
      return asked(world, archiveCollect, { archive: await world.archive() })
    },
  },
  {
    saga: 'archive-drill',
    of: 'a snapshot in an archive only',
    calls: { begin: [], verify: JOB, forget: ['mover/jobs/forget'] },
    undoing: { verify: ['mover/jobs/cancel', 'mover/jobs/forget'] },
    stage: async (world) => {
      const snapshot = await archivedOnly(world)
      return asked(world, archiveDrill, { archive: await world.archive(), snapshot })
    },
  },
  {
    saga: 'snapshot-delete',
    of: 'a snapshot on its array and in an archive',
    calls: {
      begin: [],
      delete: ['array/snapshots/delete'],
      archive: ['mover/snapshots/remove'],
      tombstone: [],
    },
    undoing: { delete: ['array/snapshots/get'] },
    stage: async (world) => asked(world, snapshotDelete, { snapshot: (await archived(world)).snapshot }),
  },
  {
    saga: 'volume-from-snapshot',
    of: 'what is in an archive only',
    ...FILLED,
    stage: async (world) => {
      const snapshot = await archivedOnly(world)
      return asked(world, volumeFromSnapshot, { volume: await world.volume(), snapshot })
    },
  },
  {
    saga: 'volume-from-snapshot',
    of: 'the root disk of a VM, from a template in an archive',
    ...FILLED,
    notReal: 'the scene of what is in an archive only calls the same there, in the same order',
    stage: async (world) => {
      const template = await diskTemplate(world)
      const volume = await world.root(await world.vm({ template }), { template, qos: QOS })
      return asked(world, volumeFromSnapshot, { volume })
    },
  },
  {
    saga: 'vm-restore',
    of: 'a stopped VM, and a root disk that was made for it',
    calls: { begin: [] },
    stage: async (world) => {
      const template = await diskTemplate(world)
      const vm = await world.vm({ template })
      await world.done(volumeFromSnapshot, { volume: await world.root(vm, { template, qos: QOS }) })
      const made = async () => {
        const root = await world.successor(template)
        await world.done(volumeFromSnapshot, { volume: root, vm })
        return { vm, root, expunge: false }
      }
      // One that was not exchanged is deleted.
      return { ...asked(world, vmRestore, await made()), again: async () => world.submit(vmRestore, await made()) }
    },
  },
]
