import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { PluginError } from '@moorage/contract'
import { refuse } from './failures.ts'

/** How a web server is asked. */
export interface WebRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** How often one is sent on to another place. */
const REDIRECTS = 5
/** So long a server may say nothing. */
const QUIET_MS = 30_000

/**
 * Asks a web server for a file by http or https, and goes where it is sent on to, but never from https to http. Answers
 * with status 200, 206 or 416; whoever reads the body destroys it. Throws `PluginError`, effect `none`: `NOT_FOUND` where there is no such
 * server or file, `DENIED` where it is not for us, or its certificate is none that we trust, `UNAVAILABLE` where nobody
 * answers now, `INVALID` for all else.
 */
export async function getFrom(url: string, request: WebRequest): Promise<IncomingMessage> {
  let at = new URL(url)
  for (let hop = 0; hop <= REDIRECTS; hop += 1) {
    const answer = await ask(at, request)
    const status = answer.statusCode ?? 0
    const to = [301, 302, 303, 307, 308].includes(status) ? answer.headers.location : undefined
    if (to === undefined) return accepted(answer, status)
    answer.destroy()
    at = nextPlace(at, to)
  }
  throw refuse('INVALID', `${url} sends on more than ${REDIRECTS} times`)
}

/** The bytes of an answer. Throws `UNAVAILABLE`, effect `none`, where the line drops. */
export async function* bodyOf(answer: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* answer as AsyncIterable<Buffer> // No encoding is set: chunks are buffers.
  } catch (error) {
    throw new PluginError('UNAVAILABLE', `the line dropped: ${String(error)}`, 'none', error)
  }
}

function ask(url: URL, { headers, signal }: WebRequest): Promise<IncomingMessage> {
  const { request } = url.protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    // No line is kept: the next request may be hours away. Bytes as they are, not packed for the way.
    const options = { agent: false, signal, headers: { ...headers, 'accept-encoding': 'identity' } } as const
    const asking = request(url, options, resolve)
    asking.setTimeout(QUIET_MS, () => asking.destroy(new Error(`nothing was heard for ${QUIET_MS / 1000} s`)))
    asking.once('error', (error) => reject(failureOfLine(url, error)))
    asking.end()
  })
}

function accepted(answer: IncomingMessage, status: number): IncomingMessage {
  // A line that drops under the body is told by its reader.
  answer.on('error', () => {})
  const packed = answer.headers['content-encoding'] ?? 'identity'
  if ((status === 200 || status === 206 || status === 416) && packed === 'identity') return answer
  answer.destroy()
  if (status === 404 || status === 410) throw refuse('NOT_FOUND', `the server has no such file (${status})`)
  if (status === 401 || status === 403 || status === 407) throw refuse('DENIED', `the server refuses (${status})`)
  if (status === 408 || status === 429 || status >= 500)
    throw refuse('UNAVAILABLE', `the server cannot now (${status})`)
  throw refuse('INVALID', `the server answered with status ${status}, encoding ${packed}`)
}

function nextPlace(from: URL, to: string): URL {
  const url = URL.parse(to, from.href)
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && from.protocol === 'http:')
  if (url && safe && url.username === '' && url.password === '') return url
  throw refuse('INVALID', `${from.host} sends on to what is not followed`)
}

function failureOfLine({ host }: URL, error: Error): PluginError {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'ENOTFOUND') return new PluginError('NOT_FOUND', `there is no host ${host}`, 'none', error)
  // OpenSSL's names of what is wrong with a certificate, and Node's.
  const distrusted = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|^ERR_TLS/.test(code)
  return new PluginError(distrusted ? 'DENIED' : 'UNAVAILABLE', `${host}: ${error.message}`, 'none', error)
}
