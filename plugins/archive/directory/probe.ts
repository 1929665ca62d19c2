import { randomUUID } from 'node:crypto'
import { link, mkdir, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ArchiveReport, PluginError } from '@moorage/contract'
import { checkThere, type Directory, identityOf, isErrno, spaceOf, sync, unlessAbsent } from '@moorage/files'
import { draftsFolder, IDENTITY, ownFolder } from './layout.ts'

/** A draft that old belongs to nobody: no call lasts so long. */
const STALE_MS = 24 * 3_600_000

/** `probe`: makes the directory an archive if it is none yet, and takes away what calls that were cut short have left. */
export async function probeDirectory(directory: Directory): Promise<ArchiveReport> {
  const { root } = directory
  await checkThere(directory)
  await mkdir(draftsFolder(root), { recursive: true, mode: 0o700 })
  await sync(root)
  const now = await checkLinks(draftsFolder(root))
  await sweepDrafts(draftsFolder(root), now)
  const { type } = await statfs(root)
  return {
    identity: await identityOf(ownFolder(root), IDENTITY),
    conditionalPut: 'atomic',
    listing: 'strong',
    ...(await spaceOf(root)),
    version: `files on 0x${type.toString(16)}`,
  }
}

/** Throws `UNSUPPORTED` where a file cannot have a second name, or loses its name to another. Answers the server's time. */
async function checkLinks(folder: string): Promise<number> {
  const [one, other] = [join(folder, randomUUID()), join(folder, randomUUID())]
  try {
    await writeFile(one, 'x', { mode: 0o600 })
    await link(one, other)
    const again: unknown = await link(one, other).catch((error: unknown) => error)
    if (!isErrno(again, 'EEXIST')) throw new PluginError('UNSUPPORTED', `${folder}: a link replaces a name`, 'none')
    return (await stat(one)).mtimeMs
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].some((code) => isErrno(error, code))) throw error
    throw new PluginError('UNSUPPORTED', `${folder} is on a file system without hard links`, 'none', error)
  } finally {
    await rm(one, { force: true })
    await rm(other, { force: true })
  }
}

async function sweepDrafts(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const found = await unlessAbsent(stat(join(folder, name)))
    if (found && found.mtimeMs < now - STALE_MS) await rm(join(folder, name), { force: true })
  }
}
