import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { directoryArchive } from '@moorage/archive-directory'
import { startHostd, type TestHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { startMover, type TestMover } from '@moorage/mover/testing'
import { fileStorage } from '@moorage/storage-file'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { patientReconcilers } from '../../controller/reconcilers/testing.ts'
import type { RunningReconcilers } from '../../controller/reconcilers/start.ts'
import { startController, type TestController } from '../../controller/testing.ts'
import { type Asked, textOf } from '../../controller/testing-client.ts'
import { loopMount, type LoopMount } from '../../plugins/storage/file/testing/loop-mount.ts'
import { type QemuPlace, qemuPlace } from './qemu-place.ts'

const run = promisify(execFile)
const MIB = 1024 ** 2

let controller: TestController
let reconcilers: RunningReconcilers
let hostd: TestHostd
let daemon: TestMover
let mount: LoopMount
let place: QemuPlace
/** The archive: its id, and the directory that it is. */
let vault: { readonly id: string; readonly path: string }

beforeAll(async () => {
  mount = await loopMount('xfs')
  ;[hostd, daemon] = await Promise.all([startHostd(), startMover()])
  const plugins = { storage: [fileStorage], hypervisors: [qemuHypervisor], archives: [directoryArchive] }
  controller = await startController({ plugins })
  reconcilers = patientReconcilers(controller, { info: () => {}, warn: () => {}, error: () => {} })
  place = await qemuPlace(controller, hostd)
  const { zoneid } = place
  const { url, user: username, password } = daemon
  await made('addMover', { name: 'porter', zoneid, url, username, password })
  const path = await mkdtemp(join(mount.path, 'archive-'))
  const store = { name: 'vault', url: `file://${path}`, zoneid, provider: 'directory' }
  vault = { id: await made('addImageStore', store), path }
})
afterAll(async () => {
  await reconcilers.stop()
  await controller.stop()
  await Promise.all([hostd.stop(), daemon.stop()])
  await mount.stop()
})

async function made(command: string, params: Asked): Promise<string> {
  return textOf(await controller.api.run(command, params), 'id')
}

/** A managed file pool with an offering of its own. */
async function newPool(name: string) {
  const root = join(await mkdtemp(join(mount.path, 'pool-')), name)
  await mkdir(root)
  const pool = { name, provider: 'file', scope: 'zone', hypervisor: 'KVM', url: `file://${root}`, tags: name }
  await made('createStoragePool', { ...pool, zoneid: place.zoneid, managed: true })
  const offering = await made('createDiskOffering', { name, displaytext: name, customized: true, tags: name })
  const file = (volume: string) => join(root, controller.system.installation, 'volumes', `${volume}.raw`)
  return { offering, file }
}

async function fill(path: string, at: number, bytes: number): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(randomBytes(bytes), 0, bytes, at)
  await file.sync()
  await file.close()
}

/** The file as it is now, kept beside: it costs nothing. */
async function keep(path: string, name: string): Promise<string> {
  const kept = join(mount.path, name)
  await run('cp', ['--reflink=always', path, kept])
  return kept
}

async function snapshot(id: string) {
  const [found] = await controller.api.list('listSnapshots', { id })
  return found
}

test('snapshots are archived, by increments, outlive their volume and the array, and are restored to another pool', async () => {
  const { api } = controller
  const [pool, other] = [await newPool('files'), await newPool('other')]
  const volume = await made('createVolume', {
    name: 'disk',
    zoneid: place.zoneid,
    diskofferingid: pool.offering,
    size: 1,
  })
  await api.run('attachVolume', { id: volume, virtualmachineid: place.vm })
  for (const at of [0, 100, 1000]) await fill(pool.file(volume), at * MIB, 16 * MIB)
  const first = await made('createSnapshot', { volumeid: volume, name: 'first' })
  const firstBytes = await keep(pool.file(volume), 'first')
  expect(await api.run('archiveSnapshot', { id: first })).toMatchObject({
    state: 'BackedUp',
    locationtype: 'SECONDARY',
    physicalsize: 48 * MIB,
    copies: [
      { locationtype: 'PRIMARY', base: true, datastorename: 'files' },
      { locationtype: 'SECONDARY', base: false, datastorename: 'vault' },
    ],
  })

  await fill(pool.file(volume), 101 * MIB, 2 * MIB)
  const second = await made('createSnapshot', { volumeid: volume, name: 'second' })
  const secondBytes = await keep(pool.file(volume), 'second')
  await api.run('archiveSnapshot', { id: second })
  const { rows } = await readBytes()
  // All of the first; of the second what changed, and some of the rest to see that it did not.
  expect(rows[0]).toBe(48 * MIB)
  expect(rows[1]).toBeLessThan(32 * MIB)
  await expect.poll(async () => (await snapshot(first))?.['copies']).toMatchObject([{ locationtype: 'SECONDARY' }])

  await api.run('detachVolume', { id: volume })
  await api.run('deleteVolume', { id: volume })
  await expect
    .poll(async () => {
      await reconcilers.runNow('unfinished')
      return (await snapshot(second))?.['copies']
    })
    .toMatchObject([{ locationtype: 'SECONDARY' }])

  await drillOf(first)

  for (const [id, bytes] of [
    [first, firstBytes],
    [second, secondBytes],
  ] as const) {
    const copy = await api.run('createVolume', { name: id, snapshotid: id, diskofferingid: other.offering })
    expect(copy).toMatchObject({ state: 'Ready', storage: 'other', snapshotid: id })
    // Ends with 1, and so throws, where they differ.
    await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', bytes, other.file(textOf(copy, 'id'))])
    await api.run('deleteVolume', { id: textOf(copy, 'id') })
    await api.run('deleteSnapshot', { id })
    expect(await snapshot(id)).toBeUndefined()
  }
  await api.run('runCensus')
  expect(await api.list('listCensusFindings', { state: 'open' })).toEqual([])
})

/** A drill finds nothing; then a bit of a pack is flipped, which it finds and names; then the bit is put back. */
async function drillOf(id: string): Promise<void> {
  const { api } = controller
  const drill = () => api.run('drillImageStore', { id: vault.id, snapshotid: id })
  expect(await drill()).toMatchObject({ drillsnapshotid: id, drilldamaged: 0 })
  const packs = await readdir(join(vault.path, 'packs'), { recursive: true, withFileTypes: true })
  const files = packs.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const sizes = await Promise.all(files.map(async (path) => ({ path, size: (await stat(path)).size })))
  // What the first snapshot has added is more than what the second has: all of it is needed for the first.
  const path = sizes.toSorted((one, other) => other.size - one.size)[0]?.path ?? ''
  await flip(path, 4096)
  expect(await drill()).toMatchObject({ drillsnapshotid: id, drilldamaged: 1 })
  const [alert] = await api.list('listAlerts', { name: 'IMAGE.STORE.DAMAGED' })
  const object = path.slice(vault.path.length + 1)
  expect(alert?.['description']).toMatch(
    new RegExp(`^Snapshot ${id} cannot be restored at \\d+: ${object}, chunk [0-9a-f]{64}: `),
  )
  await flip(path, 4096)
  expect(await drill()).toMatchObject({ drilldamaged: 0 })
}

async function flip(path: string, at: number): Promise<void> {
  await chmod(path, 0o600)
  const file = await open(path, 'r+')
  const [byte = 0] = (await file.read(Buffer.alloc(1), 0, 1, at)).buffer
  await file.write(Buffer.from([byte ^ 1]), 0, 1, at)
  await file.close()
}

/** What the steps of archiving read, in order. */
async function readBytes() {
  const steps = await controller.store.reader
    .selectFrom('operationStep')
    .innerJoin('operation', 'operation.id', 'operationStep.operationId')
    .where('operation.saga', '=', 'snapshot-archive')
    .where('operationStep.name', '=', 'move')
    .orderBy('operation.seq')
    .select('operationStep.result')
    .execute()
  // Written by that very step.
  return { rows: steps.map(({ result }) => (result as { readonly readBytes: number }).readBytes) }
}
