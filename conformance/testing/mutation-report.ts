import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { kitOf, KITS } from './mutants.ts'
import { tryAll } from './mutation-matrix.ts'
import type { Answer } from './mutation-worker.ts'
import { catchers, reportOf } from './report.ts'

/**
 * `npm run mutation-report`: tries every cheat against every case and writes docs/reference/mutation-report.md. With words
 * after `--`, tries the cheats whose name or case contains one of them, says who caught them, and writes nothing.
 */
const FILE = path.join(import.meta.dirname, '../../docs/reference/mutation-report.md')

const noSimulator = () => {
  throw new Error('the simulators belong to the workers')
}
const kits = { storage: kitOf('storage', noSimulator), hypervisor: kitOf('hypervisor', noSimulator) }
const words = process.argv.slice(2)
const orders = KITS.flatMap((kit) => {
  const meant = kits[kit].cheats.filter(({ name, caughtBy }) => {
    return words.length === 0 || words.some((word) => [name, ...caughtBy].some((text) => text.includes(word)))
  })
  return meant.map(({ name }) => ({ kit, cheat: name }))
})
const answers: Answer[] = []
const began = Date.now()
await tryAll(orders, {
  workers: availableParallelism(),
  answered(answer) {
    answers.push(answer)
    const by = catchers(answer)
    const whom = words.length === 0 ? `${by.length}` : by.map((name) => `\n  ${name}`).join('')
    process.stderr.write(`${answers.length}/${orders.length} ${answer.kit}: ${answer.cheat}: ${whom}\n`)
  },
})
if (words.length === 0) {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const { text, faults } = reportOf(kits, { answers, commit, seconds: (Date.now() - began) / 1000 })
  writeFileSync(FILE, text)
  for (const fault of faults) process.stderr.write(`${fault}\n`)
  if (faults.length > 0) process.exitCode = 1
}
