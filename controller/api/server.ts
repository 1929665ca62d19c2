import { randomUUID } from 'node:crypto'
import { Server as TlsServer } from 'node:tls'
import cookie from '@fastify/cookie'
import cors from '@fastify/cors'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Auditor, createAuditor } from '../operations/audit.ts'
import type { System } from '../operations/context.ts'
import { refuse } from '../operations/refusals.ts'
import type { LeaseWatch } from '../telemetry/lease-watch.ts'
import type { RequestOutcome } from '../telemetry/metrics.ts'
import { fail, inSpan, isTraceparent } from '../telemetry/trace.ts'
import { SESSION_COOKIE, SESSION_KEY } from './authenticate.ts'
import type { Command } from './command.ts'
import { dispatch, type Outgoing, unreadable } from './dispatch.ts'
import { addProbes } from './probes.ts'
import { receive } from './received.ts'
import { COMMANDS } from './registry.ts'
import { ARRIVAL_MS, HEAD_BYTES, refuseUnread } from './unread.ts'
import { createThrottle, type Throttle } from '../operations/throttle.ts'

/** What the server tells; a pino logger fits. Never parameters: they may be secret. */
export interface ApiLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Where to listen. Port 0: one that the kernel chooses. */
export interface Listen {
  readonly host: string
  readonly port: number
}

/** A certificate with its chain, and its private key, both PEM. */
export interface Tls {
  readonly cert: string
  readonly key: string
}

/** What the server serves, and where. */
export interface ApiOptions {
  readonly system: System
  readonly listen: Listen
  /** TLS for `listen`. Absent: HTTP in the clear, for a loopback address or behind a proxy that ends TLS. */
  readonly tls?: Tls
  /** Origins whose pages may read answers, as `https://console.example.com`; absent: none but the API's own. */
  readonly origins?: readonly string[]
  /** Asks for no credentials and acts as the root administrator: a loopback address only. Absent: there is none. */
  readonly integrationListen?: Listen
  readonly log: ApiLog
  /** Hears of every request that was answered. */
  readonly observe?: (of: { readonly command: string; readonly outcome: RequestOutcome }, seconds: number) => void
  /** Keeps the audit; absent: records have no controller's name. */
  readonly auditor?: Auditor
  /** What `/readyz` says of the runner beside the server. */
  readonly leases?: LeaseWatch
  /** Other commands than all, for tests. */
  readonly commands?: readonly Command[]
}

/** A running server. `close` lets requests end, those that wait for jobs at once, and refuses new ones. */
export interface ApiServer {
  /** Of `listen`, without a path: the API is at `/client/api` under it. */
  readonly url: string
  readonly integrationUrl?: string
  /** Serves connections that are opened from now on under another certificate. Throws when it is none; the old one stays. */
  renew(tls: Tls): void
  close(): Promise<void>
}

const API = '/client/api'
const BODY_BYTES = 256 * 1024

/** Starts the API: `/client/api`, `/healthz` and `/readyz`. Throws when an address cannot be listened on. */
export async function createApiServer(options: ApiOptions): Promise<ApiServer> {
  const { integrationListen } = options
  if (integrationListen !== undefined && !isLoopback(integrationListen.host)) {
    throw new Error(
      `the integration port asks for no credentials, so it cannot listen on ${integrationListen.host}: give a loopback address`,
    )
  }
  const commands = new Map((options.commands ?? COMMANDS).map((command) => [command.name, command]))
  const closing = new AbortController()
  const auditor = options.auditor ?? createAuditor({ node: '', log: options.log })
  const throttle = createThrottle(options.system.store.reader)
  const shared = { ...options, commands, auditor, throttle, closing: closing.signal }
  const server = await build({ ...shared, trusted: false })
  const integration = integrationListen && (await build({ ...shared, ...PLAIN, trusted: true }))
  const close = async () => {
    closing.abort()
    await Promise.all([server.close(), integration?.close()])
  }
  const renew = (tls: Tls) => {
    if (server.server instanceof TlsServer) server.server.setSecureContext(tls)
  }
  try {
    const url = await server.listen({ ...options.listen })
    if (!integration || !integrationListen) return { url, renew, close }
    return { url, integrationUrl: await integration.listen({ ...integrationListen }), renew, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What of the public listener the integration port does not have. */
const PLAIN = { tls: undefined, origins: undefined } as const

interface Built extends Omit<ApiOptions, 'commands' | 'auditor' | 'tls' | 'origins'> {
  readonly tls?: Tls | undefined
  readonly origins?: readonly string[] | undefined
  readonly commands: ReadonlyMap<string, Command>
  readonly auditor: Auditor
  readonly trusted: boolean
  readonly throttle: Throttle
  readonly closing: AbortSignal
}

async function build(options: Built): Promise<FastifyInstance> {
  const { tls, origins } = options
  const app: FastifyInstance = fastify({
    // What one of these says the other does not see.
    ...(tls === undefined ? { http: HEAD } : { https: { ...tls, ...HEAD } }),
    bodyLimit: BODY_BYTES,
    requestTimeout: ARRIVAL_MS,
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseUnread,
    // Ours logs without urls and addresses.
    logger: false,
  })
  await app.register(cookie)
  // Cookies never go to other sites, so their pages sign what they ask for.
  if (origins !== undefined) await app.register(cors, { origin: [...origins], methods: ['GET', 'POST'], ...CORS })
  app.removeAllContentTypeParsers()
  // Kept as text: signatures are checked against the very encoding that was sent.
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) =>
    done(null, body),
  )
  const answer = (request: FastifyRequest, reply: FastifyReply) => handle(options, request, reply)
  app.get(API, answer)
  app.post(API, answer)
  addProbes(app, options)
  app.setNotFoundHandler((_, reply) => reply.code(404).send({ status: 'nothing is here: the API is at /client/api' }))
  app.setErrorHandler((error, _, reply) => send(reply, notRead(error, randomUUID()), { secure: tls !== undefined }))
  return app
}

const HEAD = { maxHeaderSize: HEAD_BYTES } as const

const CORS = { exposedHeaders: ['X-Description', 'X-Request-Id'], maxAge: 3600 }

async function handle(options: Built, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const id = randomUUID()
  reply.header('X-Request-Id', id)
  const { traceparent: parent } = request.headers
  const work = { name: 'request', kind: 'server', fields: { request: id } } as const
  const above = typeof parent === 'string' && isTraceparent(parent) ? { parent } : {}
  return await inSpan({ ...work, ...above }, async (span) => {
    const outgoing = await timed(options, { request, id })
    span.updateName(outgoing.command ?? 'unknown')
    if (outgoing.status >= 500) fail(span, String(outgoing.status))
    // Whose request was in progress as the close began would keep its connection, and the close, for more than a minute.
    if (options.closing.aborted) reply.header('Connection', 'close')
    return send(reply, outgoing, { secure: options.tls !== undefined })
  })
}

interface Asked {
  readonly request: FastifyRequest
  readonly id: string
}

async function timed(options: Built, asked: Asked): Promise<Outgoing> {
  const began = performance.now()
  const outgoing = await answerTo(options, asked)
  const seconds = (performance.now() - began) / 1000
  const { command = 'unknown', username, status, internal } = outgoing
  options.observe?.({ command, outcome: outcomeOf(outgoing) }, seconds)
  const fields = { command, username, status, ms: Math.round(seconds * 1000) }
  if (internal !== undefined) options.log.error({ ...fields, internal }, 'a command failed inside')
  else if (status === 200) options.log.debug(fields, 'answered')
  else options.log.info({ ...fields, refused: outgoing.refused }, 'refused')
  return outgoing
}

function outcomeOf({ status, internal }: Outgoing): RequestOutcome {
  if (status === 200) return 'ok'
  if (status === 401) return 'unauthenticated'
  return internal !== undefined && status >= 500 ? 'failed' : 'refused'
}

async function answerTo(options: Built, { request, id }: Asked): Promise<Outgoing> {
  const { body, method, headers } = request
  try {
    // A page in the operator's browser can reach loopback ports, too; it cannot help to send these headers.
    if (options.trusted && (headers.origin !== undefined || !isLoopback(hostOf(headers.host)))) {
      throw refuse('UNAUTHENTICATED', 'unable to verify user credentials: the integration port is for local programs')
    }
    const query = (request.raw.url ?? '').split('?').slice(1).join('?')
    const received = receive(query, typeof body === 'string' ? body : '')
    const { trusted, closing } = options
    const incoming = { received, cookies: request.cookies, trusted, closing, request: id, source: request.ip }
    return await dispatch(options, { ...incoming, method: method === 'POST' ? 'POST' : 'GET' })
  } catch (error) {
    return unreadable(error, id)
  }
}

/** Bodies that are too large or of another type. */
function notRead(error: unknown, request: string): Outgoing {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  const rule = status === 413 ? `has more than ${BODY_BYTES} bytes` : 'is no application/x-www-form-urlencoded'
  return unreadable(refuse('MALFORMED', `Unable to read the request: its body ${rule}`), request)
}

function send(reply: FastifyReply, outgoing: Outgoing, { secure }: { readonly secure: boolean }): FastifyReply {
  const { session, refused } = outgoing
  const to = { path: '/client', httpOnly: true, sameSite: 'strict', secure } as const
  if (session === 'ended') reply.clearCookie(SESSION_COOKIE, to).clearCookie(SESSION_KEY, to)
  else if (session !== undefined) {
    reply.setCookie(SESSION_COOKIE, session.id, to).setCookie(SESSION_KEY, session.key, to)
  }
  if (refused !== undefined) reply.header('X-Description', refused.replaceAll(/[^\u0020-\u007E]/g, '?').slice(0, 1024))
  return reply
    .code(outgoing.status)
    .type('application/json; charset=UTF-8')
    .header('Cache-Control', 'no-store')
    .header('X-Content-Type-Options', 'nosniff')
    .send(JSON.stringify(outgoing.body))
}

function hostOf(header: string | undefined): string {
  return (header ?? '').replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
}

function isLoopback(host: string): boolean {
  return /^127(\.\d{1,3}){3}$|^::1$|^localhost$/i.test(host)
}
