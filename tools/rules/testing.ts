import type { Expression, VisitorObject } from 'oxc-parser'
import { type Finding, findingAt, isTest, isTestSupport, type SourceFile, visit } from '../source.ts'
import { hasReason } from './reasons.ts'
import { type Rule, snippets } from './rule.ts'

const test = 'controller/store/volumes.test.ts'

const MOCKING = new Set([
  'mock',
  'doMock',
  'hoisted',
  'fn',
  'spyOn',
  'mocked',
  'mockObject',
  'stubGlobal',
  'useFakeTimers',
  'importMock',
])

/** A mock proves that the code calls what its writer thought of. */
const noMocks: Rule = {
  name: 'no mocks',
  instead:
    'Use the real part, or the simulator of daemons/simulator, which keeps the contract; pass clocks and randomness in ' +
    'as arguments. A mock only proves that the code calls what its writer thought of.',
  check(file) {
    const found: Finding[] = []
    visit(file, {
      MemberExpression: (node) => {
        if (node.object.type !== 'Identifier' || node.object.name !== 'vi') return
        if (node.property.type === 'Identifier' && MOCKING.has(node.property.name)) {
          found.push(findingAt(file, node.start, `vi.${node.property.name}`))
        }
      },
      ImportDeclaration: (node) => {
        if (/^(sinon|nock|jest-mock|testdouble)$/.test(node.source.value)) {
          found.push(findingAt(file, node.start, node.source.value))
        }
      },
    })
    return found
  },
  broken: snippets(test, "vi.mock('pg')", 'const f = vi.fn()', "vi.spyOn(a, 'b')", "import sinon from 'sinon'"),
  kept: snippets(test, 'await vi.waitFor(() => check())', "fs.mock('x')"),
}

const PAUSES = new Set(['sleep', 'delay', 'pause'])

/** Waiting for time to pass is a guess about how long something takes. */
const noSleeps: Rule = {
  name: 'no sleeps in tests',
  instead:
    'Wait for the thing itself: an event, or a condition polled until a deadline (expect.poll, vi.waitFor, or a loop that ' +
    'checks before each pause). A fixed pause is too short on a busy machine and too long on every other.',
  check(file) {
    if (!isTestSupport(file.path)) return []
    const found: Finding[] = []
    const pauses = new Set(PAUSES)
    const loops = [0]
    const flag = (at: number) =>
      void (loops.at(-1) === 0 && found.push(findingAt(file, at, 'a pause outside a polling loop')))
    visit(file, {
      ...loopDepth(loops),
      ImportDeclaration: (node) => {
        if (!/^(node:)?timers\/promises$/.test(node.source.value)) return
        for (const one of node.specifiers) pauses.add(one.local.name)
      },
      CallExpression: (node) => {
        const { callee } = node
        if (callee.type === 'Identifier' && pauses.has(callee.name)) flag(node.start)
        if (
          callee.type === 'MemberExpression' &&
          callee.object.type === 'Identifier' &&
          pauses.has(callee.object.name)
        ) {
          flag(node.start)
        }
      },
      NewExpression: (node) => {
        const [executor] = node.arguments
        if (file.text.slice(node.callee.start, node.callee.end) !== 'Promise' || !executor) return
        if (
          /^\(?\w+\)?(: [^=]*)?\s*=>\s*\{?\s*(void )?setTimeout\(/.test(file.text.slice(executor.start, executor.end))
        ) {
          flag(node.start)
        }
      },
    })
    return found
  },
  broken: snippets(
    test,
    "import { setTimeout as wait } from 'node:timers/promises'\nawait wait(50)",
    'await new Promise((resolve) => setTimeout(resolve, 50))',
    'const nap = (ms: number) => new Promise<void>((done) => { setTimeout(done, ms) })',
    "import timers from 'node:timers/promises'\nawait timers.setTimeout(5)",
    "import { sleep } from './helpers.ts'\nawait sleep(5)",
    "import { setTimeout as wait } from 'node:timers/promises'\nfor (const a of b) { c(async () => { await wait(1) }) }",
  ),
  kept: [
    {
      path: test,
      text: "import { setTimeout as wait } from 'node:timers/promises'\nwhile (!(await ready())) { await wait(10) }",
    },
    { path: test, text: 'const timer = setTimeout(() => child.kill(), 5000)' },
    { path: 'daemons/san/main.ts', text: 'await new Promise((resolve) => setTimeout(resolve, 50))' },
  ],
}

/** Counts the loops around the node being visited; a function starts at none. */
function loopDepth(depths: number[]): VisitorObject {
  const enterLoop = () => void depths.push((depths.pop() ?? 0) + 1)
  const exitLoop = () => void depths.push((depths.pop() ?? 0) - 1)
  const enterFunction = () => void depths.push(0)
  const exitFunction = () => void depths.pop()
  return {
    WhileStatement: enterLoop,
    'WhileStatement:exit': exitLoop,
    DoWhileStatement: enterLoop,
    'DoWhileStatement:exit': exitLoop,
    ForStatement: enterLoop,
    'ForStatement:exit': exitLoop,
    ForOfStatement: enterLoop,
    'ForOfStatement:exit': exitLoop,
    FunctionDeclaration: enterFunction,
    'FunctionDeclaration:exit': exitFunction,
    FunctionExpression: enterFunction,
    'FunctionExpression:exit': exitFunction,
    ArrowFunctionExpression: enterFunction,
    'ArrowFunctionExpression:exit': exitFunction,
  }
}

/** A test that does not run looks like one that passes. */
const reasonedSkips: Rule = {
  name: 'a skip carries its reason',
  instead:
    "Skip inside the test or its hook with context.skip('why') (the report prints it), or end the title under " +
    'skipIf/runIf with `(skipped: why)`, or say why in a comment beside it. `.only`, `.todo` and a bare `.skip` hide tests that somebody believes in.',
  check(file) {
    if (!isTest(file.path)) return []
    const found: Finding[] = []
    const titled = new Set<number>()
    visit(file, {
      CallExpression: (node) => {
        const { callee } = node
        const [title] = node.arguments
        if (
          callee.type === 'CallExpression' &&
          title &&
          file.text.slice(title.start, title.end).includes('(skipped: ')
        ) {
          titled.add(callee.start)
        }
        if (callee.type === 'Identifier' && callee.name === 'skip' && !givesReason(node.arguments)) {
          found.push(findingAt(file, node.start, 'skip() without a reason'))
        }
        if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return
        const name = callee.property.name
        if (name === 'skip' && !ofRunner(file, callee.object) && !givesReason(node.arguments)) {
          found.push(findingAt(file, node.start, 'skip() without a reason'))
        }
        if (
          (name === 'skipIf' || name === 'runIf') &&
          ofRunner(file, callee.object) &&
          !titled.has(node.start) &&
          !hasReason(file, callee)
        ) {
          found.push(findingAt(file, node.start, `${name} without a comment that gives the reason`))
        }
      },
      MemberExpression: (node) => {
        if (node.property.type !== 'Identifier' || !/^(only|todo|skip|fails)$/.test(node.property.name)) return
        if (ofRunner(file, node.object)) found.push(findingAt(file, node.start, `.${node.property.name}`))
      },
    })
    return found
  },
  broken: snippets(
    test,
    "test.skip('a', () => {})",
    "describe.only('a', () => {})",
    "test.todo('a')",
    "test('a', (context) => { context.skip() })",
    "test('a', ({ skip }) => { skip() })",
    "test('a', (context) => { context.skip(!root()) })",
    "describe.skipIf(process.getuid?.() !== 0)('a', () => {})",
  ),
  kept: snippets(
    test,
    "test('a', (context) => { context.skip(!root(), 'needs root') })",
    "test('a', ({ skip }) => { skip('needs root') })",
    "// The mount needs root.\ndescribe.skipIf(process.getuid?.() !== 0)('a', () => {})",
    "test('a', (context) => { context.skip(missing) })",
    "describe.skipIf(!root)('mounts (skipped: needs root)', () => {})",
  ),
}

function ofRunner(file: SourceFile, object: Expression): boolean {
  return /^(test|it|describe|suite)\b/.test(file.text.slice(object.start, object.end))
}

/** A lone boolean says when, not why. */
function givesReason(args: readonly { readonly type: string }[]): boolean {
  return args.length > 1 || (args.length === 1 && /Literal|Identifier|MemberExpression/.test(args[0]?.type ?? ''))
}

/** The rules about tests. */
export const TEST_RULES = [noMocks, noSleeps, reasonedSkips] as const
