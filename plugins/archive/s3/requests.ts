import { addAbortSignal, Readable } from 'node:stream'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { type ArchiveObject, type ByteRange, type Call, PluginError } from '@moorage/contract'
import type { S3Endpoint } from './endpoint.ts'
import { checkTime, failureOf, faultOf } from './failures.ts'

/** A page of a listing; `last`: the last key of the page where there may be more. Keys are the server's, prefix included. */
interface Listed {
  readonly items: readonly ArchiveObject[]
  readonly last?: string
}

/** The requests of S3 that a store is made of. Each is sent once: whoever asked knows whether to ask again. */
export interface Requests {
  /** `conditional`: only where nothing is; then `present` instead. */
  put(key: string, body: Uint8Array, how: { readonly call: Call; readonly conditional: boolean }): Promise<Put>
  get(key: string, range: ByteRange | undefined, call: Call): Promise<Uint8Array | undefined>
  head(key: string, call: Call): Promise<ArchiveObject | undefined>
  list(prefix: string, after: string | undefined, call: Call): Promise<Listed>
  remove(key: string, call: Call): Promise<void>
}

/** What became of a put. Nothing was stored where it is `contested` (somebody else is storing) or `unconditional`: not known. */
type Put = 'stored' | 'present' | 'contested' | 'unconditional'

/** A client of one bucket. Makes no I/O by itself. */
export function newRequests({ origin, region, bucket, accessKey, secretKey }: S3Endpoint): Requests {
  const client = new S3Client({
    endpoint: origin,
    region,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
    forcePathStyle: true,
    maxAttempts: 1,
    // Few servers but Amazon's know the checksums that the client would send by default; bodies are signed as they are.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  return {
    async put(Key, Body, { call, conditional }) {
      const input = { Bucket: bucket, Key, Body, ...(conditional && { IfNoneMatch: '*' }) }
      try {
        await client.send(new PutObjectCommand(input), { abortSignal: within(call) })
        return 'stored'
      } catch (error) {
        const { status } = faultOf(error)
        if (conditional && status === 412) return 'present'
        if (conditional && status === 409) return 'contested'
        if (conditional && status === 501) return 'unconditional'
        throw failureOf(error, { call, changes: true })
      }
    },
    get: (key, range, call) => read(client, { bucket, key, range, call }),
    head: (Key, call) =>
      looked(call, async () => {
        const found = await client.send(new HeadObjectCommand({ Bucket: bucket, Key }), { abortSignal: within(call) })
        return objectOf({ Key, Size: found.ContentLength, LastModified: found.LastModified })
      }),
    async list(prefix, after, call) {
      const input = { Bucket: bucket, Prefix: prefix, ...(after !== undefined && { StartAfter: after }) }
      try {
        const page = await client.send(new ListObjectsV2Command(input), { abortSignal: within(call) })
        const items = (page.Contents ?? []).map(objectOf)
        const last = items.at(-1)?.key
        return { items, ...(page.IsTruncated === true && last !== undefined && { last }) }
      } catch (error) {
        throw failureOf(error, { call, changes: false })
      }
    },
    async remove(Key, call) {
      try {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key }), { abortSignal: within(call) })
      } catch (error) {
        if (faultOf(error).name === 'NoSuchKey') return
        throw failureOf(error, { call, changes: true })
      }
    },
  }
}

function within(call: Call): AbortSignal {
  checkTime(call)
  return AbortSignal.any([call.signal, AbortSignal.timeout(Math.min(call.deadline - Date.now(), 2 ** 32 - 1))])
}

/** What was found; `undefined` where the server says that there is no such object. */
async function looked<Found>(call: Call, look: () => Promise<Found>): Promise<Found | undefined> {
  try {
    return await look()
  } catch (error) {
    const { name, status } = faultOf(error)
    if (status === 404 && name !== 'NoSuchBucket') return undefined
    throw failureOf(error, { call, changes: false })
  }
}

async function read(
  client: S3Client,
  what: {
    readonly bucket: string
    readonly key: string
    readonly range: ByteRange | undefined
    readonly call: Call
  },
): Promise<Uint8Array | undefined> {
  const { bucket, key, range, call } = what
  const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`
  return looked(call, async () => {
    try {
      const input = { Bucket: bucket, Key: key, ...(Range !== undefined && { Range }) }
      const signal = within(call)
      const found = await client.send(new GetObjectCommand(input), { abortSignal: signal })
      if (found.Body instanceof Readable) addAbortSignal(signal, found.Body)
      const body = await found.Body?.transformToByteArray()
      // A body that is cut ends a connection too early, or just ends.
      if (!body || body.length !== found.ContentLength) throw cut(key, body?.length ?? 0)
      if (!range || found.ContentRange !== undefined) return body
      // A server that does not know runs answers with the whole.
      return body.subarray(range.offset, range.offset + range.length)
    } catch (error) {
      // The object ends before the run begins.
      if (range && faultOf(error).status === 416) return new Uint8Array(0)
      throw error
    }
  })
}

function cut(key: string, bytes: number): PluginError {
  return new PluginError('UNAVAILABLE', `the body of ${key} ended after ${bytes} bytes`, 'none')
}

function objectOf(found: {
  readonly Key?: string | undefined
  readonly Size?: number | undefined
  readonly LastModified?: Date | undefined
}): ArchiveObject {
  return { key: found.Key ?? '', bytes: found.Size ?? 0, writtenAt: found.LastModified?.getTime() ?? 0 }
}
