import { randomUUID } from 'node:crypto'
import { link, lstat, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SettingSpec } from '@moorage/contract'
import { sync, textOf, unlessAbsent } from './durable.ts'
import { isErrno, refuse } from './failures.ts'

/** A directory that is a back end, or a part of one. */
export interface Directory {
  /** Absolute. */
  readonly root: string
  /** True: it must be a mount point, so that a file server that is away is not mistaken for an empty directory. */
  readonly mounted: boolean
}

/** The setting of a plug-in behind `Directory.mounted`. */
export const MOUNTED_SETTING: SettingSpec = {
  name: 'mounted',
  title: 'Must be a mount point',
  type: 'boolean',
  required: false,
  description: 'true: use the directory only while something is mounted on it, as for NFS.',
}

/** Reads `file:///DIRECTORY` and the value of `MOUNTED_SETTING`. Throws `INVALID` naming what is wrong. */
export function directoryOf(url: string, mounted: string = 'false'): Directory {
  if (mounted !== 'true' && mounted !== 'false') throw refuse('INVALID', 'mounted: must be true or false')
  const parsed = URL.parse(url)
  const plain = parsed?.protocol === 'file:' && parsed.hostname === '' && parsed.search === '' && parsed.hash === ''
  const path = plain && !/%(?:2f|00)/i.test(parsed.pathname) ? fileURLToPath(parsed) : ''
  const root = normalize(path).replace(/\/+$/, '')
  if (!isAbsolute(root)) throw refuse('INVALID', 'url: must read file:///DIRECTORY')
  return { root, mounted: mounted === 'true' }
}

/** Throws `UNAVAILABLE`, effect `none`, when the directory, or the mount that it is to be, is not there. */
export async function checkThere({ root, mounted }: Directory): Promise<void> {
  const found = await unlessAbsent(lstat(root))
  if (!found?.isDirectory()) throw refuse('UNAVAILABLE', `${root} is no directory here`)
  if (!mounted) return
  if ((await stat(dirname(root))).dev === found.dev) throw refuse('UNAVAILABLE', `nothing is mounted on ${root}`)
}

/** Bytes of the file system that the directory is on. */
export async function spaceOf(root: string): Promise<{ readonly totalBytes: number; readonly usedBytes: number }> {
  const { bsize, blocks, bavail } = await statfs(root)
  return { totalBytes: blocks * bsize, usedBytes: (blocks - bavail) * bsize }
}

/**
 * The id in the file `name` of the directory: the same for whoever looks, whatever the path. Whoever is first writes it,
 * and `link` lets nobody be second.
 */
export async function identityOf(root: string, name: string): Promise<string> {
  const path = join(root, name)
  const known = await textOf(path)
  if (known !== undefined) return known.trim()
  const draft = join(root, `${name}.${randomUUID()}`)
  await writeFile(draft, `${randomUUID()}\n`, { mode: 0o644 })
  await sync(draft)
  await link(draft, path).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error
  })
  await rm(draft)
  await sync(root)
  return identityOf(root, name)
}
