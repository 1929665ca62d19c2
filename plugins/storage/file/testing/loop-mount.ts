import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MAKERS = {
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1', '-l', 'size=64m'],
  ext4: ['mkfs.ext4', '-q'],
} as const

/** A file system of one test, on a loop device. */
export interface LoopMount {
  readonly path: string
  /** Unmounts it and removes its image. */
  stop(): Promise<void>
}

/** Makes and mounts a file system of 8 GiB in a sparse file: xfs with reflinks, or ext4, which has none. */
export async function loopMount(type: keyof typeof MAKERS): Promise<LoopMount> {
  const folder = await mkdtemp(join(tmpdir(), `file-${type}-`))
  const [image, path] = [join(folder, 'image'), join(folder, 'mount')]
  const file = await open(image, 'wx', 0o600)
  await file.truncate(8 * 1024 ** 3)
  await file.close()
  await mkdir(path)
  const [maker, ...args] = MAKERS[type]
  await run(maker, [...args, image])
  await run('mount', ['-o', 'loop', image, path])
  return {
    path,
    async stop() {
      await run('umount', [path])
      await rm(folder, { recursive: true })
    },
  }
}
