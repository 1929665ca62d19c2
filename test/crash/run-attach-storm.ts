import { isDeepStrictEqual, parseArgs } from 'node:util'
import { type Aftermath, attachStorm } from './attach-storm.ts'

const USAGE = `npm run attach-storm -- [--attaches 1000] [--room 100] [--controllers 2] [--kills 4] [--seed N]

As many attaches at once as told, against room for few, by IOPS, by bytes and by slots, while controllers are killed. Prints
the figures of each, and ends with 1 unless exactly as many succeeded as there was room for, each refusal names needed,
available and limit, and ledger, records and array agree, also once everything is gone again.
`

/** `npm run attach-storm`: the storm in full size. */
const { values } = parseArgs({
  options: {
    attaches: { type: 'string', default: '1000' },
    room: { type: 'string', default: '100' },
    controllers: { type: 'string', default: '2' },
    kills: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const storm = {
  attaches: Number(values.attaches),
  room: Number(values.room),
  controllers: Number(values.controllers),
  kills: Number(values.kills),
  seed: Number(values.seed),
}
let wrong = 0
for (const one of await attachStorm(storm)) {
  const faults = faultsOf(one)
  process.stdout.write(
    `by ${one.shortage}, seed ${storm.seed}: ${one.succeeded} of ${storm.attaches} attaches succeeded in ${one.seconds.toFixed(1)} s ` +
      `under ${one.kills} kills, room for ${storm.room}; ledger ${JSON.stringify(one.ledger)}; ${one.refusals.length} texts, as: ${one.refusals[0]}\n`,
  )
  for (const fault of faults) process.stdout.write(`  ${fault}\n`)
  wrong += faults.length
}
process.exit(wrong === 0 ? 0 : 1)

function faultsOf(one: Aftermath): readonly string[] {
  const { ledger, records, array, after } = one
  const faults = [...one.odd, ...one.findings.map((finding) => JSON.stringify(finding))]
  if (one.succeeded !== storm.room) faults.push(`${one.succeeded} succeeded`)
  if (!isDeepStrictEqual(ledger, records)) faults.push(`the records say ${JSON.stringify(records)}`)
  if (array.volumes !== ledger.volumes || array.bytes !== ledger.bytes)
    faults.push(`the array holds ${JSON.stringify(array)}`)
  if (!isDeepStrictEqual(after, { volumes: 0, bytes: 0, iops: 0 })) faults.push(`left over: ${JSON.stringify(after)}`)
  return faults
}
