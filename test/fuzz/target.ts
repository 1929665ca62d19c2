import { createApiServer } from '../../controller/api/server.ts'
import { entitiesOf } from '../../controller/api/testing.ts'
import type { FuzzTarget } from '../../controller/api/testing-fuzz.ts'
import { makeGround, startController } from '../../controller/testing.ts'

/** What the program that is asked says, once it serves and then whenever it is asked how it is. */
export type FromTarget =
  | { readonly said: 'ready'; readonly target: FuzzTarget }
  /** Memory in bytes, what is live of it, and what it told its operators of faults inside since it was asked last. */
  | { readonly said: 'memory'; readonly resident: number; readonly live: number; readonly internal: readonly string[] }
  | { readonly said: 'stopped' }

/** What it is told. */
export type ToTarget = 'memory' | 'stop'

/** A controller in a process of its own, so that its memory is its own: serves until it is told to stop. */
async function serve(): Promise<void> {
  const say = (what: FromTarget) => process.send?.(what)
  const controller = await startController()
  const known = await entitiesOf(controller, await makeGround(controller))
  const listen = { host: '127.0.0.1', port: 0 }
  const internal: string[] = []
  const error = (fields: object) => void internal.push(JSON.stringify(fields))
  const log = { debug: () => {}, info: () => {}, error }
  const server = await createApiServer({ system: controller.system, listen, integrationListen: listen, log })
  const secrets = { password: controller.simulator.password, secretKey: controller.keys.secretKey }
  process.on('message', (told: ToTarget) => {
    if (told === 'memory') {
      globalThis.gc?.()
      const { rss, heapUsed } = process.memoryUsage()
      say({ said: 'memory', resident: rss, live: heapUsed, internal: internal.splice(0) })
    } else void stop()
  })
  const ending: { work?: Promise<void> } = {}
  const stop = () => (ending.work ??= end())
  const end = async () => {
    await server.close()
    await controller.stop()
    if (!process.connected) return
    say({ said: 'stopped' })
    process.disconnect()
  }
  // Whoever started it is gone.
  process.on('disconnect', () => void stop())
  say({ said: 'ready', target: { url: server.url, integrationUrl: server.integrationUrl ?? '', known, secrets } })
}

await serve()
