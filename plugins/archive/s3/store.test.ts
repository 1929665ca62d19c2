import { inspect } from 'node:util'
import type { ArchiveStore, Call } from '@moorage/contract'
import { type EmulatorOptions, type S3Emulator, startS3Emulator } from '@moorage/s3-emulator'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { s3Archive } from './index.ts'

const body = new Uint8Array([1, 2, 3])
const CREDENTIALS = { accessKey: 'id', secretKey: 'secret' }

let emulator: S3Emulator
let store: ArchiveStore

function call(withinMs = 30_000): Call {
  return { key: 'k', fence: 1, deadline: Date.now() + withinMs, signal: new AbortController().signal }
}

function open(settings: Readonly<Record<string, string>> = {}, bucket = 'archive'): ArchiveStore {
  const url = `s3+http://${emulator.authority}/${bucket}`
  return s3Archive.open({ url, settings: { accesskey: 'id', secretkey: 'secret', ...settings }, owner: 'installation' })
}

async function start(options: Partial<EmulatorOptions> = {}): Promise<void> {
  emulator = await startS3Emulator({ ...CREDENTIALS, buckets: ['archive'], ...options })
  store = open()
}

afterEach(() => emulator.stop())

describe('a store in a bucket', () => {
  beforeEach(async () => {
    await start()
    await store.probe(call())
  })

  test('is away where its bucket is not there, or nothing was made below its prefix, and never looks empty', async () => {
    for (const away of [open({}, 'another'), open({ prefix: 'elsewhere' })]) {
      const told = { code: 'UNAVAILABLE', effect: 'none' }
      await expect(away.get('a', undefined, call())).rejects.toMatchObject(told)
      await expect(away.stat('a', call())).rejects.toMatchObject(told)
      await expect(away.list('', undefined, call())).rejects.toMatchObject(told)
      await expect(away.put('a', body, call())).rejects.toMatchObject(told)
      await expect(away.delete('a', call())).rejects.toMatchObject(told)
    }
  })

  test('below one prefix does not see what lies below another', async () => {
    const ours = open({ prefix: 'ours' })
    expect((await ours.probe(call())).identity).not.toBe((await store.probe(call())).identity)
    await ours.put('a', body, call())
    expect(emulator.peek('archive', 'ours/a')).toEqual(Buffer.from(body))
    expect(await store.get('a', undefined, call())).toBeUndefined()
    expect((await ours.list('', undefined, call())).items.map(({ key }) => key)).toEqual(['a'])
  })

  test('that is asked to slow down says UNAVAILABLE, asks once, and has what it is asked for again', async () => {
    await store.put('warm', body, call())
    for (const method of ['PUT', 'GET']) emulator.faults.add({ kind: 'slow-down', method, key: 'busy', times: 1 })
    await expect(store.put('busy', body, call())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await store.put('busy', body, call())).toBe('stored')
    await expect(store.get('busy', undefined, call())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
    expect(await store.get('busy', undefined, call())).toEqual(body)
  })

  test('that is full says NO_SPACE with effect none, and goes on once there is room', async () => {
    await store.put('warm', body, call())
    emulator.faults.add({ kind: 'full', method: 'PUT', times: 1 })
    await expect(store.put('more', body, call())).rejects.toMatchObject({ code: 'NO_SPACE', effect: 'none' })
    expect(await store.stat('more', call())).toBeUndefined()
    expect(await store.put('more', body, call())).toBe('stored')
  })

  test('whose answer to a put was lost leaves the effect open, and says present when it is asked again', async () => {
    await store.put('warm', body, call())
    emulator.faults.add({ kind: 'lost', method: 'PUT', key: 'lost', times: 1 })
    await expect(store.put('lost', body, call())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'possible' })
    expect(await store.put('lost', body, call())).toBe('present')
  })

  test('takes a body that is cut on its way for no object, whole or run', async () => {
    await store.put('cut', new Uint8Array(10_000), call())
    for (const range of [undefined, { offset: 10, length: 5000 }]) {
      emulator.faults.add({ kind: 'cut', method: 'GET', key: 'cut', times: 1 })
      await expect(store.get('cut', range, call())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
    }
  })

  test('whose answer to a delete was lost leaves the effect open, and succeeds when it is asked again', async () => {
    await store.put('gone', body, call())
    await store.delete('warm', call())
    emulator.faults.add({ kind: 'lost', method: 'DELETE', times: 1 })
    await expect(store.delete('gone', call())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'possible' })
    await store.delete('gone', call())
    expect(await store.stat('gone', call())).toBeUndefined()
  })

  test('that stops answering in the middle of a body is left when the time is up', async () => {
    await store.put('slow', body, call())
    emulator.faults.add({ kind: 'silent', method: 'GET', key: 'slow' })
    await expect(store.get('slow', undefined, call(200))).rejects.toMatchObject({ code: 'TIMEOUT', effect: 'none' })
  })
})

describe('a probe', () => {
  test('of a server that keeps conditions says atomic, and of one that lists at once says strong', async () => {
    await start()
    expect(await store.probe(call())).toMatchObject({ conditionalPut: 'atomic', listing: 'strong' })
  })

  test.each(['refused', 'ignored'] as const)('of a server by which conditions are %s says none', async (conditions) => {
    await start({ conditions })
    expect(await store.probe(call())).toMatchObject({ conditionalPut: 'none' })
    expect(await store.put('a', body, call())).toBe('stored')
    expect(await store.put('a', new Uint8Array(5), call())).toBe('present')
    expect(await store.get('a', undefined, call())).toEqual(body)
  })

  test('of a server whose listings are late says eventual', async () => {
    await start()
    emulator.faults.add({ kind: 'stale-list', method: 'GET', key: '' })
    expect(await store.probe(call())).toMatchObject({ listing: 'eventual' })
  })

  test('with a wrong secret is DENIED, and shows none', async () => {
    await start()
    const error: unknown = await open({ secretkey: 'not-the-one' })
      .probe(call())
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'DENIED', effect: 'none' })
    expect(inspect(error, { depth: 8, showHidden: true })).not.toContain('not-the-one')
  })

  test('of a server that is not there is UNAVAILABLE, with effect none', async () => {
    await start()
    const settings = { accesskey: 'id', secretkey: 'secret' }
    // Port 1 of the loopback address is served by nobody.
    const nobody = s3Archive.open({ url: 's3+http://127.0.0.1:1/archive', settings, owner: 'installation' })
    await expect(nobody.probe(call())).rejects.toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  })
})

test('a wrong url or setting is refused, naming it', async () => {
  await start()
  const settings = { accesskey: 'id', secretkey: 'secret' }
  for (const url of [
    '',
    's3://host',
    's3://host/B',
    'https://host/bucket',
    's3://u:p@host/bucket',
    's3://host/bucket?x',
  ]) {
    expect(() => s3Archive.open({ url, settings, owner: 'o' })).toThrow(/^url:/)
  }
  expect(() => open({ prefix: '/a' })).toThrow(/^prefix:/)
  expect(() => open({ accesskey: '' })).toThrow(/^accesskey:/)
})
