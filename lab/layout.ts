import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

/** Where the lab keeps everything, and where its servers listen. All on loopback. */
export interface Layout {
  readonly root: string
  readonly controller: string
  readonly san: string
  readonly hostd: string
  readonly mover: string
  /** Where the mover archives to, and where a pool keeps volumes in files. */
  readonly archive: string
  readonly files: string
  readonly simulator: string
  /** Boot images: a cache that outlives the lab. */
  readonly images: string
  /** `host:port` each. */
  readonly listen: {
    readonly api: string
    readonly integration: string
    readonly san: string
    readonly portal: string
    readonly hostd: string
    readonly mover: string
  }
}

/** The repository that this lab belongs to. */
export const REPOSITORY = join(import.meta.dirname, '..')

/**
 * The layout below `MOORAGE_LAB`, else `~/.moorage/lab`. Ports come from `MOORAGE_LAB_PORT` (8080 by default, the API's)
 * upwards, so that two labs can stand beside each other.
 */
export function layout(): Layout {
  const base = Number(process.env['MOORAGE_LAB_PORT'] ?? 8080)
  if (!Number.isInteger(base) || base < 1024 || base > 65_000) {
    throw new Error('MOORAGE_LAB_PORT must be a port between 1024 and 65000')
  }
  const root = realPath(resolve(process.env['MOORAGE_LAB'] ?? join(homedir(), '.moorage', 'lab')))
  const [api, integration, san, hostd, portal, mover] = [base, base + 16, base + 20, base + 21, base + 22, base + 23]
  return layoutAt(root, { api, integration, san, hostd, portal, mover })
}

/** Without links, as the kernel lists mounts and directories of processes; also of what does not exist yet. */
function realPath(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(realPath(dirname(path)), basename(path))
}

/** The layout below `root`, with these ports of the loopback. */
export function layoutAt(root: string, ports: Readonly<Record<keyof Layout['listen'], number>>): Layout {
  return {
    root,
    controller: join(root, 'controller'),
    san: join(root, 'san'),
    hostd: join(root, 'hostd'),
    mover: join(root, 'mover'),
    archive: join(root, 'archive'),
    files: join(root, 'files'),
    simulator: join(root, 'controller', 'simulator'),
    images: join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'moorage', 'images'),
    listen: {
      api: `127.0.0.1:${ports.api}`,
      integration: `127.0.0.1:${ports.integration}`,
      san: `127.0.0.1:${ports.san}`,
      hostd: `127.0.0.1:${ports.hostd}`,
      portal: `127.0.0.1:${ports.portal}`,
      mover: `127.0.0.1:${ports.mover}`,
    },
  }
}

/** Credentials of one daemon: made once, kept in a file that only the owner can read. */
export function credentials(
  root: string,
  name: string,
): { readonly user: string; readonly password: string; readonly file: string } {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const file = join(root, `${name}.credentials.json`)
  if (!existsSync(file)) {
    const made = { user: name, password: randomBytes(18).toString('base64url') }
    writeFileSync(file, JSON.stringify(made), { mode: 0o600, flag: 'wx' })
  }
  const kept = JSON.parse(readFileSync(file, 'utf8')) as { readonly user: string; readonly password: string } // As written above.
  return { ...kept, file }
}
