import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { serveHostd } from './serve.ts'

const USAGE = `usage: node daemons/hostd/main.ts --data DIR --listen HOST:PORT --credentials FILE --initiator IQN
  [--images DIR] [--name NAME]
Host daemon for plain QEMU. Runs in the foreground and logs JSON lines on standard error. SIGTERM ends the daemon;
machines run on and are adopted by the next one. They are stopped by the method host/shutdown.
`

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    listen: { type: 'string' },
    credentials: { type: 'string' },
    initiator: { type: 'string' },
    images: { type: 'string' },
    name: { type: 'string' },
  },
})
const { data, listen, credentials, initiator, images, name } = values
const log = pino({ name: 'hostd' }, pino.destination({ dest: 2, sync: true }))

if (data === undefined || listen === undefined || credentials === undefined || initiator === undefined) {
  process.stderr.write(USAGE)
  process.exit(2)
}
try {
  const optional = { ...(images === undefined ? {} : { images }), ...(name === undefined ? {} : { name }) }
  const served = await serveHostd({ data, listen, credentials, initiator, log, ...optional })
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
