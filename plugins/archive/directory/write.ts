import { randomUUID } from 'node:crypto'
import { link, mkdir, open, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Call } from '@moorage/contract'
import { checkTime, isErrno, refuse, sync } from '@moorage/files'
import { checkMade, draftsFolder } from './layout.ts'

/** What a change is told to do with, and by whom. */
export interface Change {
  readonly root: string
  readonly key: string
  readonly call: Call
  /** Told before the first thing that somebody else can see. */
  began(): void
}

/**
 * `put`: a draft on disk gets the key as its second name, which `link` refuses where something has that name already. So
 * a file has its name only when it is whole.
 */
export async function putObject(change: Change, body: Uint8Array): Promise<'stored' | 'present'> {
  const { root, key, call, began } = change
  const draft = join(draftsFolder(root), randomUUID())
  const target = join(root, key)
  await checkMade(root)
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(body, { signal: call.signal })
      await file.sync()
    } finally {
      await file.close()
    }
    checkTime(call)
    began()
    const outcome = await name(draft, target)
    // Where another put was first, its name may not be on disk yet. Folders may be new, of a put that was cut short.
    for (let folder = dirname(target); folder.length >= root.length; folder = dirname(folder)) await sync(folder)
    return outcome
  } finally {
    await rm(draft, { force: true })
  }
}

/** How often a folder may be swept away between its making and its first file. */
const MOST_ROUNDS = 100

async function name(draft: string, target: string): Promise<'stored' | 'present'> {
  for (let round = 1; ; round++) {
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      await link(draft, target)
      return 'stored'
    } catch (error) {
      if (isErrno(error, 'ENOTDIR')) throw refuse('CONFLICT', `${target} would be below an object`)
      if (isErrno(error, 'EEXIST')) return firstOf(draft, target)
      // An empty folder is swept away by whoever deletes the last object in it.
      if (!isErrno(error, 'ENOENT') || round === MOST_ROUNDS) throw error
    }
  }
}

/** Over NFS the first answer to a `link` may be lost, and the second one finds the name taken: by the draft itself. */
async function firstOf(draft: string, target: string): Promise<'stored' | 'present'> {
  const there = await stat(target).catch((error: unknown) => {
    // `mkdir` says that there is a file where the folder should be.
    if (isErrno(error, 'ENOTDIR')) throw refuse('CONFLICT', `${target} would be below an object`)
    throw error
  })
  if (there.isDirectory()) throw refuse('CONFLICT', `there are objects below ${target}`)
  return (await stat(draft)).ino === there.ino ? 'stored' : 'present'
}

/** `delete`: the file, and the folders that it leaves empty. */
export async function deleteObject({ root, key, began }: Change): Promise<void> {
  const target = join(root, key)
  await checkMade(root)
  began()
  await unless(['ENOENT', 'ENOTDIR', 'EISDIR'], unlink(target))
  await unless(['ENOENT', 'ENOTDIR'], sync(dirname(target)))
  for (let folder = dirname(target); folder.length > root.length; folder = dirname(folder)) {
    if (!(await unless(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'], rmdir(folder)))) return
  }
}

/** Whether it was done; false after one of these errors. */
async function unless(codes: readonly string[], work: Promise<void>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (!codes.some((code) => isErrno(error, code))) throw error
    return false
  }
}
