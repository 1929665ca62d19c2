import { refuse } from '../operations/refusals.ts'
import type { Given } from './params.ts'

/** One `name=value` of a query or form, as it came and decoded. */
export interface Pair {
  readonly rawName: string
  readonly rawValue: string
  readonly name: string
  readonly value: string
}

/** A request's parameters, query and form together, in the order in which they came. */
export type Received = readonly Pair[]

const MOST_PARAMETERS = 2048

/** Reads queries and forms (`application/x-www-form-urlencoded`). Throws `Refusal` `MALFORMED`. */
export function receive(...encoded: readonly string[]): Received {
  const parts = encoded.flatMap((text) => text.split('&')).filter((part) => part !== '')
  if (parts.length > MOST_PARAMETERS) throw refuse('MALFORMED', `More than ${MOST_PARAMETERS} parameters were sent`)
  return parts.map((part) => {
    const at = part.indexOf('=')
    const rawName = at < 0 ? part : part.slice(0, at)
    const rawValue = at < 0 ? '' : part.slice(at + 1)
    const name = decode(rawName)
    // Signatures are made over `name=value&...` with bare names: one that holds a separator could pass for two parameters.
    if (/[=&]/.test(name)) throw refuse('MALFORMED', 'Unable to decode a parameter: its name holds = or &')
    return { rawName, rawValue, name, value: decode(rawValue) }
  })
}

/** Value of a parameter, whatever the case of its name; the first of several. `undefined` when it was not sent. */
export function valueOf(received: Received, name: string): string | undefined {
  return received.find((pair) => pair.name.toLowerCase() === name)?.value
}

/**
 * What the request gives for each parameter, by name in lower case: of several texts the first, of `name[0].key=value`
 * all. An entry of a map that cannot be read is kept apart: it only matters to a command that has that parameter.
 */
export interface Arguments {
  readonly given: ReadonlyMap<string, Given>
  /** Names of maps that could not be read. */
  readonly broken: ReadonlySet<string>
}

/** Sorts what was received by parameter. */
export function argumentsOf(received: Received): Arguments {
  const given = new Map<string, Given>()
  const entries = new Map<string, { readonly index: number; readonly key: string; readonly value: string }[]>()
  const broken = new Set<string>()
  for (const { name, value } of received) {
    const base = name.replace(/\[.*/s, '').toLowerCase()
    if (base.length === name.length) {
      if (!given.has(base)) given.set(base, { text: value })
      continue
    }
    const parsed = /^\[(\d{1,6})\]\.(.+)$/s.exec(name.slice(base.length))
    if (!parsed || /[[\]]/.test(parsed[2] ?? '')) broken.add(base)
    else entries.set(base, [...(entries.get(base) ?? []), { index: Number(parsed[1]), key: parsed[2] ?? '', value }])
  }
  for (const [name, rows] of entries) if (!given.has(name)) given.set(name, { entries: rows })
  return { given, broken }
}

function decode(text: string): string {
  const decoded = decodeURIComponentOf(text.replaceAll('+', ' '))
  // No text that the database could keep has it.
  if (decoded === undefined || decoded.includes('\0')) {
    throw refuse('MALFORMED', 'Unable to decode a parameter: it is not percent-encoded UTF-8, or holds a NUL')
  }
  return decoded
}

function decodeURIComponentOf(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
