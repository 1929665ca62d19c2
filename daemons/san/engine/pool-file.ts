import { constants } from 'node:fs'
import { copyFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Mount, mountAt } from './mounts.ts'
import { run } from './run.ts'

/** Smallest pool: mkfs.xfs refuses file systems below 300 MiB. */
export const LEAST_POOL_BYTES = 512 * 1024 * 1024

const UNMOUNT_MS = 10_000
/**
 * `discard` gives space back to the disk of the machine when volumes shrink or go; without it the image only grows.
 * `noatime`: reads of volumes need not write.
 */
const MOUNT_OPTIONS = 'loop,discard,noatime,nodev,nosuid,noexec'

/**
 * Mounts the pool and tells whether it was mounted already: an XFS with reflinks in a sparse image file on a loop device, made at first use. A mount that an
 * earlier daemon left is taken over. Throws when there is no root, no loop device, no mkfs.xfs, or no reflink: this SAN
 * does not copy where it promises to clone.
 */
export async function mountPool(options: {
  readonly image: string
  readonly mountPoint: string
  readonly bytes: number
}): Promise<'mounted' | 'adopted'> {
  const { image, mountPoint, bytes } = options
  await mkdir(mountPoint, { recursive: true })
  const found = await mountAt(mountPoint)
  if (found) await checkBacking(found, image)
  else {
    await makeImage(image, bytes)
    await run('mount', ['-t', 'xfs', '-o', MOUNT_OPTIONS, image, mountPoint])
  }
  try {
    await checkReflink(mountPoint)
  } catch (error) {
    if (!found) await unmountPool(mountPoint)
    throw error
  }
  return found ? 'adopted' : 'mounted'
}

/** Unmounts the pool; waits for the last user to let go. */
export async function unmountPool(mountPoint: string): Promise<void> {
  const deadline = Date.now() + UNMOUNT_MS
  while (await mountAt(mountPoint)) {
    try {
      await run('umount', [mountPoint])
    } catch (error) {
      if (Date.now() > deadline) throw error
      await pause(50)
    }
  }
}

/** Made under another name and renamed, so that an image under its own name is always whole. */
async function makeImage(image: string, bytes: number): Promise<void> {
  if (await stat(image).catch(() => undefined)) return
  const draft = `${image}.new`
  await rm(draft, { force: true })
  const file = await open(draft, 'wx', 0o600)
  await file.truncate(bytes)
  await file.close()
  // 64 MiB of log instead of 1/2048 of a size that is mostly air.
  await run('mkfs.xfs', ['-q', '-m', 'reflink=1', '-l', 'size=64m', draft])
  await rename(draft, image)
}

async function checkBacking(mount: Mount, image: string): Promise<void> {
  const backing = join('/sys/block', basename(mount.source), 'loop/backing_file')
  const file = (await readFile(backing, 'utf8').catch(() => '')).trim()
  if (file !== image) throw new Error(`${mount.point} is a mount of ${file || mount.source}, not of ${image}`)
}

async function checkReflink(mountPoint: string): Promise<void> {
  const [from, to] = [join(mountPoint, '.reflink-1'), join(mountPoint, '.reflink-2')]
  try {
    const file = await open(from, 'w', 0o600)
    await file.write('x')
    await file.close()
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE)
  } catch (error) {
    throw new Error(`${mountPoint} cannot clone files (reflink), which this SAN needs`, { cause: error })
  } finally {
    await rm(from, { force: true })
    await rm(to, { force: true })
  }
}
