import { type CommandFacts, COMMANDS } from '@moorage/api-client'

/** A command of the API as it is typed: `list volumes`. */
export interface Words {
  readonly command: string
  readonly verb: string
  /** Words joined by `-`; empty for commands of one word, as `login`. */
  readonly noun: string
  readonly facts: CommandFacts
}

/** First words that are the command line's own, or the controller's. */
export const OWN_VERBS = [
  'help',
  'profile',
  'completion',
  'doctor',
  'serve',
  'keys',
  'stop-simulator',
  'audit',
  'openapi',
] as const

/** Every command, in the order of the API's documents. */
export const ALL_WORDS: readonly Words[] = Object.entries(COMMANDS).map(([command, facts]) => wordsOf(command, facts))

function wordsOf(command: string, facts: CommandFacts): Words {
  const [verb = '', ...noun] = command
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(' ')
  return { command, verb, noun: noun.join('-'), facts }
}

/** The command of a verb and a noun; the noun with or without its dashes. `undefined`: there is none. */
export function findWords(verb: string, noun: string): Words | undefined {
  const bare = flat(noun)
  return ALL_WORDS.find((words) => words.verb === verb && flat(words.noun) === bare)
}

/** What two nouns must not share under one verb. */
export function flat(noun: string): string {
  return noun.replaceAll('-', '').toLowerCase()
}
