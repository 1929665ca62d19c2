import { randomUUID } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newKey } from '@moorage/archive-format'
import { patternBytes } from '@moorage/archive-format/testing'
import type {
  ArchiveAccess,
  ArchiveTask,
  CollectTask,
  MoverJobId,
  RestoreTask,
  SnapshotId,
  VerifyTask,
  VolumeId,
} from '@moorage/contract'
import { moverCall, startMover, type TestMover } from './testing.ts'

const MIB = 1024 * 1024
const SIZE = 96 * MIB
/** Fewer in continuous integration than the twenty that `npm run bench -- archive-kills` does with 4 GiB. */
const KILLS = 3
const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)

let mover: TestMover
let directory = ''
let source = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mover-test-'))
  source = join(directory, 'source')
  const file = await open(source, 'w')
  await file.truncate(SIZE)
  for (let at = 0; at < 64; at += 2) await file.write(patternBytes(at, MIB, at % 4 === 0), 0, MIB, at * MIB)
  await file.sync()
  await file.close()
  mover = await startMover()
})
afterAll(async () => {
  await mover.stop()
  await rm(directory, { recursive: true })
})

test('a snapshot goes into an archive and back, and the mover says how far it is', async () => {
  const archive = await prepared(newKey())
  const task = archiveTask(archive)
  const done = await mover.run(task)
  expect(done.result).toMatchObject({ kind: 'archive', bytes: SIZE })
  expect(done.progress).toEqual({ done: 32 * MIB, total: 32 * MIB, leftMs: 0 })
  // Asked again it answers the same and does nothing.
  expect(await mover.mover.submit(task, moverCall())).toEqual(done)
  const other = { ...task, snapshot: randomUUID() as string as SnapshotId } // An id is a UUID.
  await expect(mover.mover.submit(other, moverCall())).rejects.toMatchObject({ code: 'CONFLICT' })
  const listed = await mover.mover.snapshots(archive, undefined, moverCall())
  expect(listed.items).toEqual([expect.objectContaining({ snapshot: task.snapshot, volume: task.volume, bytes: SIZE })])
  await restoresTo(archive, task.snapshot)
  expect((await mover.run({ ...ids(archive), kind: 'verify' } satisfies VerifyTask)).result).toMatchObject({
    damaged: 0,
  })
  const lines = (await mover.logs()) + JSON.stringify(listed)
  expect(lines).not.toContain(archive.key)
})

test(`killed again and again in the middle, it goes on when asked again and sends hardly anything twice (seed ${seed})`, async () => {
  const archive = await prepared(undefined)
  // Of the 32 MiB there are 8 in the first moment and 8 a second from then on.
  const task = { ...archiveTask(archive), bytesPerSecond: 8 * MIB }
  const moments = patternBytes(seed, KILLS)
  for (let kill = 0; kill < KILLS; kill += 1) {
    await mover.mover.submit(task, moverCall())
    await reaches(task.id, ((moments[kill] ?? 0) / 256) * 20 * MIB)
    await mover.kill('SIGKILL')
    await mover.restart()
    expect(await mover.mover.job(task.id, moverCall())).toMatchObject({ state: 'paused' })
  }
  const { result } = await mover.run({ ...task, bytesPerSecond: 1024 * MIB })
  // As much as when nobody is killed: each chunk is stored once, whoever began it.
  const whole = await mover.run(archiveTask(await prepared(undefined)))
  if (result.kind !== 'archive' || whole.result.kind !== 'archive') throw new Error('no archive jobs')
  expect(result.addedBytes).toBeLessThan(whole.result.addedBytes * 1.05)
  await restoresTo(archive, task.snapshot)
  expect((await mover.run({ ...ids(archive), kind: 'verify' } satisfies VerifyTask)).result).toMatchObject({
    damaged: 0,
  })
  const collected = await mover.run({ ...ids(archive), kind: 'collect' } satisfies CollectTask)
  expect(collected.result).toMatchObject({ condemned: 0, waitsFor: [] })
  expect(await readdir(join(directory, archiveName(archive), 'snapshots'))).toEqual([task.snapshot])
})

test('a failure says what it was: a wrong key, a snapshot or a source that is not there, a target that is too small', async () => {
  const archive = await prepared(newKey())
  const task = archiveTask(archive)
  await expect(mover.run({ ...task, archive: { ...archive, key: newKey() } })).rejects.toMatchObject({ code: 'DENIED' })
  const missing = { via: 'file', path: join(directory, 'nothing'), format: 'raw' } as const
  await expect(mover.run({ ...task, ...ids(archive), source: missing })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const restore: RestoreTask = {
    ...ids(archive),
    kind: 'restore',
    snapshot: task.snapshot,
    target: { ...missing, path: source },
    blank: true,
  }
  await expect(mover.run(restore)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  // With the right key the same job goes through.
  await mover.run(task)
  const small = join(directory, 'small')
  await (await open(small, 'w')).close()
  const target = { ...missing, path: small }
  await expect(mover.run({ ...restore, ...ids(archive), target })).rejects.toMatchObject({ code: 'INVALID' })
})

/** Waits until the job has done that many bytes, at most 30 s. */
async function reaches(id: MoverJobId, bytes: number): Promise<void> {
  for (const until = Date.now() + 30_000; Date.now() < until; await pause(20)) {
    const job = await mover.mover.job(id, moverCall())
    if (job !== undefined && job.progress.done >= bytes) return
  }
  throw new Error(`the job did not come to ${bytes} bytes within 30 s`)
}

async function prepared(key: string | undefined): Promise<ArchiveAccess> {
  const path = await mkdtemp(join(directory, 'archive-'))
  const endpoint = { url: pathToFileURL(path).href, settings: {}, owner: 'test' }
  const archive = { plugin: 'directory', endpoint, ...(key !== undefined && { key }) }
  await mover.mover.prepare(archive, { chunkBytes: MIB / 4 }, moverCall())
  return archive
}

function archiveName({ endpoint }: ArchiveAccess): string {
  return endpoint.url.slice(endpoint.url.lastIndexOf('/') + 1)
}

function ids(archive: ArchiveAccess) {
  return { id: randomUUID() as string as MoverJobId, archive } // An id is a UUID.
}

function archiveTask(archive: ArchiveAccess): ArchiveTask {
  const [snapshot, volume] = [randomUUID() as string as SnapshotId, randomUUID() as string as VolumeId] // Ids are UUIDs.
  const from = { via: 'file', path: source, format: 'raw' } as const
  return { ...ids(archive), kind: 'archive', snapshot, volume, source: from, takenAt: 1 }
}

async function restoresTo(archive: ArchiveAccess, snapshot: SnapshotId): Promise<void> {
  const path = join(directory, randomUUID())
  const file = await open(path, 'w')
  await file.truncate(SIZE)
  await file.close()
  const target = { via: 'file', path, format: 'raw' } as const
  await mover.run({ ...ids(archive), kind: 'restore', snapshot, target, blank: true } satisfies RestoreTask)
  expect((await readFile(path)).equals(await readFile(source))).toBe(true)
  // Holes stay holes.
  expect((await stat(path)).blocks * 512).toBeLessThan(34 * MIB)
  await rm(path)
}
