import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unpackLz4Legacy } from './lz4.ts'

const run = promisify(execFile)
/** The package that always depends on Debian's current cloud kernel, which has ext4 and PCI hot plug built in. */
const META_PACKAGE = 'linux-image-cloud-amd64'

/** A kernel as its package holds it, unpacked but not installed. */
export interface UnpackedKernel {
  readonly release: string
  /** Directory that holds `boot/` and `lib/modules/<release>/`. */
  readonly root: string
}

/** Downloads Debian's cloud kernel with apt, verified by apt, and unpacks it under `directory` without installing it. */
export async function fetchKernel(directory: string): Promise<UnpackedKernel> {
  const { stdout } = await run('apt-cache', ['depends', '--important', META_PACKAGE])
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1]
  if (name === undefined) throw new Error(`apt knows no ${META_PACKAGE}: run apt-get update`)
  // apt drops to the user _apt for downloads, who may not write into a private directory.
  await run('apt-get', ['download', '-o', 'APT::Sandbox::User=root', name], { cwd: directory })
  const archive = (await readdir(directory)).find((file) => file.endsWith('.deb'))
  if (archive === undefined) throw new Error(`apt-get download ${name} left no package`)
  const root = join(directory, 'root')
  await run('dpkg', ['-x', join(directory, archive), root])
  const release = name.slice('linux-image-'.length)
  // The package lists no dependencies of modules: it makes the list when it is installed.
  await run('busybox', ['depmod', '-b', root, release])
  return { release, root }
}

/**
 * The kernel as an ELF image, which QEMU starts by its PVH note without the cost of unpacking it under emulation. The
 * setup header says where the packed image lies (Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length).
 */
export async function readVmlinux(kernel: UnpackedKernel): Promise<Buffer> {
  const image = await readFile(join(kernel.root, 'boot', `vmlinuz-${kernel.release}`))
  if (image.toString('latin1', 0x202, 0x206) !== 'HdrS') throw new Error('vmlinuz has no setup header')
  const protectedMode = (image.readUInt8(0x1f1) + 1) * 512
  const start = protectedMode + image.readUInt32LE(0x248)
  const elf = unpackLz4Legacy(image.subarray(start, start + image.readUInt32LE(0x24c)))
  if (elf.toString('latin1', 0, 4) !== '\u007fELF') throw new Error('the unpacked kernel is no ELF image')
  return elf
}

/** A module and everything it needs, as paths below the kernel's root, what is needed first. */
export async function moduleFiles(kernel: UnpackedKernel, names: readonly string[]): Promise<readonly string[]> {
  const directory = join('lib/modules', kernel.release)
  const list = await readFile(join(kernel.root, directory, 'modules.dep'), 'utf8')
  const lines = list.split('\n').map((line) => line.split(/:? /).filter((path) => path !== ''))
  const files = names.flatMap((name) => {
    const line = lines.find(([path]) => path?.replace(/:$/, '').endsWith(`/${name}.ko`))
    if (!line) throw new Error(`the kernel has no module ${name}`)
    return line.map((path) => join(directory, path.replace(/:$/, ''))).reverse()
  })
  return [...new Set(files)]
}
