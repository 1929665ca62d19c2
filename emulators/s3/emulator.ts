import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer, type Answer, failure } from './answers.ts'
import { Faults } from './faults.ts'
import { Bucket } from './objects.ts'
import { type Credentials, signatureFault } from './signature.ts'

/** How an emulator differs from what S3 is today. */
export interface EmulatorOptions extends Credentials {
  readonly buckets: readonly string[]
  /** Most objects on a page of a listing; 1000 if absent. */
  readonly pageItems?: number
  /** `refused`: 501, as some servers do; `ignored`: the last writer wins, as others do. Kept if absent. */
  readonly conditions?: 'kept' | 'refused' | 'ignored'
}

/** A server that speaks as much of S3 as an archive needs, with what it holds in memory. */
export interface S3Emulator {
  /** `127.0.0.1:PORT`. */
  readonly authority: string
  readonly faults: Faults
  /** What it holds, read past its own protocol. */
  peek(bucket: string, key: string): Buffer | undefined
  stop(): Promise<void>
}

/** Starts an emulator on a port of the loopback address that the kernel chooses. */
export async function startS3Emulator(options: EmulatorOptions): Promise<S3Emulator> {
  const buckets = new Map(options.buckets.map((name) => [name, new Bucket()]))
  const faults = new Faults()
  const server = createServer((request, response) => {
    serve({ request, response }, { options, buckets, faults }).catch((error: unknown) =>
      response.destroy(Error(String(error))),
    )
  })
  // A busy machine must not make the server close a connection that its client is about to use again.
  server.keepAliveTimeout = 10 * 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    authority: `127.0.0.1:${port}`,
    faults,
    peek: (bucket, key) => buckets.get(bucket)?.get(key)?.body,
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

interface State {
  readonly options: EmulatorOptions
  readonly buckets: ReadonlyMap<string, Bucket>
  readonly faults: Faults
}

async function serve(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  { options, buckets, faults }: State,
): Promise<void> {
  const body = await bodyOf(request)
  const method = request.method ?? 'GET'
  const url = new URL(request.url ?? '/', 'http://emulator')
  const [, name = '', ...rest] = url.pathname.split('/').map(decodeURIComponent)
  const key = rest.join('/')
  const fault = faults.take(method, key)
  if (fault === 'silent') return
  if (fault === 'slow-down') return send(response, method, failure(503, 'SlowDown'))
  if (fault === 'internal') return send(response, method, failure(500, 'InternalError'))
  const wrong = signatureFault(request, body, options)
  if (wrong !== undefined) return send(response, method, failure(403, wrong))
  const bucket = buckets.get(name)
  if (!bucket) return send(response, method, failure(404, 'NoSuchBucket'))
  if (fault === 'full' && method === 'PUT') return send(response, method, failure(507, 'InsufficientStorage'))
  const said = answer(
    bucket,
    { method, key, body, query: url.searchParams, headers: request.headers },
    {
      most: options.pageItems ?? 1000,
      stale: fault === 'stale-list',
      conditions: options.conditions ?? 'kept',
    },
  )
  if (fault === 'lost') return void response.destroy()
  if (fault === 'cut' && said.body.length > 0) return cut(response, said)
  send(response, method, said)
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer) // No encoding was set.
  return Buffer.concat(chunks)
}

function send(response: ServerResponse, method: string, { status, headers, body }: Answer): void {
  const length = method === 'HEAD' ? {} : { 'content-length': body.length }
  response.writeHead(status, { ...headers, ...length })
  response.end(method === 'HEAD' ? undefined : body)
}

/** Promises the whole body, and ends in the middle of it. */
function cut(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': body.length })
  response.write(body.subarray(0, body.length / 2), () => response.destroy())
}
