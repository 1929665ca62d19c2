import { randomUUID } from 'node:crypto'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { prepareArchive, readCatalog } from '@moorage/archive-format'
import { memoryStore, patternBytes, testCall, writeSnapshot } from '@moorage/archive-format/testing'
import type { SnapshotId } from '@moorage/contract'
import { openFooters } from './footers.ts'

const call = testCall()
let directory = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'footers-'))
})
afterAll(() => rm(directory, { recursive: true }))

test('footers are read from the store once, and again when what was kept is cut or wrong', async () => {
  let reads = 0
  const store = memoryStore({
    turn: async (operation, key) => {
      if (operation === 'get' && key.startsWith('packs/')) reads += 1
    },
  })
  const archive = await prepareArchive({ store }, { chunkBytes: 262_144 }, call)
  for (const seed of [1, 2, 3]) {
    const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
    await writeSnapshot(archive, { attempt: randomUUID(), snapshot, bytes: patternBytes(seed, 1000) }, call)
  }
  const look = async () => {
    reads = 0
    const cache = await openFooters(directory, archive.head.id)
    const catalog = await readCatalog(store, { cache }, call)
    await cache.save()
    expect(catalog.footers).toHaveLength(3)
    return reads
  }
  expect([await look(), await look()]).toEqual([3, 0])
  const path = join(directory, archive.head.id)
  await appendFile(path, Buffer.alloc(36, 1))
  expect(await look()).toBe(0)
  await writeFile(path, Buffer.alloc(500, 7))
  expect(await look()).toBe(3)
})
