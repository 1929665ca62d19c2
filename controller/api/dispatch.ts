import type { AttemptAudit, Auditor } from '../operations/audit.ts'
import type { Caller, System } from '../operations/context.ts'
import { sightOf } from '../operations/ownership.ts'
import { refuse, type Told, told } from '../operations/refusals.ts'
import { isAudited, shownParams } from './audited.ts'
import { authenticate, type Sender, SESSION_COOKIE } from './authenticate.ts'
import type { Answer, Command } from './command.ts'
import { contentOf, envelopeOf, failureContent } from './envelope.ts'
import { windowOf } from './paging.ts'
import { shown } from './params.ts'
import type { Throttle } from '../operations/throttle.ts'
import { type Arguments, argumentsOf, valueOf } from './received.ts'

/** A request to the query API. */
export interface Incoming extends Sender {
  readonly method: 'GET' | 'POST'
  /** Id of the request: what a caller is told of a fault inside, and what every log line of it has. */
  readonly request: string
  /** Address from which it came. */
  readonly source: string
  /** Aborted when the server closes. */
  readonly closing: AbortSignal
}

/** Its answer, and what of it the log and the metrics may know. */
export interface Outgoing {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  /** Text of the refusal: also goes into the header `X-Description`. */
  readonly refused?: string
  /** Session cookies to set or to end. */
  readonly session?: { readonly id: string; readonly key: string } | 'ended'
  /** The command, when it is one of ours. */
  readonly command?: string
  readonly username?: string
  /** What happened inside, for operators, with the id that the caller was told. */
  readonly internal?: string
}

/** Caller of commands that need no authentication: may do nothing and owns nothing. */
const NOBODY: Caller = {
  principalId: '',
  username: '',
  accountId: '',
  accountName: '',
  domainId: '',
  domainPath: '',
  role: 'user',
}

/** What requests are answered with. */
export interface Serving {
  readonly system: System
  readonly commands: ReadonlyMap<string, Command>
  readonly auditor: Auditor
  readonly throttle: Throttle
}

/** Answers one request. Never throws. Every attempt at a command that is audited leaves its record, refused or not. */
export async function dispatch(serving: Serving, incoming: Incoming): Promise<Outgoing> {
  const { system, commands, auditor, throttle } = serving
  const name = valueOf(incoming.received, 'command')
  const command = commands.get(name ?? '')
  let caller: Caller | undefined
  let audit = attemptOf(auditor, { system, command, incoming, caller })
  try {
    if (name === undefined || name === '') throw refuse('UNKNOWN_COMMAND', 'Invalid request, no command sent')
    if (!command) throw unavailable(name)
    if (command.post === true && incoming.method !== 'POST') throw wrongMethod(command)
    caller = command.open === true ? NOBODY : await authenticate(system, incoming)
    if (!incoming.trusted) await throttle.request(caller)
    if (caller !== NOBODY) audit = attemptOf(auditor, { system, command, incoming, caller })
    if (command.open !== true && !command.roles.includes(caller.role)) throw unavailable(name)
    const { answer, admin } = await run(
      { system: audit?.system ?? system, commands, command, caller, throttle },
      incoming,
    )
    await audit?.settle()
    return {
      status: 200,
      body: { [envelopeOf(command)]: contentOf(command, answer, admin) },
      ...('session' in answer && answer.session !== undefined ? { session: answer.session } : {}),
      command: command.name,
      username: caller.username,
    }
  } catch (error) {
    const what = { ...(error instanceof WrongMethod ? error.told : told(error)), request: incoming.request }
    await audit?.settle(what)
    return { ...failed(what, command), ...(caller === undefined ? {} : { username: caller.username }) }
  }
}

interface Running {
  readonly system: System
  readonly commands: ReadonlyMap<string, Command>
  readonly command: Command
  readonly caller: Caller
  readonly throttle: Throttle
}

async function run(
  { system, commands, command, caller, throttle }: Running,
  incoming: Incoming,
): Promise<{ readonly answer: Answer; readonly admin: boolean }> {
  const admin = isAdmin(caller)
  const args = argumentsOf(incoming.received)
  const at = { command: command.name, system, sight: sightOf(caller) }
  const params = await readParams(command, args, { ...at, admin })
  const page = command.response.list === true ? await windowOf(args.given, at) : { offset: 0 }
  const session = incoming.cookies[SESSION_COOKIE]
  const rest = session === undefined ? {} : { session }
  const { closing, source } = incoming
  return {
    answer: await command.run({ system, caller, params, page, commands, closing, source, throttle, ...rest }),
    admin,
  }
}

/** Whether the caller sees what only administrators see. */
export function isAdmin(caller: Pick<Caller, 'role'>): boolean {
  return caller.role === 'admin' || caller.role === 'read-only-admin'
}

/** All at once, since many are looked up; what is wrong with the first of them is what is said. */
async function readParams(
  command: Command,
  args: Arguments,
  at: Parameters<typeof windowOf>[1] & { readonly admin: boolean },
): Promise<Readonly<Record<string, unknown>>> {
  const visible = Object.entries(command.params).filter(([, param]) => param.admin !== true || at.admin)
  const read = await Promise.allSettled(visible.map(([name, param]) => readParam(param, args, { ...at, name })))
  const params: Record<string, unknown> = {}
  for (const [index, result] of read.entries()) {
    if (result.status === 'rejected') throw result.reason
    const name = visible[index]?.[0]
    if (name !== undefined && result.value !== undefined) params[name] = result.value
  }
  return params
}

async function readParam(
  param: Command['params'][string],
  { given, broken }: Arguments,
  at: Parameters<typeof windowOf>[1] & { readonly name: string },
): Promise<unknown> {
  const { name, command } = at
  const lower = command.toLowerCase()
  if (param.type === 'map' && broken.has(name)) {
    throw refuse('MALFORMED', `Unable to decode parameter ${name}: it must be given as ${name}[0].name=value`)
  }
  const arg = given.get(name)
  const texts = arg === undefined ? [] : 'text' in arg ? [arg.text] : arg.entries.map(({ value }) => value)
  if (texts.some((text) => text.length > param.length)) {
    throw refuse(
      'INVALID',
      `Unable to execute API command ${lower} due to invalid value. Value greater than max allowed length ` +
        `${param.length} for param: ${name}`,
    )
  }
  const value = arg === undefined ? undefined : await param.read(arg, at)
  if (param.needed && (value === undefined || value === '')) {
    throw refuse('INVALID', `Unable to execute API command ${lower} due to missing parameter ${name}`)
  }
  return value
}

function unavailable(name: string): Error {
  return refuse(
    'UNKNOWN_COMMAND',
    `The given command '${shown(name)}' either does not exist, or is not available for this user`,
  )
}

/** CloudStack answers it by a number that no refusal has. */
class WrongMethod extends Error {
  readonly told: Told
  constructor(text: string) {
    super(text)
    this.told = { http: 405, cs: undefined, text }
  }
}

function wrongMethod(command: Command): Error {
  return new WrongMethod(`Please use HTTP POST for ${command.name}`)
}

function attemptOf(
  auditor: Auditor,
  of: {
    readonly system: System
    readonly command: Command | undefined
    readonly incoming: Incoming
    readonly caller: Caller | undefined
  },
): AttemptAudit | undefined {
  const { system, command, incoming, caller } = of
  if (command === undefined || !isAudited(command)) return undefined
  const { request, source, received } = incoming
  return auditor.attempt(system, {
    request,
    source,
    command: command.name,
    params: shownParams(command, received),
    caller,
  })
}

/** Unknown commands, those a caller may not use, and requests that could not be read are answered by `errorresponse`. */
function failed(what: Told & { readonly request: string }, command: Command | undefined): Outgoing {
  const { request: reference } = what
  const hidden = what.internal !== undefined && what.http === 530
  const text = hidden ? `${what.text} (reference ${reference})` : what.text
  const envelope = command === undefined || what.http === 432 ? 'errorresponse' : envelopeOf(command)
  return {
    status: what.http,
    body: { [envelope]: failureContent({ ...what, text }) },
    refused: text,
    ...(command === undefined ? {} : { command: command.name }),
    ...(what.internal === undefined ? {} : { internal: hidden ? `${reference}: ${what.internal}` : what.internal }),
  }
}

/** The answer to a request that could not be read at all. */
export function unreadable(error: unknown, request: string): Outgoing {
  return failed({ ...told(error), request }, undefined)
}
