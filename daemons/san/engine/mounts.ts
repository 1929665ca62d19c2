import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { run } from './run.ts'

/** A mount of this mount namespace. */
export interface Mount {
  readonly point: string
  readonly type: string
  readonly source: string
}

/** Every mount, in the order in which they were made (proc(5), mountinfo). */
export async function mounts(): Promise<readonly Mount[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [head = '', tail = ''] = line.split(' - ')
      const [type = '', source = ''] = tail.split(' ')
      return { point: unescapeField(head.split(' ')[4] ?? ''), type, source: unescapeField(source) }
    })
}

/** The topmost mount on a directory or file; `undefined` when nothing is mounted there. */
export async function mountAt(point: string): Promise<Mount | undefined> {
  return (await mounts()).findLast((mount) => mount.point === point)
}

/** Points mounted directly in a directory. */
export async function mountsBelow(directory: string): Promise<readonly string[]> {
  return (await mounts()).map(({ point }) => point).filter((point) => dirname(point) === directory)
}

/** Unmounts many at once, also while they are in use or their server is dead. */
export async function unmountAll(points: readonly string[]): Promise<void> {
  if (points.length > 0) await run('umount', ['-l', ...points])
}

/** Unmounts; `lazily` also while it is in use or its server is dead. What is not mounted is left alone. */
export async function unmount(point: string, how: 'wait' | 'lazily'): Promise<void> {
  if (await mountAt(point)) await run('umount', [...(how === 'lazily' ? ['-l'] : []), point])
}

function unescapeField(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCodePoint(Number.parseInt(octal, 8)))
}
