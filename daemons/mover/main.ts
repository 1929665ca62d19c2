import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { serveMover } from './serve.ts'

const USAGE = `usage: node daemons/mover/main.ts --data DIR --listen HOST:PORT --credentials FILE --initiator IQN
Data mover. Runs in the foreground and logs JSON lines on standard error. SIGTERM ends the daemon; its jobs are paused, and
go on where they were when they are asked for again.
`

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    listen: { type: 'string' },
    credentials: { type: 'string' },
    initiator: { type: 'string' },
  },
})
const { data, listen, credentials, initiator } = values
const log = pino({ name: 'mover' }, pino.destination({ dest: 2, sync: true }))

if (data === undefined || listen === undefined || credentials === undefined || initiator === undefined) {
  process.stderr.write(USAGE)
  process.exit(2)
}
// What it writes, and the sockets of its bridges, are its own.
process.umask(0o077)
try {
  const served = await serveMover({ data, listen, credentials, initiator, log })
  const stop = () => {
    served.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'not closed cleanly')
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
} catch (error) {
  log.fatal({ err: error }, error instanceof Error ? error.message : String(error))
  process.exit(1)
}
