import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { type CpioEntry, packCpio } from './cpio.ts'
import { moduleFiles, type UnpackedKernel } from './kernel.ts'

const run = promisify(execFile)

/** Our own part of the guest: scripts and configuration, laid out as in the guest. */
const ROOTFS = join(import.meta.dirname, 'rootfs')
const BUSYBOX = '/bin/busybox'
/**
 * What busybox cannot do: the agent, mke2fs with the features of today, and a dd that knows O_DSYNC. Their libraries come
 * along. The shell prefers busybox's own dd, so the scripts call this one by its path.
 */
const PROGRAMS = [
  { from: '/usr/sbin/qemu-ga', to: 'sbin/qemu-ga' },
  { from: '/sbin/mke2fs', to: 'sbin/mkfs.ext4' },
  { from: '/bin/dd', to: 'usr/bin/dd' },
] as const
const REPLACED_APPLETS = new Set(['busybox', 'mke2fs', 'mkfs.ext2'])
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_scsi', 'sd_mod']
const EMPTY_DIRECTORIES = ['dev', 'proc', 'sys', 'run', 'tmp', 'mnt', 'var', 'root']

/** Files of the machine that go into the guest: a change of one makes the guest out of date. */
export const INGREDIENTS: readonly string[] = [BUSYBOX, ...PROGRAMS.map((program) => program.from)]

/** The guest's whole file system: busybox, the programs above, the modules a virtual machine needs, our scripts. */
export async function packInitramfs(kernel: UnpackedKernel): Promise<Buffer> {
  const files = await Promise.all([ownFiles(), programs(), modules(kernel), applets()])
  const links: CpioEntry[] = [
    { path: 'init', kind: 'link', target: BUSYBOX },
    { path: 'etc/mtab', kind: 'link', target: '/proc/mounts' },
  ]
  const byPath = new Map([...files.flat(), ...links].map((entry) => [entry.path, entry]))
  return packCpio(withDirectories([...byPath.values()]))
}

async function ownFiles(): Promise<readonly CpioEntry[]> {
  const entries = await readdir(ROOTFS, { recursive: true, withFileTypes: true })
  return Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const file = join(entry.parentPath, entry.name)
        const data = await readFile(file)
        // By its first bytes, not by its mode, which an archive of the sources may have lost.
        const executable = data.toString('latin1', 0, 2) === '#!'
        return { path: relative(ROOTFS, file), kind: 'file', data, executable } as const
      }),
  )
}

async function programs(): Promise<readonly CpioEntry[]> {
  const wanted = [{ from: BUSYBOX, to: 'bin/busybox' }, ...PROGRAMS]
  const libraries = await Promise.all(wanted.map((program) => librariesOf(program.from)))
  const files = [...wanted, ...[...new Set(libraries.flat())].map((from) => ({ from, to: from.slice(1) }))]
  return Promise.all(
    files.map(
      async ({ from, to }) => ({ path: to, kind: 'file', data: await readFile(from), executable: true }) as const,
    ),
  )
}

/** Absolute paths of the shared libraries and the loader; empty for a static program. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await run('ldd', [program]).catch((error: { stderr?: string }) => {
    if (error.stderr?.includes('not a dynamic executable')) return { stdout: '' }
    throw error
  })
  return stdout.split('\n').flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}

async function modules(kernel: UnpackedKernel): Promise<readonly CpioEntry[]> {
  const paths = await moduleFiles(kernel, MODULES)
  const loadOrder = Buffer.from(`${paths.map((path) => `/${path}`).join('\n')}\n`)
  const files = paths.map(async (path) => {
    const data = await readFile(join(kernel.root, path))
    return { path, kind: 'file', data, executable: false } as const
  })
  return [{ path: 'etc/modules', kind: 'file', data: loadOrder, executable: false }, ...(await Promise.all(files))]
}

async function applets(): Promise<readonly CpioEntry[]> {
  const { stdout } = await run(BUSYBOX, ['--list'])
  const names = stdout.split('\n').filter((name) => name !== '' && !REPLACED_APPLETS.has(name))
  return names.map((name) => ({ path: `bin/${basename(name)}`, kind: 'link', target: BUSYBOX }) as const)
}

function withDirectories(entries: readonly CpioEntry[]): readonly CpioEntry[] {
  const directories = new Set(EMPTY_DIRECTORIES)
  for (const { path } of entries) {
    for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) directories.add(parent)
  }
  const made = [...directories].map((path) => ({ path, kind: 'directory' }) as const)
  // Code-point order puts a directory before what is in it, and is the same everywhere.
  return [...made, ...entries].sort((a, b) => (a.path < b.path ? -1 : 1))
}
