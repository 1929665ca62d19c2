import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directoryArchive } from '@moorage/archive-directory'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ground, makeGround, startController, type TestController } from '../../testing.ts'
import { type Asked, textOf } from '../../testing-client.ts'

let controller: TestController
let ground: Ground
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'moorage-archives-'))
  controller = await startController({ plugins: { archives: [directoryArchive] } })
  ground = await makeGround(controller)
})
afterAll(async () => {
  await controller.stop()
  rmSync(folder, { recursive: true })
})

async function add(name: string, more: Asked = {}) {
  const url = `file://${mkdtempSync(join(folder, `${name}-`))}`
  return controller.api.run('addImageStore', { name, url, zoneid: ground.zone, provider: 'Directory', ...more })
}

describe('addImageStore', () => {
  test('registers what has shown what it keeps, and shows none of its secrets', async () => {
    const made = await add('first', { chunksize: '512' })
    expect(made).toMatchObject({
      name: 'first',
      zoneid: ground.zone,
      providername: 'directory',
      protocol: 'file',
      scope: 'ZONE',
      readonly: false,
      encrypted: true,
      chunksize: 524_288,
      conditionalput: 'atomic',
    })
    expect(made).not.toHaveProperty('key')
    const [listed] = await controller.api.list('listImageStores', { id: textOf(made, 'id') })
    expect(listed).toMatchObject({ name: 'first', providername: 'directory' })
    expect(JSON.stringify(listed)).not.toContain('moorage-key')
  })

  test('refuses a store that is registered already, whatever its name', async () => {
    const made = await add('twice')
    const again = { name: 'other', url: textOf(made, 'url'), zoneid: ground.zone, provider: 'directory' }
    await expect(controller.api.run('addImageStore', again)).rejects.toThrow('registered already, as twice')
  })

  test.each([
    ['a provider that is not there', { provider: 'floppy' }, 'no archive provider floppy; known are directory'],
    ['NFS, saying how', { provider: 'NFS' }, 'Mount the share where the movers are'],
    ['a url of another scheme', { url: 's3://bucket' }, 'it must begin with file://'],
    ['a directory that is not there', { url: 'file:///nowhere/at/all' }, 'Nothing was registered'],
    [
      'a setting that nobody knows',
      { 'details[0].key': 'speed', 'details[0].value': '1' },
      'there is no setting speed',
    ],
    ['a key that is none', { key: 'secret' }, 'Invalid parameter key'],
    ['a key for what is not encrypted', { key: 'moorage-key-1.x', encrypted: 'false' }, 'exclude each other'],
    ['a chunk of an odd length', { chunksize: '300' }, 'it must be one of 256, 512, 1024, 2048, 4096'],
  ])('refuses %s, and registers nothing', async (_what, params, why) => {
    await expect(add('refused', params)).rejects.toThrow(why)
    expect(await controller.api.list('listImageStores', { name: 'refused' })).toEqual([])
  })
})

test('listImageStores finds by what it is asked for', async () => {
  const { zone } = ground
  const made = await add('found', { encrypted: 'false' })
  const id = textOf(made, 'id')
  const of = async (params: Asked) => (await controller.api.list('listImageStores', params)).map((one) => one['id'])
  expect(made).toMatchObject({ encrypted: false })
  expect(await of({ name: 'found', zoneid: zone, provider: 'DIRECTORY', protocol: 'file' })).toEqual([id])
  expect(await of({ keyword: 'foun', readonly: 'false' })).toEqual([id])
  expect(await of({ name: 'found', protocol: 'nfs' })).toEqual([])
  expect(await of({ name: 'found', readonly: 'true' })).toEqual([])
})

test('updateImageStore changes what is recorded, and closes a store for new snapshots', async () => {
  const id = textOf(await add('changing'), 'id')
  const changed = await controller.api.run('updateImageStore', {
    id,
    name: 'changed',
    readonly: 'true',
    capacitybytes: '5',
  })
  expect(changed).toMatchObject({ id, name: 'changed', readonly: true, disksizetotal: 5 })
  await expect(controller.api.run('updateImageStore', { id, capacitybytes: '0' })).rejects.toThrow('above 0')
})

test('deleteImageStore forgets a store, which can then be registered again', async () => {
  const made = await add('going')
  await controller.api.run('deleteImageStore', { id: textOf(made, 'id') })
  expect(await controller.api.list('listImageStores', { id: textOf(made, 'id') })).toEqual([])
  const again = { name: 'back', url: textOf(made, 'url'), zoneid: ground.zone, provider: 'directory' }
  expect(await controller.api.run('addImageStore', again)).toMatchObject({ name: 'back' })
})

describe('exportImageStoreKey', () => {
  test('answers the key that was given, and an event tells that it was given out', async () => {
    const key = `moorage-key-1.${'A'.repeat(43)}`
    const id = textOf(await add('locked', { key }), 'id')
    expect(await controller.api.run('exportImageStoreKey', { id })).toEqual({ id, key })
    const events = await controller.api.list('listEvents', { type: 'IMAGE.STORE.KEY.EXPORT', listall: true })
    expect(events).toMatchObject([{ description: 'The key of archive locked was given out' }])
  })

  test('draws another key for every store', async () => {
    const keys = new Set<unknown>()
    for (const name of ['one', 'two'])
      keys.add((await controller.api.run('exportImageStoreKey', { id: textOf(await add(name), 'id') }))['key'])
    expect(keys.size).toBe(2)
  })

  test('is refused for a store that is not encrypted, and to whoever may only look', async () => {
    const id = textOf(await add('open', { encrypted: 'false' }), 'id')
    await expect(controller.api.run('exportImageStoreKey', { id })).rejects.toThrow('is not encrypted')
    const reader = await controller.user({ role: 'read-only-admin' })
    await expect(reader.run('exportImageStoreKey', { id })).rejects.toThrow(/given command .exportImageStoreKey/i)
  })
})

test('listStorageProviders tells of image providers what addImageStore takes', async () => {
  const [provider] = await controller.api.list('listStorageProviders', { type: 'image' })
  expect(provider).toMatchObject({ name: 'directory', type: 'image', schemes: ['file'] })
  expect(await controller.api.list('listStorageProviders', { type: 'object' })).toEqual([])
})
