import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '@moorage/wire/testing'
import { apiClient, type Api } from '../../lab/api.ts'
import { startDaemon, stopDaemon, runningDaemon, until } from '../../lab/process.ts'

const MAIN = join(import.meta.dirname, '../../controller/main.ts')

/** A controller as users run it: a process of its own, on its own data directory and database. */
export interface ControllerProcess {
  readonly dir: string
  readonly url: string
  readonly api: Api
  /** `kill -9`, by id; returns once it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same data; returns once it serves. */
  start(): Promise<void>
  /** Asks it to end, and its database with it. */
  stop(): Promise<void>
  pid(): number | undefined
}

/** Starts `moorage serve` on a fresh data directory below `parent`, on ports of its own. */
export async function controllerProcess(options: {
  readonly parent: string
  readonly name?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}): Promise<ControllerProcess> {
  const dir = join(options.parent, options.name ?? 'controller')
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const listen = `127.0.0.1:${await freePort()}`
  const argv = [MAIN, 'serve', '--data', dir, '--listen', listen, ...(options.args ?? [])]
  const daemon = { name: 'controller', dir, argv }
  const start = async () => {
    await startDaemon(daemon, { withinMs: 60_000, env: options.env ?? {} })
  }
  await start()
  const url = `http://${listen}/client/api`
  return {
    dir,
    url,
    api: apiClient({ url, ...adminKeys(dir) }),
    start,
    async kill() {
      const running = runningDaemon(dir)
      if (!running) return
      process.kill(running.pid, 'SIGKILL')
      await until(async () => (runningDaemon(dir) ? undefined : true), {
        what: 'the controller to be gone',
        withinMs: 5_000,
      })
    },
    async stop() {
      const how = await stopDaemon(dir, 30_000)
      if (how === 'killed') throw new Error('the controller did not end within 30 s of SIGTERM')
    },
    pid: () => runningDaemon(dir)?.pid,
  }
}

/** Keys of the administrator that the first start made. */
export function adminKeys(dir: string): { readonly apiKey: string; readonly secretKey: string } {
  const admin = JSON.parse(readFileSync(join(dir, 'admin.json'), 'utf8')) as Record<string, string> // Written by the controller.
  return { apiKey: admin['apiKey'] ?? '', secretKey: admin['secretKey'] ?? '' }
}
