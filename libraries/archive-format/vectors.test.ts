import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { SnapshotId } from '@moorage/contract'
import { openArchive } from './archive.ts'
import { chunkId, packKeyOf } from './chunk.ts'
import { fingerprintOf, parseKey } from './key.ts'
import { packKey } from './layout.ts'
import { memoryStore, readSnapshot, testCall } from './testing.ts'
import { checkPack, verify } from './verify.ts'

const call = testCall()
const KEY = 'moorage-key-1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
/** Of 256 KiB of "moorage ", 256 KiB of zeros and 300 bytes of a generator: written down when the vectors were made. */
const DIGEST = '9eabe767eb27eefed320c97f81cb6a2293cec25a654253674453082ed5cc560a'
const SNAPSHOT = '0f8fad5b-d9cb-469f-a165-70867728950e' as SnapshotId // The vectors' own.

test.for(['clear', 'encrypted'])(
  'the archive that was written in version 1 is read by every later version: %s',
  async (name) => {
    const file = new URL(`vectors/${name}.json`, import.meta.url)
    const { key, objects } = JSON.parse(readFileSync(file, 'utf8')) as { key?: string; objects: Record<string, string> } // Checked in.
    const store = memoryStore()
    for (const [object, text] of Object.entries(objects)) store.objects.set(object, Buffer.from(text, 'base64'))
    const archive = await openArchive({ store, key }, call)
    const bytes = await readSnapshot(archive, SNAPSHOT, call)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(DIGEST)
    const check = async (...args: [never, never]) => checkPack(archive, ...args)
    expect(await verify(archive, { width: 1, check }, call)).toMatchObject({ damaged: 0, snapshots: 1 })
  },
)

test('ids, fingerprints, keys of packs and names are what the documentation says', () => {
  const plain = Buffer.from('moorage')
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  // sha256sum, and openssl dgst -sha256 -mac hmac -macopt hexkey:...
  expect(hex(chunkId(plain, undefined))).toBe('2a3d974c04215d4abe1f30eb7860143492c39ed2a5fad1a417a8cfd8a0df9656')
  expect(hex(chunkId(plain, parseKey(KEY)))).toBe('deb924080500133d0fafbd51df08ea8587e1e9fd6fb9f3852571ee666d0927af')
  expect(fingerprintOf(parseKey(KEY))).toBe('5471ce6744221d61')
  expect(hex(packKeyOf(parseKey(KEY), Buffer.alloc(32)))).toBe(
    '7fd153e8dd3cbddf2ed840845ea6e18fc636183a6813084cac63dfd387c92250',
  )
  expect(packKey('ab'.repeat(32))).toBe(`packs/ab/${'ab'.repeat(32)}`)
})
