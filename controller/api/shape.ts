/** Types of answered fields, as `listApis` names them. */
export type FieldType = 'string' | 'integer' | 'long' | 'boolean' | 'date' | 'map' | 'list' | 'responseobject'

/** One field of an answered object. */
export interface Field<Value> {
  readonly type: FieldType
  readonly description: string
  /** Seen by administrators only: left out of every other caller's answers and of its `listApis`. */
  readonly admin?: true
  /** Of the objects in a `list`, or of a `responseobject`. */
  readonly fields?: Shape
  /** Never there: carries the type. */
  readonly carried?: Value
}

/** The fields of an answered object by name, in the order in which they are answered. */
export type Shape = Readonly<Record<string, Field<unknown>>>

/** What a command gives for a shape. `null` and `undefined` are left out of the answer: CloudStack has no null. */
export type Rendered<S extends Shape> = {
  readonly [Name in keyof S]?: ValueOf<S[Name]> | null | undefined
}
type ValueOf<F> = F extends Field<infer Value> ? Value : never

type More = Pick<Field<unknown>, 'admin'>

/** Fields by type. The second argument says `{ admin: true }` where tenants must not see the field. */
export const field = {
  /** Also what CloudStack answers as text although it is a number, as `percentused`. */
  string: (description: string, more: More = {}): Field<string> => ({ type: 'string', description, ...more }),
  integer: (description: string, more: More = {}): Field<number> => ({ type: 'integer', description, ...more }),
  /** A whole number beyond 32 bits: bytes, operations. */
  long: (description: string, more: More = {}): Field<number> => ({ type: 'long', description, ...more }),
  boolean: (description: string, more: More = {}): Field<boolean> => ({ type: 'boolean', description, ...more }),
  date: (description: string, more: More = {}): Field<Date> => ({ type: 'date', description, ...more }),
  /** An object whose names are not known beforehand. */
  map: (description: string, more: More = {}): Field<Readonly<Record<string, unknown>>> => ({
    type: 'map',
    description,
    ...more,
  }),
  strings: (description: string, more: More = {}): Field<readonly string[]> => ({ type: 'list', description, ...more }),
  list: <S extends Shape>(fields: S, description: string, more: More = {}): Field<readonly Rendered<S>[]> => ({
    type: 'list',
    description,
    fields,
    ...more,
  }),
  object: <S extends Shape>(fields: S, description: string, more: More = {}): Field<Rendered<S>> => ({
    type: 'responseobject',
    description,
    fields,
    ...more,
  }),
} as const

/** Fields that every listed entity has while an operation on it is open. */
export const pendingFields = {
  jobid: field.string('id of the latest open job on it'),
  jobstatus: field.integer('status of that job: 0 while it is open'),
} as const

/** A resource tag inside the entity that carries it. */
export const tagFields = {
  key: field.string('key of the tag'),
  value: field.string('value of the tag'),
  resourcetype: field.string('type of the resource'),
  resourceid: field.string('id of the resource'),
  account: field.string('account of the tag'),
  domainid: field.string('id of the domain of the tag'),
  domain: field.string('domain of the tag'),
} as const

/**
 * The answer for an object: in the order of the shape, without what is null, dates as CloudStack writes them, and without
 * what only administrators see unless `admin`. Throws on a field that the shape does not declare: it would be answered
 * to clients that were told of no such field.
 */
export function render<S extends Shape>(
  shape: S,
  object: Rendered<S>,
  options: { readonly admin: boolean },
): Readonly<Record<string, unknown>> {
  const undeclared = Object.keys(object).find((name) => !Object.hasOwn(shape, name))
  if (undeclared !== undefined) throw new Error(`a command answers ${undeclared}, which its shape does not declare`)
  const answer: Record<string, unknown> = {}
  for (const [name, of] of Object.entries(shape)) {
    const value: unknown = object[name]
    if (value === null || value === undefined || (of.admin === true && !options.admin)) continue
    answer[name] = renderValue(of, value, options)
  }
  return answer
}

function renderValue(of: Field<unknown>, value: unknown, options: { readonly admin: boolean }): unknown {
  if (value instanceof Date) return formatDate(value)
  const { fields } = of
  if (fields === undefined) return value
  // The type of `field.list` and `field.object` makes these objects of the shape `fields`.
  const inner = (one: unknown) => render(fields, one as Rendered<Shape>, options)
  return Array.isArray(value) ? value.map(inner) : inner(value)
}

/** CloudStack's date: seconds, and an offset without colon. Clients' parsers take no other. */
function formatDate(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, '+0000')
}
