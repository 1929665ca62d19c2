import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import { type Import, importsOf, type Workspace, workspacesOf } from './imports.ts'
import { areaOf, layerOf, within } from './layers.ts'
import { type Finding, findingAt, isTest, isTestSupport, type SourceFile, visit } from './source.ts'

/** What the rules about the whole tree look at. */
export interface Architecture {
  readonly code: readonly SourceFile[]
  readonly imports: readonly Import[]
  readonly workspaces: readonly Workspace[]
}

/** Reads the imports of a tree. */
export function architectureOf(tree: readonly SourceFile[]): Architecture {
  const workspaces = workspacesOf(tree)
  const code = tree.filter((file) => file.syntax)
  return { code, workspaces, imports: code.flatMap((file) => importsOf(file, workspaces)) }
}

/** Code in a folder that the layer table does not know. */
export function unknownFolders({ code }: Architecture): readonly Finding[] {
  return code
    .filter((file) => layerOf(file.path) === undefined)
    .map((file) => ({ path: file.path, line: 1, what: 'its folder has no row in tools/layers.ts' }))
}

/** Imports that the layer table does not allow. */
export function forbiddenArrows({ imports }: Architecture): readonly Finding[] {
  return imports
    .filter((one) => one.to !== undefined && !isAllowed(one, one.to))
    .map((one) => ({
      path: one.from,
      line: one.line,
      what: `imports ${one.to ?? ''}${one.typeOnly ? ' (types only)' : ''}`,
    }))
}

function isAllowed(one: Import, to: string): boolean {
  const layer = layerOf(one.from)
  // A folder without a row is reported once, by `unknownFolders`.
  if (!layer) return true
  if (within(to, areaOf(one.from, layer))) return isTestSupport(one.from) || !isTest(to)
  const allowed = [
    ...layer.may,
    ...(one.typeOnly ? (layer.types ?? []) : []),
    ...(isTestSupport(one.from) ? (layer.tests ?? []) : []),
  ]
  return allowed.some((pattern) => within(to, pattern) || within(to, `${pattern}.ts`))
}

/** Imports that cross from one package into another by path, or without saying so in package.json. */
export function undeclaredCrossings({ imports, workspaces }: Architecture): readonly Finding[] {
  const ownerOf = (path: string) =>
    workspaces.filter(({ folder }) => within(path, folder)).toSorted((a, b) => b.folder.length - a.folder.length)[0]
  return imports.flatMap((one) => {
    const from = ownerOf(one.from)
    const to = one.to === undefined ? undefined : ownerOf(one.to)
    if (!from || !to || from === to) return []
    // `test` is never published, and takes the parts of the tree as they stand.
    if (one.specifier.startsWith('.')) {
      if (from.folder === 'test') return []
      return [{ path: one.from, line: one.line, what: `imports '${one.specifier}', write '${to.name}...'` }]
    }
    if (from.dependencies.includes(to.name)) return []
    return [
      { path: one.from, line: one.line, what: `imports ${to.name}, which ${from.folder}/package.json does not list` },
    ]
  })
}

const DATABASE_PACKAGES = new Set(['pg', 'kysely'])

/** Database clients outside the store, the generators of its types, and tests that look at the database from outside. */
export function strayDatabases({ imports }: Architecture): readonly Finding[] {
  return imports
    .filter(({ specifier }) => DATABASE_PACKAGES.has(specifier))
    .filter(
      ({ from }) => !within(from, 'controller/store') && !within(from, 'tools/generate-*.ts') && !isTestSupport(from),
    )
    .map((one) => ({ path: one.from, line: one.line, what: `imports ${one.specifier}` }))
}

/** I/O, time, chance, async and packages where the table says `pure`. */
export function impurities({ code, imports }: Architecture): readonly Finding[] {
  const pure = code.filter((file) => layerOf(file.path)?.pure && !isTestSupport(file.path))
  const paths = new Set(pure.map(({ path }) => path))
  const builtin = new Set(builtinModules)
  const packages = imports
    .filter((one) => paths.has(one.from) && one.to === undefined && !isPure(one))
    .map((one) => {
      const kind = builtin.has(one.specifier.replace(/^node:/, '')) ? 'module' : 'package'
      return { path: one.from, line: one.line, what: `imports the ${kind} ${one.specifier}` }
    })
  return [...packages, ...pure.flatMap(impureExpressions)]
}

/** A digest is arithmetic, though Node keeps it beside random numbers. */
function isPure(one: Import): boolean {
  return one.specifier === 'node:crypto' && one.names.length > 0 && one.names.every((name) => name === 'createHash')
}

function impureExpressions(file: SourceFile): readonly Finding[] {
  const found: Finding[] = []
  const add = (at: number, what: string) => void found.push(findingAt(file, at, what))
  const textOf = (node: { readonly start: number; readonly end: number }) => file.text.slice(node.start, node.end)
  const async = (node: { readonly start: number; readonly async: boolean }) =>
    void (node.async && add(node.start, 'async'))
  visit(file, {
    FunctionDeclaration: async,
    FunctionExpression: async,
    ArrowFunctionExpression: async,
    NewExpression: (node) => {
      if (textOf(node.callee) === 'Date' && node.arguments.length === 0) add(node.start, 'new Date()')
    },
    CallExpression: (node) => {
      const name = textOf(node.callee)
      if (
        /^(Date\.now|Math\.random|performance\.now|crypto\.\w+|fetch|setTimeout|setInterval|queueMicrotask)$/.test(name)
      ) {
        add(node.start, `${name}()`)
      }
    },
    MemberExpression: (node) => {
      if (node.object.type === 'Identifier' && node.object.name === 'process') add(node.start, textOf(node))
    },
  })
  return found
}

/** Files that import each other in a ring. Types count: what a reader must understand together belongs together. */
export function fileCycles({ imports }: Architecture): readonly Finding[] {
  return cyclesOf(imports.flatMap((one) => (one.to === undefined ? [] : [{ ...one, node: one.from, next: one.to }])))
}

/** Folders that import each other in a ring, neither inside the other. Tests and their helpers do not count. */
export function folderCycles({ imports }: Architecture): readonly Finding[] {
  return cyclesOf(
    imports.flatMap((one) => {
      if (one.to === undefined || isTestSupport(one.from)) return []
      const [node, next] = [posix.dirname(one.from), posix.dirname(one.to)]
      const nested = within(node, next) || within(next, node)
      return nested || node === '.' || next === '.' ? [] : [{ ...one, node, next }]
    }),
  )
}

interface Arrow extends Import {
  readonly node: string
  readonly next: string
}

/** One finding per ring: the shortest way from a node back to itself, nodes in order of their names. */
function cyclesOf(arrows: readonly Arrow[]): readonly Finding[] {
  const out = Map.groupBy(arrows, ({ node }) => node)
  const reported = new Set<string>()
  return [...out.keys()].toSorted().flatMap((start) => {
    if (reported.has(start)) return []
    const ring = shortestRing(start, out)
    if (!ring) return []
    for (const { node } of ring) reported.add(node)
    const [first] = ring
    const path = first?.from ?? start
    return [{ path, line: first?.line ?? 1, what: [...ring.map(({ node }) => node), start].join(' -> ') }]
  })
}

function shortestRing(start: string, out: ReadonlyMap<string, readonly Arrow[]>): readonly Arrow[] | undefined {
  const seen = new Set<string>()
  let ways: (readonly Arrow[])[] = (out.get(start) ?? []).map((arrow) => [arrow])
  while (ways.length > 0) {
    const longer: (readonly Arrow[])[] = []
    for (const way of ways) {
      const end = way.at(-1)?.next ?? start
      if (end === start) return way
      if (seen.has(end)) continue
      seen.add(end)
      for (const arrow of out.get(end) ?? []) longer.push([...way, arrow])
    }
    ways = longer
  }
  return undefined
}
