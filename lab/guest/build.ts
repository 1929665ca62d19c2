import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { INGREDIENTS, packInitramfs } from './initramfs.ts'
import { fetchKernel, readVmlinux } from './kernel.ts'

const STAMP = 'recipe'

/**
 * Makes the boot image `directory`/{vmlinux,initrd.cpio}: Debian's cloud kernel and a file system in memory with busybox
 * and QEMU's guest agent. Needs apt's package lists, busybox-static, qemu-guest-agent and e2fsprogs. Does nothing, without
 * any network, when what is there was made from the same sources and programs; `built` says which. Atomic: the directory
 * appears or is replaced as a whole. One builder at a time for a directory.
 */
export async function buildGuest(directory: string): Promise<{ readonly built: boolean }> {
  const recipe = await recipeDigest()
  const current = await readFile(join(directory, STAMP), 'utf8').catch(() => '')
  if (current === recipe) return { built: false }
  await mkdir(join(directory, '..'), { recursive: true })
  const work = await mkdtemp(`${directory}.`)
  try {
    const kernel = await fetchKernel(work)
    const image = join(work, 'image')
    await mkdir(image)
    await writeFile(join(image, 'vmlinux'), await readVmlinux(kernel))
    await writeFile(join(image, 'initrd.cpio'), await packInitramfs(kernel))
    await writeFile(join(image, STAMP), recipe)
    await rm(directory, { recursive: true, force: true })
    await rename(image, directory)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return { built: true }
}

/** Digest of everything that goes into the guest but the kernel, which is whatever Debian had when the image was made. */
async function recipeDigest(): Promise<string> {
  const hash = createHash('sha256')
  for (const file of [...(await filesIn(import.meta.dirname)), ...INGREDIENTS]) {
    const data = await readFile(file)
    hash.update(`${file.replace(import.meta.dirname, '')} ${data.length}\n`).update(data)
  }
  return hash.digest('hex')
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
  return files.map((entry) => join(entry.parentPath, entry.name)).sort()
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string' } } })
  if (values.out === undefined) throw new Error('usage: node lab/guest/build.ts --out DIRECTORY')
  const began = Date.now()
  const { built } = await buildGuest(values.out)
  console.log(built ? `guest image built in ${Date.now() - began} ms` : 'guest image is current')
}
