import { beforeAll, describe, expect, it } from 'vitest'
import { type Aftermath, attachStorm, SHORTAGES } from './attach-storm.ts'

const seed = Number(process.env['MOORAGE_SEED'] ?? Date.now() % 1_000_000)
const storm = { attaches: 48, room: 7, controllers: 2, kills: 1, seed }

/** A sample; `npm run attach-storm` is the whole of it, and takes any numbers. */
describe(`${storm.attaches} attaches at once against room for ${storm.room}, two controllers, one of them killed (seed ${seed})`, () => {
  let all: readonly Aftermath[] = []
  beforeAll(async () => {
    all = await attachStorm(storm)
  }, 300_000)
  const of = (shortage: string) => all.find((one) => one.shortage === shortage)

  it.each(SHORTAGES)('succeed exactly as often as there is room, by %s', (shortage) => {
    expect(of(shortage)).toMatchObject({ succeeded: storm.room, kills: storm.kills })
  })

  it.each(SHORTAGES)('are refused, by %s, in words that name needed, available and limit', (shortage) => {
    expect(of(shortage)?.refusals).not.toEqual([])
    expect(of(shortage)?.odd).toEqual([])
  })

  it.each(SHORTAGES)('leave a ledger, by %s, that is what is recorded and what is on the array', (shortage) => {
    const { ledger, records, array, findings } = of(shortage) ?? {}
    expect(ledger).toEqual(records)
    expect(array).toEqual({ volumes: storm.room, bytes: storm.room * 1024 ** 3 })
    expect(findings).toEqual([])
  })

  it.each(SHORTAGES)('leave nothing reserved, by %s, once all is deleted', (shortage) => {
    expect(of(shortage)?.after).toEqual({ volumes: 0, bytes: 0, iops: 0 })
  })
})
