import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** What a run took. */
export interface Measured {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMib: number
}

const TICKS = 100
const SAMPLE_MS = 30

/** Runs a command line of the shell to its end; throws with what it said unless it ends with 0. */
export async function measureCommand(line: string, env: Readonly<Record<string, string>> = {}): Promise<Measured> {
  // The shell's own account of its children is exact, however short they live.
  const script = `${line}\nstatus=$?; read -r account < /proc/$$/stat; echo "account: $account" >&2; exit $status`
  const began = performance.now()
  const child = spawn('sh', ['-c', script], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-4000)))
  const stop = watchMemory(child.pid ?? 0)
  const [status] = (await once(child, 'close')) as [number] // The event's arguments.
  const seconds = (performance.now() - began) / 1000
  if (status !== 0) throw new Error(`${line}: ${said}`)
  const account = /account: \d+ \(.*\) (.*)/.exec(said)?.[1]?.split(' ') ?? []
  return { seconds, cpuSeconds: (Number(account[13]) + Number(account[14])) / TICKS, peakMib: stop() }
}

/** Measures what a process that goes on does meanwhile. */
export async function measureProcess(pid: number, work: () => Promise<unknown>): Promise<Measured> {
  const stop = watchMemory(pid)
  const [began, cpu] = [performance.now(), cpuOf(pid)]
  await work()
  return { seconds: (performance.now() - began) / 1000, cpuSeconds: cpuOf(pid) - cpu, peakMib: stop() }
}

/** Its own, and of its children that have ended. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0) / TICKS
}

/** Anonymous and shared memory of a process and its descendants: what they hold, not what the cache holds for them. */
function watchMemory(pid: number): () => number {
  let peak = 0
  const timer = setInterval(() => (peak = Math.max(peak, memoryOf(pid))), SAMPLE_MS)
  return () => {
    clearInterval(timer)
    return peak / 1024
  }
}

function memoryOf(pid: number): number {
  let kib = 0
  const status = read(`/proc/${pid}/status`)
  for (const [, value] of status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB/gm)) kib += Number(value)
  const children = read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((one) => one !== '')
  return children.reduce((sum, child) => sum + memoryOf(Number(child)), kib)
}

/** Processes end while one looks at them. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
