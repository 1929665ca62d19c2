import { z } from 'zod'
import type { System } from '../operations/context.ts'
import { refuse } from '../operations/refusals.ts'
import { type EntityKind, findEntities } from '../store/queries/entities.ts'
import type { Ownership, TagFilter } from '../store/queries/page.ts'

/** Types of parameters, as `listApis` names them. */
export type ParamType = 'uuid' | 'string' | 'integer' | 'long' | 'boolean' | 'date' | 'list' | 'map'

/** What a request gives for one parameter: text, or the entries of `name[0].key=value`. */
export type Given =
  | { readonly text: string }
  | { readonly entries: readonly { readonly index: number; readonly key: string; readonly value: string }[] }

/** Where a parameter is read. */
export interface At {
  /** Command and parameter, for the text of a refusal. */
  readonly command: string
  readonly name: string
  readonly system: System
  /** What the caller may see. */
  readonly sight: Ownership
}

/** One parameter of a command. `Needed` is whether a request without it is refused. */
export interface Param<Value, Needed extends boolean = boolean> {
  readonly type: ParamType
  readonly description: string
  readonly needed: Needed
  /** Longest text accepted, in characters. */
  readonly length: number
  readonly since?: string
  /** From others than administrators it is ignored, as if it had not been sent. */
  readonly admin?: true
  /** What it names, where it names entities. */
  readonly entity?: EntityKind
  /** True: its value is never repeated, neither in an answer nor in a log. */
  readonly secret?: true
  /** `undefined` means as good as not given. Throws `Refusal` that names the parameter and the rule. */
  read(given: Given, at: At): Value | undefined | Promise<Value | undefined>
}

/** What every builder takes. */
export interface About {
  readonly description: string
  readonly required?: boolean
  readonly since?: string
  readonly admin?: true
  readonly length?: number
}
type NeededOf<A extends About> = A extends { readonly required: true } ? true : false

const USUAL_LENGTH = 255
const LIST_LENGTH = 16_384

function head<A extends About>(about: A, type: ParamType, length = USUAL_LENGTH) {
  return {
    type,
    description: about.description,
    // What `NeededOf` says of the very same value.
    needed: (about.required === true) as NeededOf<A>,
    length: about.length ?? length,
    ...(about.since === undefined ? {} : { since: about.since }),
    ...(about.admin === undefined ? {} : { admin: about.admin }),
  }
}

/** Free text. Given but empty, it is `''` where it is optional and missing where it is required. `secret`: see `Param`. */
export function text<const A extends About & { readonly secret?: true }>(about: A): Param<string, NeededOf<A>> {
  return {
    ...head(about, 'string'),
    ...(about.secret === undefined ? {} : { secret: about.secret }),
    read: (given, at) => textOf(given, at),
  }
}

/** One of `values`, in whatever case; read as it stands in `values`. */
export function choice<const Value extends string, const A extends About>(
  values: readonly Value[],
  about: A,
): Param<Value, NeededOf<A>> {
  return {
    ...head(about, 'string'),
    read(given, at) {
      const asked = textOf(given, at)
      if (asked === '') return undefined
      const found = values.find((value) => value.toLowerCase() === asked.toLowerCase())
      if (found === undefined) throw invalid(at, asked, `it must be one of ${values.join(', ')}`)
      return found
    },
  }
}

/**
 * A parameter of CloudStack whose promise nobody keeps here. Ignoring it would break that promise in silence, so it is
 * refused, but for the values `harmless`, which ask for nothing.
 */
export function unsupported<const A extends About>(
  about: A & { readonly harmless?: readonly string[] },
): Param<never, NeededOf<A>> {
  return {
    ...head(about, 'string', LIST_LENGTH),
    read(given, at) {
      const asked = 'text' in given ? given.text.trim() : 'entries'
      if (asked === '' || about.harmless?.includes(asked.toLowerCase()) === true) return undefined
      throw invalid(at, asked, 'it is not supported here')
    },
  }
}

const WHOLE = z
  .string()
  .regex(/^[+-]?\d{1,19}$/)
  .transform(Number)

/** A whole number of 32 bits, within `least` and `most` where they are given. */
export function integer<const A extends About & Bounds>(about: A): Param<number, NeededOf<A>> {
  const least = about.least ?? -(2 ** 31)
  const most = about.most ?? 2 ** 31 - 1
  return { ...head(about, 'integer'), read: (given, at) => numberOf(given, at, { least, most }) }
}

/** A whole number within `least` and `most`, or that JavaScript holds exactly: bytes, operations per second. */
export function long<const A extends About & Bounds>(about: A): Param<number, NeededOf<A>> {
  const least = about.least ?? Number.MIN_SAFE_INTEGER
  const most = about.most ?? Number.MAX_SAFE_INTEGER
  return { ...head(about, 'long'), read: (given, at) => numberOf(given, at, { least, most }) }
}

interface Bounds {
  readonly least?: number
  readonly most?: number
}

function numberOf(given: Given, at: At, bounds: Required<Bounds>): number | undefined {
  const asked = textOf(given, at).trim()
  if (asked === '') return undefined
  const read = WHOLE.safeParse(asked)
  if (!read.success) throw invalid(at, asked, 'it must be a whole number')
  const { least, most } = bounds
  if (read.data >= least && read.data <= most) return read.data
  const rule = read.data < least ? `it must be at least ${least}` : `it must be at most ${most}`
  throw invalid(at, asked, rule)
}

/** `true` or `false`, in whatever case. */
export function flag<const A extends About>(about: A): Param<boolean, NeededOf<A>> {
  return {
    ...head(about, 'boolean'),
    read(given, at) {
      const asked = textOf(given, at).trim().toLowerCase()
      if (asked === '') return undefined
      if (asked !== 'true' && asked !== 'false') throw invalid(at, asked, 'it must be true or false')
      return asked === 'true'
    },
  }
}

const DATE = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?( ?([+-]\d\d:?\d\d|Z))?)?$/)
  .transform((value) => new Date(isoOf(value)))
  .refine((date) => !Number.isNaN(date.getTime()))

/**
 * A point in time: `yyyy-MM-dd`, or with `'T'HH:mm:ss` and an offset; without an offset in UTC. `dayEnds`: a day without a
 * time is its end, which is when the next one begins.
 */
export function date<const A extends About & { readonly dayEnds?: true }>(about: A): Param<Date, NeededOf<A>> {
  return {
    ...head(about, 'date'),
    read(given, at) {
      const asked = textOf(given, at).trim()
      if (asked === '') return undefined
      const read = DATE.safeParse(asked)
      if (!read.success) throw invalid(at, asked, "it must be yyyy-MM-dd or yyyy-MM-dd'T'HH:mm:ss+0000")
      return about.dayEnds === true && asked.length === DAY.length ? new Date(read.data.getTime() + DAY_MS) : read.data
    },
  }
}

const DAY = 'yyyy-MM-dd'
const DAY_MS = 86_400_000

/** In a query an offset's `+` may have become a space. */
function isoOf(value: string): string {
  const [day = '', rest] = value.split(/[T ](.*)/s)
  if (rest === undefined) return `${day}T00:00:00Z`
  const [time = '', offset = 'Z'] = rest.split(/(?= ?[+-]|Z)/)
  return `${day}T${time}${offset.trim().replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`
}

/** Texts, separated by commas; empty ones are left out. */
export function list<const A extends About>(about: A): Param<readonly string[], NeededOf<A>> {
  return { ...head(about, 'list', LIST_LENGTH), read: (given, at) => parts(textOf(given, at)) }
}

/**
 * Names and values: `details[0].key=a&details[0].value=b` or `details[0].a=b`, as CloudStack's clients write them. Names
 * keep their case; of one given twice the last value holds.
 */
export function map<const A extends About>(about: A): Param<Readonly<Record<string, string>>, NeededOf<A>> {
  return {
    ...head(about, 'map', LIST_LENGTH),
    read: (given, at) => nonEmpty(Object.fromEntries(pairs(given, at).map(({ key, value }) => [key, value ?? '']))),
  }
}

/** Resource tags, `tags[0].key=a&tags[0].value=b`; without a value it matches any. */
export function tags<const A extends About>(about: A): Param<readonly TagFilter[], NeededOf<A>> {
  return {
    ...head(about, 'map', LIST_LENGTH),
    read(given, at) {
      const found = pairs(given, at).map(({ key, value }) => ({ key, ...(value === undefined ? {} : { value }) }))
      return found.length === 0 ? undefined : found
    },
  }
}

/**
 * The id of an entity that is there and that the caller may see; given as uuid or as internal number. `-1`, CloudStack's
 * "all", is as good as not given where it is optional. `removed` finds removed ones, too.
 */
export function entity<const A extends About & { readonly removed?: true }>(
  kind: EntityKind,
  about: A,
): Param<string, NeededOf<A>> {
  return {
    ...head(about, 'uuid'),
    entity: kind,
    async read(given, at) {
      const asked = textOf(given, at).trim()
      if (asked === '' || (asked === '-1' && about.required !== true)) return undefined
      const [found] = await findEntities(at.system.store.reader, {
        kind,
        values: [asked],
        sight: at.sight,
        removed: about.removed === true,
      })
      if (found === undefined) throw noEntity(at, asked)
      return found
    },
  }
}

/** As `entity`, for several, separated by commas. */
export function entities<const A extends About & { readonly removed?: true }>(
  kind: EntityKind,
  about: A,
): Param<readonly string[], NeededOf<A>> {
  return {
    ...head(about, 'list', LIST_LENGTH),
    entity: kind,
    async read(given, at) {
      const values = parts(textOf(given, at))
      if (values.length === 0) return undefined
      const { sight, system } = at
      const found = await findEntities(system.store.reader, { kind, values, sight, removed: about.removed === true })
      return found.map((id, index) => {
        if (id === undefined) throw noEntity(at, values[index] ?? '')
        return id
      })
    },
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** A uuid of whatever kind, which need not be there. */
export function uuid<const A extends About>(about: A): Param<string, NeededOf<A>> {
  return {
    ...head(about, 'uuid'),
    read(given, at) {
      const asked = textOf(given, at).trim()
      if (asked === '') return undefined
      if (!UUID.test(asked)) throw invalid(at, asked, 'it must be a uuid')
      return asked.toLowerCase()
    },
  }
}

/** What is wrong with a value, in CloudStack's words, and the rule. */
function invalid(at: Pick<At, 'command' | 'name'>, value: string, rule: string): Error {
  const command = at.command.toLowerCase()
  return refuse(
    'INVALID',
    `Unable to execute API command ${command} due to invalid value ${shown(value)} for parameter ${at.name}: ${rule}`,
  )
}

/** Values are repeated in an answer and its header: only what is harmless in both, and not at length. */
export function shown(value: string): string {
  const clean = value.replaceAll(/[^\u0020-\u007E]/g, '?')
  return clean.length <= 64 ? clean : `${clean.slice(0, 64)}...`
}

function noEntity(at: At, value: string): Error {
  return refuse(
    'NOT_FOUND',
    `Unable to execute API command ${at.command.toLowerCase()} due to invalid value. Invalid parameter ${at.name} ` +
      `value=${shown(value)} due to incorrect long value format, or entity does not exist or due to incorrect parameter ` +
      'annotation for the field in api cmd class.',
  )
}

function textOf(given: Given, at: At): string {
  if ('text' in given) return given.text
  throw refuse('MALFORMED', `Unable to decode parameter ${at.name}: it takes text, not ${at.name}[0].name=value`)
}

function parts(value: string): readonly string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function pairs(given: Given, at: At): readonly { readonly key: string; readonly value: string | undefined }[] {
  if ('text' in given) {
    if (given.text.trim() === '') return []
    throw refuse('MALFORMED', `Unable to decode parameter ${at.name}: it must be given as ${at.name}[0].name=value`)
  }
  const rows = Map.groupBy(given.entries, ({ index }) => index)
  return [...rows.values()].flatMap((row) => {
    const keys = row.map(({ key }) => key.toLowerCase())
    const key = row[keys.indexOf('key')]
    const spelledOut = key !== undefined && keys.every((name) => name === 'key' || name === 'value')
    return spelledOut ? [{ key: key.value, value: row[keys.indexOf('value')]?.value }] : row
  })
}

function nonEmpty(object: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  return Object.keys(object).length === 0 ? undefined : object
}
