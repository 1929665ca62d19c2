import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPluginHost } from '../../controller/plugin-host/create.ts'
import { createSagas } from '../../controller/sagas/registry.ts'
import { SCENES } from '../../controller/sagas/testing/scenes.ts'
import { registrationLoader } from '../../controller/store/registrations.ts'
import { testStore, type TestStore } from '../../controller/store/testing.ts'
import { cellsOf, CLASSES, realOf, type Row, rowsOf, titleOf } from './cells.ts'
import { cellsIn, DOCUMENT, documentOf, sectionOf, sectionsIn } from './document.ts'

let store: TestStore
let rows: readonly Row[]
beforeAll(async () => {
  store = await testStore()
  const plugins = createPluginHost({ storage: [], hypervisors: [], load: registrationLoader(store), owner: 'nobody' })
  const jobs = () => {
    throw new Error('no saga runs here')
  }
  rows = rowsOf(createSagas({ store, plugins, jobs }), SCENES)
})
afterAll(async () => store.close())

const document = () => readFileSync(join(import.meta.dirname, '../..', DOCUMENT), 'utf8')

/** What the chore is when one of these fails. */
const RENEW = 'npm run crash-matrix -- SAGA..., and again with --real where the saga is about volumes'

/** All cells on the simulator, and those on real parts. */
const titles = () => [
  ...cellsOf(rows).map((cell) => titleOf(cell)),
  ...cellsOf(realOf(rows)).map((cell) => titleOf(cell, 'real')),
]

describe('docs/reference/crash-matrix.md', () => {
  test('tells every saga, place and class that the registry has now, and no other, each as predicted', () => {
    const [told, asked] = [cellsIn(document()), titles()]
    const missing = asked.filter((title) => !told.includes(title))
    const stale = told.filter((title) => !asked.includes(title))
    expect({ renew: RENEW, missing, stale }).toEqual({ renew: RENEW, missing: [], stale: [] })
  })

  test('has the words around the tables that its maker writes now', () => {
    expect(documentOf(sectionsIn(document()), rows)).toBe(document())
  })
})

describe('the document of a run', () => {
  const stamp = { commit: 'abc', date: '2026-11-28', machine: '2 cores' }
  const sections = () => {
    const bySaga = Map.groupBy(cellsOf(rows), ({ scene }) => scene.saga)
    return new Map(
      [...bySaga].map(([saga, cells]) => [
        saga,
        sectionOf(
          saga,
          cells.map((cell) => ({ cell, ms: 1 })),
          stamp,
        ),
      ]),
    )
  }

  test('is read as it was written', () => {
    const written = documentOf(sections(), rows)
    expect(cellsIn(written).toSorted()).toEqual(
      cellsOf(rows)
        .map((cell) => titleOf(cell))
        .toSorted(),
    )
    expect(documentOf(sectionsIn(written), rows)).toBe(written)
  })

  test('does not tell a cell as played that failed', () => {
    const [cell] = cellsOf(rows)
    if (!cell) throw new Error('there are cells')
    const section = sectionOf(cell.scene.saga, [{ cell, ms: 1, failure: 'left over: a volume' }], stamp)
    expect(section).toContain('left over: a volume')
    expect(cellsIn(documentOf(new Map([[cell.scene.saga, section]]), rows))).toEqual([])
  })
})

test('every fault class strikes somewhere', () => {
  const struck = new Set(cellsOf(rows).map(({ name }) => name))
  expect(CLASSES.filter((name) => !struck.has(name))).toEqual([])
})

test('a saga without a scene, and a step that no scene gives anything to do, make no matrix', () => {
  const sagas = new Map([
    [
      'lost',
      {
        name: 'lost',
        version: 1,
        lane: 'access' as const,
        steps: [{ name: 'act', step: { run: async () => {}, undo: async () => {} } }],
      },
    ],
  ])
  expect(() => rowsOf(sagas, SCENES)).toThrow('saga lost has no scene')
  const idle = { saga: 'lost', of: 'nothing', calls: { act: [] }, stage: async () => ({ ask: async () => '' }) }
  expect(() => rowsOf(sagas, [idle])).toThrow('no scene of lost gives act something to do')
})
