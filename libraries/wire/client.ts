import http from 'node:http'
import { asPluginError, type Call, type Effect, FAILURES, type FailureCode, PluginError } from '@moorage/contract'

/** Calls one method of a daemon; throws `PluginError` only. */
export type RemoteCall = <Result>(method: string, args: object, call: Call) => Promise<Result>

/** Where a daemon listens, and as whom to speak. */
export interface WireClientOptions {
  /** `http://host:port`, without credentials. */
  readonly url: string
  readonly user: string
  readonly password: string
}

/** Codes of connection errors after which the daemon cannot have seen the request. */
const NEVER_ARRIVED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN', 'ENOENT'])

/**
 * A client of `wireServer`. Keeps connections alive. A refused connection is `UNAVAILABLE` with effect `none`; a line
 * that drops is `UNAVAILABLE` with effect `possible`; the deadline is `TIMEOUT` with effect `possible`.
 */
export function wireClient(options: WireClientOptions): RemoteCall {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
  const authorization = `Basic ${Buffer.from(`${options.user}:${options.password}`).toString('base64')}`
  return async <Result>(method: string, args: object, call: Call): Promise<Result> => {
    const left = call.deadline - Date.now()
    if (left <= 0 || call.signal.aborted) throw new PluginError('TIMEOUT', `${method}: no time left`, 'none')
    const headers = {
      authorization,
      'content-type': 'application/json',
      'idempotency-key': call.key,
      'x-fence': String(call.fence),
      'x-deadline-ms': String(Math.ceil(left)),
    }
    const send = { url: `${options.url}/v1/${method}`, headers, body: JSON.stringify(args), method, agent }
    const answer = await post(send, AbortSignal.any([call.signal, AbortSignal.timeout(Math.ceil(left))]))
    return decode(method, answer) as Result // The method's result type is the contract's; the kit checks that daemons keep it.
  }
}

interface Send {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly method: string
  readonly agent: http.Agent
}

interface Answer {
  readonly status: number
  readonly text: string
  /** True when an earlier attempt may have reached the daemon. */
  readonly repeated: boolean
}

/**
 * One request; repeated once when a kept-alive socket turns out to have been closed, which every method allows by its key.
 * The daemon may have died after doing the work and before answering: after a repetition nothing is certain any more,
 * whatever the second answer says about itself.
 */
async function post(send: Send, signal: AbortSignal): Promise<Answer> {
  const first = await attempt(send, signal)
  if (first !== 'stale-socket') return first
  const second = await attempt(send, signal).catch((error: unknown) => {
    throw uncertain(asPluginError(error))
  })
  if (second !== 'stale-socket') return { ...second, repeated: true }
  throw new PluginError('UNAVAILABLE', `${send.method}: connection lost twice`, 'possible')
}

function uncertain(error: PluginError): PluginError {
  return new PluginError(error.code, error.message, 'possible', error)
}

function attempt(send: Send, signal: AbortSignal): Promise<Answer | 'stale-socket'> {
  return new Promise((resolve, reject) => {
    const request = http.request(send.url, { method: 'POST', agent: send.agent, headers: send.headers, signal })
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (request.reusedSocket && error.code === 'ECONNRESET') resolve('stale-socket')
      else reject(lineError(send.method, error, signal))
    })
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', (error) => reject(lineError(send.method, error, signal)))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), repeated: false }),
      )
    })
    request.end(send.body)
  })
}

function lineError(method: string, error: NodeJS.ErrnoException, signal: AbortSignal): PluginError {
  if (signal.aborted) return new PluginError('TIMEOUT', `${method}: no answer within the deadline`, 'possible', error)
  const effect: Effect = NEVER_ARRIVED.has(error.code ?? '') ? 'none' : 'possible'
  return new PluginError('UNAVAILABLE', `${method}: ${error.code ?? error.message}`, effect, error)
}

function decode(method: string, answer: Answer): unknown {
  const body = parse(answer.text)
  if (answer.status === 200 && body !== undefined) return body['result']
  const error = body?.['error']
  if (isWireError(error)) {
    throw new PluginError(error.code, error.message, answer.repeated ? 'possible' : error.effect)
  }
  throw asPluginError(new Error(`${method}: HTTP ${answer.status} without an error of the contract`))
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWireError(error: unknown): error is { code: FailureCode; message: string; effect: Effect } {
  return (
    isObject(error) &&
    typeof error['code'] === 'string' &&
    Object.hasOwn(FAILURES, error['code']) &&
    typeof error['message'] === 'string' &&
    (error['effect'] === 'none' || error['effect'] === 'possible')
  )
}
