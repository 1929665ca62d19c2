import { hash, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Call, PluginError, type SnapshotId } from '@moorage/contract'
import { type Archive, openArchive, prepareArchive, rekeyArchive } from './archive.ts'
import { release } from './chunk.ts'
import { newKey } from './key.ts'
import { HEAD_KEY } from './layout.ts'
import { findManifest, removeManifests } from './manifest.ts'
import { type MemoryStore, memoryStore, patternBytes, readSnapshot, testCall, writeSnapshot } from './testing.ts'
import { checkPack, verify } from './verify.ts'

const CHUNK = 256 * 1024
const call: Call = testCall()

test.for([['in clear', undefined] as const, ['encrypted', newKey()] as const])(
  'what was written is read back, %s: data, zeros, a last chunk that is cut, chunks that occur twice',
  async ([, key]) => {
    const { archive } = await made(key)
    const bytes = Buffer.concat([
      patternBytes(1, CHUNK),
      Buffer.alloc(2 * CHUNK),
      patternBytes(1, CHUNK),
      patternBytes(2, 2 * CHUNK, true),
      patternBytes(3, 1000),
    ])
    const snapshot = await write(archive, bytes)
    expect((await readSnapshot(archive, snapshot, call)).equals(bytes)).toBe(true)
    expect(await check(archive)).toEqual([])
  },
)

test('an encrypted archive holds nothing of the volume: not its bytes, not their digests', async () => {
  const { archive, store } = await made(newKey())
  const secret = 'the volume says this in every sentence. '
  await write(archive, Buffer.from(secret.repeat(20_000)))
  const all = Buffer.concat([...store.objects.values()]).toString('latin1')
  for (const part of ['the volume', 'says this', 'sentence']) expect(all).not.toContain(part)
  const other = await made(newKey())
  await write(other.archive, Buffer.from(secret.repeat(20_000)))
  const footers = (one: MemoryStore) => [...one.objects.keys()].filter((name) => name.startsWith('packs/'))
  expect(footers(store)).not.toEqual(footers(other.store))
})

test('a chunk that is there is not stored again', async () => {
  const { archive, store } = await made(undefined)
  await write(archive, patternBytes(1, 4 * CHUNK))
  const before = sizeOf(store)
  await write(archive, Buffer.concat([patternBytes(1, 4 * CHUNK), patternBytes(2, 1000)]))
  expect(sizeOf(store) - before).toBeLessThan(3000)
})

test('a key that is wrong, missing, replaced or needless is refused, and the message says which', async () => {
  const [key, later] = [newKey(), newKey()]
  const { store } = await made(key)
  const open = (given: string | undefined) => openArchive({ store, key: given }, call)
  expect(await refusal(open(undefined))).toMatch(/^DENIED: .*no key was given/)
  expect(await refusal(open(newKey()))).toMatch(/^DENIED: .*is not that of/)
  await expect(open('moorage-key-1.short')).rejects.toMatchObject({ code: 'INVALID' })
  await rekeyArchive({ store, key }, { newKey: later, fresh: true }, call)
  expect(await refusal(open(key))).toMatch(/^DENIED: .*was replaced/)
  await open(later)
  const clear = await made(undefined)
  await expect(openArchive({ store: clear.store, key }, call)).rejects.toMatchObject({ code: 'DENIED' })
})

test('after its key was replaced, an archive reads what it held, and knows chunks again that it had before', async () => {
  const [key, later] = [newKey(), newKey()]
  const { archive, store } = await made(key)
  const first = await write(archive, patternBytes(1, 3 * CHUNK))
  await rekeyArchive({ store, key }, { newKey: later, fresh: true }, call)
  // As if the answer had been lost.
  await rekeyArchive({ store, key }, { newKey: later, fresh: true }, call)
  const reopened = await openArchive({ store, key: later }, call)
  const before = sizeOf(store)
  const second = await write(reopened, Buffer.concat([patternBytes(1, 3 * CHUNK), patternBytes(2, CHUNK)]))
  expect(sizeOf(store) - before).toBeLessThan(CHUNK + 4000)
  expect((await readSnapshot(reopened, first, call)).equals(patternBytes(1, 3 * CHUNK))).toBe(true)
  expect((await readSnapshot(reopened, second, call)).subarray(3 * CHUNK).equals(patternBytes(2, CHUNK))).toBe(true)
  expect(await check(reopened)).toEqual([])
})

test('an archive keeps the shape that it was made with', async () => {
  const { store } = await made(undefined)
  await expect(prepareArchive({ store }, { chunkBytes: 2 * CHUNK }, call)).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(prepareArchive({ store }, { chunkBytes: 1000 }, call)).rejects.toMatchObject({ code: 'INVALID' })
  expect((await prepareArchive({ store }, {}, call)).head.chunkBytes).toBe(CHUNK)
  await expect(openArchive({ store: memoryStore() }, call)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('an object of a later version is refused as such, not as damaged', async () => {
  const { store } = await made(undefined)
  const text = Buffer.from(store.objects.get(HEAD_KEY) ?? []).toString()
  const body = text.split('\n').slice(0, 2).join('\n').replace('archive 1', 'archive 2')
  store.objects.set(HEAD_KEY, Buffer.from(`${body}\n${hash('sha256', `${body}\n`)}\n`))
  await expect(openArchive({ store }, call)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})

test('a snapshot that was taken out is gone, and taking it out again succeeds', async () => {
  const { archive } = await made(undefined)
  const snapshot = await write(archive, patternBytes(1, CHUNK))
  await removeManifests(archive, snapshot, call)
  await removeManifests(archive, snapshot, call)
  expect(await findManifest(archive, snapshot, call)).toBeUndefined()
})

async function made(key: string | undefined): Promise<{ readonly archive: Archive; readonly store: MemoryStore }> {
  const store = memoryStore({ page: 3 })
  return { store, archive: await prepareArchive({ store, key }, { chunkBytes: CHUNK }, call) }
}

async function write(archive: Archive, bytes: Uint8Array): Promise<SnapshotId> {
  const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
  expect(await writeSnapshot(archive, { attempt: randomUUID(), snapshot, bytes }, call)).toBe('stored')
  return snapshot
}

async function check(archive: Archive) {
  const options = { width: 2, check: async (...args: [never, never]) => checkPack(archive, ...args) }
  return (await verify(archive, options, call)).damages
}

/** What a call is refused with. */
function refusal(refused: Promise<unknown>): Promise<string> {
  return refused.then(
    () => 'not refused',
    (error: unknown) => (error instanceof PluginError ? `${error.code}: ${error.message}` : String(error)),
  )
}

function sizeOf({ objects }: MemoryStore): number {
  return [...objects.values()].reduce((sum, { length }) => sum + length, 0)
}

test('memory is given back at once where it is large, and left to whoever shares it where it is small', () => {
  const large = new Uint8Array(1024 * 1024)
  release(large)
  expect(large.byteLength).toBe(0)
  const small = Buffer.from('in the pool of Node')
  release(small)
  expect(small.toString()).toBe('in the pool of Node')
})
