import { existsSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** A plug-in that does not ship with us, and what its process is allowed beyond its own files and the network. */
export interface PluginSpec {
  /** A package folder or a module file that exports `plugin`. */
  readonly path: string
  /** Folders and files that it may read. */
  readonly read: readonly string[]
  /** Folders and files that it may read and write. */
  readonly write: readonly string[]
  /** Whether it may start programs: these are not confined by anything. */
  readonly run: boolean
  /** Limit of its JavaScript heap; all of its memory may come to `OVERHEAD_MIB` more. */
  readonly memoryMib: number
}

/** What a Node process holds besides its heap, and then some for buffers. */
export const OVERHEAD_MIB = 256
const DEFAULT_MEMORY_MIB = 256

/**
 * Reads the value of `--plugin`: `PATH`, then, each after a comma, `read=PATH`, `write=PATH`, `run` or `memory=MIB`. Throws
 * with the rule that was broken; nothing is looked up.
 */
export function readPluginSpec(text: string): PluginSpec {
  const [path = '', ...grants] = text.split(',')
  if (path === '') throw new Error('it must begin with the path of a package folder or module')
  const [read, write]: [string[], string[]] = [[], []]
  const spec = { path: resolve(path), read, write, run: false, memoryMib: DEFAULT_MEMORY_MIB }
  for (const grant of grants) {
    const [name, value] = split(grant)
    if (name === 'run' && value === undefined) spec.run = true
    else if ((name === 'read' || name === 'write') && value) spec[name].push(resolve(value))
    else if (name === 'memory' && /^[1-9]\d{1,4}$/.test(value ?? '')) spec.memoryMib = Number(value)
    else throw new Error(`${grant} is neither read=PATH, write=PATH, run nor memory=MIB`)
  }
  return spec
}

function split(grant: string): readonly [string, string | undefined] {
  const at = grant.indexOf('=')
  return at < 0 ? [grant, undefined] : [grant.slice(0, at), grant.slice(at + 1)]
}

/** Options of Node for the process of a plug-in. `own` is what our own program in it reads. */
export function nodeOptions(spec: PluginSpec, own: readonly string[]): readonly string[] {
  const reads = [...own, ...ownFiles(spec.path), ...spec.read, ...spec.write].map(asTree)
  return [
    '--permission',
    ...reads.map((path) => `--allow-fs-read=${path}`),
    ...spec.write.map((path) => `--allow-fs-write=${asTree(path)}`),
    ...(spec.run ? ['--allow-child-process'] : []),
    `--max-old-space-size=${spec.memoryMib}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ]
}

/** The package's folder, and the folders in which Node looks for what it imports. */
function ownFiles(path: string): readonly string[] {
  const real = realpathSync(path)
  const folder = statSync(real).isDirectory() ? real : dirname(real)
  const found = [...new Set([folder, path])]
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, 'node_modules')
    if (existsSync(modules)) found.push(modules)
    if (at === dirname(at)) return found
  }
}

/** Node takes a path that ends in a slash for everything below it. */
function asTree(path: string): string {
  return !path.endsWith('/') && existsSync(path) && statSync(path).isDirectory() ? `${path}/` : path
}
