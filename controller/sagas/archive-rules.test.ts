import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { GIB } from '../domain/size.ts'
import { updateArchive } from '../store/archives.ts'
import { writeLimit } from '../store/limits.ts'
import { locationOf } from '../store/locations.ts'
import { sealArchiveKey } from '../store/registrations.ts'
import { archiveCopyOf, baseFor, copiesOf, copiesToFinish, snapshotById } from '../store/snapshots.ts'
import { volumeById } from '../store/volumes.ts'
import { censusResolve } from './census-resolve.ts'
import { snapshotArchive } from './snapshot-archive.ts'
import { snapshotCreate } from './snapshot-create.ts'
import { snapshotDelete } from './snapshot-delete.ts'
import { clear, containing, ledgerFaults, leftHeld, settled } from './testing/checks.ts'
import { snapped } from './testing/scene-parts.ts'
import { archived, archivedOnly } from './testing/scenes-archive.ts'
import { type Ended, startWorld, type World } from './testing/world.ts'
import { volumeAttach } from './volume-attach.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeDetach } from './volume-detach.ts'
import { volumeFromSnapshot } from './volume-from-snapshot.ts'
import { volumeResize } from './volume-resize.ts'

let world: World
let archive: string
let mover: string
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => world.stop())
afterEach(async () => {
  await world.simulator.faults.clear()
  await settled(world)
  expect(await leftHeld(world)).toEqual([])
  expect(await ledgerFaults(world)).toEqual([])
  expect(
    await world.store.reader.selectFrom('connection').selectAll().where('consumerKind', '=', 'mover').execute(),
  ).toEqual([])
  await clear(world)
})

function refused(ended: Ended, text: string): void {
  expect(ended).toMatchObject({ state: 'failed', failure: { text: containing(text) } })
}

/** Kinds and states of a snapshot's copies, and which is there as a base only. */
async function copies(snapshot: string): Promise<readonly string[]> {
  const found = await copiesOf(world.store.reader, snapshot)
  return found.map(({ kind, state, base }) => `${kind} ${state}${base ? ' base' : ''}`)
}

/** As it was: on its array, and nowhere else. */
async function untouched(snapshot: string): Promise<void> {
  expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'BackedUp' })
  expect(await copies(snapshot)).toEqual(['array present'])
  expect(await world.moved()).toEqual([])
}

describe('a zone without', () => {
  const run = async () => {
    const { snapshot } = await snapped(world)
    const ended = await world.run(snapshotArchive, { snapshot, keepPrimary: false })
    expect(await copies(snapshot)).toEqual(['array present'])
    return ended
  }
  const internal = (why: string) => ({ failure: { internal: containing(why) } })

  test('an archive archives nothing, nor without a mover, and says so', async () => {
    refused(await run(), 'no secondary storage that takes snapshots now')
    archive = await world.archive()
    mover = await world.mover()
    await world.store.reader.updateTable('mover').set({ removedAt: new Date() }).execute()
    const ended = await run()
    refused(ended, 'no data mover')
    expect(ended).toMatchObject(internal('there is no mover'))
    await world.store.reader.updateTable('mover').set({ removedAt: null }).where('id', '=', mover).execute()
  })

  test('an archive that takes anything tells operators what is wrong with each', async () => {
    await world.store.transact(async (tx) => updateArchive(tx, archive, { readOnly: true }))
    expect(await run()).toMatchObject(internal('archive archive is read-only'))
    await world.store.transact(async (tx) => updateArchive(tx, archive, { readOnly: false }))
  })
})

describe('a snapshot', () => {
  test('is archived, charged where it is, and on its array as the base of the next one', async () => {
    const { snapshot, volume } = await archived(world)
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'BackedUp' })
    expect(await copies(snapshot)).toEqual(['array present base', 'archive present'])
    expect(await world.moved()).toMatchObject([{ moved: 'snapshot', snapshot, volume, bytes: GIB }])
    const usage = await world.store.reader
      .selectFrom('usageOpen')
      .select('partId')
      .where('subjectId', '=', snapshot)
      .execute()
    expect(usage).toHaveLength(2)
    expect(await world.findings()).toEqual([])
  })

  test('that comes after is told apart from the base, which then goes', async () => {
    const { snapshot: first, volume } = await archived(world)
    const snapshot = await world.snapshot(volume)
    await world.done(snapshotCreate, { snapshot })
    const base = await baseFor(world.store.reader, { snapshot, volume })
    expect(base).toBe(first)
    await world.done(snapshotArchive, { snapshot, keepPrimary: false, base: first })
    await settled(world)
    expect(await copies(first)).toEqual(['archive present'])
    expect(await copies(snapshot)).toEqual(['array present base', 'archive present'])
    expect(await world.moved()).toMatchObject([{ moved: 'snapshot' }, { moved: 'snapshot' }])
  })

  test('that is kept on its array loses that copy on request, and never its last one', async () => {
    const { snapshot } = await archived(world, { keepPrimary: true })
    expect(await copies(snapshot)).toEqual(['array present', 'archive present'])
    refused(await world.run(snapshotArchive, { snapshot, keepPrimary: true }), 'in secondary storage already')
    await world.done(snapshotDelete, { snapshot, only: 'array' })
    expect(await copies(snapshot)).toEqual(['archive present'])
    const { snapshot: other } = await snapped(world)
    refused(await world.run(snapshotDelete, { snapshot: other, only: 'array' }), 'no copy but that on its array')
    expect(await copies(other)).toEqual(['array present'])
  })

  test('does not keep its volume from being used while it is archived', async () => {
    const { snapshot, volume } = await snapped(world)
    await world.archive()
    await world.simulator.faults.arm({ method: 'mover/jobs/submit', kind: 'hold-before' })
    const operation = await world.submit(snapshotArchive, { snapshot, keepPrimary: false })
    const held = await world.simulator.faults.held('mover/jobs/submit')
    await world.done(volumeResize, { volume, bytes: 2 * GIB })
    await world.done(volumeDetach, { volume })
    await world.simulator.faults.release(held.id)
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
  })

  test('outlives its volume and its array in the archive', async () => {
    const { snapshot, volume } = await archived(world)
    await world.done(volumeDetach, { volume })
    await world.done(volumeDelete, { volume })
    expect(await copiesToFinish(world.store.reader)).toMatchObject([{ id: snapshot }])
    await world.done(snapshotDelete, { snapshot, only: 'array' })
    expect(await copiesToFinish(world.store.reader)).toEqual([])
    const made = await world.volume()
    await world.done(volumeFromSnapshot, { volume: made, snapshot })
    expect(await volumeById(world.store.reader, made)).toMatchObject({ state: 'Ready' })
    await world.done(snapshotDelete, { snapshot })
    expect(await world.moved()).toEqual([])
    expect(await world.findings()).toEqual([])
  })

  test('counts against what its account may archive', async () => {
    const { snapshot } = await snapped(world)
    await world.archive()
    const limit = { ownerId: world.account, limited: 'secondaryBytes' } as const
    await world.store.transact(async (tx) => writeLimit(tx, { ...limit, most: GIB - 1 }))
    refused(await world.run(snapshotArchive, { snapshot, keepPrimary: false }), "'secondary_storage'")
    await world.store.transact(async (tx) => writeLimit(tx, limit))
    await untouched(snapshot)
  })
})

describe('archiving that fails leaves the snapshot as it was, and works once it can, where', () => {
  test.each([
    ['the archive is full', 'NO_SPACE', 'The secondary storage is full'],
    ['the archive, or its mover, does not answer', 'UNAVAILABLE', 'does not answer'],
    ['what is in the archive is damaged', 'DAMAGED', 'does not hold what was stored'],
    ['the array says that something changed which did not', 'CONFLICT', 'did not do what was asked'],
  ] as const)('%s', async (_what, code, text) => {
    const { snapshot } = await snapped(world)
    await world.archive()
    await world.simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code })
    refused(await world.run(snapshotArchive, { snapshot, keepPrimary: false }), text)
    await untouched(snapshot)
    await world.done(snapshotArchive, { snapshot, keepPrimary: false })
  })

  test('the key of the archive is not the one it has', async () => {
    // So that the archive is made.
    await archived(world)
    const { snapshot } = await snapped(world)
    const { sealedKey } = await world.store.reader.selectFrom('archive').select('sealedKey').executeTakeFirstOrThrow()
    const wrong = sealArchiveKey(world.store, archive, `moorage-key-1.${Buffer.alloc(32, 'no').toString('base64url')}`)
    await world.store.transact(async (tx) => updateArchive(tx, archive, { sealedKey: wrong }))
    const ended = await world.run(snapshotArchive, { snapshot, keepPrimary: false })
    await world.store.transact(async (tx) => updateArchive(tx, archive, { sealedKey }))
    refused(ended, 'did not let the data mover in')
    expect(await copies(snapshot)).toEqual(['array present'])
    await world.done(snapshotArchive, { snapshot, keepPrimary: false })
  })

  test('it is stopped on request in the middle of it', async () => {
    const { snapshot } = await snapped(world)
    await world.archive()
    await world.simulator.faults.arm({ method: 'mover/jobs/get', kind: 'hold-after' })
    const operation = await world.submit(snapshotArchive, { snapshot, keepPrimary: false })
    const held = await world.simulator.faults.held('mover/jobs/get')
    await world.runner().abort(operation)
    await world.simulator.faults.release(held.id)
    expect(await world.end(operation)).toMatchObject({ state: 'aborted' })
    await untouched(snapshot)
    await world.done(snapshotArchive, { snapshot, keepPrimary: false })
  })
})

describe('an archived snapshot', () => {
  test('goes on being archived by another controller under the same job', async () => {
    const { snapshot } = await snapped(world)
    await world.archive()
    await world.simulator.faults.arm({ method: 'mover/jobs/get', kind: 'hold-before' })
    const operation = await world.submit(snapshotArchive, { snapshot, keepPrimary: false })
    const held = await world.simulator.faults.held('mover/jobs/get')
    await world.takeOver()
    await world.simulator.faults.release(held.id)
    expect(await world.end(operation)).toMatchObject({ state: 'succeeded' })
    const copy = await archiveCopyOf(world.store.reader, snapshot)
    const { items } = await world.simulator.calls({ method: 'mover/jobs/submit', object: copy?.id ?? '' })
    expect(items).toHaveLength(2)
  })

  test('whose archive does not answer stays Destroying, and is deleted once it does', async () => {
    const snapshot = await archivedOnly(world)
    await world.simulator.faults.arm({ method: 'mover/snapshots/remove', kind: 'error-before', code: 'UNAVAILABLE' })
    refused(await world.run(snapshotDelete, { snapshot }), 'does not answer')
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'Destroying' })
    await world.done(snapshotDelete, { snapshot })
    expect(await world.moved()).toEqual([])
  })

  test('is made into a volume of any pool, with the bytes of the snapshot, and not by attaching one', async () => {
    const snapshot = await archivedOnly(world)
    const volume = await world.volume({ bytes: 2 * GIB, tags: ['slow'] })
    await world.done(volumeFromSnapshot, { volume, snapshot })
    expect(await locationOf(world.store.reader, volume)).toMatchObject({ poolId: world.pools.slow, bytes: 2 * GIB })
    const small = await world.volume({ bytes: GIB / 2 })
    refused(await world.run(volumeFromSnapshot, { volume: small, snapshot }), 'is smaller than')
    const attached = { vm: await world.vm(), volume: await world.volume({ from: snapshot }) }
    refused(await world.run(volumeAttach, attached), 'it cannot be filled while it is attached')
    expect(await world.findings()).toEqual([])
  })

  test('of which a restore fails leaves nothing, and is restored once it can be', async () => {
    const snapshot = await archivedOnly(world)
    const volume = await world.volume()
    await world.simulator.faults.arm({ method: 'mover/work', kind: 'error-before', code: 'DAMAGED' })
    refused(await world.run(volumeFromSnapshot, { volume, snapshot }), 'does not hold what was stored')
    expect(await volumeById(world.store.reader, volume)).toMatchObject({ state: 'Allocated' })
    expect(await locationOf(world.store.reader, volume)).toBeUndefined()
    await world.done(volumeFromSnapshot, { volume, snapshot })
  })

  test('that its array lost is left in its archive', async () => {
    const { snapshot, volume } = await archived(world)
    const home = await locationOf(world.store.reader, volume)
    const array = home?.poolId === world.pools.fast ? 'fast' : 'slow'
    await world.simulator.send('console/delete', { array, kind: 'snapshot', id: snapshot })
    expect(await world.findings()).toEqual([expect.stringContaining(`snapshot:${snapshot}`)])
    const { id } = await world.store.reader
      .selectFrom('censusFinding')
      .select('id')
      .where('state', '=', 'open')
      .executeTakeFirstOrThrow()
    await world.done(censusResolve, { finding: id, action: 'repair', confirm: true })
    expect(await snapshotById(world.store.reader, snapshot)).toMatchObject({ state: 'BackedUp' })
    expect(await copies(snapshot)).toEqual(['archive present'])
    await world.done(volumeFromSnapshot, { volume: await world.volume(), snapshot })
  })
})
