import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Programs of the real lab, with the Debian package that holds each. */
const PROGRAMS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-storage-daemon': 'qemu-system-x86 or qemu-utils',
  'qemu-img': 'qemu-utils',
  tgtd: 'tgt',
  'mkfs.xfs': 'xfsprogs',
  debugfs: 'e2fsprogs',
} as const

/** Why the real SAN and hypervisor cannot run here; empty when they can. Tried, not guessed: it mounts a small file system. */
export function whatIsMissing(): readonly string[] {
  const missing: string[] = []
  if (process.getuid?.() !== 0) missing.push('not root: no loop mounts, no FUSE exports')
  for (const [program, holder] of Object.entries(PROGRAMS)) {
    if (!onPath(program)) missing.push(`${program} is not installed (package ${holder})`)
  }
  if (!existsSync('/dev/fuse')) missing.push('/dev/fuse is missing')
  if (missing.length === 0 && !loopMounts()) missing.push('a file system in a file cannot be mounted here')
  return missing
}

function onPath(program: string): boolean {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  return path.split(':').some((dir) => dir !== '' && existsSync(join(dir, program)))
}

function loopMounts(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'moorage-probe-'))
  const image = join(dir, 'image')
  try {
    writeFileSync(image, '')
    truncateSync(image, 512 * 1024 * 1024)
    execFileSync('mkfs.xfs', ['-q', '-m', 'reflink=1', image], { stdio: 'ignore' })
    execFileSync('mount', ['-o', 'loop', image, dir], { stdio: 'ignore' })
    execFileSync('umount', [dir], { stdio: 'ignore' })
    return true
  } catch {
    return false
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
