import {
  type Cell,
  CALL_CLASSES,
  CLASSES,
  COMMIT_CLASSES,
  ELSEWHERE,
  placeText,
  realOf,
  type Realm,
  sectionName,
  type Row,
  RULES,
  titleOf,
} from './cells.ts'

/** How a cell came out. */
export interface Result {
  readonly cell: Cell
  readonly ms: number
  /** Absent: as predicted. */
  readonly failure?: string
}

/** When and where cells were played: stands in each section, so that a part of the matrix can be played anew. */
export interface Stamp {
  /** Short id of the last commit that changed what is played, with `+` where the work tree had changes of that. */
  readonly commit: string
  /** `2026-11-28`. */
  readonly date: string
  readonly machine: string
}

/** Where the document is, from the root of the repository. */
export const DOCUMENT = 'docs/reference/crash-matrix.md'

/** The columns: one letter per class, those of calls first. */
const LETTERS = new Map(CLASSES.map((name, at) => [name, String.fromCodePoint('A'.codePointAt(0)! + at)])) // A letter has a code point.

/** A section per saga, in their order; others are there from earlier runs. */
export type Sections = ReadonlyMap<string, string>

/** The document of these sections. */
export function documentOf(sections: Sections, rows: readonly Row[]): string {
  const real = realOf(rows)
  const names = [...namesOf(rows, 'simulator'), ...namesOf(real, 'real')]
  const body = names.flatMap((name) => sections.get(name) ?? [])
  const unplayed = names.filter((name) => !sections.has(name))
  return [
    '# The crash matrix',
    '',
    'Made by `npm run crash-matrix`; do not edit.',
    '',
    '| | sagas | places | cells |',
    '|---|---|---|---|',
    totalOf('on the simulator', rows),
    totalOf('on the real SAN and QEMU', real),
    '',
    'Each cell stages a scene, lets one thing go wrong at one place of one saga, lets another controller go on to the end, and compares. A call that fails for good, before or after',
    'its effect, must leave the operation undone, the ledger right and nothing held, and asking again must come to what a run without a fault comes to. After every other fault the',
    'operation must end as if nothing had happened: the same rows, the same objects on arrays and hosts, an empty census. A saga that fails at its very end is undone, and the same',
    'faults strike there. Kills are `kill -9` of a controller in a process of its own. *Inside* is while the back end holds the call, before it begins or before it answers; the call',
    'goes on after the operation has ended elsewhere, and must be refused by the fence. *Paused* is SIGSTOP, another controller takes over and ends the operation, SIGCONT: nothing may',
    'change any more.',
    '',
    'Two things are not asked for. A late call that only looks, or only tells a machine how large its disk is, or makes an archive that is made already, is refused by no fence, and changes nothing. And a saga being undone that asks a',
    'host how things stand, and hears nothing, need not wait for it: it records that nothing was heard, and asking again must come to what a run without a fault comes to.',
    '',
    '| | At a call | | At a commit |',
    '|---|---|---|---|',
    ...legend(),
    '',
    'What is not there, and why (`·` in the tables):',
    '',
    `- ${COMMITS_ONLY}: ${RULES.local}; ${RULES.delegating}; ${RULES.undo}; or it is ${RULES.machinery} (\`turn\`: the operation begins to be undone; \`end\`: it ends undone);`,
    `- ${CALLS_ONLY}: ${RULES.call};`,
    `- ${ELSEWHERE};`,
    `- on the real SAN and QEMU: ${REAL_ONLY}.`,
    '',
    ...(unplayed.length === 0 ? [] : [`**Not played yet:** ${unplayed.join('; ')}.`, '']),
    ...body,
    '',
  ].join('\n')
}

const COMMITS_ONLY = `${lettersOf(CALL_CLASSES)} where there is no call`
const CALLS_ONLY = `${lettersOf(COMMIT_CLASSES)} where there is one`

const REAL_ONLY =
  'a proxy of ours between controller and daemons holds the calls of the sagas about volumes; errors and lost answers would be its own, and before and after a call, or at a commit, nothing is on its way to a daemon'

function totalOf(where: string, rows: readonly Row[]): string {
  const cells = rows.reduce((sum, { classes }) => sum + classes.length, 0)
  return `| ${where} | ${namesOf(rows, 'simulator').length} | ${rows.length} | ${cells} |`
}

function namesOf(rows: readonly Row[], realm: Realm): readonly string[] {
  return [...new Set(rows.map(({ scene }) => sectionName(scene.saga, realm)))]
}

function lettersOf(classes: object): string {
  const letters = Object.keys(classes).map((name) => LETTERS.get(name))
  return `${letters[0]} to ${letters.at(-1)}`
}

function legend(): readonly string[] {
  const commits = Object.keys(COMMIT_CLASSES)
  return Object.keys(CALL_CLASSES).map((name, at) => {
    const commit = commits[at]
    return `| ${LETTERS.get(name)} | ${name} | ${commit ? (LETTERS.get(commit) ?? '') : ''} | ${commit ?? ''} |`
  })
}

/** The section under this name, of a saga whose cells were all played. */
export function sectionOf(saga: string, results: readonly Result[], stamp: Stamp): string {
  const seconds = results.reduce((sum, { ms }) => sum + ms, 0) / 1000
  const failed = results.filter(({ failure }) => failure !== undefined)
  const verdict = failed.length === 0 ? 'all as predicted' : `**${failed.length} not as predicted**`
  const scenes = [...Map.groupBy(results, ({ cell }) => cell.scene.of)]
  return [
    `## ${saga}`,
    '',
    `${results.length} cells, ${verdict}; ${seconds.toFixed(0)} s at ${stamp.commit}, ${stamp.date}, ${stamp.machine}.`,
    ...scenes.flatMap(([of, ofScene]) => tableOf(of, ofScene)),
    ...failed.map(({ cell, failure }) => `\n- ${titleOf(cell)}: ${failure?.split('\n')[0]}`),
    '',
  ].join('\n')
}

function tableOf(of: string, results: readonly Result[]): readonly string[] {
  const places = [...Map.groupBy(results, ({ cell }) => placeText(cell.place))]
  return [
    '',
    `### ${of}`,
    '',
    `| | ${[...LETTERS.values()].join(' | ')} | s |`,
    `|---|${'---|'.repeat(LETTERS.size)}---|`,
    ...places.map(([place, ofPlace]) => {
      const marks = CLASSES.map((name) => markOf(ofPlace.find(({ cell }) => cell.name === name)))
      const seconds = ofPlace.reduce((sum, { ms }) => sum + ms, 0) / 1000
      return `| ${place} | ${marks.join(' | ')} | ${seconds.toFixed(1)} |`
    }),
  ]
}

function markOf(result: Result | undefined): string {
  if (!result) return '·'
  return result.failure === undefined ? 'ok' : '**no**'
}

/** The sections of a document, by saga. */
export function sectionsIn(document: string): Sections {
  const parts = document.split(/^(?=## )/m).slice(1)
  return new Map(parts.map((part) => [/^## (.*)$/m.exec(part)?.[1] ?? '', part.trimEnd() + '\n'] as const))
}

/** The titles of all cells that a document tells as played and as predicted. */
export function cellsIn(document: string): readonly string[] {
  return [...sectionsIn(document)].flatMap(([saga, section]) => {
    const scenes = section.split(/^(?=### )/m).slice(1)
    return scenes.flatMap((scene) => {
      const of = /^### (.*)$/m.exec(scene)?.[1] ?? ''
      const rows = scene.split('\n').filter((line) => /^\| [^|]/.test(line) && !line.startsWith('| | '))
      return rows.flatMap((row) => {
        const [place = '', ...marks] = row.slice(2).split(' | ')
        const played = CLASSES.filter((_name, at) => marks[at] === 'ok')
        return played.map((name) => `${saga} (${of}): ${place}: ${name}`)
      })
    })
  })
}
