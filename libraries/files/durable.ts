import { open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isErrno } from './failures.ts'

/** Makes what a file holds, or the names in a directory, survive the machine. */
export async function sync(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The text of a file; `undefined` when there is none. */
export async function textOf(path: string): Promise<string | undefined> {
  return unlessAbsent(readFile(path, 'utf8'))
}

/** Whether something has that name. */
export async function exists(path: string): Promise<boolean> {
  return (await unlessAbsent(stat(path))) !== undefined
}

/** What was found, or `undefined` when nothing is there. */
export async function unlessAbsent<Found>(found: Promise<Found>): Promise<Found | undefined> {
  try {
    return await found
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * Replaces a file as a whole, readable by its owner only: after a crash of this process or of the machine it holds either
 * the old or the new text. Resolves once the new text is on disk. Writers of one file take turns; that is the caller's.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const next = `${path}.next`
  const file = await open(next, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(next, path)
  await sync(dirname(path))
}
