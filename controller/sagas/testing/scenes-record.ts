import { randomUUID } from 'node:crypto'
import { census } from '../census.ts'
import { recorded } from '../recorded.ts'
import { templateDelete } from '../template-delete.ts'
import { vmCreate } from '../vm-create.ts'
import { vmScale } from '../vm-scale.ts'
import { volumeCreate } from '../volume-create.ts'
import { volumeDestroy } from '../volume-destroy.ts'
import { volumeUpdate } from '../volume-update.ts'
import { asked, type Scene } from './scene.ts'
import { idle, plugged } from './scene-parts.ts'
import type { World } from './world.ts'

/** Scenes of sagas that change the database only, and of the census, which only looks. */
export const RECORD_SCENES: readonly Scene[] = [
  {
    saga: 'volume-create',
    of: 'a volume',
    calls: { begin: [] },
    stage: async (world) => asked(world, volumeCreate, { volume: await world.volume() }),
  },
  {
    saga: 'volume-update',
    of: 'the name of a volume',
    calls: { begin: [] },
    stage: async (world) => asked(world, volumeUpdate, { volume: await world.volume(), name: 'renamed' }),
  },
  {
    saga: 'volume-destroy',
    of: 'an unattached volume',
    calls: { begin: [] },
    stage: async (world) => asked(world, volumeDestroy, { volume: await idle(world) }),
  },
  {
    saga: 'vm-create',
    of: 'a stopped VM',
    calls: { begin: [] },
    stage: async (world) => asked(world, vmCreate, { vm: await world.vm() }),
  },
  {
    saga: 'vm-scale',
    of: 'a stopped VM and a larger offering',
    calls: { begin: [] },
    stage: async (world) => asked(world, vmScale, { vm: await world.vm(), offering: await largerOffering(world) }),
  },
  {
    saga: 'template-delete',
    of: 'a template that hosts hold',
    calls: { begin: [], archive: [] },
    stage: async (world) => asked(world, templateDelete, { template: await template(world) }),
  },
  {
    saga: 'recorded',
    of: 'a volume',
    calls: { begin: [] },
    stage: async (world) => asked(world, recorded, { kind: 'volume', id: await world.volume() }),
  },
  {
    saga: 'census',
    of: 'two pools with a plugged volume each, and two hosts',
    calls: {
      count: ['array/inventory/list', 'array/inventory/list', 'host/inventory/list', 'host/inventory/list'],
    },
    bearsErrors: true,
    stage: async (world) => {
      await plugged(world, ['fast'])
      await plugged(world, ['slow'])
      return asked(world, census, {})
    },
  },
]

async function template({ store, account, zone }: World): Promise<string> {
  const id = randomUUID()
  const row = { id, accountId: account, zoneId: zone, name: 'guest', displayText: 'guest', format: 'RAW' }
  const image = { hypervisor: 'Simulator', url: 'guest', image: 'guest', bytes: 1024 ** 2, checksum: '' }
  await store.reader
    .insertInto('template')
    .values({ ...row, ...image })
    .execute()
  return id
}

async function largerOffering({ store }: World): Promise<string> {
  const id = randomUUID()
  const row = { id, kind: 'service', name: 'larger', displayText: 'larger', qos: {}, qosTier: 'none' } as const
  await store.reader
    .insertInto('offering')
    .values({ ...row, cpus: 4, memoryBytes: 1024 ** 3 })
    .execute()
  return id
}
