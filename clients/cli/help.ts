import type { ParamFacts } from '@moorage/api-client'
import { optionsOf } from './arguments.ts'
import { ALL_WORDS, type Words } from './words.ts'

/** What `moorage help` prints. */
export function usage(): string {
  const verbs = Map.groupBy(ALL_WORDS, ({ verb }) => verb)
  const lines = [...verbs].map(([verb, all]) =>
    `  ${verb.padEnd(11)} ${all.map(({ noun }) => noun).join(' ')}`.trimEnd(),
  )
  return `Moorage, the storage control plane of a private cloud.

  moorage VERB NOUN [--NAME VALUE ...] [--wait] [--json]     asks a controller
  moorage help VERB [NOUN]                                   tells what commands there are, and what they take
  moorage profile add NAME --url URL --keys FILE             keeps where a controller is, and whose keys to use; - reads standard input
  moorage profile list|use NAME|remove NAME
  moorage doctor                                             looks whether everything is well, here and there
  moorage completion bash|zsh|fish                           prints a script for the shell
  moorage serve|keys|audit verify|openapi|stop-simulator     a controller on this machine: moorage serve --help

${lines.join('\n')}

MOORAGE_URL, MOORAGE_API_KEY and MOORAGE_SECRET_KEY come before any profile. Exit codes: 0 done, 1 the API refused or the job
failed, 2 the command line cannot be followed, 3 no controller answers.
`
}

/** What `moorage help VERB NOUN` prints. */
export function helpOf(words: Words): string {
  const { facts, verb, noun } = words
  const params = Object.entries(facts.params).toSorted(
    ([, a], [, b]) => Number(b.needed ?? false) - Number(a.needed ?? false),
  )
  return [
    `moorage ${`${verb} ${noun}`.trim()}: ${facts.about}`,
    '',
    ...params.map(([name, param]) => line(name, param)),
    ...(params.length === 0 ? [] : ['']),
    ...Object.entries(optionsOf(words)).map(([name, param]) => line(name, param)),
    '',
    `Answers ${facts.fields.join(', ')}.`,
    '',
  ].join('\n')
}

/** The commands of one verb. */
export function helpOfVerb(verb: string): string {
  return ALL_WORDS.filter((words) => words.verb === verb)
    .map(({ noun, facts }) => `  ${`${verb} ${noun}`.padEnd(34)} ${facts.about}\n`)
    .join('')
}

const VALUES = {
  uuid: 'ID',
  string: 'TEXT',
  date: 'DATE',
  integer: 'N',
  long: 'N',
  boolean: '',
  list: 'A,B',
  map: 'KEY=VALUE',
}

function line(name: string, { type, about, needed }: ParamFacts): string {
  return `  ${`--${name} ${VALUES[type]}`.padEnd(34)} ${needed === true ? '(required) ' : ''}${about}`
}
