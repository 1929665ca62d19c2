import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { runningDaemon, until } from '../../lab/process.ts'

/** Ids of living processes whose program is `program` and whose command line or environment names `dir`. */
export function processesOf(program: string, dir: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const argv = read(pid, 'cmdline').split('\0')
      const runs = argv[0]?.split('/').at(-1) === program
      return runs && (argv.join(' ').includes(dir) || read(pid, 'environ').includes(dir))
    })
}

/** The one process whose program is `program` and that names `dir`; throws when there is none, or another. */
export function only(program: string, dir: string): number {
  const [pid, ...more] = processesOf(program, dir)
  if (pid === undefined || more.length > 0) throw new Error(`not one ${program} runs on ${dir}`)
  return pid
}

/** Kills the daemon of a directory, and returns once it is gone; what it started lives on. */
export async function killDaemon(dir: string): Promise<void> {
  const pid = runningDaemon(dir)?.pid
  if (pid === undefined) throw new Error(`no daemon runs on ${dir}`)
  process.kill(pid, 'SIGKILL')
  await until(async () => (runningDaemon(dir) ? undefined : true), { what: 'the daemon to be gone', withinMs: 5_000 })
}

/** Ids of all living processes that name `dir` in their command line, with it. */
export function processesIn(dir: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => `${name} ${read(Number(name), 'cmdline').replaceAll('\0', ' ')}`)
    .filter((line) => line.includes(dir))
}

/** Mounted file systems below `dir`. */
export function mountsIn(dir: string): readonly string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(dir))
}

/** TCP connections (IPv4) of a process to a port, each by the inode of its socket: another connection has another. */
export function connectionsOf(pid: number, port: number): readonly string[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => /^socket:\[(\d+)\]$/.exec(link(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''),
  )
  // Column 3 is `address:port` of the other side in hexadecimal digits, column 10 the inode.
  const rows = read(pid, 'net/tcp').split('\n').slice(1)
  const columns = rows.map((row) => row.trim().split(/\s+/))
  return columns.flatMap(([, , remote = '', , , , , , , inode = '']) =>
    Number.parseInt(remote.split(':')[1] ?? '', 16) === port && sockets.has(inode) ? [inode] : [],
  )
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
