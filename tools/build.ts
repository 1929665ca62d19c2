import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './suites.ts'

/**
 * `npm run build`: JavaScript and declarations of every package into dist/, each with a package.json that points at
 * them, so that a folder of dist/ can be packed and installed where TypeScript is not run (Node refuses to strip types
 * under node_modules).
 */
function build(): number {
  const dist = join(ROOT, 'dist')
  rmSync(dist, { recursive: true, force: true })
  // `--force`: the build info may remember a dist that is no longer there.
  const compiled = spawnSync('tsc', ['-b', '--force', 'tsconfig.publish.json'], { cwd: ROOT, stdio: 'inherit' })
  if (compiled.status !== 0) return compiled.status ?? 1
  for (const path of globSync('**/package.json', { cwd: ROOT, exclude: ['**/node_modules', 'dist'] })) {
    if (path !== 'package.json' && existsSync(join(dist, dirname(path)))) copyManifest(path, dist)
  }
  for (const path of globSync('controller/**/*.sql', { cwd: ROOT })) copy(path, dist)
  copy('LICENSE', dist)
  return 0
}

function copy(path: string, dist: string): void {
  mkdirSync(dirname(join(dist, path)), { recursive: true })
  cpSync(join(ROOT, path), join(dist, path))
}

/** Entry points point at the compiled files: `./index.ts` becomes `./index.js`, and `./*` needs no change. */
function copyManifest(path: string, dist: string): void {
  // npm has read the same file as an object.
  const manifest = JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as Record<string, unknown>
  const entries = Object.entries(manifest['exports'] ?? {})
  const exports = Object.fromEntries(entries.map(([key, to]) => [key, String(to).replace(/\.ts$/, '.js')]))
  const text = JSON.stringify({ ...manifest, exports }, undefined, 2)
  writeFileSync(join(dist, path), `${text}\n`)
}

process.exitCode = build()
