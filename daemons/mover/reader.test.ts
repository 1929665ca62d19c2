import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newKey, prepareArchive } from '@moorage/archive-format'
import { patternBytes, testCall, writeSnapshot } from '@moorage/archive-format/testing'
import type { SnapshotId } from '@moorage/contract'
import { openStore } from './archives.ts'

const run = promisify(execFile)
const READER = join(import.meta.dirname, 'reader.ts')
const bytes = Buffer.concat([patternBytes(1, 300_000), Buffer.alloc(600_000), patternBytes(2, 400_001)])
const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.

let directory = ''
let store = ''
let keyFile = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'reader-'))
  store = pathToFileURL(await mkdtemp(join(directory, 'store-'))).href
  keyFile = join(directory, 'key')
  const key = newKey()
  await writeFile(keyFile, `${key}\n`, { mode: 0o600 })
  const opened = openStore({ plugin: 'directory', endpoint: { url: store, settings: {}, owner: 'test' } })
  await opened.probe(testCall())
  const archive = await prepareArchive({ store: opened, key }, { chunkBytes: 256 * 1024 }, testCall())
  await writeSnapshot(archive, { attempt: randomUUID(), snapshot, bytes }, testCall())
})
afterAll(() => rm(directory, { recursive: true }))

test('with the url and the key of an archive its snapshots are listed, verified and restored, without a server', async () => {
  const access = ['--store', store, '--key', keyFile]
  expect((await ask('list', ...access)).output).toMatch(new RegExp(`${snapshot}  1970-01-01.* ${bytes.length} `))
  expect(await ask('verify', ...access)).toMatchObject({ status: 0 })
  const to = join(directory, 'restored')
  expect(await ask('restore', ...access, '--snapshot', snapshot, '--to', to)).toMatchObject({ status: 0 })
  expect(digest(await readFile(to))).toBe(digest(bytes))
  // What is there is not written over.
  expect(await ask('restore', ...access, '--snapshot', snapshot, '--to', to)).toMatchObject({ status: 1 })
})

test('what cannot be done is said in a sentence, and with which status', async () => {
  expect(line(await ask('list', '--store', store))).toMatch(/^1 .*no key was given/s)
  expect(line(await ask('list', '--store', 'tape:///x'))).toMatch(/^2 .*must begin with/s)
  expect(line(await ask('list'))).toMatch(/^2 .*--store is missing/s)
  const nothing = ['--snapshot', randomUUID(), '--to', join(directory, 'nothing')]
  expect(line(await ask('restore', '--store', store, '--key', keyFile, ...nothing))).toMatch(/^1 .*is not in archive/s)
})

test('a damaged archive is told with object, chunk and snapshot, and is not restored', async () => {
  const root = join(directory, (await readdir(directory)).find((name) => name.startsWith('store-')) ?? '')
  const packs = await readdir(join(root, 'packs'), { recursive: true })
  const pack = packs.find((name) => name.length > 60) ?? ''
  const file = await open(join(root, 'packs', pack), 'r+')
  await file.write(Buffer.from('x'), 0, 1, 100_000)
  await file.close()
  const access = ['--store', store, '--key', keyFile]
  const verified = await ask('verify', ...access)
  expect(verified.status).toBe(1)
  for (const part of [pack, snapshot, 'chunk ']) expect(verified.output).toContain(part)
  const to = join(directory, 'damaged')
  expect(line(await ask('restore', ...access, '--snapshot', snapshot, '--to', to))).toMatch(/^1 .*DAMAGED/s)
})

async function ask(...args: readonly string[]): Promise<{ readonly status: number; readonly output: string }> {
  try {
    const { stdout, stderr } = await run(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      READER,
      'archive',
      ...args,
    ])
    return { status: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string } // What promisify(execFile) rejects with.
    return { status: code, output: stdout + stderr }
  }
}

/** Status and output as one text. */
function line({ status, output }: { readonly status: number; readonly output: string }): string {
  return `${status} ${output}`
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
