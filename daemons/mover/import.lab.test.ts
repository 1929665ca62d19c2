import { execFile } from 'node:child_process'
import { hash, randomUUID } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newKey } from '@moorage/archive-format'
import { patternBytes } from '@moorage/archive-format/testing'
import type { ArchiveAccess, ImportTask, MoverJobId, SnapshotId, VolumeId } from '@moorage/contract'
import { moverCall, startMover, startWeb, type TestMover, type TestWeb } from './testing.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
/** More than a mover fetches between two moments at which it makes sure of what has come. */
const IMAGE = patternBytes(7, 40 * MIB)

let mover: TestMover
let web: TestWeb
let directory = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mover-import-'))
  ;[mover, web] = await Promise.all([startMover(), startWeb()])
})
afterAll(async () => {
  await mover.stop()
  await web.stop()
  await rm(directory, { recursive: true })
})

test('a qcow2 image, compressed, is archived as the disk that is in it', async () => {
  const [plain, image] = [join(directory, 'disk'), join(directory, 'disk.qcow2')]
  const file = await open(plain, 'w')
  await file.truncate(64 * MIB)
  for (const at of [0, 17, 63]) await file.write(patternBytes(at, MIB, at === 17), 0, MIB, at * MIB)
  await file.close()
  await run('qemu-img', ['convert', '-O', 'qcow2', '-c', plain, image])
  const bytes = await readFile(image)
  const task = await importing(web.put('disk.qcow2', bytes), { format: 'qcow2' })
  const { result } = await mover.run(task)
  expect(result).toMatchObject({ bytes: 64 * MIB, fileBytes: bytes.length, dataBytes: 3 * MIB })
  expect((await restored(task)).equals(await readFile(plain))).toBe(true)
  expect(await readdir(spools())).toEqual([])
})

test('a qcow2 image over a file of the machine is refused, and nothing of that file is in the archive', async () => {
  const [secret, image] = [join(directory, 'secret'), join(directory, 'thief.qcow2')]
  await writeFile(secret, Buffer.alloc(MIB, 'secret of the machine'))
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', image])
  const over = await importing(web.put('thief.qcow2', await readFile(image)), { format: 'qcow2' })
  await expect(mover.run(over)).rejects.toMatchObject({ code: 'INVALID' })
  const outside = join(directory, 'outside.qcow2')
  const options = `data_file=${secret},data_file_raw=on`
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', options, outside, String(MIB)])
  const beside = await importing(web.put('outside.qcow2', await readFile(outside)), { format: 'qcow2' })
  await expect(mover.run(beside)).rejects.toMatchObject({ code: 'INVALID' })
  expect(await readdir(spools())).toEqual([])
  expect((await mover.mover.snapshots(over.archive, undefined, moverCall())).items).toEqual([])
})

test('killed while it fetches, it goes on from where it was; of another version of the file it takes all anew', async () => {
  const url = web.put('slow.raw', IMAGE)
  const task = await importing(url, { bytesPerSecond: 16 * MIB })
  await mover.mover.submit(task, moverCall())
  await reaches(task.id, 20 * MIB)
  await mover.kill('SIGKILL')
  await mover.restart()
  expect(await mover.mover.job(task.id, moverCall())).toMatchObject({ state: 'paused' })
  const { result } = await mover.run({ ...task, bytesPerSecond: 1024 * MIB })
  if (result.kind !== 'import') throw new Error('no import job')
  // What had come since it was last made sure of has come twice: never more than 8 MiB.
  expect(result.fetchedBytes).toBeLessThan(IMAGE.length - 10 * MIB)
  expect(web.asked.at(-1)).toEqual({ name: 'slow.raw', from: IMAGE.length - result.fetchedBytes })
  expect(result).toMatchObject({ bytes: IMAGE.length, sha256: hash('sha256', IMAGE, 'hex') })
  expect((await restored(task)).equals(IMAGE)).toBe(true)

  const again = await importing(url, { bytesPerSecond: 16 * MIB })
  await mover.mover.submit(again, moverCall())
  await reaches(again.id, 20 * MIB)
  await mover.kill('SIGKILL')
  const newer = patternBytes(8, 24 * MIB)
  web.put('slow.raw', newer)
  await mover.restart()
  expect(await mover.run({ ...again, bytesPerSecond: 1024 * MIB })).toMatchObject({
    result: { fetchedBytes: newer.length, sha256: hash('sha256', newer, 'hex') },
  })
  expect((await restored(again)).equals(newer)).toBe(true)
  expect(await readdir(spools())).toEqual([])
})

test('what was fetched goes when the job is cancelled, given up or forgotten, and when nobody knows the job', async () => {
  const url = web.put('left.raw', IMAGE)
  const ends = [
    ({ id }: ImportTask) => mover.mover.cancel(id, moverCall()),
    ({ id, archive }: ImportTask) => mover.mover.abandon(archive, id, moverCall()),
    async ({ id }: ImportTask) => {
      await mover.kill('SIGTERM')
      await mover.restart()
      expect(await readdir(spools())).not.toEqual([])
      await mover.mover.forget(id, moverCall())
    },
  ]
  for (const end of ends) {
    const task = await importing(url, { bytesPerSecond: 16 * MIB })
    await mover.mover.submit(task, moverCall())
    await reaches(task.id, MIB)
    await end(task)
    expect(await readdir(spools())).toEqual([])
  }
  await mover.kill('SIGTERM')
  await writeFile(join(spools(), randomUUID()), 'left by nobody')
  await mover.restart()
  expect(await readdir(spools())).toEqual([])
})

function spools(): string {
  return join(mover.data, 'spools')
}

/** Waits until the job has fetched that many bytes, at most 60 s. */
async function reaches(id: MoverJobId, bytes: number): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(20)) {
    const job = await mover.mover.job(id, moverCall())
    if (job?.progress.fetching === true && job.progress.done >= bytes) return
  }
  throw new Error(`the job did not come to ${bytes} bytes within 60 s`)
}

async function importing(url: string, more: Partial<ImportTask>): Promise<ImportTask> {
  const path = await mkdtemp(join(directory, 'archive-'))
  const endpoint = { url: pathToFileURL(path).href, settings: {}, owner: 'test' }
  const archive: ArchiveAccess = { plugin: 'directory', endpoint, key: newKey() }
  await mover.mover.prepare(archive, {}, moverCall())
  // Ids are UUIDs.
  const ids = [randomUUID(), randomUUID(), randomUUID()] as string[] as [MoverJobId, SnapshotId, VolumeId]
  const [id, snapshot, volume] = ids
  const shape = { format: 'raw', most: 128 * MIB, takenAt: 1 } as const
  return { kind: 'import', id, archive, snapshot, volume, url, ...shape, ...more }
}

async function restored({ archive, snapshot }: ImportTask): Promise<Buffer> {
  const shown = await mover.mover.snapshot(archive, snapshot, moverCall())
  const path = join(directory, randomUUID())
  const file = await open(path, 'w')
  await file.truncate(shown?.bytes ?? 0)
  await file.close()
  const target = { via: 'file', path, format: 'raw' } as const
  const id = randomUUID() as string as MoverJobId // The same.
  await mover.run({ kind: 'restore', id, archive, snapshot, target, blank: true })
  return readFile(path)
}
