import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { wireClient } from '@moorage/wire'
import { apiClient, type Api } from './api.ts'
import { labCall } from './guest.ts'
import { credentials, type Layout, REPOSITORY } from './layout.ts'
import { isOrphaned, runningDaemon, startDaemon, stopDaemon, stopDatabase } from './process.ts'
import { SILENT, type Terminal } from './terminal.ts'

const run = promisify(execFile)

/** The administrator that the controller's first start made. */
export interface Admin {
  readonly username: string
  readonly password: string
  readonly apiKey: string
  readonly secretKey: string
}

/** Builds the guest image once; a second run finds it there. */
export async function buildGuest(at: Layout, out: Terminal): Promise<void> {
  await out.step('guest image', async () => {
    const { stdout } = await run(process.execPath, [
      join(REPOSITORY, 'lab/guest/build.ts'),
      '--out',
      join(at.images, 'guest'),
    ])
    return stdout.trim().split('\n').at(-1) ?? ''
  })
}

/** Starts the SAN, or finds it running. */
export async function startSan(at: Layout, out: Terminal): Promise<void> {
  const { file } = credentials(at.root, 'san')
  const argv = ['daemons/san/main.ts', '--data', at.san, '--listen', at.listen.san, '--portal', at.listen.portal]
  await start(out, 'SAN: iSCSI, CHAP, QoS per volume', {
    dir: at.san,
    argv: [...argv, '--credentials', file, '--iops', '20000'],
  })
}

/** Starts the host daemon, or finds it running. */
export async function startHostd(at: Layout, out: Terminal): Promise<void> {
  const { file } = credentials(at.root, 'hostd')
  const argv = ['daemons/hostd/main.ts', '--data', at.hostd, '--listen', at.listen.hostd, '--credentials', file]
  await start(out, 'host daemon: QEMU', {
    dir: at.hostd,
    argv: [...argv, '--initiator', 'iqn.2026-01.cloud.moorage:lab-host', '--images', at.images, '--name', 'lab-host'],
  })
}

/** Starts the data mover, or finds it running. */
export async function startMover(at: Layout, out: Terminal): Promise<void> {
  const { file } = credentials(at.root, 'mover')
  for (const directory of [at.archive, at.files]) mkdirSync(directory, { recursive: true, mode: 0o700 })
  const argv = ['daemons/mover/main.ts', '--data', at.mover, '--listen', at.listen.mover, '--credentials', file]
  await start(out, 'data mover', {
    dir: at.mover,
    argv: [...argv, '--initiator', 'iqn.2026-01.cloud.moorage:lab-mover'],
  })
}

/** Starts the controller with its database, or finds it running. */
export async function startController(at: Layout, out: Terminal, more: readonly string[] = []): Promise<void> {
  const { api, integration } = at.listen
  const argv = [
    'controller/main.ts',
    'serve',
    '--data',
    at.controller,
    '--listen',
    api,
    '--integration-listen',
    integration,
  ]
  await start(out, 'controller and database', { dir: at.controller, argv: [...argv, ...more] })
}

async function start(
  out: Terminal,
  name: string,
  how: { readonly dir: string; readonly argv: readonly string[] },
): Promise<void> {
  await out.step(name, async () => {
    const [script = '', ...rest] = how.argv
    const daemon = { name, dir: how.dir, argv: [join(REPOSITORY, script), ...rest] }
    const { ready, adopted } = await startDaemon(daemon, { withinMs: 90_000 })
    return `${adopted ? 'runs already' : 'started'}, pid ${ready.pid}, ${typeof ready['url'] === 'string' ? ready['url'] : ''}`
  })
}

/** The administrator's credentials. */
export function admin(at: Layout): Admin {
  return JSON.parse(readFileSync(join(at.controller, 'admin.json'), 'utf8')) as Admin // Written by the controller.
}

/** A client as the administrator. */
export function adminApi(at: Layout): Api {
  return apiClient({ url: `http://${at.listen.api}/client/api`, ...admin(at) })
}

/**
 * Ends everything that the lab started, in the order in which nothing is pulled away under another: VMs, controller with
 * its database, data mover, host daemon, SAN, simulator; of daemons that were killed, too. Data stays. Answers what was done.
 */
export async function stopAll(at: Layout): Promise<readonly string[]> {
  const daemons = [
    ['controller', at.controller],
    ['data mover', at.mover],
    ['host daemon', at.hostd],
    ['SAN', at.san],
    ['simulator', at.simulator],
  ] as const
  const done: string[] = []
  for (const [name, dir] of daemons) {
    if (runningDaemon(dir)) continue
    const how = await stopDaemon(dir, 10_000)
    if (how !== 'absent') done.push(`${name}: ${how} before it served`)
  }
  // What a killed daemon left behind is taken over by starting it once more: it knows what is its own.
  if (isOrphaned(at.hostd)) await startHostd(at, SILENT)
  if (isOrphaned(at.san)) await startSan(at, SILENT)
  if (runningDaemon(at.hostd)) {
    const { user, password } = credentials(at.root, 'hostd')
    const hostd = wireClient({ url: `http://${at.listen.hostd}`, user, password })
    await hostd('host/shutdown', {}, labCall(30_000))
    done.push('VMs: stopped')
  }
  for (const [name, dir] of daemons) {
    const how = await stopDaemon(dir, 30_000)
    if (how !== 'absent') done.push(`${name}: ${how}`)
  }
  const database = await stopDatabase(join(at.controller, 'postgres'), 30_000)
  if (database !== 'absent') done.push(`database: ${database}`)
  return done
}
