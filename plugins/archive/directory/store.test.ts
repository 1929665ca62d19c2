import { mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ArchiveStore, Call } from '@moorage/contract'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { directoryArchive } from './index.ts'

const DAY_S = 86_400
const body = new Uint8Array([1, 2, 3])
const call = (): Call => ({ key: 'k', fence: 1, deadline: Date.now() + 30_000, signal: new AbortController().signal })

let root: string
let store: ArchiveStore
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'archive-'))
  store = open({})
  await store.probe(call())
})
afterEach(() => rm(root, { recursive: true, force: true }))

function open(settings: Readonly<Record<string, string>>): ArchiveStore {
  return directoryArchive.open({ url: pathToFileURL(root).href, settings, owner: 'installation' })
}

test('an empty directory where the archive should be is away, and not an archive that lost everything', async () => {
  await store.put('a/b', body, call())
  await rename(root, `${root}.away`)
  await mkdir(root)
  const away = { code: 'UNAVAILABLE', effect: 'none' }
  await expect(store.get('a/b', undefined, call())).rejects.toMatchObject(away)
  await expect(store.stat('a/b', call())).rejects.toMatchObject(away)
  await expect(store.list('', undefined, call())).rejects.toMatchObject(away)
  await expect(store.put('a/c', body, call())).rejects.toMatchObject(away)
  await expect(store.delete('a/b', call())).rejects.toMatchObject(away)
  expect(await readdir(root)).toEqual([])
  await rm(root, { recursive: true })
  await rename(`${root}.away`, root)
  expect(await store.get('a/b', undefined, call())).toEqual(Buffer.from(body))
})

test('a directory that must be a mount point and is none is not made an archive', async () => {
  await rm(join(root, '.moorage-archive'), { recursive: true })
  await expect(open({ mounted: 'true' }).probe(call())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  expect(await readdir(root)).toEqual([])
})

test('a probe takes away drafts of long ago, and none that somebody may be writing', async () => {
  const drafts = join(root, '.moorage-archive', 'drafts')
  await writeFile(join(drafts, 'old'), 'x')
  await writeFile(join(drafts, 'new'), 'x')
  const longAgo = Date.now() / 1000 - 2 * DAY_S
  await utimes(join(drafts, 'old'), longAgo, longAgo)
  await store.probe(call())
  expect(await readdir(drafts)).toEqual(['new'])
})

test('a key below an object, and one that is a folder of objects, conflict', async () => {
  await store.put('a', body, call())
  await store.put('b/c', body, call())
  await expect(store.put('a/b', body, call())).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(store.put('b', body, call())).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await store.get('b', undefined, call())).toBeUndefined()
  await store.delete('b', call())
  expect((await store.list('', undefined, call())).items.map(({ key }) => key)).toEqual(['a', 'b/c'])
})

test('folders that a delete leaves empty go, and puts beside it do not suffer', async () => {
  await Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      await store.put(`deep/er/${at}`, body, call())
      await store.delete(`deep/er/${at}`, call())
    }),
  )
  expect(await readdir(root)).toEqual(['.moorage-archive'])
})

test('what is no key is not listed', async () => {
  await writeFile(join(root, 'README'), 'x')
  await mkdir(join(root, 'lost+found'))
  await writeFile(join(root, 'lost+found', 'a'), 'x')
  expect((await store.list('', undefined, call())).items).toEqual([])
})

test('a wrong url or setting is refused, naming it', () => {
  for (const url of ['', '/srv', 'nfs://server/srv', 'file://server/srv', 'file:///', 'file:///a?b']) {
    expect(() => directoryArchive.open({ url, settings: {}, owner: 'o' })).toThrow(/^url:/)
  }
  expect(() => open({ mounted: 'perhaps' })).toThrow(/^mounted:/)
})
