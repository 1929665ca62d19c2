import { type Kit, type KitName, KITS } from './mutants.ts'
import type { Answer } from './mutation-worker.ts'

/** Cases that failed with a cheat, whether they said which promise was broken or stumbled over it. */
export function catchers({ verdicts }: Answer): readonly string[] {
  const failed = Object.entries(verdicts).filter(([, verdict]) => verdict === 'caught' || verdict === 'stumbled')
  return failed.map(([name]) => name)
}

/** An answer, and for how many seconds its worker was at it. */
export interface Tried extends Answer {
  readonly seconds: number
}

/** The report as it is checked in, and what it must not have: sentences. */
export function reportOf(
  kits: Readonly<Record<KitName, Pick<Kit, 'cases' | 'cheats'>>>,
  tried: readonly Tried[],
): { readonly text: string; readonly faults: readonly string[] } {
  const runs = tried.reduce((sum, { runs }) => sum + runs, 0)
  const minutes = tried.reduce((sum, { seconds }) => sum + seconds, 0) / 60
  const sections = KITS.map((name) =>
    sectionOf(name, { kit: kits[name], answers: tried.filter(({ kit }) => kit === name) }),
  )
  const cases = KITS.reduce((sum, name) => sum + kits[name].cases.length, 0)
  const head = [
    '# Mutation report',
    '',
    'Is every case of the conformance kit needed? Each cheat is a plug-in that breaks one promise. It is run against every case that uses what it changes;',
    'a case is needed when there is a cheat that it alone catches. Written by `npm run mutation-report`; a test keeps the names in step.',
    '',
    `${cases} cases, ${tried.length} cheats, ${runs} runs, ${minutes.toFixed(0)} minutes of one worker.`,
  ]
  const faults = sections.flatMap(({ faults }) => faults)
  const text = [
    ...head,
    ...sections.flatMap(({ lines }) => lines),
    '',
    '## What must not be',
    '',
    ...listed(faults),
    '',
  ].join('\n')
  return { text, faults }
}

/**
 * The report with the section of one kit in place of what it had, and the section's faults. A report that has faults of
 * other kits is left alone: they must be found again. Throws then.
 */
export function withSection(
  report: string,
  name: KitName,
  what: { readonly kit: Pick<Kit, 'cases' | 'cheats'>; readonly tried: readonly Tried[] },
): { readonly text: string; readonly faults: readonly string[] } {
  const { lines, faults } = sectionOf(name, { kit: what.kit, answers: what.tried })
  const [head = '', ...sections] = report.split(/^(?=## )/m)
  if (sections.pop()?.trim() !== NO_FAULTS) throw new Error('the report has faults of other kits: write the whole')
  const runs = what.tried.reduce((sum, each) => sum + each.runs, 0)
  const minutes = what.tried.reduce((sum, { seconds }) => sum + seconds, 0) / 60
  const own = [
    ...lines.slice(1, 2),
    '',
    `Tried on its own: ${runs} runs, ${minutes.toFixed(0)} minutes of one worker.`,
    ...lines.slice(2),
    '',
    '',
  ]
  const isOwn = (section: string) => section.startsWith(`## The ${name} kit:`)
  const kept = sections.some(isOwn) ? sections : [...sections, `## The ${name} kit:`]
  const text = [head, ...kept.map((section) => (isOwn(section) ? own.join('\n') : section))].join('')
  return { text: `${text}${['## What must not be', '', ...listed(faults), ''].join('\n')}`, faults }
}

const NO_FAULTS = '## What must not be\n\nNone.'

function sectionOf(
  name: KitName,
  what: { readonly kit: Pick<Kit, 'cases' | 'cheats'>; readonly answers: readonly Answer[] },
) {
  const { kit, answers } = what
  const caught = answers.map((answer) => ({ cheat: answer.cheat, by: catchers(answer) }))
  const alone = (each: string) => caught.filter(({ by }) => by.length === 1 && by[0] === each).map(({ cheat }) => cheat)
  const several = caught.filter(({ by }) => by.length > 1)
  const faults = [
    ...kit.cases
      .filter((each) => alone(each).length === 0)
      .map((each) => `No cheat is caught by this case alone: ${each}.`),
    ...caught.filter(({ by }) => by.length === 0).map(({ cheat }) => `Nothing catches a plug-in that ${cheat}.`),
    ...kit.cheats.flatMap(({ name: cheat, caughtBy }) => {
      const by = caught.find((each) => each.cheat === cheat)?.by ?? []
      const wrong = caughtBy
        .filter((each) => !by.includes(each))
        .map((each) => `A plug-in that ${cheat} is not caught by: ${each}.`)
      return by.length > 1 && caughtBy.length === 1
        ? [...wrong, `Not one case but ${by.length} catch a plug-in that ${cheat}.`]
        : wrong
    }),
  ]
  const lines = [
    '',
    `## The ${name} kit: ${kit.cases.length} cases, ${kit.cheats.length} cheats`,
    '',
    '| Case | Plug-ins that it alone catches: one that ... |',
    '|---|---|',
    ...kit.cases.map((each) => `| ${each} | ${alone(each).join('; ')} |`),
    '',
    'Caught by several cases, one that ...',
    '',
    ...listed(several.map(({ cheat, by }) => `${cheat}: ${by.length} cases`)),
  ]
  return { lines, faults }
}

function listed(items: readonly string[]): readonly string[] {
  return items.length === 0 ? ['None.'] : items.map((item) => `- ${item}`)
}
