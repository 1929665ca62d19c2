import { beforeAll, describe, expect, it } from 'vitest'
import { livesUnderKills, type Verdict } from './lives-under-kills.ts'

const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)

/** A sample; `npm run lives` is the whole of it, and takes any numbers. */
describe.each([
  { isolation: 'read committed', controllers: 2, lives: 50, clients: 25, kills: 6 },
  { isolation: 'serializable', controllers: 2, lives: 20, clients: 10, kills: 3 },
] as const)('$controllers controllers ($isolation) killed $kills times under $lives volume lives', (trial) => {
  let verdict: Verdict
  beforeAll(async () => {
    verdict = await livesUnderKills({ ...trial, seed })
  }, 400_000)

  it(`were killed while they ran (seed ${seed})`, () => {
    expect(verdict.kills).toBe(trial.kills)
  })

  it('brought every life to its end', () => {
    expect(verdict.failures).toEqual([])
    expect(verdict.completed).toBe(trial.lives)
  })

  it('answer every job id that they ever gave, with an end', () => {
    expect(verdict.lost).toEqual([])
  })

  it('have no operation that still runs or waits', () => {
    expect(verdict.open).toEqual([])
  })

  it('left nothing over: no volume, no snapshot, and the census is empty', () => {
    expect(verdict.left).toEqual([])
    expect(verdict.findings).toEqual([])
  })
})
