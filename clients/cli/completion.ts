import { optionsOf } from './arguments.ts'
import { UsageError } from './usage-error.ts'
import { ALL_WORDS, findWords, OWN_VERBS } from './words.ts'

/** What can stand next, given the words before (without the program's name) and the beginning of the one that is typed. */
export function candidates(before: readonly string[], typed: string): readonly string[] {
  return possible(before).filter((one) => one.startsWith(typed))
}

function possible([verb, noun, ...more]: readonly string[]): readonly string[] {
  if (verb === undefined) return [...new Set([...ALL_WORDS.map((words) => words.verb), ...OWN_VERBS])]
  if (verb === 'help') return noun === undefined ? possible([]) : nounsOf(noun)
  if (verb === 'completion') return SHELLS
  if (verb === 'profile') return noun === undefined ? ['add', 'list', 'use', 'remove'] : []
  const nouns = nounsOf(verb)
  if (noun === undefined && !nouns.includes('')) return nouns
  const words = findWords(verb, noun ?? '') ?? findWords(verb, '')
  if (words === undefined) return []
  const given = new Set(more)
  return [...Object.keys(words.facts.params), ...Object.keys(optionsOf(words))]
    .map((name) => `--${name}`)
    .filter((flag) => !given.has(flag))
}

function nounsOf(verb: string): readonly string[] {
  return ALL_WORDS.filter((words) => words.verb === verb).map(({ noun }) => noun)
}

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** The script for a shell: it asks this program what can stand next. Throws `UsageError` for another shell. */
export function completionScript(shell: string | undefined): string {
  if (shell === 'bash')
    return `_moorage() {
  local IFS=$'\\n'
  COMPREPLY=($(moorage __complete "\${COMP_WORDS[@]:1:COMP_CWORD}"))
}
complete -o default -F _moorage moorage
`
  if (shell === 'zsh')
    return `#compdef moorage
_moorage() {
  local -a found
  found=("\${(@f)$(moorage __complete "\${(@)words[2,CURRENT]}")}")
  compadd -a found
}
compdef _moorage moorage
`
  if (shell === 'fish')
    return `complete -c moorage -f -a '(moorage __complete (commandline -opc)[2..] (commandline -ct))'
`
  throw new UsageError(`completion: must be ${SHELLS.join(', ')}; got ${shell ?? 'nothing'}`)
}
