import { pino } from 'pino'
import type { DestinationStream, Logger as PinoLogger } from 'pino'

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
 * A logger on stdout, or on `to`. Fields named like secrets (passwords, CHAP, keys, sealed values, plug-in settings) are
 * replaced down to the fourth level of whatever is logged: a net below the rule that secrets are not logged at all.
 */
export function createLogger(
  options: { readonly level?: string; readonly name?: string } = {},
  to?: DestinationStream,
): Logger {
  const paths = SECRET_NAMES.flatMap((name) =>
    Array.from({ length: DEPTH }, (_, depth) => `${'*.'.repeat(depth)}${name}`),
  )
  const settings = {
    level: options.level ?? 'info',
    base: options.name === undefined ? {} : { name: options.name },
    redact: { paths, censor: '[redacted]' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return to ? pino(settings, to) : pino(settings)
}
