import { pino, stdSerializers } from 'pino'
import type { DestinationStream, Logger as PinoLogger } from 'pino'
import { scopeFields } from './trace.ts'

/** One JSON line per event. `child` adds fields to all lines of what it returns. */
export type Logger = PinoLogger

const SECRET_NAMES = [
  'password',
  'passwd',
  'secret',
  'secretKey',
  'secretkey',
  'sealed',
  'sealedSettings',
  'chap',
  'signature',
  'sessionkey',
  'sessionKey',
  'key',
  'masterKey',
  'settings',
]

/** Depth down to which secrets are looked for in logged objects. */
const DEPTH = 4

/**
 * A logger on stdout, or on `to`. Every line has what `scopeFields` knows: of an operation its id, saga, step and trace, of
 * a request its id. Fields named like secrets (passwords, CHAP, keys, sealed values, plug-in settings) are replaced down to
 * the fourth level of whatever is logged, and of errors only name, message, code and stack are shown: a net below the rule
 * that secrets are not logged at all. `node`: this controller's name, in every line.
 */
export function createLogger(
  options: { readonly level?: string; readonly name?: string; readonly node?: string } = {},
  to?: DestinationStream,
): Logger {
  const paths = SECRET_NAMES.flatMap((name) =>
    Array.from({ length: DEPTH }, (_, depth) => `${'*.'.repeat(depth)}${name}`),
  )
  const { name, node } = options
  const settings = {
    level: options.level ?? 'info',
    base: { ...(name === undefined ? {} : { name }), ...(node === undefined ? {} : { node }) },
    redact: { paths, censor: '[redacted]' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: shownError },
    mixin: () => ({ ...scopeFields() }),
  }
  return to ? pino(settings, to) : pino(settings)
}

/** What a database's error says besides may hold the row that it is about, as `detail` does. */
function shownError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { type, message, stack } = stdSerializers.err(error)
  return { type, message, stack, ...('code' in error ? { code: error.code } : {}) }
}
