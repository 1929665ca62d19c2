import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { kitOf, KITS } from './mutants.ts'
import { tryAll } from './mutation-matrix.ts'
import type { Answer, Order } from './mutation-worker.ts'
import { catchers, reportOf, type Tried, withSection } from './report.ts'

/**
 * `npm run mutation-report`: tries every cheat against every case and writes docs/reference/mutation-report.md. Words after
 * `--` choose cheats by their name or case, and are told who caught them. What was tried is kept: `--resume` goes on with
 * what was not, and tries again what the words choose; `--minutes` stops in between;
 * `--case` tries every cheat that was tried against the cases whose name contains this, which have changed. `--kit` tries
 * the cheats of one kit, and writes its section only.
 */
const ROOT = path.join(import.meta.dirname, '../..')
const FILE = path.join(ROOT, 'docs/reference/mutation-report.md')
const KEPT = path.join(ROOT, '.moorage/mutation-report.json')

const { values, positionals: words } = parseArgs({
  options: {
    resume: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    case: { type: 'string', multiple: true },
    kit: { type: 'string' },
  },
  allowPositionals: true,
})
const noSimulator = () => {
  throw new Error('the simulators belong to the workers')
}
const kits = {
  storage: kitOf('storage', noSimulator),
  hypervisor: kitOf('hypervisor', noSimulator),
  archive: kitOf('archive', noSimulator),
}
const began = Date.now()
const until = began + Number(values.minutes ?? Infinity) * 60_000
const tried = new Map(kept().map((each) => [keyOf(each), each]))
const wanted = KITS.filter((kit) => values.kit === undefined || values.kit === kit)
const orders = wanted.flatMap((kit) => kits[kit].cheats.filter((cheat) => isMeant(kit, cheat)).map(orderOf(kit)))
let count = 0

await tryAll(orders, {
  workers: availableParallelism(),
  isOver: () => Date.now() > until,
  answered(answer, seconds) {
    const before = values.case === undefined ? undefined : tried.get(keyOf(answer))
    tried.set(keyOf(answer), before ? merged(before, answer, seconds) : { ...answer, seconds })
    keep()
    const by = catchers(answer)
    const whom = words.length === 0 ? `${by.length}` : by.map((name) => `\n  ${name}`).join('')
    process.stderr.write(`${++count}/${orders.length} ${answer.kit}: ${answer.cheat}: ${whom}\n`)
  },
})
if (words.length === 0 || values.resume) report()

function kept(): readonly Tried[] {
  if (!values.resume || !existsSync(KEPT)) return []
  return JSON.parse(readFileSync(KEPT, 'utf8')) as readonly Tried[] // Written by `keep`.
}

function keep(): void {
  if ((words.length > 0 || values.kit !== undefined) && !values.resume) return
  mkdirSync(path.dirname(KEPT), { recursive: true })
  writeFileSync(KEPT, JSON.stringify([...tried.values()]))
}

function isMeant(kit: Order['kit'], cheat: { readonly name: string; readonly caughtBy: readonly string[] }): boolean {
  if (values.case !== undefined) return tried.has(keyOf({ kit, cheat: cheat.name }))
  if (values.resume && !tried.has(keyOf({ kit, cheat: cheat.name }))) return true
  if (words.length === 0) return !values.resume
  return words.some((word) => [cheat.name, ...cheat.caughtBy].some((text) => text.includes(word)))
}

function orderOf(kit: Order['kit']): (cheat: { readonly name: string }) => Order {
  return ({ name }) => ({ kit, cheat: name, ...(values.case !== undefined && { only: values.case }) })
}

function merged(before: Tried, answer: Answer, seconds: number): Tried {
  const verdicts = { ...before.verdicts, ...answer.verdicts }
  return { ...before, verdicts, runs: Object.keys(verdicts).length, seconds: before.seconds + seconds }
}

function keyOf({ kit, cheat }: Order): string {
  return `${kit} ${cheat}`
}

function report(): void {
  const answers = wanted.flatMap((kit) =>
    kits[kit].cheats.flatMap(({ name }) => tried.get(keyOf({ kit, cheat: name })) ?? []),
  )
  const left = wanted.reduce((sum, kit) => sum + kits[kit].cheats.length, 0) - answers.length
  if (left > 0) {
    process.stderr.write(`${left} cheats are left: go on with --resume\n`)
    process.exitCode = 1
    return
  }
  const [kit] = wanted
  const { text, faults } =
    values.kit !== undefined && kit
      ? withSection(readFileSync(FILE, 'utf8'), kit, { kit: kits[kit], tried: answers })
      : reportOf(kits, answers)
  writeFileSync(FILE, text)
  for (const fault of faults) process.stderr.write(`${fault}\n`)
  if (faults.length > 0) process.exitCode = 1
}
