import { type Finding, lineAt, type SourceFile, visit } from '../source.ts'
import { type Rule, snippets } from './rule.ts'

const CONVENTIONAL = new Set(['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'Makefile'])
const KEBAB = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/

/** One way to write names, so that nobody has to look which. */
const kebabNames: Rule = {
  name: 'files and folders are named in kebab-case',
  instead:
    'Use lower-case words joined by `-`, as `volume-attach.ts`: one way to write names is one thing less to look up.',
  check(file) {
    const wrong = file.path.split('/').filter((part) => !CONVENTIONAL.has(part) && !KEBAB.test(part))
    return wrong.map((part) => ({ path: file.path, line: 1, what: `name ${part}` }))
  },
  broken: [
    { path: 'controller/domain/volumeState.ts', text: '' },
    { path: 'controller/Domain/volume.ts', text: '' },
    { path: 'test/compat/tour_cs.py', text: '' },
  ],
  kept: [
    { path: 'controller/store/migrations/0001-core.sql', text: '' },
    { path: 'daemons/san/main.lab.test.ts', text: '' },
    { path: '.oxlintrc.json', text: '' },
    { path: 'README.md', text: '' },
  ],
}

const LONGEST_FILE = 400
const COUNTED = /\.(ts|tsx|mts|js|mjs|cjs|sh|sql|py|css)$/

/** God files grow one method at a time; the limit stops them while it is still cheap. */
const shortFiles: Rule = {
  name: `no file over ${LONGEST_FILE} lines`,
  instead:
    'Split it by noun: what grows is the file to which every feature adds a function, and it never shrinks again.',
  check(file) {
    if (!COUNTED.test(file.path) || file.path.includes('/generated/')) return []
    const lines = file.text.replace(/\n$/, '').split('\n').length
    return lines > LONGEST_FILE ? [{ path: file.path, line: LONGEST_FILE + 1, what: `${lines} lines` }] : []
  },
  broken: snippets('lab/up.ts', '\n'.repeat(401)),
  kept: [
    { path: 'lab/up.ts', text: '\n'.repeat(400) },
    { path: 'controller/store/generated/schema.ts', text: '\n'.repeat(900) },
  ],
}

const LONGEST_FUNCTION = 60
const LONGEST_COMPONENT = 120

/** A function that does not fit on a screen is read by scrolling. */
const shortFunctions: Rule = {
  name: `no function over ${LONGEST_FUNCTION} lines (${LONGEST_COMPONENT} for a JSX component)`,
  instead: 'Name its parts and move them out: a function that fits on a screen can be checked by reading it once.',
  check(file) {
    const found: Finding[] = []
    const groups = new Set<number>()
    const most = file.path.endsWith('.tsx') ? LONGEST_COMPONENT : LONGEST_FUNCTION
    const measure = (node: { readonly start: number; readonly end: number }) => {
      const first = lineAt(file.text, node.start)
      const lines = lineAt(file.text, node.end) - first + 1
      if (lines > most && !groups.has(node.start)) {
        found.push({ path: file.path, line: first, what: `a function of ${lines} lines` })
      }
    }
    visit(file, {
      // The function given to `describe` is a heading over tests, not a function that somebody reads as one.
      CallExpression: (node) => {
        if (!/^(describe|suite)\b/.test(file.text.slice(node.callee.start, node.callee.end))) return
        for (const argument of node.arguments) groups.add(argument.start)
      },
      FunctionDeclaration: measure,
      FunctionExpression: measure,
      ArrowFunctionExpression: measure,
    })
    return found
  },
  broken: snippets(
    'lab/up.ts',
    `function f() {${'\n'.repeat(60)}}`,
    `const f = () => {${'\n'.repeat(60)}}`,
    `class A { f() {${'\n'.repeat(60)}} }`,
    `test('a', () => {${'\n'.repeat(60)}})`,
  ),
  kept: [
    { path: 'lab/up.ts', text: `function f() {${'\n'.repeat(59)}}` },
    { path: 'lab/up.test.ts', text: `describe('a', () => {${'\n'.repeat(90)}})` },
    { path: 'clients/console/page.tsx', text: `const Page = () => {${'\n'.repeat(110)}}` },
  ],
}

const WORKPLACE: readonly RegExp[] = [
  /(^|[^\w.-])\/(work|farm)\//,
  /\.lib[r]ary\b/,
  /shared\/(reference|design|requirements)/,
  /\/tmp\/prompts|issues show/,
  /\b(design|requirements|lab|stack|protocols|codebases|cloudstack-(storage|quirks))\.md/,
  /\bdesign §/,
]

const place = 'farm'

/** A reader of the repository has the repository and nothing else. */
const noWorkplace: Rule = {
  name: 'nothing refers to the place where it was written',
  instead:
    'State the fact itself, or cite what any reader can open: a file of this repository, a standard, a public page.',
  check: (file) => matches(file, WORKPLACE, (text) => `mentions ${JSON.stringify(text.trim())}`),
  broken: snippets(
    'lab/up.ts',
    `// see /${place}/main/x`,
    '// as design.md says',
    '// design § 4',
    '// measured in shared/reference',
  ),
  kept: snippets('lab/up.ts', '// the network/work queue', '// docs/adr/0001-layout-and-boundaries.md'),
}

/** A stub with a promise is neither done nor visible as missing. */
const noStubs: Rule = {
  name: 'no stubs with a promise',
  instead: 'Finish it, or leave it out whole and say so in an issue: a stub looks like something that works.',
  check: (file) => matches(file, [/\b(TODO|FIXME|XXX)\b/], (text) => text),
  broken: snippets('lab/up.ts', '// TODO: later', '// FIXME'),
  kept: snippets('lab/up.ts', 'const todos = 1'),
}

/** Other programs of the same name run on the same machine. */
const noBroadKills: Rule = {
  name: 'no process is ended by its name',
  instead: 'Keep the pid and end that: on the same machine run programs of the same name that are not ours.',
  check: (file) => (file.path.endsWith('.md') ? [] : matches(file, [/\b(pkill|killall)\b/], (text) => text)),
  broken: snippets('lab/down.sh', 'pkill tgtd', 'killall qemu'),
  kept: snippets('lab/down.sh', 'kill -TERM "$pid"'),
}

const LIFECYCLE = /^(pre|post)|^(install|prepare|publish|pack)/

/** What runs by itself while something is installed runs as whoever installs. */
const noLifecycleScripts: Rule = {
  name: 'no npm lifecycle scripts',
  instead:
    'Make it a command that somebody calls: installing must not run anything, and npm 12 does not run it anyway.',
  check(file) {
    if (!/(^|\/)package\.json$/.test(file.path)) return []
    // npm has read the same file as an object.
    const { scripts = {} } = JSON.parse(file.text) as { readonly scripts?: Readonly<Record<string, string>> }
    const names = Object.keys(scripts).filter((name) => LIFECYCLE.test(name))
    return names.map((name) => ({ path: file.path, line: 1, what: `script ${name}` }))
  },
  broken: snippets(
    'lab/package.json',
    '{ "scripts": { "postinstall": "true" } }',
    '{ "scripts": { "prepare": "true" } }',
  ),
  kept: snippets('lab/package.json', '{ "scripts": { "test": "true" } }', '{}'),
}

/** This file names what it forbids. */
const HERE = 'tools/rules/text.ts'

function matches(file: SourceFile, patterns: readonly RegExp[], what: (text: string) => string): readonly Finding[] {
  if (file.path === HERE) return []
  return patterns.flatMap((pattern) =>
    [...file.text.matchAll(new RegExp(pattern, 'gm'))].map((match) => ({
      path: file.path,
      line: lineAt(file.text, match.index + match[0].length),
      what: what(match[0]),
    })),
  )
}

/** The rules about names, sizes and words. */
export const TEXT_RULES = [
  kebabNames,
  shortFiles,
  shortFunctions,
  noWorkplace,
  noStubs,
  noBroadKills,
  noLifecycleScripts,
] as const
