import { posix } from 'node:path'
import { type SourceFile, lineAt, visit } from './source.ts'

/** One import of one file by another, or of a package that is not ours. */
export interface Import {
  readonly from: string
  readonly line: number
  /** As written. */
  readonly specifier: string
  /** Names taken from it; empty for all, or none. */
  readonly names: readonly string[]
  /** True when types alone cross: nothing is loaded. */
  readonly typeOnly: boolean
  /** Path of the imported file when it is ours. */
  readonly to?: string
}

/** A workspace: its folder, the name others import it by, and its entry points. */
export interface Workspace {
  readonly folder: string
  readonly name: string
  readonly exports: Readonly<Record<string, string>>
  /** Names in any kind of dependency list. */
  readonly dependencies: readonly string[]
}

/** The workspaces of a tree, read from each package.json but the root's. */
export function workspacesOf(tree: readonly SourceFile[]): readonly Workspace[] {
  return tree
    .filter((file) => file.path.endsWith('/package.json'))
    .map((file) => {
      const manifest: Record<string, unknown> = record(JSON.parse(file.text))
      const lists = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
      return {
        folder: posix.dirname(file.path),
        name: String(manifest['name']),
        exports: Object.fromEntries(Object.entries(record(manifest['exports'])).map(([key, to]) => [key, String(to)])),
        dependencies: lists.flatMap((list) => Object.keys(record(manifest[list]))),
      }
    })
}

/** Every import of a file: static, re-exporting and dynamic. */
export function importsOf(file: SourceFile, workspaces: readonly Workspace[]): readonly Import[] {
  const found: Import[] = []
  const add = (node: { readonly start: number }, specifier: string, crossing: Pick<Import, 'names' | 'typeOnly'>) => {
    const to = resolve(file.path, specifier, workspaces)
    const line = lineAt(file.text, node.start)
    found.push({ from: file.path, line, specifier, ...crossing, ...(to === undefined ? {} : { to }) })
  }
  visit(file, {
    ImportDeclaration: (node) => {
      const named = node.specifiers.filter((one) => one.type === 'ImportSpecifier')
      const all = named.length > 0 && named.length === node.specifiers.length
      const names = all ? named.map(({ imported }) => ('name' in imported ? imported.name : imported.value)) : []
      const types = all && named.every(({ importKind }) => importKind === 'type')
      add(node, node.source.value, { names, typeOnly: node.importKind === 'type' || types })
    },
    ExportAllDeclaration: (node) => add(node, node.source.value, { names: [], typeOnly: node.exportKind === 'type' }),
    ExportNamedDeclaration: (node) => {
      if (node.source) add(node, node.source.value, { names: [], typeOnly: node.exportKind === 'type' })
    },
    ImportExpression: (node) => {
      const { source } = node
      if (source.type !== 'Literal' || typeof source.value !== 'string') return
      add(node, source.value, { names: [], typeOnly: false })
    },
    TSImportType: (node) => add(node, node.source.value, { names: [], typeOnly: true }),
  })
  return found
}

function resolve(from: string, specifier: string, workspaces: readonly Workspace[]): string | undefined {
  if (specifier.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), specifier))
  const owner = workspaces.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
  if (!owner) return undefined
  const key = `.${specifier.slice(owner.name.length)}`
  const exact = owner.exports[key]
  if (exact !== undefined) return posix.join(owner.folder, exact)
  const wild = owner.exports['./*']
  return posix.join(owner.folder, wild === undefined ? key : wild.replace('*', key.slice('./'.length)))
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
