import { parseArgs } from 'node:util'
import { livesUnderKills } from './lives-under-kills.ts'

const USAGE = `npm run lives -- [--lives 500] [--clients 32] [--controllers 2] [--kills 20] [--seed N]
                  [--isolation 'read committed'] [--isolation serializable]

Volume lives against controllers that are killed at random, in both isolations unless told. Prints the figures of each,
and below them what is wrong; ends with 1 when anything is. The seed decides whom the kills strike, and when.
`

/** `npm run lives`: the trial in full size. */
const { values } = parseArgs({
  options: {
    lives: { type: 'string', default: '500' },
    clients: { type: 'string', default: '32' },
    controllers: { type: 'string', default: '2' },
    kills: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', default: false },
    isolation: { type: 'string', multiple: true, default: ['read committed', 'serializable'] },
  },
})

if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const seed = Number(values.seed)
const counts = {
  lives: Number(values.lives),
  clients: Number(values.clients),
  controllers: Number(values.controllers),
  kills: Number(values.kills),
}
let wrong = 0
for (const isolation of ['read committed', 'serializable'] as const) {
  if (!values.isolation.includes(isolation)) continue
  const { failures, lost, open, left, findings, ...figures } = await livesUnderKills({ ...counts, seed, isolation })
  process.stdout.write(
    `${isolation}, seed ${seed}: ${figures.completed} of ${counts.lives} lives under ${counts.clients} clients and ` +
      `${counts.controllers} controllers in ${figures.seconds.toFixed(0)} s, ${figures.kills} kills, ${figures.jobs} jobs, ` +
      `${figures.takeovers} takeovers; failures ${failures.length}, lost ${lost.length}, open ${open.length}, ` +
      `left ${left.length}, findings ${findings.length}\n`,
  )
  for (const bad of [failures, lost, open, left, findings].flat()) process.stdout.write(`  ${JSON.stringify(bad)}\n`)
  wrong += failures.length + lost.length + open.length + left.length + findings.length
  if (figures.completed < counts.lives || figures.kills < counts.kills) wrong += 1
}
process.exit(wrong === 0 ? 0 : 1)
