import type { Caller, Role, System } from '../operations/context.ts'
import type { Window } from '../store/queries/page.ts'
import type { Param } from './params.ts'
import type { Throttle } from '../operations/throttle.ts'
import { field, type Rendered, type Shape } from './shape.ts'

/** Callers of what reads or changes a tenant's own things. Rows are narrowed to what the caller may see. */
export const TENANTS = ['admin', 'domain-admin', 'user'] as const satisfies readonly Role[]
/** Everyone: of commands that read. */
export const EVERYONE = [...TENANTS, 'read-only-admin'] as const satisfies readonly Role[]
/** Operators: of commands that change the installation. */
export const OPERATORS = ['admin'] as const satisfies readonly Role[]
/** Operators and those who may look at what operators see. */
export const OPERATORS_READING = ['admin', 'read-only-admin'] as const satisfies readonly Role[]
/** Those who administer a domain or all. */
export const DOMAIN_OPERATORS = ['admin', 'domain-admin'] as const satisfies readonly Role[]

/**
 * `sync`: the answer is the result. `async`: the answer is a job id. `async-create`: an id besides, of an entity that is
 * listed from then on.
 */
export type CommandKind = 'sync' | 'async' | 'async-create'

/** Parameters by name, lower case. `page` and `pagesize` belong to every list and are not declared. */
export type Params = Readonly<Record<string, Param<unknown>>>

/** What `run` gets: required parameters are there, optional ones only if they were given. */
export type ParamsOf<P extends Params> = {
  readonly [Name in keyof P as P[Name] extends Param<unknown, true> ? Name : never]: ValueOf<P[Name]>
} & {
  readonly [Name in keyof P as P[Name] extends Param<unknown, true> ? never : Name]?: ValueOf<P[Name]>
}
type ValueOf<P> = P extends Param<infer Value> ? Value : never

/** A request, authenticated, authorised and read. */
export interface Request<P> {
  readonly system: System
  readonly caller: Caller
  readonly params: P
  /** Which part of a list to answer; all of it for commands that list nothing. */
  readonly page: Window
  /** All commands by name: for those that tell of others. */
  readonly commands: ReadonlyMap<string, Command>
  /** Aborted when the server closes: answers that wait for something come then as things stand. */
  readonly closing: AbortSignal
  /** Address from which it came. */
  readonly source: string
  readonly throttle: Throttle
  /** Id of the session that the request came with, where it came with one. */
  readonly session?: string
}

/** What a synchronous command answers. `list` holds the asked part, `count` is the length of the whole. */
export type SyncAnswer<S extends Shape> =
  | { readonly object: Rendered<S> }
  | { readonly list: readonly Rendered<S>[]; readonly count: number }
  | { readonly success: boolean; readonly displaytext?: string }
  /** Stands in the envelope as it is. `session`: to set, or to end, the caller's session cookies. */
  | {
      readonly raw: Readonly<Record<string, unknown>>
      readonly session?: { readonly id: string; readonly key: string } | 'ended'
    }

/** What a command answers, by its kind. */
export type AnswerOf<K extends CommandKind, S extends Shape> = K extends 'sync'
  ? SyncAnswer<S>
  : K extends 'async'
    ? { readonly operation: string }
    : { readonly operation: string; readonly id: string }

/** Any answer, for the envelope. */
export type Answer = SyncAnswer<Shape> | { readonly operation: string; readonly id?: string }

/** What is answered: under which key, with which fields. */
export interface Response<S extends Shape = Shape> {
  /** Key of the object, or of the list; also of the object in a finished job's result. */
  readonly key: string
  readonly shape: S
  /** The command answers a list, in pages. */
  readonly list?: true
  /** Where it is not the command in lower case and `response`. */
  readonly envelope?: string
  /** The object's fields stand in the envelope themselves, under no key. */
  readonly flat?: true
  /** CloudStack answers the one object as a list of one. */
  readonly listShaped?: true
}

/** Response of commands that answer `success`, at once or as their job's result. */
export const SUCCESS = {
  key: 'success',
  shape: {
    success: field.boolean('true if the operation was executed successfully'),
    displaytext: field.string('any text associated with the success or failure'),
  },
} as const satisfies Response

/** What a finished job was about. */
export interface Finished {
  readonly system: System
  readonly caller: Caller
  /** Id of the operation's subject. */
  readonly subject: string
}

/** A command as it is declared. Everything else, listApis and documents included, is derived from this. */
export interface CommandSpec<P extends Params, S extends Shape, K extends CommandKind> {
  readonly name: string
  readonly kind: K
  /** One sentence, as listApis shows it. */
  readonly description: string
  readonly since?: string
  /** CloudStack has no such command. */
  readonly extension?: true
  /** Needs no authentication; its caller is nobody. */
  readonly open?: true
  /** Refused by GET: its parameters are secret, and urls are logged. */
  readonly post?: true
  readonly roles: readonly Role[]
  readonly params: P
  readonly response: Response<S>
  run(request: Request<ParamsOf<P>>): Promise<AnswerOf<K, S>>
  /**
   * Renders the subject of a finished job from the rows as they are now. Absent: its result is `success`. `undefined`
   * when the subject is gone, which is answered as `success`, too.
   */
  result?(done: Finished): Promise<Rendered<S> | undefined>
}

/** A command with the types of its parameters and answer erased, as the registry holds it. */
export interface Command extends Omit<CommandSpec<Params, Shape, CommandKind>, 'run' | 'result'> {
  run(request: Request<Readonly<Record<string, unknown>>>): Promise<Answer>
  result?(done: Finished): Promise<Rendered<Shape> | undefined>
}

/** Declares a command: checks that `run` reads only declared parameters and answers only declared fields. */
export function defineCommand<const P extends Params, const S extends Shape, const K extends CommandKind>(
  spec: CommandSpec<P, S, K>,
): Command {
  // The dispatcher reads the parameters by this very spec before it calls `run`.
  return spec
}
