import { FAILURES } from '@moorage/contract'
import { describe, expect, test } from 'vitest'
import { deadLinks, decisionFaults, dependenciesOf, dependencyDrift, failureDrift } from './docs.ts'
import { readTree, sourceOf } from './source.ts'
import { ROOT } from './suites.ts'
import { expectNone } from './testing.ts'

const tree = readTree(ROOT)
const textOf = (path: string) => tree.find((file) => file.path === path)?.text ?? ''

describe('documents agree with what they describe', () => {
  test('every dependency of every package is listed with its reason and an exact version, and no other', () => {
    const page = textOf('docs/reference/dependencies.md')
    expectNone(
      dependencyDrift(page, dependenciesOf(tree)),
      'Say in docs/reference/dependencies.md what the package is for, or drop it; pin the version.',
    )
  })

  test('every failure code has its row with the same retry, and no other', () => {
    expectNone(
      failureDrift(textOf('docs/reference/failures.md'), FAILURES),
      'Change the registry and its page together.',
    )
  })

  test('every decision has its sections in order and names what keeps it', () => {
    expectNone(
      decisionFaults(tree),
      'Copy the headings of docs/adr/0001-layout-and-boundaries.md; "Nothing" is a valid answer.',
    )
  })

  test('every link between documents leads somewhere', () => {
    expectNone(deadLinks(tree), 'Correct the link, or write the page.')
  })
})

describe('the comparison of documents can fail', () => {
  const row = (...cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const table = (...rows: readonly string[]) => [row('Package', 'Used by', 'Why'), '|---|---|---|', ...rows].join('\n')
  const pg = { manifest: 'controller/package.json', name: 'pg', version: '8.0.0' }

  test('at a package without a row, without a reason, without an exact version, and at a row without a package', () => {
    expect(dependencyDrift(table(row('`pg`', 'store', 'speaks SQL')), [pg])).toEqual([])
    expect(dependencyDrift(table(), [pg])).toHaveLength(1)
    expect(dependencyDrift(table(row('`pg`', 'store', '')), [pg])).toHaveLength(1)
    expect(dependencyDrift(table(row('`pg`', 'store', 'why')), [{ ...pg, version: '^8.0.0' }])).toHaveLength(1)
    expect(dependencyDrift(table(row('`pg`', 'store', 'why'), row('`left-pad`', '', 'why')), [pg])).toHaveLength(1)
  })

  test('at a code without a row, with another retry, and at a row without a code', () => {
    const registry = { BUSY: { retry: 'later' } }
    expect(failureDrift(table(row('`BUSY`', 'later', '')), registry)).toEqual([])
    expect(failureDrift(table(), registry)).toHaveLength(1)
    expect(failureDrift(table(row('`BUSY`', 'never', '')), registry)).toHaveLength(1)
    expect(failureDrift(table(row('`BUSY`', 'later', ''), row('`GONE`', 'never', '')), registry)).toHaveLength(1)
  })

  test('at a decision that nothing keeps, that names a file that is not there, or that lacks a section', () => {
    const decision = (keptBy: string, context = '## Context\n\n') => {
      const rest = `## Decision\n\n## Alternatives\n\n## Consequences\n\n## Kept by\n${keptBy}\n\n## Reconsider when\n`
      return [sourceOf('docs/adr/0001-a.md', `# 0001. A\n\n${context}${rest}`), sourceOf('tools/docs.ts', '')]
    }
    expect(decisionFaults(decision('`tools/docs.ts`'))).toEqual([])
    expect(decisionFaults(decision('Nothing: it is a matter of taste.'))).toEqual([])
    expect(decisionFaults(decision('goodwill'))).toHaveLength(1)
    expect(decisionFaults(decision('`tools/gone.ts`'))).toHaveLength(1)
    expect(decisionFaults(decision('`tools/docs.ts`', ''))).toHaveLength(1)
    expect(decisionFaults([sourceOf('docs/adr/0002-a.md', decision('Nothing')[0]?.text ?? '')])).toHaveLength(1)
  })

  test('at a link to a file that is not there', () => {
    const page = (link: string) => [sourceOf('docs/a.md', `[x](${link})`), sourceOf('docs/adr/b.md', '')]
    expect(deadLinks(page('adr/b.md'))).toEqual([])
    expect(deadLinks(page('adr'))).toEqual([])
    expect(deadLinks(page('https://example.org/x'))).toEqual([])
    expect(deadLinks(page('b.md'))).toHaveLength(1)
  })
})
