import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { PluginError, type SnapshotId } from '@moorage/contract'
import { openArchive, prepareArchive } from './archive.ts'
import { newKey } from './key.ts'
import { WRITERS } from './layout.ts'
import { memoryStore, patternBytes, readSnapshot, testCall, writeSnapshot } from './testing.ts'
import { checkPack, verify } from './verify.ts'

const CHUNK = 256 * 1024
const call = testCall()

describe.for([['in clear', undefined] as const, ['encrypted', newKey()] as const])('an archive %s', ([, key]) => {
  test('names every flipped byte, wherever it lies, and restores nothing wrong', async () => {
    const { store, archive, snapshot, bytes } = await written(key)
    let found = 0
    for (const [name, whole] of new Map(store.objects)) {
      for (const at of places(whole.length)) {
        const flipped = Buffer.from(whole)
        // Any bit may flip.
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
        store.objects.set(name, flipped)
        const damages = await openArchive({ store, key }, call).then(
          async (opened) => (await verify(opened, checking(opened), call)).damages,
          // What cannot be opened at all says so.
          (error: unknown) => [{ object: error instanceof PluginError ? error.message : '', snapshots: [] }],
        )
        expect(damages.map(({ object }) => object).join(), `byte ${at} of ${name}`).toContain(name)
        // A pack holds this snapshot's chunks and nothing else; a manifest is this snapshot's.
        const concerned = damages.flatMap(({ snapshots }) => snapshots.map((one) => one.snapshot))
        if (/^(packs|snapshots)/.test(name)) expect(concerned, `byte ${at} of ${name}`).toContain(snapshot)
        const restored = await openArchive({ store, key }, call)
          .then((opened) => readSnapshot(opened, snapshot, call))
          .catch((error: unknown) => (error instanceof PluginError ? error.code : String(error)))
        if (typeof restored === 'string') expect(restored).toMatch(/DAMAGED|DENIED|UNSUPPORTED|NOT_FOUND/)
        else expect(restored.equals(bytes)).toBe(true)
        found += 1
      }
      store.objects.set(name, whole)
    }
    expect(found).toBeGreaterThan(200)
    expect((await verify(archive, checking(archive), call)).damaged).toBe(0)
  })

  test('names what was lost or cut, and whom that concerns', async () => {
    const { store, archive, snapshot } = await written(key)
    for (const [name, whole] of new Map(store.objects)) {
      if (!name.startsWith('packs/')) continue
      for (const left of [undefined, whole.subarray(0, whole.length - 1), whole.subarray(1), Buffer.alloc(0)]) {
        if (left) store.objects.set(name, left)
        else store.objects.delete(name)
        const { damages } = await verify(archive, checking(archive), call)
        expect(damages.flatMap(({ snapshots }) => snapshots.map((one) => one.snapshot))).toContain(snapshot)
        if (left) expect(damages.map(({ object }) => object)).toContain(name)
        await expect(readSnapshot(archive, snapshot, call)).rejects.toMatchObject({ code: 'DAMAGED' })
        store.objects.set(name, whole)
      }
    }
  })
})

test('a chunk is named with its offset in each snapshot that needs it, and the others are not named', async () => {
  const { store, archive, snapshot } = await written(undefined)
  const other = randomUUID() as string as SnapshotId // An id is a UUID.
  await writeSnapshot(archive, { attempt: randomUUID(), snapshot: other, bytes: patternBytes(9, CHUNK) }, call)
  const [name, whole] = [...store.objects].find(([, { length }]) => length > 2 * CHUNK) ?? ['', Buffer.alloc(0)]
  const flipped = Buffer.from(whole)
  flipped[CHUNK + 1000] = (flipped[CHUNK + 1000] ?? 0) ^ 1
  store.objects.set(name, flipped)
  const { damages } = await verify(archive, checking(archive), call)
  expect(damages).toHaveLength(1)
  expect(damages[0]).toMatchObject({ object: name, snapshots: [{ snapshot, offset: 2 * CHUNK }] })
  const one = await verify(archive, { ...checking(archive), snapshot: other }, call)
  expect(one).toMatchObject({ damaged: 0, snapshots: 1 })
})

async function written(key: string | undefined) {
  const store = memoryStore()
  const archive = await prepareArchive({ store, key }, { chunkBytes: CHUNK }, call)
  const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
  const bytes = Buffer.concat([
    patternBytes(1, CHUNK),
    Buffer.alloc(CHUNK),
    patternBytes(2, CHUNK),
    patternBytes(3, CHUNK, true),
    patternBytes(4, 777),
  ])
  await writeSnapshot(archive, { attempt: randomUUID(), snapshot, bytes }, call)
  // A lease that was left, too, is an object whose bytes are checked.
  const left = { attempt: randomUUID(), snapshot, bytes, pause: () => Promise.reject(new Error('killed')) }
  await expect(writeSnapshot(archive, left, call)).rejects.toThrow('killed')
  expect([...store.objects.keys()].filter((name) => name.startsWith(WRITERS))).toHaveLength(1)
  return { store, archive, snapshot, bytes }
}

function checking(archive: Awaited<ReturnType<typeof openArchive>>) {
  return { width: 1, check: async (...args: [never, never]) => checkPack(archive, ...args) }
}

/** All places of a small object; of a pack the frame, and some of the chunks. */
function places(length: number): readonly number[] {
  if (length < 600) return Array.from({ length: Math.ceil(length / 5) }, (_, index) => (index * 5) % length)
  const ends = Array.from({ length: 48 }, (_, index) => length - 1 - index * 9)
  return [0, 7, 8, 9, 10, 12, 40, ...ends, ...Array.from({ length: 24 }, (_, index) => (index * 50_021) % length)]
}
