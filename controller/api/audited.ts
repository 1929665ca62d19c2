import type { Command } from './command.ts'
import { type Received } from './received.ts'

/** Commands that only read, by their first word; every other is in the audit. */
const READS = /^(list|query|simulate)[A-Z]/

/** True for commands that change something, or hand out a secret: each attempt at one is in the audit. */
export function isAudited(command: Pick<Command, 'name'>): boolean {
  return !READS.test(command.name)
}

const OMITTED = new Set([
  'command',
  'response',
  'apikey',
  'signature',
  'signatureversion',
  'expires',
  'sessionkey',
  '_',
])
const HIDDEN = '[hidden]'
const UNKNOWN = '[unknown]'
const LONGEST = 256
const MOST = 100

/**
 * The parameters of a request as the audit keeps them, as JSON: secret ones, settings of plug-ins (`details`), what the
 * command does not know and the credentials in urls are hidden, long values cut.
 */
export function shownParams(command: Pick<Command, 'params'>, received: Received): string {
  const shown = received
    .filter(({ name }) => !OMITTED.has(name.toLowerCase()))
    .slice(0, MOST)
    .map(({ name, value }) => shownParam(command, name, value))
  return JSON.stringify(Object.fromEntries(shown))
}

function shownParam({ params }: Pick<Command, 'params'>, name: string, value: string): readonly [string, string] {
  const base = name.replace(/\[.*/s, '').toLowerCase()
  const param = Object.hasOwn(params, base) ? params[base] : undefined
  // Its name was chosen by whoever sent it, too.
  if (param === undefined) return [UNKNOWN, HIDDEN]
  const isKey = /\]\.key$/i.test(name)
  if (param.secret === true || (base === 'details' && !isKey)) return [cut(name), HIDDEN]
  return [cut(name), cut(value.toWellFormed().replaceAll(CREDENTIALS, `${HIDDEN}@`))]
}

/**
 * What stands between `://` and the last `@` before the path. Anybody may send megabytes here, so it takes time in
 * proportion to the length: it begins nowhere but after a `://`, and goes no further than the next slash.
 */
const CREDENTIALS = /(?<=:\/\/)[^/\s]*@/g

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}... (${text.length})`
}
