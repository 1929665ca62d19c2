import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { realParts } from '../support/real-parts.ts'
import { createSagas } from '../../controller/sagas/registry.ts'
import { SCENES } from '../../controller/sagas/testing/scenes.ts'
import { type Cell, cellsOf, realOf, type Realm, type Row, rowsOf, sectionName, titleOf } from './cells.ts'
import { DOCUMENT, documentOf, type Result, sectionOf, sectionsIn, type Stamp } from './document.ts'
import { type Ground, startGround } from './ground.ts'
import { playCell } from './play.ts'

const ROOT = join(import.meta.dirname, '../..')
const FILE = join(ROOT, DOCUMENT)
/** What of the repository is played: its last commit is the one that the document names. */
const PLAYED = [
  'contract',
  'controller',
  'daemons',
  'libraries',
  'plugins',
  ':!*.test.ts',
  ':!**/testing/**',
  ':!**/testing*',
]

const USAGE =
  'usage: npm run crash-matrix -- [--words | [--real] [--lanes N] [SAGA...]]   (--words: plays nothing, writes the words around the tables; no saga: all of them; else the others stay as they are)'

const { values, positionals } = parseArgs({
  options: {
    lanes: { type: 'string' },
    real: { type: 'boolean', default: false },
    words: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const realm: Realm = values.real ? 'real' : 'simulator'
const start = async () => startGround(values.real ? await realParts() : undefined)
const lanes = Number(values.lanes ?? availableParallelism())
if (!Number.isInteger(lanes) || lanes < 1) throw new Error(USAGE)

const began = performance.now()
const STAMP = stampNow()
const first = await start()
const rows = rowsOf(createSagas({ ...first.world, jobs: first.world.runner }), SCENES)
const playable = values.real ? realOf(rows) : rows
const sagas = [...new Set(playable.map(({ scene }) => scene.saga))]
const unknown = positionals.filter((name) => !sagas.includes(name))
if (unknown.length > 0) {
  await first.stop()
  throw new Error(`there is no saga ${unknown.join(', ')}; there are ${sagas.join(', ')}\n${USAGE}`)
}
const chosen = positionals.length === 0 ? sagas : positionals
const results = values.words ? await none() : await playAll(playable.filter(({ scene }) => chosen.includes(scene.saga)))
process.exitCode = results.some(({ failure }) => failure !== undefined) ? 1 : 0

async function none(): Promise<readonly Result[]> {
  await first.stop()
  writeSagas([])
  return []
}

/** Plays in as many small clouds at once as there are lanes, whole scenes in each: what a scene comes to is learnt once. */
async function playAll(wanted: readonly Row[]): Promise<readonly Result[]> {
  const scenes = [...Map.groupBy(cellsOf(wanted), ({ scene }) => scene).values()]
  const queue = scenes.toSorted((a, b) => b.length - a.length)
  const results: Result[] = []
  const lane = async (index: number) => {
    let ground = index === 0 ? first : await start()
    for (let scene = queue.shift(); scene !== undefined; scene = queue.shift()) {
      for (const cell of scene) {
        const result = await play(ground, cell)
        results.push(result)
        if (result.failure === undefined) continue
        console.log(`\n${titleOf(cell)}\n${result.failure}`)
        ground = await another(ground)
      }
      writeSagas(results)
    }
    await ground.stop()
  }
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)))
  return results
}

async function play(ground: Ground, cell: Cell): Promise<Result> {
  const since = performance.now()
  try {
    await playCell(ground, cell)
    return { cell, ms: performance.now() - since }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    return { cell, ms: performance.now() - since, failure }
  }
}

/** What a cell left that went wrong is no ground for the next. */
async function another(ground: Ground): Promise<Ground> {
  await ground.stop().catch((error: unknown) => console.log(error))
  return start()
}

/** Writes the sections of the sagas whose cells were all played, so that a run that is cut short was not for nothing. */
function writeSagas(results: readonly Result[]): void {
  const sections = new Map(existsSync(FILE) ? sectionsIn(readFileSync(FILE, 'utf8')) : [])
  const order = cellsOf(playable).map((cell) => titleOf(cell))
  for (const [saga, ofSaga] of Map.groupBy(results, ({ cell }) => cell.scene.saga)) {
    const name = sectionName(saga, realm)
    const whole = cellsOf(playable.filter(({ scene }) => scene.saga === saga)).length === ofSaga.length
    const sorted = ofSaga.toSorted((a, b) => order.indexOf(titleOf(a.cell)) - order.indexOf(titleOf(b.cell)))
    if (whole) sections.set(name, sectionOf(name, sorted, STAMP))
  }
  writeFileSync(FILE, documentOf(sections, rows))
  const failed = results.filter(({ failure }) => failure !== undefined).length
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  console.log(`${results.length} cells, ${failed} not as predicted, ${seconds} s: ${DOCUMENT}`)
}

function stampNow(): Stamp {
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--', ...PLAYED).length > 0
  return {
    commit: `${git('log', '-1', '--format=%h', '--', ...PLAYED)}${changed ? '+' : ''}`,
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores`,
  }
}
