import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'

/** What a run left behind. `pid` is set for processes, which the caller may end. */
export interface Leak {
  readonly what: string
  readonly pid?: number
}

/** Name of the variable by which a run's processes are known: children inherit it, whatever they do to their parent. */
export const RUN_VARIABLE = 'MOORAGE_TEST_RUN'

const SETTLE_MS = 15_000

/** As `leaksOf`, once it stays empty or the time is over: servers of a run may be ended by a watcher after it. */
export async function lastingLeaks(run: string, folder: string): Promise<readonly Leak[]> {
  const deadline = Date.now() + SETTLE_MS
  for (;;) {
    const leaks = leaksOf(run, folder)
    if (leaks.length === 0 || Date.now() > deadline) return leaks
    await wait(100)
  }
}

/**
 * Processes that carry `run` in their environment, and mounts, loop devices and files under `folder`. Empty when the run
 * cleaned up after itself. Sees other users' processes only as root.
 */
export function leaksOf(run: string, folder: string): readonly Leak[] {
  return [...processesOf(run), ...mountsUnder(folder), ...loopsUnder(folder), ...filesIn(folder)]
}

function processesOf(run: string): readonly Leak[] {
  const mark = `${RUN_VARIABLE}=${run}`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const environment = read(`/proc/${name}/environ`).split('\0')
      // A zombie has no environment left, and nothing that could be ended.
      if (!environment.includes(mark)) return []
      const command = read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim()
      return [{ what: `process ${name}: ${command}`, pid: Number(name) }]
    })
}

function mountsUnder(folder: string): readonly Leak[] {
  return read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .map((path) => ({ what: `mount ${path}` }))
}

function loopsUnder(folder: string): readonly Leak[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .map((name) => ({ name, file: read(`/sys/block/${name}/loop/backing_file`).trim() }))
    .filter(({ file }) => file.startsWith(`${folder}/`))
    .map(({ name, file }) => ({ what: `loop device ${name} on ${file}` }))
}

function filesIn(folder: string): readonly Leak[] {
  return readdirSync(folder).map((name) => ({ what: `file ${folder}/${name}${linkOf(`${folder}/${name}`)}` }))
}

function linkOf(path: string): string {
  try {
    return ` -> ${readlinkSync(path)}`
  } catch {
    return ''
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
