import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { factsOf, FINDING_ACTIONS, FINDING_CLASSES, type FindingClass } from '../../controller/domain/census-classes.ts'
import { containing } from '../../controller/sagas/testing/checks.ts'
import { text } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { startController } from '../../lab/stack.ts'
import { SILENT } from '../../lab/terminal.ts'
import { startYard, type Yard } from '../support/yard.ts'
import { FAULTS } from './census-faults.ts'
import { inBin } from './census-faults-orphans.ts'
import { type Strangers, strangersIn } from './census-strangers.ts'

let yard: Yard
let strangers: Strangers | undefined
/** What a census finds when nothing is planted: what is not ours. */
let foreign: readonly string[] = []
let before: readonly string[] = []

beforeAll(async () => {
  yard = await startYard()
  strangers = await strangersIn(yard)
  foreign = await found()
  before = await strangers.look()
}, 120_000)

afterAll(async () => {
  await strangers?.stop()
  await yard.stop()
}, 120_000)

const CLASSES = Object.keys(FINDING_CLASSES) as FindingClass[] // The keys of a constant.

it('every class is planted, and every action that it allows is taken', () => {
  const taken = CLASSES.map((name) => [name, ...Object.values(FAULTS[name]).map(({ action }) => action), 'ignore'])
  const allowed = CLASSES.map((name) => [name, ...factsOf(name).actions])
  const sorted = (rows: readonly (readonly string[])[]) => rows.map((row) => [...new Set(row)].toSorted())
  expect(sorted(taken)).toEqual(sorted(allowed))
})

it('where nothing is planted, all that is found is not ours', () => {
  expect(foreign.map((each) => each.split(' ')[0])).toEqual(foreign.map(() => 'foreign'))
  expect(foreign.length).toBeGreaterThanOrEqual(5)
})

describe.each(CLASSES)('%s', (name) => {
  it.each(Object.entries(FAULTS[name]))('%s is found, it alone, and is resolved', async (_what, { action, plant }) => {
    // What another case has left behind is its failure, and not this one's.
    const already = await found()
    const planted = await plant(yard)
    const also = [...already.filter((each) => each !== `${name} ${planted.object}`), ...(planted.also ?? [])]
    const id = await findingOf(`${name} ${planted.object}`, also)
    const resolve = async (how: string, more: object = {}) =>
      yard.lab.api.run('resolveCensusFinding', { id, action: how, ...more })
    const { actions, confirm } = factsOf(name)
    for (const other of FINDING_ACTIONS.filter((each) => !actions.includes(each))) {
      const more = other === 'adopt' ? { account: 'admin', domainid: await rootDomain() } : {}
      await expect(resolve(other, more)).rejects.toMatchObject({ code: 431, message: containing('allows') })
    }

    await resolve('ignore', { reason: 'planted' })
    expect(await found()).toEqual(also.toSorted())
    await planted.untouched()
    expect(await stateOf(id)).toBe('ignored')

    if (action !== 'ignore') {
      if (action === 'repair' && confirm) await expect(resolve(action)).rejects.toThrow('confirm must be true')
      await resolve(action, { ...planted.params, ...(action === 'repair' && confirm ? { confirm } : {}) })
      expect(await stateOf(id)).toBe(action === 'recycle' ? 'recycled' : 'gone')
    }
    await planted.resolved()
    expect(await found()).toEqual(foreign)
    expect(await strangers?.look()).toEqual(before)
  })
})

it('what was recycled is deleted when its time is over, by whichever controller there is then', async () => {
  expect(inBin().length).toBeGreaterThanOrEqual(4)
  expect(inBin()).toEqual(inBin().map(() => true))
  await yard.sql(`update census_finding set recycled_at = now() - interval '1 year' where state = 'recycled'`)
  // Its reconcilers have their first turn soon after they start.
  expect(await stopDaemon(yard.lab.at.controller, 30_000)).toBe('stopped')
  await startController(yard.lab.at, SILENT)
  await expect.poll(inBin, { timeout: 60_000, interval: 200 }).toEqual(inBin().map(() => false))
  expect(await found()).toEqual(foreign)
  expect(await strangers?.look()).toEqual(before)
})

/** Takes a census; answers what is open, as `class object`. */
async function found(): Promise<readonly string[]> {
  await yard.lab.api.run('runCensus')
  return (await open()).map(({ line }) => line).toSorted()
}

async function open(): Promise<readonly { readonly line: string; readonly id: string }[]> {
  const rows = await yard.lab.api.list('listCensusFindings', { state: 'open' })
  return rows.map((row) => ({ line: `${text(row, 'class')} ${text(row, 'object')}`, id: text(row, 'id') }))
}

/** The id of a finding, which is the only one but `also`. */
async function findingOf(line: string, also: readonly string[]): Promise<string> {
  expect(await found()).toEqual([line, ...also].toSorted())
  return (await open()).find((each) => each.line === line)?.id ?? ''
}

async function stateOf(id: string): Promise<unknown> {
  return (await yard.lab.api.list('listCensusFindings', { id }))[0]?.['state']
}

async function rootDomain(): Promise<string> {
  return text((await yard.lab.api.list('listDomains', { name: 'ROOT' }))[0] ?? {}, 'id')
}
