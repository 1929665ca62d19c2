import { randomUUID } from 'node:crypto'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { archiveConformance } from '@moorage/conformance'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { s3Archive } from './index.ts'
import { type Radosgw, radosgwUnmet, startRadosgw } from './testing/radosgw.ts'

const unmet = radosgwUnmet()

let server: Radosgw
beforeAll(async () => {
  if (unmet === undefined) server = await startRadosgw()
})
afterAll(async () => server?.stop())

/** A bucket of its own. */
async function endpoint() {
  const { authority, accessKey: accessKeyId, secretKey: secretAccessKey } = server
  const bucket = `archive-${randomUUID()}`
  const client = new S3Client({
    endpoint: `http://${authority}`,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
  })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
  const settings = { accesskey: accessKeyId, secretkey: secretAccessKey, prefix: 'of-ours' }
  return { url: `s3+http://${authority}/${bucket}`, settings, owner: 'installation' }
}

// Ceph's gateway takes 200 MB of packages, which the tests do not install: who has it tries it.
describe.skipIf(unmet !== undefined)(`a bucket of Ceph's gateway${unmet === undefined ? '' : `: ${unmet}`}`, () => {
  test('keeps conditions, and lists at once', async () => {
    const call = { key: 'k', fence: 1, deadline: Date.now() + 30_000, signal: new AbortController().signal }
    const report = await s3Archive.open(await endpoint()).probe(call)
    expect(report).toMatchObject({ conditionalPut: 'atomic', listing: 'strong' })
  })

  archiveConformance({
    test,
    subject: {
      lacks: { peek: 'what Ceph keeps, its gateway alone can read' },
      async make() {
        const at = await endpoint()
        return { store: s3Archive.open(at), plugin: { plugin: s3Archive, endpoint: at }, dispose: async () => {} }
      },
    },
  })
})
