import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Layout } from './layout.ts'
import { isOrphaned, runningDaemon } from './process.ts'

/** What the lab makes directly below its root. */
const OURS = /^(controller|san|hostd|mover|archive|files)(\.log|\.credentials\.json)?$/

/** Whether a lab was ever set up here. */
export function labExists(at: Layout): boolean {
  return existsSync(at.root)
}

/** Processes, mounts and loop devices of the lab that are still there, a line each. Empty after `stopAll`. */
export function remains(at: Layout): readonly string[] {
  const daemons = [at.controller, at.mover, at.hostd, at.san, at.simulator]
  const processes = daemons.filter((dir) => runningDaemon(dir) || isOrphaned(dir)).map((dir) => `processes on ${dir}`)
  return [...processes, ...mountsBelow(at.root), ...loopsBelow(at.root)]
}

/**
 * Removes the lab's data, and the folders made for it once they are empty. Files that are not the lab's stay: answers their
 * names. Call it only when nothing `remains`: removing through a mount would remove what is mounted.
 */
export function removeData(at: Layout): readonly string[] {
  const entries = readdirSync(at.root)
  for (const name of entries.filter((entry) => OURS.test(entry))) rmSync(join(at.root, name), { recursive: true })
  const others = entries.filter((entry) => !OURS.test(entry))
  if (others.length > 0) return others
  rmdirSync(at.root)
  const home = dirname(at.root)
  if (home.endsWith('/.moorage') && readdirSync(home).length === 0) rmdirSync(home)
  return []
}

function mountsBelow(root: string): readonly string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${root}/`))
    .map((path) => `mount ${path}`)
}

function loopsBelow(root: string): readonly string[] {
  return readdirSync('/sys/block')
    .map((name) => ({ name, backing: join('/sys/block', name, 'loop/backing_file') }))
    .filter(({ backing }) => existsSync(backing) && readFileSync(backing, 'utf8').startsWith(`${root}/`))
    .map(({ name }) => `loop device ${name}`)
}
