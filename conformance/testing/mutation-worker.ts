import { startSimulator } from '@moorage/simulator/testing'
import { kitOf, type KitName, KITS, type Verdict } from './mutants.ts'

/** What a worker is asked: all cases against one cheat, or which members the cases use. */
export interface Order {
  readonly kit: KitName
  readonly cheat: string
  /** Only cases whose name contains one of these. */
  readonly only?: readonly string[]
}

/** What it answers: verdicts of the cases that the cheat can matter to; the others pass. */
export interface Answer extends Order {
  readonly verdicts: Readonly<Record<string, Verdict>>
  readonly runs: number
}

/** Cases of one cheat that run at once: they wait more than they compute. */
const AT_ONCE = 4

const simulator = await startSimulator()
const kits = {
  storage: kitOf('storage', () => simulator),
  hypervisor: kitOf('hypervisor', () => simulator),
  archive: kitOf('archive', () => simulator),
}
const uses = new Map<string, ReadonlySet<string>>()
for (const kit of KITS) for (const name of kits[kit].cases) uses.set(`${kit} ${name}`, await kits[kit].uses(name))

process.on('message', (order: Order) => void answer(order).then((each) => process.send?.(each)))
process.on('disconnect', () => void simulator.stop().then(() => process.exit(0)))
process.send?.('ready')

async function answer({ kit, cheat, only = [''] }: Order): Promise<Answer> {
  const changed = [...(await kits[kit].changes(cheat))]
  const concerned = kits[kit].cases.filter((name) => {
    const used = uses.get(`${kit} ${name}`)
    return only.some((text) => name.includes(text)) && changed.some((member) => member === '*' || used?.has(member))
  })
  const verdicts: Record<string, Verdict> = {}
  const left = [...concerned]
  const work = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      verdicts[name] = await kits[kit].verdict(cheat, name)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return { kit, cheat, verdicts, runs: concerned.length }
}
