import { hash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { writeSetting } from '../store/configurations.ts'
import { amountsOf, writeLimit } from '../store/limits.ts'
import { volumeById } from '../store/volumes.ts'
import { snapshotDelete } from './snapshot-delete.ts'
import { clear, containing, leftHeld, settled } from './testing/checks.ts'
import { idle, plugged, snapped } from './testing/scene-parts.ts'
import { archivedOnly } from './testing/scenes-archive.ts'
import { diskTemplate, emptyTemplate, imageOf } from './testing/scenes-template.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'
import { templateCreate, type TemplateSource } from './template-create.ts'
import { templateDelete } from './template-delete.ts'

const MIB = 1024 ** 2

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.archive()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  await settled(world)
  expect(await leftHeld(world)).toEqual([])
  expect(
    await world.store.reader.selectFrom('connection').selectAll().where('consumerKind', '=', 'mover').execute(),
  ).toEqual([])
  await clear(world)
})

async function rowOf(id: string) {
  return world.store.reader.selectFrom('template').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

async function secondaryBytes(): Promise<number> {
  return (await amountsOf(world.store.reader, { kind: 'account', ownerId: world.account })).secondaryBytes
}

async function limited(most: number | undefined): Promise<void> {
  const limit = { ownerId: world.account, limited: 'secondaryBytes', ...(most !== undefined && { most }) } as const
  await world.store.transact(async (tx) => writeLimit(tx, limit))
}

/** Asks for a template; answers how that ended, and its row. */
async function asked(from: TemplateSource): Promise<{ readonly ended: Ended; readonly id: string }> {
  const id = await emptyTemplate(world)
  return { ended: await world.run(templateCreate, { template: id, from }), id }
}

/** It has Failed with this text, and nothing of it is anywhere. */
async function failed({ ended, id }: Awaited<ReturnType<typeof asked>>, text: string): Promise<void> {
  expect(ended).toMatchObject({ state: 'failed', failure: { text: containing(text) } })
  const row = await rowOf(id)
  expect(row).toMatchObject({ state: 'Failed', archiveId: null, dataBytes: 0 })
  expect(row.failure).toContain(text)
  expect(await world.moved()).toEqual([])
}

describe('an image on a web server', () => {
  test('is brought into the archive under the id of its template, and charged what of it holds anything', async () => {
    const id = await diskTemplate(world)
    const sha256 = hash('sha256', Buffer.alloc(MIB, 'image'), 'hex')
    const found = { state: 'Ready', bytes: MIB, dataBytes: MIB, checksum: sha256, failure: null, operationId: null }
    expect(await rowOf(id)).toMatchObject({ ...found, archiveId: await world.archive() })
    expect(await world.moved()).toMatchObject([{ moved: 'snapshot', snapshot: id, volume: id, bytes: MIB }])
    expect(await secondaryBytes()).toBe(MIB)
    expect(await world.findings()).toEqual([])
  })

  test('whose checksum is another, or that is not there, is none, and its template says why', async () => {
    const from = { kind: 'url', url: await world.imageUrl(), format: 'raw' } as const
    const wrong = { ...from, checksum: { algorithm: 'md5', value: 'ab'.repeat(16) } } as const
    await failed(await asked(wrong), 'does not have the checksum')
    await failed(await asked({ ...from, url: `${from.url}.nowhere` }), 'There is no such file')
    await failed(await asked({ ...from, format: 'qcow2' }), 'no image that can be taken')
  })

  test('counts as the largest that it may be while it is fetched, and never exceeds what is left', async () => {
    await limited(2 * GIB)
    await world.simulator.faults.arm({ method: 'mover/jobs/submit', kind: 'hold-before' })
    const id = await emptyTemplate(world)
    const operation = await world.submit(templateCreate, { template: id, from: await imageOf(world) })
    const held = await world.simulator.faults.held('mover/jobs/submit')
    expect(await secondaryBytes()).toBe(2 * GIB)
    expect(await rowOf(id)).toMatchObject({ state: 'Creating', operationId: operation })
    const other = await asked(await imageOf(world))
    expect(other.ended).toMatchObject({ state: 'failed', failure: { code: 'ALLOCATION' } })
    await world.simulator.faults.release(held.id)
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
    expect(await secondaryBytes()).toBe(MIB)
    await limited(MIB + 1000)
    const large = await asked(await imageOf(world))
    expect(large.ended).toMatchObject({ state: 'failed', failure: { text: containing('too large') } })
    await limited(undefined)
    expect(await secondaryBytes()).toBe(MIB)
  })

  test('is not larger than the installation allows', async () => {
    await world.store.transact(async (tx) =>
      writeSetting(tx, 'max.template.iso.size', { value: 1, place: { scope: 'global' } }),
    )
    await world.simulator.faults.arm({ method: 'mover/jobs/submit', kind: 'hold-before' })
    const id = await emptyTemplate(world)
    const operation = await world.submit(templateCreate, { template: id, from: await imageOf(world) })
    const held = await world.simulator.faults.held('mover/jobs/submit')
    expect(await secondaryBytes()).toBe(GIB)
    await world.simulator.faults.release(held.id)
    await world.end(operation)
  })
})

describe('a template of a disk', () => {
  test('that is a snapshot on its array lives on without it', async () => {
    const { snapshot } = await snapped(world)
    const { ended, id } = await asked({ kind: 'snapshot', snapshot })
    expect(ended).toMatchObject({ state: 'succeeded' })
    await world.done(snapshotDelete, { snapshot })
    expect(await rowOf(id)).toMatchObject({ state: 'Ready', bytes: GIB })
    expect(await world.moved()).toMatchObject([{ moved: 'snapshot', snapshot: id }])
  })

  test('that is a snapshot in the archive is copied there, without its array, and lives on without it', async () => {
    const snapshot = await archivedOnly(world)
    const before = (await world.simulator.calls({ method: 'array/access/expose' })).items.length
    const { ended, id } = await asked({ kind: 'snapshot', snapshot })
    expect(ended).toMatchObject({ state: 'succeeded' })
    expect((await world.simulator.calls({ method: 'array/access/expose' })).items).toHaveLength(before)
    await world.done(snapshotDelete, { snapshot })
    expect(await rowOf(id)).toMatchObject({ state: 'Ready', bytes: GIB })
    expect(await world.moved()).toMatchObject([{ moved: 'snapshot', snapshot: id, volume: id }])
  })

  test('that is a snapshot nowhere is refused, naming what it must be', async () => {
    const snapshot = await world.snapshot((await plugged(world)).volume)
    await failed(await asked({ kind: 'snapshot', snapshot }), 'it must be in BackedUp and on its array')
  })

  test('that is a volume at rest leaves it as it was', async () => {
    const volume = await idle(world)
    const { ended, id } = await asked({ kind: 'volume', volume })
    expect(ended).toMatchObject({ state: 'succeeded' })
    expect(await rowOf(id)).toMatchObject({ state: 'Ready', bytes: GIB })
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Ready' })
  })

  test('that is of a running VM, or was never made, is refused', async () => {
    const { volume } = await plugged(world)
    await failed(await asked({ kind: 'volume', volume }), 'it must be Stopped')
    await failed(await asked({ kind: 'volume', volume: await world.volume() }), 'has never been attached')
  })
})

describe('a template that is deleted', () => {
  test('goes from its archive, with what it was charged', async () => {
    const template = await diskTemplate(world)
    await world.done(templateDelete, { template })
    expect(await world.moved()).toEqual([])
    expect(await secondaryBytes()).toBe(0)
    const row = await rowOf(template)
    expect(row.removedAt).not.toBeNull()
    expect(row).toMatchObject({ archiveId: null, operationId: null })
  })

  test('and could not be taken out of its archive is listed as Failed, and deleted by asking again', async () => {
    const template = await diskTemplate(world)
    await world.simulator.faults.arm({ method: 'mover/snapshots/remove', kind: 'error-before', code: 'DENIED' })
    expect(await world.run(templateDelete, { template })).toMatchObject({ state: 'failed' })
    expect(await rowOf(template)).toMatchObject({
      state: 'Failed',
      removedAt: null,
      failure: containing('delete it again'),
    })
    await world.done(templateDelete, { template })
    expect(await world.moved()).toEqual([])
  })
})
