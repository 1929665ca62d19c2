import { readFile, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mountAt } from './mounts.ts'
import { run } from './run.ts'

/** `FUSE_SUPER_MAGIC` of linux/magic.h. */
const FUSE_MAGIC = 0x65735546

/**
 * Mounts the kernel's control files of FUSE connections (fuse.txt, "Control filesystem"), one directory per connection.
 * Idempotent.
 */
export async function mountFuseControl(point: string): Promise<void> {
  if (!(await mountAt(point))) await run('mount', ['-t', 'fusectl', 'none', point])
}

/**
 * Makes the kernel send the parts of one large request one after the other. Without it, large writes to a FUSE export of
 * qemu-storage-daemon are corrupted: the kernel splits what exceeds 1 MiB and sends the parts at once, and QEMU (7.2;
 * mended in 2025 by "fuse: Copy write buffer content before polling") reads the next request into the buffer that it
 * still writes from. Measured: of one write of 32 MiB, 140 to 464 of 512 pieces of 64 KiB were wrong; none with this.
 * Smaller writes are safe, because the kernel holds the file's lock over each.
 */
export async function serializeRequests(control: string, mountPoint: string): Promise<void> {
  const file = await backgroundLimit(control, mountPoint)
  await writeFile(file, '1')
  if (!(await isSerialized(control, mountPoint)))
    throw new Error(`${file} does not keep 1: large writes would be corrupted`)
}

/** True while the parts of large requests are sent one after the other. */
export async function isSerialized(control: string, mountPoint: string): Promise<boolean> {
  return (await readFile(await backgroundLimit(control, mountPoint), 'utf8')).trim() === '1'
}

/** True when the file is a live FUSE export of that size. A dead one, or the bare file below it, is not. */
export async function isExported(mountPoint: string, bytes: number): Promise<boolean> {
  try {
    if ((await statfs(mountPoint)).type !== FUSE_MAGIC) return false
    return (await stat(mountPoint)).size === bytes
  } catch {
    return false
  }
}

/** A connection is numbered by the minor number of its device, which makedev(3) spreads over the device number. */
async function backgroundLimit(control: string, mountPoint: string): Promise<string> {
  const { dev } = await stat(mountPoint)
  return join(control, String((dev & 0xff) | ((dev >>> 12) & 0xfff00)), 'max_background')
}
