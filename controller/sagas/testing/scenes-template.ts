import { randomUUID } from 'node:crypto'
import { templateCreate, type TemplateSource } from '../template-create.ts'
import { templateDelete } from '../template-delete.ts'
import { JOB } from './scenes-archive.ts'
import { asked, type CallsByStep, type Scene, type Staged } from './scene.ts'
import { idle, snapped } from './scene-parts.ts'
import type { World } from './world.ts'

/** A template in state Creating, as whoever asks for one records it. */
export async function emptyTemplate({ store, account, zone }: World): Promise<string> {
  const id = randomUUID()
  const row = { id, accountId: account, zoneId: zone, name: 'disk', displayText: 'disk', format: 'RAW' }
  const nothing = { hypervisor: 'Simulator', url: '', image: '', bytes: 0, checksum: '', state: 'Creating' } as const
  await store.reader
    .insertInto('template')
    .values({ ...row, ...nothing })
    .execute()
  return id
}

/** A template whose disk is in an archive. */
export async function diskTemplate(world: World): Promise<string> {
  await world.archive()
  const template = await emptyTemplate(world)
  await world.done(templateCreate, { template, from: await imageOf(world) })
  return template
}

/** An image on a web server. */
export async function imageOf(world: World): Promise<TemplateSource> {
  return { kind: 'url', url: await world.imageUrl(), format: 'raw' }
}

async function created(world: World, from: TemplateSource): Promise<Staged> {
  await world.archive()
  const [first, second] = [await emptyTemplate(world), await emptyTemplate(world)]
  return {
    ask: async () => world.submit(templateCreate, { template: first, from }),
    // One that has Failed is not filled any more.
    again: async () => world.submit(templateCreate, { template: second, from }),
  }
}

const READING: CallsByStep = {
  begin: [],
  expose: ['array/access/expose'],
  ready: ['mover/archives/prepare'],
  move: JOB,
  withdraw: ['array/access/withdraw', 'mover/jobs/forget'],
}

const UNDOING: CallsByStep = {
  withdraw: ['mover/snapshots/remove'],
  move: ['mover/jobs/cancel', 'mover/jobs/get', 'mover/jobs/abandon', 'mover/jobs/forget'],
}

const NOT_REAL =
  'a mover and an archive do for it what they do for snapshot-archive, which is played there; what they do for a file that is fetched is in daemons/mover/import.lab.test.ts'

/** Scenes of templates that archives hold. */
export const TEMPLATE_SCENES: readonly Scene[] = [
  {
    saga: 'template-create',
    of: 'an image on a web server',
    calls: { ...READING, expose: [], withdraw: ['mover/jobs/forget'] },
    undoing: UNDOING,
    notReal: NOT_REAL,
    stage: async (world) => created(world, await imageOf(world)),
  },
  {
    saga: 'template-create',
    of: 'a snapshot on its array',
    calls: READING,
    undoing: { ...UNDOING, expose: ['array/access/withdraw'] },
    notReal: NOT_REAL,
    stage: async (world) => created(world, { kind: 'snapshot', snapshot: (await snapped(world)).snapshot }),
  },
  {
    saga: 'template-create',
    of: 'a volume that is attached to nothing',
    calls: READING,
    undoing: { ...UNDOING, expose: ['array/access/withdraw'] },
    notReal: NOT_REAL,
    stage: async (world) => created(world, { kind: 'volume', volume: await idle(world) }),
  },
  {
    saga: 'template-delete',
    of: 'a template that an archive holds',
    calls: { begin: [], archive: ['mover/snapshots/remove'] },
    notReal: NOT_REAL,
    stage: async (world) => asked(world, templateDelete, { template: await diskTemplate(world) }),
  },
]
