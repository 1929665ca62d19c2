import type { IncomingHttpHeaders } from 'node:http'
import type { Bucket, KeptObject } from './objects.ts'

/** A request whose signature is right. */
export interface Asked {
  readonly method: string
  readonly key: string
  readonly body: Buffer
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
}

/** What a server answers. Of a HEAD the body only counts. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Buffer
}

/** How the server is at the moment. */
export interface Manner {
  readonly most: number
  readonly stale: boolean
  readonly conditions: 'kept' | 'refused' | 'ignored'
}

/** Does what is asked of a bucket, and answers. */
export function answer(bucket: Bucket, asked: Asked, manner: Manner): Answer {
  const { method, key } = asked
  if (key === '' && method === 'GET' && asked.query.get('list-type') === '2') return list(bucket, asked, manner)
  if (key === '') return failure(501, 'NotImplemented')
  if (method === 'PUT') return put(bucket, asked, manner)
  if (method === 'DELETE') {
    bucket.delete(key)
    return { status: 204, headers: {}, body: Buffer.alloc(0) }
  }
  const kept = bucket.get(key)
  if (!kept) return failure(404, 'NoSuchKey')
  if (method === 'HEAD')
    return { status: 200, headers: { ...about(kept), 'content-length': kept.body.length }, body: kept.body }
  return method === 'GET' ? read(kept, asked.headers.range) : failure(405, 'MethodNotAllowed')
}

function put(bucket: Bucket, { key, body, headers }: Asked, { conditions }: Manner): Answer {
  if (headers['if-none-match'] !== undefined) {
    if (conditions === 'refused') return failure(501, 'NotImplemented')
    if (conditions === 'kept' && bucket.get(key)) return failure(412, 'PreconditionFailed')
  }
  const { etag } = bucket.put(key, body)
  return { status: 200, headers: { etag }, body: Buffer.alloc(0) }
}

function read(kept: KeptObject, range: string | undefined): Answer {
  const { body } = kept
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (first === undefined || last === undefined) return { status: 200, headers: about(kept), body }
  if (Number(first) >= body.length) return failure(416, 'InvalidRange')
  const end = Math.min(Number(last) + 1, body.length)
  const run = body.subarray(Number(first), end)
  return {
    status: 206,
    headers: { ...about(kept), 'content-range': `bytes ${first}-${end - 1}/${body.length}` },
    body: run,
  }
}

function list(bucket: Bucket, { query }: Asked, { most, stale }: Manner): Answer {
  const [prefix, after] = [query.get('prefix') ?? '', query.get('start-after') ?? '']
  const { items, truncated } = bucket.list({ prefix, after, most, stale })
  const contents = items.map(
    ([key, { body, etag, at }]) =>
      `<Contents><Key>${escaped(key)}</Key><LastModified>${at.toISOString()}</LastModified><ETag>${escaped(etag)}</ETag><Size>${body.length}</Size></Contents>`,
  )
  const xml = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><IsTruncated>${truncated}</IsTruncated>${contents.join('')}</ListBucketResult>`
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: Buffer.from(xml) }
}

function about({ etag, at }: KeptObject): Readonly<Record<string, string>> {
  return { etag, 'last-modified': at.toUTCString(), 'content-type': 'application/octet-stream' }
}

/** An error as S3 tells it. */
export function failure(status: number, code: string): Answer {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(xml) }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
