import { createHmac } from 'node:crypto'

/** An object of the API's answers. */
export type Answered = Readonly<Record<string, unknown>>
/** Parameters of a command; `undefined` is left out. */
export type Asked = Readonly<Record<string, string | number | boolean | undefined>>

/** What the API answered instead of what was asked for. `code` is CloudStack's error code. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal'
  readonly code: number
  constructor(code: number, text: string) {
    super(text)
    this.code = code
  }
}

/** The query API as one user sees it. Everything but `send` throws `ApiRefusal` for an error, and for a failed job. */
export interface TestClient {
  /** The same user at another server. */
  at(url: string): TestClient
  /** HTTP status and the object under the envelope. */
  send(command: string, params?: Asked): Promise<{ readonly status: number; readonly answer: Answered }>
  /** The object under the envelope. */
  ask(command: string, params?: Asked): Promise<Answered>
  /** Runs a command to its end, job included, and answers the object it is about. */
  run(command: string, params?: Asked): Promise<Answered>
  /** The end of a job: its result. */
  job(id: string): Promise<Answered>
  /** What is refused at once: code and text, as `431 Unable to ...`. Throws when it is not. */
  refuses(command: string, params: Asked): Promise<string>
  /** The listed objects; none when the answer is empty. */
  list(command: string, params?: Asked): Promise<readonly Answered[]>
}

/** Whose requests they are. Absent: of nobody in particular, for the integration port. */
export interface TestKeys {
  readonly apiKey: string
  readonly secretKey: string
}

/** A client of the API at `url`; `ended` waits for an operation without asking over and over. */
export function testClient(options: {
  readonly url: string
  readonly keys?: TestKeys
  readonly ended: (operation: string) => Promise<unknown>
}): TestClient {
  const send: TestClient['send'] = (command, params = {}) => request(options, { command, ...params })
  const ask: TestClient['ask'] = async (command, params) => {
    const { answer } = await send(command, params)
    if ('errorcode' in answer) throw new ApiRefusal(Number(answer['errorcode']), String(answer['errortext']))
    return answer
  }
  const job: TestClient['job'] = async (id) => {
    await options.ended(id)
    const { jobstatus, jobresult } = await ask('queryAsyncJobResult', { jobid: id })
    const result = objectOf(jobresult)
    if (jobstatus === 1) return result
    throw new ApiRefusal(Number(result['errorcode']), `${String(result['errortext'])} (jobstatus ${String(jobstatus)})`)
  }
  return {
    at: (url) => testClient({ ...options, url }),
    send,
    ask,
    job,
    async run(command, params) {
      const answer = await ask(command, params)
      return only(typeof answer['jobid'] === 'string' ? await job(answer['jobid']) : answer)
    },
    async refuses(command, params) {
      const { status, answer } = await send(command, params)
      if (answer['errorcode'] === status) return `${status} ${String(answer['errortext'])}`
      throw new Error(`${command} was not refused: ${status} ${JSON.stringify(answer).slice(0, 400)}`)
    },
    async list(command, params) {
      const found = Object.values(await ask(command, params)).find((value) => Array.isArray(value))
      return found === undefined ? [] : found.map(objectOf)
    },
  }
}

/** A text field of an answer; throws where there is none, with the answer. */
export function textOf(answer: Answered, field: string): string {
  const value = answer[field]
  if (typeof value === 'string') return value
  throw new Error(`no ${field} in ${JSON.stringify(answer).slice(0, 400)}`)
}

async function request(
  options: { readonly url: string; readonly keys?: TestKeys },
  params: Asked & { readonly command: string },
): Promise<{ readonly status: number; readonly answer: Answered }> {
  const all = { ...params, response: 'json', apiKey: options.keys?.apiKey }
  const query = Object.entries(all)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${encode(name)}=${encode(value)}`]))
    .toSorted()
    .join('&')
  const answered = await fetch(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: options.keys === undefined ? query : `${query}&signature=${encode(sign(query, options.keys.secretKey))}`,
  })
  const envelope = Object.values(objectOf(await answered.json()))
  return { status: answered.status, answer: objectOf(envelope[0]) }
}

function sign(query: string, secretKey: string): string {
  return createHmac('sha1', secretKey).update(query.toLowerCase()).digest('base64')
}

function encode(part: string): string {
  return encodeURIComponent(part)
}

/** An answer that holds one object, or a list of one, stands for that object. */
function only(answer: Answered): Answered {
  const objects = Object.values(answer).filter((value) => typeof value === 'object' && value !== null)
  const [first] = objects
  if (first === undefined || objects.length > 1) return answer
  return Array.isArray(first) ? objectOf(first[0]) : objectOf(first)
}

function objectOf(value: unknown): Answered {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}
