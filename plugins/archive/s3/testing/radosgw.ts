import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const PROGRAMS = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin']
const UP_MS = 120_000

/** A Ceph that serves S3, with everything in memory. */
export interface Radosgw {
  /** `127.0.0.1:PORT`. */
  readonly authority: string
  readonly accessKey: string
  readonly secretKey: string
  stop(): Promise<void>
}

/** Why it cannot run here; `undefined` when it can. */
export function radosgwUnmet(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = PROGRAMS.filter((name) => !existsSync(join('/usr/bin', name)))
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}: apt-get install ceph-mon ceph-osd radosgw`
}

/** Starts a monitor, one OSD and a gateway on ports of the loopback address, below a folder of their own. */
export async function startRadosgw(): Promise<Radosgw> {
  const folder = await mkdtemp(join(tmpdir(), 'rgw-'))
  const [monitor, gateway] = [await freePort(), await freePort()]
  const conf = join(folder, 'ceph.conf')
  const fsid = randomUUID()
  await writeFile(conf, configuration({ folder, fsid, monitor, gateway }))
  const ceph = (program: string, ...args: readonly string[]) => run(program, ['--conf', conf, ...args])
  const running: ChildProcess[] = []
  const start = (program: string, ...args: readonly string[]) => {
    const log = openSync(join(folder, `${program}.out`), 'w')
    running.push(spawn(program, ['--conf', conf, '-f', ...args], { stdio: ['ignore', log, log] }))
  }
  const stop = async () => {
    for (const child of running.toReversed()) await ended(child)
    await rm(folder, { recursive: true })
  }
  try {
    await makeKeys(folder)
    const map = join(folder, 'monmap')
    await run('monmaptool', ['--create', '--add', 'a', `127.0.0.1:${monitor}`, '--fsid', fsid, map])
    await ceph('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', join(folder, 'keyring'))
    start('ceph-mon', '-i', 'a')
    await until('the monitor', () => ceph('ceph', 'osd', 'new', fsid))
    await ceph('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', fsid)
    start('ceph-osd', '-i', '0')
    start('radosgw', '-n', 'client.rgw.a')
    const keys = { accessKey: 'AKIDLAB', secretKey: randomUUID() }
    const user = ['user', 'create', '--uid', 'lab', '--display-name', 'lab']
    await until('the gateway', async () => (await fetch(`http://127.0.0.1:${gateway}/`)).status)
    await ceph('radosgw-admin', ...user, '--access-key', keys.accessKey, '--secret', keys.secretKey)
    return { authority: `127.0.0.1:${gateway}`, ...keys, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function configuration(at: {
  readonly folder: string
  readonly fsid: string
  readonly monitor: number
  readonly gateway: number
}): string {
  const { folder, fsid, monitor, gateway } = at
  // Without authentication radosgw 16 waits for ever for the monitor.
  return `[global]
fsid = ${fsid}
mon host = 127.0.0.1:${monitor}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = ${folder}/keyring
run dir = ${folder}
admin socket =
pid file =
log file = ${folder}/$name.log
mon cluster log file = ${folder}/cluster.log
mon data = ${folder}/mon
mon data avail crit = 1
mon data avail warn = 2
mon allow pool size one = true
mon warn on pool no redundancy = false
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gateway}
rgw enable gc threads = false
rgw enable lc threads = false
`
}

async function makeKeys(folder: string): Promise<void> {
  const all = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *']
  const keyring = join(folder, 'keyring')
  for (const name of ['mon.', 'client.admin', 'osd.0', 'client.rgw.a']) {
    const create = existsSync(keyring) ? [] : ['--create-keyring']
    await run('ceph-authtool', [...create, keyring, '--gen-key', '-n', name, ...all])
  }
  for (const name of ['osd', 'rgw', 'mon']) await mkdir(join(folder, name))
}

/** Asks again until it answers. */
async function until(what: string, ask: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + UP_MS
  for (;;) {
    try {
      return void (await ask())
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what} is not up`, { cause: error })
      await pause(200)
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // It listens on TCP.
  server.close()
  await once(server, 'close')
  return port
}
