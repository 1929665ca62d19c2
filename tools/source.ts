import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Comment, parseSync, type Program, Visitor, type VisitorObject } from 'oxc-parser'

/** A file of the tree as the rules read it. `path` is relative to the root, with `/`. */
export interface SourceFile {
  readonly path: string
  readonly text: string
  /** Present for TypeScript and JavaScript. */
  readonly syntax?: { readonly program: Program; readonly comments: readonly Comment[] }
}

/** One violation. `line` counts from 1. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly what: string
}

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.moorage', 'coverage'])
const TEXT = /\.(ts|tsx|mts|js|mjs|cjs|json|md|sh|sql|py|yml|yaml|svg|css|html)$/
const CODE = /\.(ts|tsx|mts|js|mjs|cjs)$/
const EXTENSIONLESS = new Set(['Makefile', 'LICENSE', 'moorage', 'run', '.npmrc', '.gitignore'])

/** Reads one file's text into what the rules work on; throws when code does not parse, naming file and line. */
export function sourceOf(path: string, text: string): SourceFile {
  if (!CODE.test(path)) return { path, text }
  const parsed = parseSync(path, text)
  const [error] = parsed.errors
  if (error) throw new Error(`${path}:${lineAt(text, error.labels[0]?.start ?? 0)}: ${error.message}`)
  return { path, text, syntax: { program: parsed.program, comments: parsed.comments } }
}

/** Every text file under `root` that is ours: not installed, not built, not the lock file. Sorted by path. */
export function readTree(root: string): readonly SourceFile[] {
  return pathsUnder(root, '')
    .toSorted()
    .map((path) => sourceOf(path, readFileSync(join(root, path), 'utf8')))
}

function pathsUnder(root: string, folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : pathsUnder(root, path)
    if (!entry.isFile() || entry.name === 'package-lock.json') return []
    return TEXT.test(entry.name) || EXTENSIONLESS.has(entry.name) ? [path] : []
  })
}

/** The line of an offset in a text, from 1. */
export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

/** A finding at an offset of a file. */
export function findingAt(file: SourceFile, offset: number, what: string): Finding {
  return { path: file.path, line: lineAt(file.text, offset), what }
}

/** Walks a file's syntax tree; a file without one is not visited. */
export function visit(file: SourceFile, visitor: VisitorObject): void {
  if (file.syntax) new Visitor(visitor).visit(file.syntax.program)
}

/** True for a file that the test runner runs. */
export function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path)
}

/** True for a file that only tests import: helpers at the root of a package, and all of `test/`. */
export function isTestSupport(path: string): boolean {
  return isTest(path) || /(^|\/)testing(\.ts$|\/)/.test(path) || path.startsWith('test/')
}
