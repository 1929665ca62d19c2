import { randomUUID } from 'node:crypto'
import { mkdtemp, open, readFile, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Archive, newKey, prepareArchive } from '@moorage/archive-format'
import { memoryStore, patternBytes, testCall } from '@moorage/archive-format/testing'
import { type Extent, type MoverJobId, PluginError, type SnapshotId, type VolumeId } from '@moorage/contract'
import { openEnd } from '../ends/ends.ts'
import { runArchive } from './archive-run.ts'
import { Progress } from './budget.ts'
import { WorkerShelf } from './pool.ts'
import { runRestore } from './restore-run.ts'
import { runVerify } from './verify-run.ts'

const MIB = 1024 * 1024
const call = testCall()
const volume = randomUUID() as string as VolumeId // An id is a UUID.

let directory = ''
let source = ''
/** What the source holds: offset and bytes. */
const parts: (readonly [number, Buffer])[] = [
  [0, patternBytes(1, MIB, true)],
  [3 * MIB + 4096, patternBytes(2, 2 * MIB)],
  [9 * MIB, patternBytes(1, MIB, true)],
  [20 * MIB - 777, patternBytes(3, 777)],
]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'engine-'))
  source = join(directory, 'source')
  await write(source, parts, 20 * MIB)
})
// All jobs of these tests, those that fail included, share their threads.
const shelf = new WorkerShelf()
afterAll(async () => {
  await shelf.close()
  await rm(directory, { recursive: true })
})

describe.for([['in clear', undefined] as const, ['encrypted', newKey()] as const])('an archive %s', ([, key]) => {
  test('takes a file in and gives it back, byte for byte and with its holes', async () => {
    const { archive, store } = await newArchive(key)
    const { result, snapshot } = await take(archive, {})
    expect(result).toMatchObject({ kind: 'archive', bytes: 20 * MIB })
    // The same mebibyte twice, and one that shrinks, are less than what was read.
    expect(result.addedBytes).toBeLessThan(3.5 * MIB)
    expect(result.readBytes).toBeLessThan(6 * MIB)
    const restored = await restore(archive, snapshot)
    expect(restored.equals(await readFile(source))).toBe(true)
    expect(await runVerify({ archive, progress: new Progress(), threads: 1, shelf }, call)).toMatchObject({
      damaged: 0,
    })
    const again = await take(archive, {})
    expect(again.result.sentBytes).toBe(0)
    expect([...store.objects.keys()].filter((name) => name.startsWith('writers/'))).toEqual([])
  })
})

test('an increment reads what has changed, and a little to see whether the rest has not', async () => {
  const { archive } = await newArchive(undefined)
  const base = (await take(archive, {})).snapshot
  const changed = join(directory, 'changed')
  const fresh: (readonly [number, Buffer])[] = [
    [7 * MIB, patternBytes(5, 4096)],
    [9 * MIB, Buffer.alloc(MIB)],
  ]
  await write(changed, [...parts, ...fresh], 21 * MIB)
  const changes: readonly Extent[] = [
    { offset: 7 * MIB, length: 4096, kind: 'data' },
    { offset: 9 * MIB, length: MIB, kind: 'zero' },
  ]
  const { result, snapshot } = await take(archive, { path: changed, base, changes })
  expect(result.sentBytes).toBeLessThan(20_000)
  expect((await restore(archive, snapshot)).equals(await readFile(changed))).toBe(true)
  // The same by reading and comparing.
  const compared = await take(archive, { path: changed, base })
  expect(compared.result.sentBytes).toBe(0)
})

test('a list of changes that leaves some out is found out, and stores no snapshot', async () => {
  const { archive, store } = await newArchive(undefined)
  const base = (await take(archive, {})).snapshot
  const changed = join(directory, 'lied')
  await write(changed, [[0, patternBytes(8, 20 * MIB)]], 20 * MIB)
  const before = manifests(store)
  const refused = take(archive, { path: changed, base, changes: [] })
  await expect(refused).rejects.toThrow(/are said to be those of the base, and are not/)
  expect(manifests(store)).toEqual(before)
})

test('a job that is cut short and repeated sends nothing again, and one that was given up stores nothing', async () => {
  const { archive, store } = await newArchive(undefined)
  const big = join(directory, 'big')
  await write(big, [[0, patternBytes(4, 40 * MIB)]], 40 * MIB)
  const id = randomUUID() as string as MoverJobId // An id is a UUID.
  let packs = 0
  const failing: Archive = {
    ...archive,
    store: {
      ...store,
      put: async (name, body, call) => {
        if (name.startsWith('packs/') && ++packs > 1) throw new PluginError('DENIED', 'the line was cut', 'none')
        return store.put(name, body, call)
      },
    },
  }
  await expect(take(failing, { path: big, id })).rejects.toMatchObject({ code: 'DENIED' })
  const stored = [...store.objects].filter(([name]) => name.startsWith('packs/')).flatMap(([, { length }]) => length)
  expect(stored).toHaveLength(1)
  const { result, snapshot } = await take(archive, { path: big, id })
  expect(result.sentBytes + (stored[0] ?? 0)).toBe(result.addedBytes)
  expect(result.addedBytes).toBeLessThan(40.1 * MIB)
  expect((await restore(archive, snapshot)).equals(await readFile(big))).toBe(true)
})

test('a restore stops at a chunk that is not what was stored', async () => {
  const { archive, store } = await newArchive(undefined)
  const { snapshot } = await take(archive, {})
  for (const [name, whole] of store.objects) {
    if (!name.startsWith('packs/')) continue
    whole[MIB] = (whole[MIB] ?? 0) ^ 1
    await expect(restore(archive, snapshot)).rejects.toThrow(name)
    break
  }
})

test('threads that have done their job do the next one, and those of a job that failed do not', async () => {
  const waiting = () => {
    const threads = [shelf.take(), shelf.take()]
    for (const thread of threads) shelf.put(thread)
    return threads.map(({ worker }) => worker.threadId).toSorted((one, other) => one - other)
  }
  const { archive, store } = await newArchive(undefined)
  await take(archive, {})
  const before = waiting()
  const { snapshot } = await take(archive, {})
  await restore(archive, snapshot)
  expect(waiting()).toEqual(before)
  for (const [name, whole] of store.objects) if (name.startsWith('packs/')) whole.fill(1, MIB, MIB + 64)
  await expect(restore(archive, snapshot)).rejects.toMatchObject({ code: 'DAMAGED' })
  expect(waiting().some((id) => before.includes(id))).toBe(false)
})

async function newArchive(key: string | undefined) {
  const store = memoryStore()
  return { store, archive: await prepareArchive({ store, key }, { chunkBytes: MIB / 4 }, call) }
}

async function take(
  archive: Archive,
  how: {
    readonly path?: string
    readonly base?: SnapshotId
    readonly changes?: readonly Extent[]
    readonly id?: MoverJobId
  },
) {
  const { path = source, base, changes } = how
  const end = await openEnd({ via: 'file', path, format: 'raw' }, { use: 'read' })
  const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
  const id = how.id ?? (randomUUID() as string as MoverJobId) // The same.
  const task = { id, snapshot, volume, takenAt: 1, ...(base && { base }), ...(changes && { changes }) }
  const run = { archive, task, source: end, progress: new Progress(), threads: 2, shelf, random: Math.random }
  return { result: await runArchive(run, call), snapshot }
}

async function restore(archive: Archive, snapshot: SnapshotId): Promise<Buffer> {
  const path = join(directory, randomUUID())
  await write(path, [], 40 * MIB)
  const target = await openEnd({ via: 'file', path, format: 'raw' }, { use: 'write', blank: true })
  const task = { snapshot, blank: true }
  const { bytes } = await runRestore({ archive, task, target, progress: new Progress(), threads: 2, shelf }, call)
  await truncate(path, bytes)
  const restored = await readFile(path)
  await rm(path)
  return restored
}

async function write(path: string, runs: readonly (readonly [number, Buffer])[], bytes: number): Promise<void> {
  const file = await open(path, 'w')
  await file.truncate(bytes)
  for (const [offset, part] of runs) await file.write(part, 0, part.length, offset)
  await file.sync()
  await file.close()
}

function manifests({ objects }: { readonly objects: Map<string, Uint8Array> }): readonly string[] {
  return [...objects.keys()].filter((name) => name.startsWith('snapshots/'))
}
