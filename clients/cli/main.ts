import { readFileSync } from 'node:fs'
import { ApiError, createClient } from '@moorage/api-client'
import { candidates, completionScript } from './completion.ts'
import { examine } from './doctor.ts'
import { helpOf, helpOfVerb, usage } from './help.ts'
import { connectionOf, profileCommand } from './profiles.ts'
import { ask } from './run.ts'
import { UsageError } from './usage-error.ts'
import { ALL_WORDS, findWords } from './words.ts'

const print = (text: string) => void process.stdout.write(text)
const tell = (text: string) => void process.stderr.write(text)

async function main([verb, ...rest]: readonly string[]): Promise<void> {
  if (verb === undefined || verb === '--help') print(usage())
  else if (verb === 'help') print(help(rest))
  else if (verb === 'completion') print(completionScript(rest[0]))
  else if (verb === '__complete')
    print(
      candidates(rest.slice(0, -1), rest.at(-1) ?? '')
        .map((one) => `${one}\n`)
        .join(''),
    )
  else if (verb === 'profile') print(profileCommand(process.env, rest, () => readFileSync(0, 'utf8')))
  else if (verb === 'doctor') await doctor(rest)
  else await ask([verb, ...rest], { print, tell, env: process.env, tty: process.stderr.isTTY })
}

function help([verb, noun = '']: readonly string[]): string {
  if (verb === undefined) return usage()
  const words = findWords(verb, noun)
  if (words) return helpOf(words)
  if (noun === '' && ALL_WORDS.some((one) => one.verb === verb)) return helpOfVerb(verb)
  throw new UsageError(`there is no command ${`${verb} ${noun}`.trim()}: see moorage help`)
}

async function doctor(argv: readonly string[]): Promise<void> {
  const [flag, profile] = argv
  if (flag !== undefined && flag !== '--profile') throw new UsageError(`doctor: takes --profile NAME; got ${flag}`)
  const to = connectionOf(process.env, profile)
  const found = await examine(to.url, createClient(to))
  for (const { how, about, text } of found) print(`${how.padEnd(4)}  ${about.padEnd(10)}  ${text}\n`)
  if (found.some(({ how }) => how === 'bad')) process.exitCode = 1
}

/** Exit codes are in `moorage help`. */
function codeOf(error: unknown): number {
  if (error instanceof UsageError) return 2
  return error instanceof ApiError ? 1 : 3
}

function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) {
    return `${error.message} (${error.code}${error.request === undefined ? '' : `, request ${error.request}`})`
  }
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error
    ? `no controller answers: ${error.cause.message || error.cause.name}`
    : error.message
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  tell(`moorage: ${sentenceOf(error)}\n`)
  process.exitCode = codeOf(error)
}
