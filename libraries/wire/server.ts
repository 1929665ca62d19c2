import { createHash, timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { asPluginError, type Call, type FailureCode, PluginError } from '@moorage/contract'

/** One method of a daemon. `args` is the JSON body as it came: the method checks it. */
export type Method = (args: never, call: Call) => Promise<unknown>

/** What `wireServer` serves. */
export interface WireServerOptions {
  /** Methods by path, as `volumes/create`. Served as `POST /v1/volumes/create`. */
  readonly methods: Readonly<Record<string, Method>>
  /** The daemon's own credentials; checked in constant time. */
  readonly user: string
  readonly password: string
  /** Told of each call that ended, for the daemon's log. Never sees arguments, which may hold secrets. */
  onCall?(entry: {
    readonly method: string
    readonly key: string
    readonly ms: number
    readonly failure?: PluginError
  }): void
  /** Called with any error that is no `PluginError`: a bug. */
  onBug?(error: unknown): void
}

const STATUS: Readonly<Record<FailureCode, number>> = {
  INVALID: 400,
  NOT_FOUND: 404,
  CONFLICT: 409,
  IN_USE: 409,
  DENIED: 401,
  FENCED: 412,
  UNSUPPORTED: 501,
  NO_SPACE: 507,
  LIMIT: 422,
  BUSY: 503,
  UNAVAILABLE: 503,
  TIMEOUT: 504,
  DAMAGED: 500,
  INTERNAL: 500,
}

const LONGEST_DEADLINE_MS = 3_600_000

/**
 * An HTTP server that carries the contract: `POST /v1/<facet>/<method>` with a JSON object as body, basic
 * authentication, and the call in headers `idempotency-key`, `x-fence` and `x-deadline-ms` (milliseconds left).
 * Answers `{ result }`, or `{ error: { code, message, effect } }` with a matching HTTP status. Work goes on when the
 * client hangs up; its signal fires at the deadline. Not yet listening.
 */
export function wireServer(options: WireServerOptions): FastifyInstance {
  const server = Fastify({ logger: false, bodyLimit: 16 * 1024 * 1024, forceCloseConnections: true })
  const expected = digest(`${options.user}:${options.password}`)
  server.addHook('onRequest', async (request, reply) => {
    if (request.url === '/healthz') return
    const given = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString()
    if (timingSafeEqual(digest(given), expected)) return
    await refuse(reply, new PluginError('DENIED', 'wrong user or password', 'none'))
  })
  server.get('/healthz', async () => ({ ok: true }))
  server.post('/v1/*', async (request, reply) => {
    await serveCall(options, request, reply)
    return reply
  })
  return server
}

async function serveCall(options: WireServerOptions, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const method = request.url.slice('/v1/'.length)
  const key = header(request, 'idempotency-key')
  const began = Date.now()
  try {
    const run = Object.hasOwn(options.methods, method) ? options.methods[method] : undefined
    if (!run) throw new PluginError('UNSUPPORTED', `no method ${method}`, 'none')
    // Each method checks what it is given: a body is `unknown` until then, which `never` stands for.
    const result = await run((request.body ?? {}) as never, callOf(request, key))
    options.onCall?.({ method, key, ms: Date.now() - began })
    await reply.send({ result })
  } catch (error) {
    const failure = asPluginError(error)
    if (!(error instanceof PluginError)) options.onBug?.(error)
    options.onCall?.({ method, key, ms: Date.now() - began, failure })
    await refuse(reply, failure)
  }
}

async function refuse(reply: FastifyReply, failure: PluginError): Promise<void> {
  const { code, message, effect } = failure
  await reply.status(STATUS[code]).send({ error: { code, message, effect } })
}

function callOf(request: FastifyRequest, key: string): Call {
  const fence = Number(header(request, 'x-fence'))
  const left = Number(header(request, 'x-deadline-ms'))
  if (key === '') throw new PluginError('INVALID', 'header idempotency-key is missing', 'none')
  if (!Number.isSafeInteger(fence) || fence < 0) throw new PluginError('INVALID', 'header x-fence is no number', 'none')
  if (!(left > 0 && left <= LONGEST_DEADLINE_MS)) {
    throw new PluginError('INVALID', `header x-deadline-ms must lie between 1 and ${LONGEST_DEADLINE_MS}`, 'none')
  }
  return { key, fence, deadline: Date.now() + left, signal: AbortSignal.timeout(left) }
}

function header(request: FastifyRequest, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
