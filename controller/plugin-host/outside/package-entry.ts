import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The file that `import` of a package folder loads: `exports` of its package.json (under the conditions `import`, `node`
 * and `default`), else `main`, else index.js. A file is its own entry. Throws when there is none.
 */
export function entryOf(path: string): string {
  if (!statSync(path).isDirectory()) return path
  const manifest = readManifest(path)
  const exported = target(manifest['exports'])
  const main = typeof manifest['main'] === 'string' ? manifest['main'] : 'index.js'
  return join(path, exported ?? main)
}

function readManifest(path: string): Readonly<Record<string, unknown>> {
  const text = readFileSync(join(path, 'package.json'), 'utf8')
  const value: unknown = JSON.parse(text)
  return isRecord(value) ? value : {}
}

function target(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (!isRecord(exports)) return undefined
  const conditions = '.' in exports ? exports['.'] : exports
  if (typeof conditions === 'string') return conditions
  if (!isRecord(conditions)) return undefined
  const name = Object.keys(conditions).find((each) => ['import', 'node', 'default'].includes(each))
  return name === undefined ? undefined : target(conditions[name])
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
