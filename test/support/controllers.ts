import { join } from 'node:path'
import { type Api, ApiError } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { controllerProcess, type ControllerProcess } from './controller.ts'

/** Controllers that share nothing but a database and the master key. */
export interface SeveralControllers {
  /** Data directory of the first controller of the installation, which left database and simulator and is gone. */
  readonly home: string
  readonly all: readonly ControllerProcess[]
  /** Ends all of it. */
  stop(): Promise<void>
}

/** Starts `count` controllers on one database and one simulator. `env`: of those controllers. */
export async function severalControllers(options: {
  readonly parent: string
  readonly count: number
  readonly env?: Readonly<Record<string, string>>
}): Promise<SeveralControllers> {
  const { parent, count } = options
  const first = await controllerProcess({ parent, name: 'first', args: ['--seed', 'simulator'] })
  await first.kill()
  const env = { ...options.env, ...sharing(first.dir) }
  const all: ControllerProcess[] = []
  const stop = async () => {
    await Promise.all(all.map((one) => one.stop()))
    // It ends the database, which it adopts.
    await first.start()
    await first.stop()
    await stopDaemon(join(first.dir, 'simulator'), 10_000)
  }
  try {
    for (let at = 1; at <= count; at += 1) all.push(await controllerProcess({ parent, name: `controller-${at}`, env }))
  } catch (error) {
    await stop()
    throw error
  }
  return { home: first.dir, all, stop }
}

/** The environment of a controller that shares database and master key with the one whose data directory is `dir`. */
export function sharing(dir: string): Readonly<Record<string, string>> {
  return {
    MOORAGE_DATABASE_URL: `postgres://moorage@localhost:5432/moorage?host=${encodeURIComponent(join(dir, 'postgres'))}`,
    MOORAGE_MASTER_KEY_FILE: join(dir, 'master.key'),
  }
}

/** A client that goes to the next of several controllers when one does not answer, beginning with the one `at`. */
export function failingOver(apis: readonly Api[], at: number): Api {
  let current = at
  const use = async <Result>(ask: (api: Api) => Promise<Result>): Promise<Result> => {
    const api = apis[current % apis.length]
    if (!api) throw new Error('there is no controller to ask')
    try {
      return await ask(api)
    } catch (error) {
      if (!(error instanceof ApiError)) current += 1
      throw error
    }
  }
  return {
    raw: (command, params) => use((api) => api.raw(command, params)),
    run: (command, params) => use((api) => api.run(command, params)),
    submit: (command, params) => use((api) => api.submit(command, params)),
    job: (id) => use((api) => api.job(id)),
    list: (command, params) => use((api) => api.list(command, params)),
  }
}
