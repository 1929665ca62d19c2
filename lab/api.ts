import { createHmac } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'

/** An object of the API's answers. */
export type Entity = Readonly<Record<string, unknown>>
/** Parameters of a command; `undefined` is left out. */
export type Params = Readonly<Record<string, string | number | boolean | undefined>>

/** Thrown for every answer that is an error, and for a job that failed. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: number
  constructor(code: number, text: string) {
    super(text)
    this.code = code
  }
}

/** The CloudStack query API as the tour uses it: signed requests, as any client of a user would send them. */
export interface Api {
  /** The single object under the envelope, as it came. */
  raw(command: string, params?: Params): Promise<Entity>
  /** Runs a command and, where it is asynchronous, waits for its job; answers the object it is about. */
  run(command: string, params?: Params): Promise<Entity>
  /** Like `run`, without waiting: the job id and, where the command creates something, its id. */
  submit(command: string, params?: Params): Promise<{ readonly job: string; readonly id: string | undefined }>
  /** Waits for a job; throws `ApiError` when it failed. */
  job(id: string): Promise<Entity>
  /** The list that a list command answers; empty when there is none. */
  list(command: string, params?: Params): Promise<readonly Entity[]>
}

/** How long one request waits for a job: a controller that died in the meantime is noticed by then at the latest. */
const JOB_WAIT_MS = 10_000
const JOB_PAUSE_MS = 5

/** A client for one user's keys. `url` ends in `/client/api`. */
export function apiClient(options: {
  readonly url: string
  readonly apiKey: string
  readonly secretKey: string
  readonly jobTimeoutMs?: number
}): Api {
  const raw = (command: string, params: Params = {}) => request(options, command, params)
  const job = (id: string) => waitForJob(raw, id, options.jobTimeoutMs ?? 120_000)
  return {
    raw,
    job,
    async submit(command, params) {
      const answer = await raw(command, params)
      return { job: text(answer, 'jobid'), id: typeof answer['id'] === 'string' ? answer['id'] : undefined }
    },
    async run(command, params) {
      const answer = await raw(command, params)
      return unwrap(
        typeof answer['jobid'] === 'string' && !('jobstatus' in answer) ? await job(answer['jobid']) : answer,
      )
    },
    async list(command, params) {
      const answer = await raw(command, params)
      const found = Object.values(answer).find((value) => Array.isArray(value))
      return (found ?? []) as readonly Entity[] // Lists of the API hold objects only.
    },
  }
}

/** A string field of an answer; throws where it is missing, naming it. */
export function text(entity: Entity, field: string): string {
  const value = entity[field]
  if (typeof value === 'string') return value
  throw new Error(`the answer has no ${field}: ${JSON.stringify(entity).slice(0, 300)}`)
}

async function request(
  options: { readonly url: string; readonly apiKey: string; readonly secretKey: string },
  command: string,
  params: Params,
): Promise<Entity> {
  const all: Record<string, string> = { command, response: 'json', apiKey: options.apiKey }
  for (const [name, value] of Object.entries(params)) if (value !== undefined) all[name] = String(value)
  const query = Object.keys(all)
    .toSorted()
    .map((name) => `${encodeURIComponent(name)}=${encodeURIComponent(all[name] ?? '')}`)
    .join('&')
  const signature = createHmac('sha1', options.secretKey).update(query.toLowerCase()).digest('base64')
  const answer = await fetch(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `${query}&signature=${encodeURIComponent(signature)}`,
  })
  const body = (await answer.json()) as Readonly<Record<string, Entity>> // An envelope is one key over one object.
  const inner = Object.values(body)[0] ?? {}
  if ('errorcode' in inner) throw new ApiError(Number(inner['errorcode']), String(inner['errortext']))
  return inner
}

async function waitForJob(raw: Api['raw'], id: string, withinMs: number): Promise<Entity> {
  const end = Date.now() + withinMs
  for (;;) {
    const wait = Math.max(0, Math.min(JOB_WAIT_MS, end - Date.now()))
    const answer = await raw('queryAsyncJobResult', { jobid: id, wait })
    const result = (answer['jobresult'] ?? {}) as Entity // Absent while the job is pending, else one object.
    if (answer['jobstatus'] === 1) return result
    if (answer['jobstatus'] === 2) throw new ApiError(Number(result['errorcode']), String(result['errortext']))
    if (Date.now() > end) throw new Error(`job ${id} did not end in ${withinMs} ms`)
    // A controller that is closing answers at once.
    await pause(JOB_PAUSE_MS)
  }
}

/** Answers with a single object under a key are that object. */
function unwrap(answer: Entity): Entity {
  const values = Object.values(answer)
  const only = values[0]
  if (values.length === 1 && Array.isArray(only)) return unwrapFirst(only)
  if (values.length === 1 && typeof only === 'object' && only !== null) return only as Entity // An object of the API.
  const listed = values.find((value) => Array.isArray(value))
  return 'count' in answer && Array.isArray(listed) ? unwrapFirst(listed) : answer
}

function unwrapFirst(list: readonly unknown[]): Entity {
  return (list[0] ?? {}) as Entity // Lists of the API hold objects only.
}
