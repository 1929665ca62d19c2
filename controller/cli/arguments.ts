import { parseArgs } from 'node:util'
import { type PluginSpec, readPluginSpec } from '../plugin-host/outside/spec.ts'
import type { ExpectedLink } from './audit.ts'

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Paths of PEM files: a certificate with its chain, and its key. */
export interface TlsFiles {
  readonly certificate: string
  readonly key: string
}

/** What the command line asks for. */
export type Asked =
  | {
      readonly command: 'serve'
      readonly data: string
      readonly listen: ListenAddress
      readonly integrationListen: ListenAddress | undefined
      readonly metricsListen: ListenAddress | undefined
      readonly tls: TlsFiles | undefined
      readonly origins: readonly string[]
      readonly seed: 'simulator' | undefined
      readonly adminPasswordFile: string | undefined
      readonly plugins: readonly PluginSpec[]
      readonly logLevel: string
    }
  | { readonly command: 'keys' | 'stop-simulator'; readonly data: string }
  | { readonly command: 'audit verify'; readonly data: string; readonly expect: ExpectedLink | undefined }
  | { readonly command: 'help' }
  | { readonly command: 'openapi' }

/** A command line that cannot be followed; the message names the flag and the rule. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What `moorage help` prints. */
export const USAGE = `Moorage, the storage control plane of a private cloud.

  moorage serve --data DIR [--listen HOST:PORT] [--integration-listen HOST:PORT] [--seed simulator]
                [--tls-certificate FILE --tls-key FILE] [--cors-origin ORIGIN]...
                [--metrics-listen HOST:PORT] [--plugin PATH[,GRANT...]]... [--admin-password-file FILE] [--log-level LEVEL]
      Runs a controller in the foreground; JSON lines on stdout; SIGTERM stops it cleanly, SIGHUP reads the certificate again.
      --data DIR                      keeps the database, the master key and admin.json; made if it is not there
      --listen HOST:PORT              the API, at /client/api; 127.0.0.1:8080 unless given
      --tls-certificate FILE          PEM, with its chain: --listen speaks TLS; in the clear unless given
      --tls-key FILE                  PEM, the key of the certificate
      --cors-origin ORIGIN            pages of https://HOST[:PORT] may read what the API answers; none unless given
      --integration-listen HOST:PORT  the API without credentials, on a loopback address; none unless given
      --metrics-listen HOST:PORT      /metrics for Prometheus, without credentials; none unless given
      --seed simulator                starts or adopts a simulator and registers a small cloud on it
      --plugin PATH[,GRANT...]        loads the provider or adapter that the package or module PATH exports as plugin,
                                      into a process of its own; it may use the network and read its own files, and
                                      what is granted: read=PATH, write=PATH, run (programs), memory=MIB (256)
      --admin-password-file FILE      password of the first administrator; random unless given
      --log-level LEVEL               trace, debug, info, warn or error; info unless given
      MOORAGE_DATABASE_URL            a PostgreSQL to use instead of our own under DIR
      MOORAGE_MASTER_KEY_FILE         64 hexadecimal digits; DIR/master.key, made at first, unless given

  moorage keys --data DIR             prints the administrator's API keys: JSON on stdout, how to use them on stderr
  moorage audit verify --data DIR [--expect POSITION:HASH]
      Reads the whole audit; exit code 1, and what is wrong, when a record was changed, moved or is gone.
      --expect POSITION:HASH          what "last:" said before, or the log: it must still be there
  moorage openapi                     prints the API as an OpenAPI 3.1 document
  moorage stop-simulator --data DIR   ends the simulator that --seed simulator started; its data stays
`

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error']

const FLAGS = {
  data: { type: 'string' },
  listen: { type: 'string' },
  'integration-listen': { type: 'string' },
  'metrics-listen': { type: 'string' },
  'tls-certificate': { type: 'string' },
  'tls-key': { type: 'string' },
  'cors-origin': { type: 'string', multiple: true },
  seed: { type: 'string' },
  plugin: { type: 'string', multiple: true },
  'admin-password-file': { type: 'string' },
  'log-level': { type: 'string' },
  expect: { type: 'string' },
  help: { type: 'boolean' },
} as const

/** Reads the command line without the program's name. Throws `UsageError`. */
export function readArguments(argv: readonly string[]): Asked {
  const { values, positionals } = parse(argv)
  const [command, ...more] = positionals
  if (values.help === true || command === 'help' || command === undefined) return { command: 'help' }
  if (command === 'audit' && more.join() === 'verify') return audit(values)
  if (more.length > 0) throw new UsageError(`${command}: takes no argument, only flags; got ${more.join(' ')}`)
  if (command === 'serve') return serve(values)
  if (command === 'openapi') {
    onlyFlags(values, command, [])
    return { command }
  }
  if (command !== 'keys' && command !== 'stop-simulator') {
    throw new UsageError(
      `there is no command ${command}: it must be serve, keys, audit verify, openapi, stop-simulator or help`,
    )
  }
  onlyFlags(values, command, ['data'])
  return { command, data: needed(values.data, 'data', 'a directory') }
}

type Values = ReturnType<typeof parse>['values']

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function onlyFlags(values: Values, command: string, flags: readonly string[]): void {
  const odd = Object.keys(values).find((name) => !flags.includes(name))
  if (odd !== undefined) throw new UsageError(`--${odd}: does not go with ${command}`)
}

function audit(values: Values): Asked {
  onlyFlags(values, 'audit verify', ['data', 'expect'])
  const [, position, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(values.expect ?? '') ?? []
  if (values.expect !== undefined && hash === undefined) {
    throw new UsageError(`--expect: must be POSITION:HASH, as moorage audit verify prints it; got ${values.expect}`)
  }
  const expect = hash === undefined ? undefined : { position: Number(position), hash }
  return { command: 'audit verify', data: needed(values.data, 'data', 'a directory'), expect }
}

function serve(values: Values): Asked {
  if (values.expect !== undefined) throw new UsageError('--expect: does not go with serve')
  const { seed, 'log-level': logLevel = 'info' } = values
  if (seed !== undefined && seed !== 'simulator') throw new UsageError(`--seed: must be simulator; got ${seed}`)
  if (!LEVELS.includes(logLevel))
    throw new UsageError(`--log-level: must be one of ${LEVELS.join(', ')}; got ${logLevel}`)
  return {
    command: 'serve',
    data: needed(values.data, 'data', 'a directory'),
    listen: address(values.listen ?? '127.0.0.1:8080', 'listen'),
    integrationListen: optionalAddress(values, 'integration-listen'),
    metricsListen: optionalAddress(values, 'metrics-listen'),
    tls: tlsFiles(values),
    origins: (values['cors-origin'] ?? []).map(origin),
    seed,
    adminPasswordFile: values['admin-password-file'],
    plugins: (values.plugin ?? []).map(pluginSpec),
    logLevel,
  }
}

function tlsFiles({ 'tls-certificate': certificate, 'tls-key': key }: Values): TlsFiles | undefined {
  if (certificate === undefined && key === undefined) return undefined
  return {
    certificate: needed(certificate, 'tls-certificate', 'a file, with --tls-key'),
    key: needed(key, 'tls-key', 'a file, with --tls-certificate'),
  }
}

function origin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.origin === text && /^https?:$/.test(url.protocol)) return text
  throw new UsageError(`--cors-origin: must be an origin, as https://console.example.com; got ${text}`)
}

function optionalAddress(values: Values, flag: 'integration-listen' | 'metrics-listen'): ListenAddress | undefined {
  const text = values[flag]
  return text === undefined ? undefined : address(text, flag)
}

function pluginSpec(text: string): PluginSpec {
  try {
    return readPluginSpec(text)
  } catch (error) {
    throw new UsageError(`--plugin: ${error instanceof Error ? error.message : ''}; got ${text}`, { cause: error })
  }
}

function needed(value: string | undefined, flag: string, what: string): string {
  if (value === undefined || value === '') throw new UsageError(`--${flag}: is required: ${what}`)
  return value
}

function address(text: string, flag: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text) ?? []
  const [host, port] = [bracketed ?? plain, Number(digits)]
  if (host === undefined || port > 65_535) {
    throw new UsageError(`--${flag}: must be HOST:PORT, as 127.0.0.1:8080 or [::1]:8080; got ${text}`)
  }
  return { host, port }
}
