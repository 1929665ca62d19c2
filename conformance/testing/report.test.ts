import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  archiveCases,
  archiveCheats,
  hypervisorCases,
  hypervisorCheats,
  storageCases,
  storageCheats,
} from '../index.ts'
import { reportOf, withSection } from './report.ts'

const text = readFileSync(path.join(import.meta.dirname, '../../docs/reference/mutation-report.md'), 'utf8')
const rows = [...text.matchAll(/^\| (.+?) \| (.*?) \|$/gm)].filter(([, name]) => name !== 'Case')

describe('the mutation report that is checked in', () => {
  test('has a row for each case, in order, and no other: run `npm run mutation-report` after a change of the kit', () => {
    const names = [...storageCases, ...hypervisorCases, ...archiveCases].map(({ name }) => name)
    expect(rows.map(([, name]) => name)).toEqual(names)
  })

  test('has the cheats of each case in its row, and no other', () => {
    const declared = [
      ...storageCases.map(({ name }) => alone(name, storageCheats)),
      ...hypervisorCases.map(({ name }) => alone(name, hypervisorCheats)),
      ...archiveCases.map(({ name }) => alone(name, archiveCheats)),
    ]
    expect(rows.map(([, , cheats]) => cheats)).toEqual(declared)
  })

  test('names every cheat that several cases catch', () => {
    const several = [...storageCheats, ...hypervisorCheats, ...archiveCheats].filter(
      ({ caughtBy }) => caughtBy.length > 1,
    )
    expect(several.filter(({ name }) => !text.includes(`\n- ${name}: `)).map(({ name }) => name)).toEqual([])
  })

  test('has nothing that must not be', () => {
    expect(text).toMatch(/## What must not be\n\nNone\.\n$/)
  })
})

describe('a mutation report', () => {
  const kit = { cases: ['one', 'two'], cheats: [{ name: 'lies', caughtBy: ['one'] }] }
  const none = { cases: [], cheats: [] }
  const report = (verdicts: Record<string, 'caught' | 'passed' | 'stumbled'>) =>
    reportOf({ storage: kit, hypervisor: none, archive: none }, [
      { kit: 'storage', cheat: 'lies', verdicts, runs: 2, seconds: 60 },
    ])

  test('names a case that no cheat needs', () => {
    expect(report({ one: 'caught', two: 'passed' }).faults).toEqual(['No cheat is caught by this case alone: two.'])
  })

  test('names a cheat that nothing catches, and one that more cases catch than it says', () => {
    expect(report({ one: 'passed', two: 'passed' }).faults).toContain('Nothing catches a plug-in that lies.')
    expect(report({ one: 'caught', two: 'stumbled' }).faults).toContain('Not one case but 2 catch a plug-in that lies.')
  })

  test('takes the section of one kit anew, and leaves the others and the total as they were', () => {
    const tried = (verdict: 'caught' | 'passed') => [
      { kit: 'storage', cheat: 'lies', verdicts: { one: verdict }, runs: 1, seconds: 60 } as const,
    ]
    const before =
      '# Head\n\n## The other kit: 1\n\nx\n\n## The storage kit: old\n\ny\n\n## What must not be\n\nNone.\n'
    const { text, faults } = withSection(before, 'storage', { kit: { ...kit, cases: ['one'] }, tried: tried('caught') })
    expect(text).toContain('# Head\n\n## The other kit: 1\n\nx\n\n## The storage kit: 1 cases, 1 cheats\n')
    expect(text).toMatch(/\n\n## What must not be\n\nNone\.\n$/)
    expect(text).not.toContain('y\n')
    expect(faults).toEqual([])
    const faulty = withSection(text, 'storage', { kit: { ...kit, cases: ['one'] }, tried: tried('passed') })
    expect(faulty.text).toContain('- Nothing catches a plug-in that lies.')
    expect(() => withSection(faulty.text, 'storage', { kit, tried: [] })).toThrow('faults of other kits')
  })
})

function alone(name: string, cheats: typeof storageCheats | typeof hypervisorCheats | typeof archiveCheats): string {
  const sole = cheats.filter(({ caughtBy }) => caughtBy.length === 1 && caughtBy[0] === name)
  return sole.map((cheat) => cheat.name).join('; ')
}
