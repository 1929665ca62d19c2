import type { Comment } from 'oxc-parser'
import { type Finding, findingAt, isTest, lineAt, type SourceFile, visit } from '../source.ts'
import { type Rule, snippets } from './rule.ts'

/** True when a comment stands on one of the node's lines, or alone on the line above its first or last line. */
export function hasReason(file: SourceFile, node: { readonly start: number; readonly end: number }): boolean {
  const first = lineAt(file.text, node.start)
  const last = lineAt(file.text, node.end)
  return (file.syntax?.comments ?? []).some((comment) => {
    const from = lineAt(file.text, comment.start)
    const to = lineAt(file.text, comment.end)
    const beside = to >= first && from <= last
    const above = (to === first - 1 || to === last - 1) && standsAlone(file.text, comment)
    return beside || above
  })
}

function standsAlone(text: string, comment: Comment): boolean {
  return text.slice(text.lastIndexOf('\n', comment.start) + 1, comment.start).trim() === ''
}

const code = 'controller/domain/volume.ts'

/** An assertion is a claim that the compiler cannot check, so that a reader must. */
const explainedAssertions: Rule = {
  name: 'every as and ! says why it holds',
  instead:
    'Use `satisfies`, a type guard or a schema; where the claim cannot be checked, say in a comment on the same line or ' +
    'the line above (of the expression or its statement) why it holds.',
  check(file) {
    const found: Finding[] = []
    const statements: { readonly start: number; readonly end: number }[] = []
    const enter = (node: { readonly start: number; readonly end: number }) => void statements.push(node)
    const exit = () => void statements.pop()
    const claim = (node: { readonly start: number; readonly end: number }, what: string) => {
      const statement = statements.at(-1)
      const start = statement && { start: statement.start, end: statement.start }
      if (!hasReason(file, node) && !(start && hasReason(file, start))) found.push(findingAt(file, node.end, what))
    }
    visit(file, {
      VariableDeclaration: enter,
      'VariableDeclaration:exit': exit,
      ExpressionStatement: enter,
      'ExpressionStatement:exit': exit,
      ReturnStatement: enter,
      'ReturnStatement:exit': exit,
      Property: enter,
      'Property:exit': exit,
      TSAsExpression: (node) => {
        const type = node.typeAnnotation
        const constant = type.type === 'TSTypeReference' && file.text.slice(type.start, type.end) === 'const'
        if (!constant) claim(node, '`as` without a reason')
      },
      TSTypeAssertion: (node) => claim(node, '`<T>` assertion without a reason'),
      TSNonNullExpression: (node) => claim(node, '`!` without a reason'),
      VariableDeclarator: (node) => void (node.definite && claim(node.id, '`!:` without a reason')),
      PropertyDefinition: (node) => void (node.definite && claim(node.key, '`!:` without a reason')),
    })
    return found
  },
  broken: snippets(
    code,
    'const a = x as Volume',
    'const a = list[0]!',
    'let a!: Volume',
    'const a = <Volume>x',
    'const b = 1 // about b\nconst a = x as Volume',
  ),
  kept: snippets(
    code,
    'const a = x as Volume // the schema checked it',
    '// The list is never empty.\nconst a = list[0]!',
    "const names = ['a', 'b'] as const",
    '// The query selects exactly these columns.\nconst found = rows.map((row) =>\n  read(\n    row as Row,\n  ),\n)',
  ),
}

/** A name that leaves its file is a promise to readers who will not read its body. */
const documentedExports: Rule = {
  name: 'every exported name has a doc comment',
  instead:
    'Put a `/** ... */` above the declaration that states its contract: units, what may be absent, errors, whether ' +
    'repeating is harmless, the source of a formula. Or stop exporting it.',
  check(file) {
    if (!file.syntax || isTest(file.path) || file.path.endsWith('.config.ts')) return []
    const found: Finding[] = []
    const documented = new Set<string>()
    for (const statement of file.syntax.program.body) {
      if (statement.type !== 'ExportNamedDeclaration') continue
      const names = statement.declaration
        ? declaredNames(statement.declaration)
        : statement.source
          ? []
          : statement.specifiers.map((one) => file.text.slice(one.local.start, one.local.end))
      const at = statement.declaration ? statement.start : undefined
      for (const name of names) {
        const start = at ?? declarationStart(file.syntax.program.body, name)
        if (start === undefined || documented.has(name)) continue
        if (hasDoc(file, start)) documented.add(name)
        else found.push(findingAt(file, start, `${name} has no doc comment`))
      }
    }
    return found
  },
  broken: snippets(
    code,
    'export const limit = 3',
    'export function f() {}',
    'export interface Volume {}',
    'const a = 1\nexport { a }',
    '// not a doc comment, though it is long enough\nexport const a = 1',
    '/** */\nexport const a = 1',
  ),
  kept: snippets(
    code,
    '/** Bytes per sector of every disk. */\nexport const sector = 512',
    '/** Adds two of the same. */\nexport function f(a: string): void\nexport function f(a: number): void',
    "export { a } from './other.ts'\nexport type { HostId } from './ids.ts'",
    "import type { HostId } from './ids.ts'\nexport type { HostId }",
    '/** One thing and no other. */\nconst a = 1\nexport { a }',
  ),
}

type Statement = NonNullable<SourceFile['syntax']>['program']['body'][number]

function declarationStart(body: readonly Statement[], name: string): number | undefined {
  return body.find((statement) => declaredNames(statement).includes(name))?.start
}

function declaredNames(node: Statement): readonly string[] {
  switch (node.type) {
    case 'VariableDeclaration':
      return node.declarations.flatMap(({ id }) => (id.type === 'Identifier' ? [id.name] : []))
    case 'FunctionDeclaration':
    case 'TSDeclareFunction':
    case 'ClassDeclaration':
    case 'TSInterfaceDeclaration':
    case 'TSTypeAliasDeclaration':
    case 'TSEnumDeclaration':
      return node.id ? [node.id.name] : []
    default:
      return []
  }
}

function hasDoc(file: SourceFile, start: number): boolean {
  return (file.syntax?.comments ?? []).some(
    (comment) =>
      comment.type === 'Block' &&
      comment.value.startsWith('*') &&
      /\w+\W+\w+/.test(comment.value) &&
      comment.end <= start &&
      file.text.slice(comment.end, start).trim() === '',
  )
}

/** The rules that ask for a reason in words. */
export const REASON_RULES = [explainedAssertions, documentedExports] as const
