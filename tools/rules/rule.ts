import type { Finding, SourceFile } from '../source.ts'

/** A file made up to try a rule on. */
export interface Snippet {
  readonly path: string
  readonly text: string
}

/** A house rule that one file alone can break. */
export interface Rule {
  /** Reads after "the tree keeps the rule:". */
  readonly name: string
  /** What to do instead, and why: printed with every finding. */
  readonly instead: string
  check(file: SourceFile): readonly Finding[]
  /** Each must give at least one finding, else the rule is a check that cannot fail. */
  readonly broken: readonly [Snippet, ...Snippet[]]
  /** Each must give none. */
  readonly kept: readonly [Snippet, ...Snippet[]]
}

/** Snippets of one path, in short. */
export function snippets(path: string, ...texts: readonly [string, ...string[]]): [Snippet, ...Snippet[]] {
  const [first, ...rest] = texts
  return [{ path, text: first }, ...rest.map((text) => ({ path, text }))]
}
