import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Call } from '@moorage/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { directoryArchive } from './index.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'archive-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', root])
})
afterAll(async () => {
  await run('umount', [root])
  await rmdir(root)
})

test('a full directory says NO_SPACE, keeps what it has whole, and leaves nothing of what did not fit', async () => {
  const call = (): Call => ({ key: 'k', fence: 1, deadline: Date.now() + 30_000, signal: new AbortController().signal })
  const endpoint = { url: pathToFileURL(root).href, settings: { mounted: 'true' }, owner: 'installation' }
  const store = directoryArchive.open(endpoint)
  expect((await store.probe(call())).totalBytes).toBe(8 * MIB)
  for (const at of [1, 2, 3]) await store.put(`part/${at}`, new Uint8Array(2 * MIB).fill(at), call())
  await expect(store.put('part/4', new Uint8Array(3 * MIB), call())).rejects.toMatchObject({ code: 'NO_SPACE' })
  const listed = (await store.list('', undefined, call())).items
  expect(listed.map(({ key, bytes }) => [key, bytes])).toEqual([1, 2, 3].map((at) => [`part/${at}`, 2 * MIB]))
  expect(await readdir(join(root, '.moorage-archive', 'drafts'))).toEqual([])
  await store.delete('part/1', call())
  expect(await store.put('part/4', new Uint8Array(3 * MIB), call())).toBe('stored')
})
