import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Image } from './image.ts'
import { type Measured, measureCommand } from './measure.ts'

/** A program that does what the mover does, or a part of it. */
export interface Peer {
  readonly name: string
  /** Whether it finds out itself what has changed, and stores only that. */
  readonly increments: boolean
  /** Stores the image as it is now. */
  store(image: Image): Promise<Measured>
  /** Writes what was stored last to a file. */
  restore(to: string): Promise<Measured>
  storedMib(): number
}

/** Installs from Debian what is missing. */
export function installPeers(): void {
  const programs = { restic: 'restic', borg: 'borgbackup', casync: 'casync', 'qemu-img': 'qemu-utils' }
  const missing = Object.entries(programs).filter(([program]) => spawnSync('which', [program]).status !== 0)
  if (missing.length === 0) return
  const args = ['install', '-y', '-qq', '--no-install-recommends', ...missing.map(([, name]) => name)]
  execFileSync('apt-get', ['-o', 'DPkg::Lock::Timeout=600', ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** What we are compared with, each with a store of its own in the directory. */
export function makePeers(directory: string): readonly Peer[] {
  return [resticIn(directory), borgIn(directory), casyncIn(directory), qemuIn(directory)]
}

function resticIn(directory: string): Peer {
  const store = join(directory, 'restic')
  const env = { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(directory, 'restic-cache') }
  const command = `restic -q -r '${store}'`
  return {
    name: 'restic (encrypted)',
    increments: true,
    store: async ({ path }) => {
      if (!existsSync(store)) await measureCommand(`${command} init --repository-version 2`, env)
      return measureCommand(`${command} backup --compression auto '${path}'`, env)
    },
    restore: async (to) => {
      const measured = await measureCommand(`${command} restore latest --target '${to}'`, env)
      rmSync(to, { recursive: true })
      return measured
    },
    storedMib: () => mibOf(store),
  }
}

function borgIn(directory: string): Peer {
  const store = join(directory, 'borg')
  const env = { BORG_BASE_DIR: join(directory, 'borg-base'), BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' }
  let taken = 0
  return {
    name: 'borg (in clear)',
    increments: true,
    store: async ({ path }) => {
      if (!existsSync(store)) await measureCommand(`borg init -e none '${store}'`, env)
      taken += 1
      const how = '--sparse --chunker-params fixed,4194304 -C zstd,3 --files-cache disabled'
      return measureCommand(`borg create ${how} '${store}::${taken}' '${path}'`, env)
    },
    restore: async (to) => {
      const line = `mkdir '${to}' && cd '${to}' && borg extract --sparse '${store}::${taken}'`
      const measured = await measureCommand(line, env)
      rmSync(to, { recursive: true })
      return measured
    },
    storedMib: () => mibOf(store),
  }
}

function casyncIn(directory: string): Peer {
  const store = join(directory, 'casync')
  const index = join(directory, 'casync.caibx')
  return {
    name: 'casync',
    increments: true,
    store: ({ path }) =>
      measureCommand(`casync make --store='${store}' --compression=zstd --chunk-size=1048576 '${index}' '${path}'`),
    restore: async (to) => {
      const measured = await measureCommand(`casync extract --store='${store}' '${index}' '${to}'`)
      rmSync(to)
      return measured
    },
    storedMib: () => mibOf(store),
  }
}

function qemuIn(directory: string): Peer {
  const image = join(directory, 'qemu.qcow2')
  return {
    name: 'qemu-img convert -c (zstd)',
    increments: false,
    store: ({ path }) =>
      measureCommand(
        `qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd '${path}' '${image}' && sync '${image}'`,
      ),
    restore: async (to) => {
      const measured = await measureCommand(`qemu-img convert -f qcow2 -O raw '${image}' '${to}'`)
      rmSync(to)
      return measured
    },
    storedMib: () => mibOf(image),
  }
}

/** What a file or a directory takes up. */
export function mibOf(path: string): number {
  return Number(execFileSync('du', ['-sk', path]).toString().split('\t')[0]) / 1024
}
