import type { ParamFacts, ParamValue } from '@moorage/api-client'
import { UsageError } from './usage-error.ts'
import { findWords, type Words } from './words.ts'

/** What the command line asks of the API. */
export interface Asked {
  readonly words: Words
  readonly params: Readonly<Record<string, ParamValue>>
  readonly output: Output
}

/** How to go about it. */
export interface Output {
  readonly json: boolean
  /** Wait for the job, showing its progress. */
  readonly wait: boolean
  readonly help: boolean
  readonly profile: string | undefined
  /** Of a table; absent: chosen. */
  readonly columns: readonly string[] | undefined
}

const OPTIONS: Readonly<Record<string, ParamFacts>> = {
  json: { type: 'boolean', about: 'print JSON' },
  wait: { type: 'boolean', about: 'wait for the job, and show how far it has come' },
  help: { type: 'boolean', about: 'tell what the command takes' },
  profile: { type: 'string', about: 'name of the profile to use' },
  columns: { type: 'list', about: 'fields to show, separated by commas' },
}

/** The options that every command has, where it has no parameter of that name. */
export function optionsOf({ facts }: Words): Readonly<Record<string, ParamFacts>> {
  return Object.fromEntries(Object.entries(OPTIONS).filter(([name]) => !Object.hasOwn(facts.params, name)))
}

/** Reads `VERB NOUN --name value ...`; `name=value` is as good. Throws `UsageError` naming what cannot be followed. */
export function readAsked(argv: readonly string[]): Asked {
  const [verb = '', ...rest] = argv
  const [next] = rest
  const noun = next === undefined || next.startsWith('-') || next.includes('=') ? '' : next
  const words = findWords(verb, noun)
  if (words === undefined)
    throw new UsageError(`there is no command ${[verb, noun].join(' ').trim()}: see moorage help`)
  const known = { ...optionsOf(words), ...words.facts.params }
  const given = readFlags(noun === '' ? rest : rest.slice(1), known, words)
  const options = optionsOf(words)
  const option = (name: string) => (Object.hasOwn(options, name) ? given.get(name) : undefined)
  const params = [...given].filter(([name]) => !Object.hasOwn(options, name))
  const [columns, profile] = [option('columns'), option('profile')]
  return {
    words,
    params: Object.fromEntries(params),
    output: {
      json: option('json') === true,
      wait: option('wait') === true,
      help: option('help') === true,
      profile: typeof profile === 'string' ? profile : undefined,
      columns: Array.isArray(columns) ? columns.map(String) : undefined,
    },
  }
}

/** Names the parameters that a request needs and does not have. Throws `UsageError`. */
export function checkNeeded({ words, params }: Pick<Asked, 'words' | 'params'>): void {
  const missing = Object.entries(words.facts.params).filter(
    ([name, { needed }]) => needed === true && !(name in params),
  )
  if (missing.length === 0) return
  const names = missing.map(([name]) => `--${name}`).join(', ')
  throw new UsageError(`${words.verb} ${words.noun}: needs ${names}; see moorage ${words.verb} ${words.noun} --help`)
}

function readFlags(
  argv: readonly string[],
  known: Readonly<Record<string, ParamFacts>>,
  { verb, noun }: Words,
): ReadonlyMap<string, ParamValue> {
  const given = new Map<string, ParamValue>()
  for (let at = 0; at < argv.length; at += 1) {
    const [, name = '', inline] = /^(?:--)?([^=]+)(?:=(.*))?$/s.exec(argv[at] ?? '') ?? []
    const facts = Object.hasOwn(known, name) ? known[name] : undefined
    const isFlag = argv[at]?.startsWith('--') === true || inline !== undefined
    if (facts === undefined || !isFlag)
      throw new UsageError(`${verb} ${noun}: takes no ${argv[at]}: see moorage ${verb} ${noun} --help`)
    const next = argv[at + 1]
    const alone = facts.type === 'boolean' && next !== 'true' && next !== 'false'
    if (inline === undefined && !alone) at += 1
    const text = inline ?? (alone ? 'true' : next)
    if (text === undefined) throw new UsageError(`--${name}: needs a value: ${facts.about}`)
    given.set(name, readValue(name, text, { facts, before: given.get(name) }))
  }
  return given
}

function readValue(
  name: string,
  text: string,
  { facts, before }: { readonly facts: ParamFacts; readonly before: ParamValue },
): ParamValue {
  if (facts.type === 'boolean') {
    if (text !== 'true' && text !== 'false') throw new UsageError(`--${name}: must be true or false; got ${text}`)
    return text === 'true'
  }
  if (facts.type === 'integer' || facts.type === 'long') {
    if (!/^-?\d{1,15}$/.test(text)) throw new UsageError(`--${name}: must be a whole number; got ${text}`)
    return Number(text)
  }
  if (facts.type === 'list') return text.split(',')
  if (facts.type !== 'map') return text
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined)
    throw new UsageError(`--${name}: must be KEY=VALUE, and can be given several times; got ${text}`)
  const entries = typeof before === 'object' && !Array.isArray(before) ? Object.entries(before) : []
  return Object.fromEntries([...entries, [key, value ?? '']])
}
