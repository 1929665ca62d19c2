import type { ArchivePlugin } from '@moorage/contract'
import { endpointOf } from './endpoint.ts'
import { newS3Store } from './store.ts'

/** Archives in a bucket of any server that speaks S3. The url is `s3://HOST[:PORT]/BUCKET`, or `s3+http://` without TLS. */
export const s3Archive: ArchivePlugin = {
  kind: 'archive',
  name: 's3',
  title: 'S3 and what speaks like it (a bucket, or a part of one)',
  contract: 1,
  schemes: ['s3', 's3+http'],
  settings: [
    {
      name: 'accesskey',
      title: 'Access key',
      type: 'string',
      required: true,
      description: 'Id of the key; with s3:GetObject, PutObject, DeleteObject and ListBucket on the bucket.',
    },
    {
      name: 'secretkey',
      title: 'Secret key',
      type: 'secret',
      required: true,
      description: 'The secret that belongs to the access key.',
    },
    {
      name: 'region',
      title: 'Region',
      type: 'string',
      required: false,
      description: 'us-east-1 if not given, which servers without regions take.',
    },
    {
      name: 'prefix',
      title: 'Prefix',
      type: 'string',
      required: false,
      description: 'What all keys begin with, where the bucket is shared: parts joined by /, without one at the end.',
    },
  ],
  open: (endpoint) => newS3Store(endpointOf(endpoint)),
}
