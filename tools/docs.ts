import { posix } from 'node:path'
import type { Finding, SourceFile } from './source.ts'

/** The rows of every table of a Markdown text: the cells' texts, without the header and its line. */
function tableRows(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n')
  return lines
    .filter((line, at) => {
      const header = /^\|[\s:|-]+\|$/.test(lines[at + 1] ?? '')
      return line.startsWith('|') && !header && !/^\|[\s:|-]+\|$/.test(line)
    })
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

/** The text in the first pair of backticks; the whole cell where there is none. */
function codeOf(cell: string): string {
  return /`([^`]+)`/.exec(cell)?.[1] ?? cell
}

/** A dependency as a manifest names it. */
export interface Dependency {
  readonly manifest: string
  readonly name: string
  readonly version: string
}

/** Every dependency in every package.json of the tree. */
export function dependenciesOf(tree: readonly SourceFile[]): readonly Dependency[] {
  const lists = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
  return tree
    .filter((file) => /(^|\/)package\.json$/.test(file.path))
    .flatMap((file) => {
      // npm has read the same file as an object of objects.
      const manifest = JSON.parse(file.text) as Record<string, Record<string, string> | undefined>
      return lists.flatMap((list) =>
        Object.entries(manifest[list] ?? {}).map(([name, version]) => ({ manifest: file.path, name, version })),
      )
    })
}

/** Where docs/reference/dependencies.md (`page`) and the manifests disagree, and versions that are not exact. */
export function dependencyDrift(page: string, dependencies: readonly Dependency[]): readonly Finding[] {
  const rows = new Map(tableRows(page).map(([name = '', , why = '']) => [codeOf(name), why]))
  const theirs = dependencies.filter(({ name }) => !name.startsWith('@moorage/'))
  const named = new Set(theirs.map(({ name }) => name))
  const documented = 'docs/reference/dependencies.md'
  return [
    ...theirs.flatMap(({ manifest, name, version }) => [
      ...(rows.has(name) ? [] : [{ path: manifest, line: 1, what: `${name} has no row in ${documented}` }]),
      ...(rows.get(name) === '' ? [{ path: documented, line: 1, what: `${name} says not why` }] : []),
      ...(/^\d+\.\d+\.\d+[\w.-]*$/.test(version)
        ? []
        : [{ path: manifest, line: 1, what: `${name} is not exact: ${version}` }]),
    ]),
    ...[...rows.keys()]
      .filter((name) => !named.has(name))
      .map((name) => ({ path: documented, line: 1, what: `${name} is in no package.json` })),
  ]
}

/** Where docs/reference/failures.md (`page`) and the contract's registry disagree, in codes or in `retry`. */
export function failureDrift(
  page: string,
  registry: Readonly<Record<string, { readonly retry: string }>>,
): readonly Finding[] {
  const rows = new Map(tableRows(page).map(([code = '', retry = '']) => [codeOf(code), retry]))
  const path = 'docs/reference/failures.md'
  return [
    ...Object.entries(registry).flatMap(([code, { retry }]) =>
      rows.get(code) === retry
        ? []
        : [{ path, line: 1, what: `${code}: says ${rows.get(code) ?? 'nothing'}, contract says ${retry}` }],
    ),
    ...[...rows.keys()]
      .filter((code) => !Object.hasOwn(registry, code))
      .map((code) => ({ path, line: 1, what: `${code} is not in contract/errors.ts` })),
  ]
}

const SECTIONS = ['Context', 'Decision', 'Alternatives', 'Consequences', 'Kept by', 'Reconsider when']

/**
 * What is wrong with the decisions under docs/adr/: a heading that is missing or out of order, a gap in the numbers, a
 * `Kept by` that names no file of the tree and does not say `Nothing`, or names one that is not there.
 */
export function decisionFaults(tree: readonly SourceFile[]): readonly Finding[] {
  const paths = tree.map(({ path }) => path)
  const decisions = tree.filter(({ path }) => /^docs\/adr\/\d{4}-[a-z0-9-]+\.md$/.test(path))
  return decisions.flatMap((file, at) => {
    const fault = (what: string): Finding => ({ path: file.path, line: 1, what })
    const number = String(at + 1).padStart(4, '0')
    const headings = [...file.text.matchAll(/^## (.+)$/gm)].map(([, title]) => title)
    const [, keptBy = ''] = /^## Kept by\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(file.text) ?? []
    const named = [...keptBy.matchAll(/`([^`\s]+)`/g)].map(([, path = '']) => path).filter((path) => path.includes('/'))
    const absent = named.filter((name) => !paths.some((path) => path === name || path.startsWith(`${name}/`)))
    return [
      ...(posix.basename(file.path).startsWith(number) ? [] : [fault(`is not number ${number}: numbers have no gaps`)]),
      ...(file.text.startsWith(`# ${number}. `) ? [] : [fault(`does not begin with "# ${number}. "`)]),
      ...(headings.join() === SECTIONS.join() ? [] : [fault(`headings are not ${SECTIONS.join(', ')}`)]),
      ...(named.length > 0 || /\bNothing\b/.test(keptBy)
        ? []
        : [fault('Kept by names no file, and does not say "Nothing"')]),
      ...absent.map((name) => fault(`Kept by names ${name}, which is not there`)),
    ]
  })
}

/** Relative links of Markdown files that lead nowhere. */
export function deadLinks(tree: readonly SourceFile[]): readonly Finding[] {
  const paths = tree.map(({ path }) => path)
  return tree
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap((file) =>
      [...file.text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/.test(target))
        .map((target) => ({
          target,
          to: posix.normalize(posix.join(posix.dirname(file.path), target)).replace(/\/$/, ''),
        }))
        .filter(({ to }) => !paths.some((path) => path === to || path.startsWith(`${to}/`)))
        .map(({ target }) => ({ path: file.path, line: 1, what: `links to ${target}, which is not there` })),
    )
}
