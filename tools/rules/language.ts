import type { Class } from 'oxc-parser'
import { type Finding, findingAt, visit } from '../source.ts'
import { type Rule, snippets } from './rule.ts'

const code = 'controller/domain/volume.ts'

/** `any` switches the compiler off for everything it touches. */
const noAny: Rule = {
  name: 'no any',
  instead:
    'Use `unknown` and narrow it, or name the type: what is `any` is not checked, and neither is what it touches.',
  check(file) {
    const found: Finding[] = []
    visit(file, { TSAnyKeyword: (node) => void found.push(findingAt(file, node.start, 'any')) })
    return found
  },
  broken: snippets(code, 'const a: any = 1', 'function f(x: Record<string, any>) {}', 'const b = x as any // why'),
  kept: snippets(code, 'const a: unknown = 1', 'const text = "any"'),
}

/** Node strips types and nothing else. */
const onlyErasable: Rule = {
  name: 'only syntax that type stripping erases, and no modifiers',
  instead:
    'Use a union of literals for an enum, a module for a namespace, plain fields for parameter properties, a function for ' +
    'a decorator, `#name` for `private`: Node runs our files by stripping types, and `#` is private at run time too.',
  check(file) {
    const found: Finding[] = []
    const add = (at: number, what: string) => void found.push(findingAt(file, at, what))
    visit(file, {
      TSEnumDeclaration: (node) => add(node.start, 'enum'),
      TSModuleDeclaration: (node) => add(node.start, 'namespace'),
      TSParameterProperty: (node) => add(node.start, 'parameter property'),
      Decorator: (node) => add(node.start, 'decorator'),
      MethodDefinition: (node) => {
        // A constructor cannot be `#private`, and the modifier is erased.
        if (node.accessibility && node.kind !== 'constructor') add(node.start, node.accessibility)
      },
      PropertyDefinition: (node) => void (node.accessibility && add(node.start, node.accessibility)),
    })
    return found
  },
  broken: snippets(
    code,
    'enum State { A }',
    'namespace Box { export const a = 1 }',
    'class A { constructor(readonly x: number) {} }',
    'class A { private x = 1 }',
    'class A { protected f() {} }',
    '@sealed class A {}',
  ),
  kept: snippets(
    code,
    "type State = 'a' | 'b'",
    'class A { #x = 1; readonly y = 2 }',
    'class A { private constructor() {} }',
  ),
}

/** One name for one thing, everywhere it is imported. */
const noDefaultExport: Rule = {
  name: 'no default exports',
  instead:
    'Export by name, so that a thing has one name wherever it is imported. Only `*.config.ts` may, for its tool.',
  check(file) {
    if (file.path.endsWith('.config.ts')) return []
    const found: Finding[] = []
    visit(file, {
      ExportDefaultDeclaration: (node) => void found.push(findingAt(file, node.start, 'default export')),
      ExportSpecifier: (node) => {
        if (node.exported.type === 'Identifier' && node.exported.name === 'default') {
          found.push(findingAt(file, node.start, 'default export'))
        }
      },
    })
    return found
  },
  broken: snippets(code, 'export default 1', 'const a = 1\nexport { a as default }'),
  kept: [
    { path: code, text: 'export const a = 1' },
    { path: 'vitest.config.ts', text: 'export default {}' },
  ],
}

/** Extensions are what Node resolves by; a barrel hides where a name lives and loads what nobody asked for. */
const plainImports: Rule = {
  name: 'relative imports name the file, and no barrels',
  instead:
    'Write the `.ts` extension (Node runs the file as it stands), and import from the file that declares the name; ' +
    'only the index.ts at the root of a package re-exports.',
  check(file) {
    const found: Finding[] = []
    const source = (node: { readonly start: number; readonly source: { readonly value: string } | null }) => {
      const from = node.source?.value ?? ''
      if (/^\.\.?(\/|$)/.test(from) && !/\.(tsx?|json|sql|css)$/.test(from)) {
        found.push(findingAt(file, node.start, `import from '${from}'`))
      }
    }
    visit(file, {
      ImportDeclaration: source,
      ExportNamedDeclaration: source,
      ExportAllDeclaration: (node) => {
        source(node)
        if (!/(^|\/)index\.ts$/.test(file.path)) found.push(findingAt(file, node.start, 'export * outside index.ts'))
      },
    })
    return found
  },
  broken: snippets(code, "import { a } from './other'", "import { a } from './other.js'", "export * from './other.ts'"),
  kept: [
    { path: code, text: "import { a } from './other.ts'\nimport { b } from 'pg'" },
    { path: 'contract/index.ts', text: "export * from './errors.ts'" },
  ],
}

const MOST_PARAMETERS = 3

/** Arguments without names are mixed up; four of them surely. */
const fewParameters: Rule = {
  name: 'at most three parameters',
  instead:
    'Take an options object from the third parameter on: four positional arguments are mixed up at the call. A trailing ' +
    "`call` of the contract does not count, nor does an error's constructor.",
  check(file) {
    const found: Finding[] = []
    const errors = new Set<number>()
    const count = (node: { readonly start: number; readonly params: readonly object[] }) => {
      if (errors.has(node.start)) return
      const last = node.params.at(-1)
      const trailingCall = last !== undefined && 'name' in last && last.name === 'call'
      const counted = node.params.length - (trailingCall ? 1 : 0)
      if (counted > MOST_PARAMETERS) found.push(findingAt(file, node.start, `${node.params.length} parameters`))
    }
    const exempt = (node: Class) => {
      if (node.superClass?.type !== 'Identifier' || !node.superClass.name.endsWith('Error')) return
      for (const member of node.body.body) {
        if (member.type === 'MethodDefinition' && member.kind === 'constructor') errors.add(member.value.start)
      }
    }
    visit(file, {
      ClassDeclaration: exempt,
      ClassExpression: exempt,
      FunctionDeclaration: count,
      FunctionExpression: count,
      ArrowFunctionExpression: count,
    })
    return found
  },
  broken: snippets(code, 'function f(a, b, c, d) {}', 'const f = (a, b, c, d) => a', 'const o = { f(a, b, c, d) {} }'),
  kept: snippets(
    code,
    'function f(a, b, options) {}',
    'const f = (a, b, c, call) => a',
    'class OurError extends Error { constructor(a, b, c, d) { super(a) } }',
  ),
}

/** The rules about the language itself. */
export const LANGUAGE_RULES = [noAny, onlyErasable, noDefaultExport, plainImports, fewParameters] as const
