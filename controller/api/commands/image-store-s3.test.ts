import { randomUUID } from 'node:crypto'
import { s3Archive } from '@moorage/archive-s3'
import { type S3Emulator, startS3Emulator } from '@moorage/s3-emulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeGround, startController, type TestController } from '../../testing.ts'
import type { Asked } from '../../testing-client.ts'

const SECRET = `secret/${randomUUID()}`

let controller: TestController
let emulator: S3Emulator
let zone: string
beforeAll(async () => {
  const credentials = { accessKey: 'key-id', secretKey: SECRET }
  emulator = await startS3Emulator({ ...credentials, buckets: ['first', 'second'] })
  controller = await startController({ plugins: { archives: [s3Archive] } })
  ;({ zone } = await makeGround(controller))
})
afterAll(async () => {
  await controller.stop()
  await emulator.stop()
})

function asked(more: Asked = {}): Asked {
  const keys = { accesskey: 'key-id', secretkey: SECRET, usehttps: false }
  return { endpoint: emulator.authority, bucket: 'first', ...keys, ...more }
}

test('a bucket is registered in the words of CloudStack, in the only zone, and nothing shows its secret', async () => {
  const { api } = controller
  const made = await api.run('addImageStoreS3', asked({ name: 'pail' }))
  expect(made).toMatchObject({ name: 'pail', zoneid: zone, providername: 's3', protocol: 's3+http', encrypted: true })
  expect(made).toMatchObject({ url: `s3+http://${emulator.authority}/first`, details: { accesskey: 'key-id' } })
  const shown = [made, await api.list('listImageStores'), await api.list('listEvents', { listall: true })]
  expect(JSON.stringify(shown)).not.toContain(SECRET)
})

test.each<readonly [string, Asked, RegExp]>([
  ['an endpoint with a scheme', { endpoint: 'https://host' }, /endpoint: it must be HOST or HOST:PORT; usehttps says/],
  ['an endpoint with user info', { endpoint: 'me:it@host' }, /endpoint: it must be HOST or HOST:PORT/],
  ['a bucket that is none', { bucket: 'a/b' }, /bucket: it must name a bucket/],
  ['a bucket that is not there', { bucket: 'third' }, /Nothing was registered/],
  ['a secret that is wrong', { bucket: 'second', secretkey: 'guess' }, /Nothing was registered/],
])('%s is refused, and nothing is registered', async (_what, more, text) => {
  const before = await controller.api.list('listImageStores')
  expect(await controller.api.refuses('addImageStoreS3', asked(more))).toMatch(text)
  expect(await controller.api.list('listImageStores')).toEqual(before)
})

test('where there are several zones one must be named', async () => {
  await makeGround(controller, 'two')
  expect(await controller.api.refuses('addImageStoreS3', asked({ bucket: 'second' }))).toMatch(/zoneid: it must name/)
})
