import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ClientOptions, Keys } from '@moorage/api-client'
import { UsageError } from './usage-error.ts'

/** Where a controller is, and whose keys to use. */
export interface Profile {
  readonly url: string
  readonly keys?: Keys
}

/** What is kept of them. */
export interface Profiles {
  readonly current?: string
  readonly profiles: Readonly<Record<string, Profile>>
}

type Environment = Readonly<Record<string, string | undefined>>

/** The file of the profiles, mode 0600: it holds secret keys. */
export function profilesFile(env: Environment): string {
  return join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'moorage', 'profiles.json')
}

/** The profiles; none when there is no file. Throws `UsageError` for a file that others may read. */
function readProfiles(env: Environment): Profiles {
  const path = profilesFile(env)
  if (!existsSync(path)) return { profiles: {} }
  if ((statSync(path).mode & 0o077) !== 0)
    throw new UsageError(`${path} may be read by others, and holds secret keys: chmod 600 it`)
  try {
    // Written below.
    return JSON.parse(readFileSync(path, 'utf8')) as Profiles
  } catch {
    throw new UsageError(`${path} is no JSON: correct it, or remove it and add the profiles anew`)
  }
}

/** Replaces the file as a whole. */
function writeProfiles(env: Environment, profiles: Profiles): void {
  const path = profilesFile(env)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.new`, `${JSON.stringify(profiles, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** What to connect to: the environment, else the named profile, else the current one. Throws `UsageError` when there is none. */
export function connectionOf(env: Environment, named: string | undefined): ClientOptions {
  const { MOORAGE_URL: url, MOORAGE_API_KEY: apiKey, MOORAGE_SECRET_KEY: secretKey } = env
  if (url && named === undefined)
    return { url: endpoint(url), ...(apiKey && secretKey ? { keys: { apiKey, secretKey } } : {}) }
  const { current, profiles } = readProfiles(env)
  const name = named ?? current
  if (name === undefined)
    throw new UsageError('no controller is known: moorage profile add NAME --url URL --keys FILE, or set MOORAGE_URL')
  const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined
  if (found === undefined)
    throw new UsageError(`there is no profile ${name}: ${Object.keys(profiles).join(', ') || 'none was added'}`)
  return { ...found, url: endpoint(found.url) }
}

/** Runs `moorage profile ...`; answers what to print. `input` reads standard input. */
export function profileCommand(env: Environment, argv: readonly string[], input: () => string): string {
  const [verb, name, ...flags] = argv
  const known = readProfiles(env)
  if (verb === 'list' && name === undefined) return listed(known)
  if (name === undefined) throw new UsageError('profile: must be add NAME, use NAME, remove NAME or list')
  if (verb === 'add') {
    const profile = readProfile(flags, input)
    writeProfiles(env, { current: known.current ?? name, profiles: { ...known.profiles, [name]: profile } })
    return `profile ${name} was added\n`
  }
  if (!Object.hasOwn(known.profiles, name)) throw new UsageError(`there is no profile ${name}`)
  if (verb === 'use') {
    writeProfiles(env, { ...known, current: name })
    return `profile ${name} is used from now on\n`
  }
  if (verb !== 'remove') throw new UsageError('profile: must be add NAME, use NAME, remove NAME or list')
  const profiles = Object.fromEntries(Object.entries(known.profiles).filter(([one]) => one !== name))
  writeProfiles(env, {
    profiles,
    ...(known.current === undefined || known.current === name ? {} : { current: known.current }),
  })
  return `profile ${name} was removed\n`
}

function listed({ current, profiles }: Profiles): string {
  return Object.entries(profiles)
    .map(([name, { url }]) => `${name === current ? '*' : ' '} ${name}  ${url}\n`)
    .join('')
}

/** Keys come from a file or standard input, as `moorage keys` prints them: what is in argv can be read by everybody. */
function readProfile(flags: readonly string[], input: () => string): Profile {
  const given = new Map(
    Array.from({ length: Math.ceil(flags.length / 2) }, (_, at) => [flags[2 * at], flags[2 * at + 1]] as const),
  )
  const odd = [...given.keys()].find((name) => name !== '--url' && name !== '--keys')
  if (odd !== undefined) throw new UsageError(`profile add: takes --url URL and --keys FILE; got ${odd}`)
  const [url, file] = [given.get('--url'), given.get('--keys')]
  if (url === undefined) throw new UsageError('profile add: needs --url URL')
  if (file === undefined) return { url: endpoint(url) }
  const text = file === '-' ? input() : readFileSync(file, 'utf8')
  const keys = keysIn(text)
  if (keys === undefined)
    throw new UsageError(`--keys: ${file} must hold {"apiKey": ..., "secretKey": ...}, as moorage keys prints it`)
  return { url: endpoint(url), keys }
}

function keysIn(text: string): Keys | undefined {
  try {
    const read = new Map<string, unknown>(Object.entries(JSON.parse(text) as object)) // Of what is no object there are no entries.
    const [apiKey, secretKey] = [read.get('apiKey'), read.get('secretKey')]
    return typeof apiKey === 'string' && typeof secretKey === 'string' ? { apiKey, secretKey } : undefined
  } catch {
    return undefined
  }
}

/** `http://host:port` is as good as the whole url. */
function endpoint(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(`the url must be http:// or https://; got ${url}`)
  return new URL(url).pathname === '/' ? new URL('/client/api', url).href : url
}
