import { randomUUID } from 'node:crypto'
import { archiveConformance } from '@moorage/conformance'
import { startS3Emulator } from '@moorage/s3-emulator'
import { describe, test } from 'vitest'
import { s3Archive } from './index.ts'

const PREFIX = 'ours/of-it'

// An emulator for each case, with small pages so that paging is tried.
describe('an archive in a bucket', () => {
  archiveConformance({
    test,
    subject: {
      lacks: {},
      async make() {
        const [accessKey, secretKey, bucket] = ['key-id', `secret/${randomUUID()}`, 'archive']
        const emulator = await startS3Emulator({ accessKey, secretKey, buckets: [bucket], pageItems: 7 })
        const settings = { accesskey: accessKey, secretkey: secretKey, prefix: PREFIX }
        const endpoint = { url: `s3+http://${emulator.authority}/${bucket}`, settings, owner: 'installation' }
        return {
          store: s3Archive.open(endpoint),
          plugin: { plugin: s3Archive, endpoint },
          peek: async (key) => emulator.peek(bucket, `${PREFIX}/${key}`),
          dispose: () => emulator.stop(),
        }
      },
    },
  })
})
