import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** The simulator beside a controller. */
export interface SimulatorDaemon {
  /** `HOST:PORT`, the same at every start on one directory. */
  readonly authority: string
  readonly user: string
  readonly password: string
  readonly pid: number
  readonly how: 'started' | 'adopted'
}

const MAIN = join(import.meta.dirname, '../../daemons/simulator/main.ts')
const START_MS = 30_000
const STOP_MS = 15_000

/**
 * Starts the simulator of `DIR/simulator` as a process of its own, or adopts the one that lives there: it outlives the
 * controller as an array would. It listens where it listened before, so that what is registered stays reachable.
 */
export async function ensureSimulator(data: string): Promise<SimulatorDaemon> {
  const dir = join(data, 'simulator')
  const credentials = ensureCredentials(data)
  const live = liveSimulator(dir)
  if (live) return { ...live, ...credentials, how: 'adopted' }
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  rmSync(join(dir, 'ready.json'), { force: true })
  const portFile = `${dir}.port`
  const port = existsSync(portFile) ? readFileSync(portFile, 'utf8').trim() : '0'
  const log = openSync(`${dir}.log`, 'a', 0o600)
  const args = [MAIN, '--data', dir, '--listen', `127.0.0.1:${port}`, '--credentials', credentials.file]
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: '/',
  })
  child.unref()
  closeSync(log)
  for (const until = Date.now() + START_MS; Date.now() < until; await pause(20)) {
    if (child.exitCode !== null) throw new Error(`the simulator ended with ${child.exitCode}: see ${dir}.log`)
    const ready = liveSimulator(dir)
    if (!ready) continue
    writeFileSync(portFile, `${ready.authority.split(':').at(-1)}\n`)
    return { ...ready, ...credentials, how: 'started' }
  }
  child.kill('SIGKILL')
  throw new Error(`the simulator did not serve within ${START_MS} ms: see ${dir}.log`)
}

/** Ends the simulator of `DIR/simulator` by its process id; its data stays. Absent is success. */
export async function stopSimulator(data: string): Promise<'stopped' | 'absent'> {
  const dir = join(data, 'simulator')
  const live = liveSimulator(dir)
  if (!live) return 'absent'
  process.kill(live.pid, 'SIGTERM')
  for (const until = Date.now() + STOP_MS; Date.now() < until; await pause(20)) {
    if (!servesFrom(live.pid, dir)) return 'stopped'
  }
  throw new Error(`the simulator, process ${live.pid}, did not stop in ${STOP_MS} ms`)
}

function liveSimulator(dir: string): { readonly pid: number; readonly authority: string } | undefined {
  const path = join(dir, 'ready.json')
  if (!existsSync(path)) return undefined
  // Written by the simulator, renamed into place.
  const { pid, url } = JSON.parse(readFileSync(path, 'utf8')) as { readonly pid: number; readonly url: string }
  return servesFrom(pid, dir) ? { pid, authority: new URL(url).host } : undefined
}

/** A process id alone proves nothing: its command line must be the simulator's, on this directory. */
function servesFrom(pid: number, dir: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.includes(MAIN) && words.includes(dir)
  } catch {
    return false
  }
}

function ensureCredentials(data: string): { readonly user: string; readonly password: string; readonly file: string } {
  const file = join(data, 'simulator.credentials.json')
  if (!existsSync(file)) {
    const made = { user: 'moorage', password: randomBytes(18).toString('base64url') }
    writeFileSync(file, JSON.stringify(made), { mode: 0o600, flush: true })
  }
  // Written above.
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { readonly user: string; readonly password: string }
  return { ...kept, file }
}
