import { COMMANDS, type Commands } from './generated/commands.ts'
import type { CommandFacts } from './facts.ts'
import { type ParamValue, signedBody } from './request.ts'

/** A user's API keys. */
export interface Keys {
  readonly apiKey: string
  readonly secretKey: string
}

/** Where the API is, and whose requests they are. */
export interface ClientOptions {
  /** Ends in `/client/api`. */
  readonly url: string
  /** Absent for the integration port, which asks for none. */
  readonly keys?: Keys
}

/** An answer that is an error, or a job that failed. `code` is CloudStack's; `request` finds it in the controller's log. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: number
  readonly request: string | undefined
  constructor(code: number, text: string, request?: string) {
    super(text)
    this.code = code
    this.request = request
  }
}

/** How far a job has come. */
export interface Progress {
  readonly job: string
  /** Absent fields are not known. */
  readonly state?: string
  readonly step?: string
  readonly done?: number
  readonly total?: number
  readonly unit?: string
}

/** How to wait for a job. */
export interface RunOptions {
  /** Told whenever the job was looked at and has not ended. */
  readonly progress?: (progress: Progress) => void
  /** Ends the waiting, not the job: what waits throws the signal's reason. */
  readonly signal?: AbortSignal
}

type Name = keyof Commands
type Params<N extends Name> = Commands[N]['params']
type Answer<N extends Name> = Commands[N]['answer']
type OfKind<Kind> = { readonly [N in Name]: Commands[N]['kind'] extends Kind ? N : never }[Name]

/** The API of one user. Everything throws `ApiError` for what the API answers as an error; `TypeError` when nobody answers. */
export interface ApiClient {
  /** The object under the envelope, as it came. */
  raw(command: string, params?: Readonly<Record<string, ParamValue>>): Promise<Readonly<Record<string, unknown>>>
  /** Runs a command to its end, its job included, and answers what it is about; for commands that list nothing. */
  run<N extends Exclude<Name, OfKind<'list'>>>(command: N, params: Params<N>, options?: RunOptions): Promise<Answer<N>>
  /** Begins a job. `id`: of what it makes, listed from now on. */
  submit<N extends OfKind<'async' | 'async-create'>>(
    command: N,
    params: Params<N>,
  ): Promise<{ readonly job: string; readonly id?: string }>
  /** The result of a job, once it has ended. */
  job(id: string, options?: RunOptions): Promise<Readonly<Record<string, unknown>>>
  /** All that a list command lists, asked for page by page as it is needed. */
  list<N extends OfKind<'list'>>(command: N, params?: Params<N>): AsyncGenerator<Answer<N>, void>
}

/** How long one request waits for a job: a controller that died meanwhile is noticed by then. */
const WAIT_MS = 5_000
/** The same when somebody looks on. */
const SHOWN_WAIT_MS = 500
const PAGE_SIZE = 200

/** A client of the API. No I/O. */
export function createClient(options: ClientOptions): ApiClient {
  const raw: ApiClient['raw'] = (command, params = {}) => request(options, command, params)
  const job: ApiClient['job'] = (id, how = {}) => ended(raw, id, how)
  return {
    raw,
    job,
    async submit(command, params) {
      const { jobid, id } = await raw(command, { ...params })
      return { job: String(jobid), ...(typeof id === 'string' ? { id } : {}) }
    },
    async run<N extends Name>(command: N, params: Params<N>, how?: RunOptions) {
      const { kind, key }: CommandFacts = COMMANDS[command]
      const answer = await raw(command, { ...params })
      const content = kind === 'sync' ? answer : await job(String(answer['jobid']), how)
      // The registry, which the types are generated from, says that this is what stands there.
      return within(content, key) as Answer<N>
    },
    async *list<N extends OfKind<'list'>>(command: N, params?: Params<N>) {
      const { key }: CommandFacts = COMMANDS[command]
      const asked: Readonly<Record<string, ParamValue>> = { ...params }
      const { page: only, pagesize = PAGE_SIZE, ...rest } = asked
      for (let page = Number(only ?? 1); ; page += 1) {
        const answer = await raw(command, { ...rest, page, pagesize })
        const items = answer[key]
        if (!Array.isArray(items)) return
        // As in `run`.
        yield* items as readonly Answer<N>[]
        if (only !== undefined || pagesize === -1 || items.length < Number(pagesize)) return
      }
    },
  }
}

/** The object under its key; where CloudStack answers one object as a list of one, that one. */
function within(content: Readonly<Record<string, unknown>>, key: string): unknown {
  const found = content[key]
  if (Array.isArray(found)) return found[0] ?? {}
  return typeof found === 'object' && found !== null ? found : content
}

async function request(
  { url, keys }: ClientOptions,
  command: string,
  params: Readonly<Record<string, ParamValue>>,
): Promise<Readonly<Record<string, unknown>>> {
  const answered = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: signedBody(command, params, keys),
  })
  const text = await answered.text()
  const content = contentOf(text)
  const id = answered.headers.get('x-request-id') ?? undefined
  if (content === undefined)
    throw new ApiError(answered.status, `${url} is no API: it answered ${text.slice(0, 80)}`, id)
  if ('errorcode' in content) throw new ApiError(Number(content['errorcode']), String(content['errortext']), id)
  return content
}

/** What stands in the one envelope of an answer; `undefined` for what is none. */
function contentOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const body: unknown = JSON.parse(text)
    const content: unknown = typeof body === 'object' && body !== null ? Object.values(body)[0] : undefined
    return typeof content === 'object' && content !== null ? Object.fromEntries(Object.entries(content)) : undefined
  } catch {
    return undefined
  }
}

async function ended(
  raw: ApiClient['raw'],
  id: string,
  { progress, signal }: RunOptions,
): Promise<Readonly<Record<string, unknown>>> {
  for (;;) {
    signal?.throwIfAborted()
    const wait = progress === undefined ? WAIT_MS : SHOWN_WAIT_MS
    const { jobstatus, jobresult } = await raw('queryAsyncJobResult', { jobid: id, wait })
    const result = Object.fromEntries(Object.entries(jobresult ?? {}))
    if (jobstatus === 1) return result
    if (jobstatus === 2) throw new ApiError(Number(result['errorcode']), String(result['errortext']))
    if (progress !== undefined) progress(await progressOf(raw, id))
  }
}

async function progressOf(raw: ApiClient['raw'], job: string): Promise<Progress> {
  const { operation } = await raw('listOperations', { id: job })
  const found: unknown = Array.isArray(operation) ? operation[0] : undefined
  const shown = new Map<string, unknown>(Object.entries(found ?? {}))
  const text = (name: string) => (typeof shown.get(name) === 'string' ? { value: String(shown.get(name)) } : undefined)
  const number = (name: string) =>
    typeof shown.get(name) === 'number' ? { value: Number(shown.get(name)) } : undefined
  const [state, step, unit] = [text('state'), text('step'), text('progressunit')]
  const [done, total] = [number('progressdone'), number('progresstotal')]
  return {
    job,
    ...(state ? { state: state.value } : {}),
    ...(step ? { step: step.value } : {}),
    ...(done ? { done: done.value } : {}),
    ...(total ? { total: total.value } : {}),
    ...(unit ? { unit: unit.value } : {}),
  }
}
