import { pino } from 'pino'
import { parseOptions, type SanOptions, USAGE, UsageError } from './options.ts'
import { startSan } from './san.ts'

/*
 * The SAN daemon: `node daemons/san/main.ts --help`. Runs in the foreground, logs JSON lines to standard error, and ends
 * everything it serves on SIGTERM or SIGINT.
 */

function readOptions(): SanOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n\n${USAGE}\n`)
    return undefined
  }
}

async function main(): Promise<number> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  const options = readOptions()
  if (!options) return 2
  // Whatever is written here is read by root alone: CHAP secrets, and the volumes themselves.
  process.umask(0o077)
  const log = pino({ name: 'san' }, pino.destination({ dest: 2, sync: true }))
  const asked = Promise.withResolvers<string>()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => asked.resolve(signal))
  try {
    const san = await startSan(options, log)
    log.info({ url: san.url, portal: options.portal, data: options.data }, 'serving')
    log.info({ signal: await asked.promise }, 'stopping')
    await san.stop()
    log.info('stopped')
    return 0
  } catch (error) {
    log.fatal({ err: error }, error instanceof Error ? error.message : 'failed')
    return 1
  }
}

// Adopted daemons and pending timers of a failed start must not keep the process alive.
process.exit(await main())
