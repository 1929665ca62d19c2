import { constants } from 'node:fs'
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isErrno, sync } from '@moorage/files'

/** Ending of what is being made: it belongs to a call under way, or to one that was cut short. */
export const DRAFT = '.draft'

/**
 * Makes a file, or replaces it at once, by what `write` puts into a draft beside it: under its own name a file is always
 * whole and on disk. A draft that an earlier call left is overwritten; callers take turns.
 */
export async function appear(path: string, write: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${path}${DRAFT}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rm(draft, { force: true })
    await write(draft)
    await sync(draft)
    await rename(draft, path)
    await sync(dirname(path))
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/**
 * What another file holds at this moment, sharing its blocks. Acknowledged writes are in the page cache at least, which is
 * where it is taken from; the kernel holds further ones until it is complete. Never a copy: where the file system cannot, it
 * throws `ENOTSUP`.
 */
export async function reflink(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE)
}

/** A second name for a file; what had that name before loses it at once. */
export async function relink(from: string, path: string): Promise<void> {
  await appear(path, (draft) => link(from, draft))
}

/** Removes what a call that was cut short left beside `path`. */
export async function dropDraft(path: string): Promise<void> {
  await rm(`${path}${DRAFT}`, { force: true })
}

/** Removes a name, durably. What is not there is removed already. */
export async function remove(path: string): Promise<void> {
  await rm(path, { force: true })
  await dropDraft(path)
  await sync(dirname(path)).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error
  })
}
