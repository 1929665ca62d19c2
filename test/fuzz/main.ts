import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { anyRequest, faultOf, type FuzzTarget } from '../../controller/api/testing-fuzz.ts'
import type { FromTarget, ToTarget } from './target.ts'

const USAGE = `npm run fuzz -- [--requests 100000] [--beside 32] [--seed N]

Any requests of any command, so many at a time, against a controller in a process of its own. Prints what is wrong, and
its memory at each tenth of the requests; ends with 1 when anything is wrong, or when the memory grew by more than a half
from the first tenth to the last. The seed decides what is asked.
`

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    beside: { type: 'string', default: '32' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}

/** Requests generated at a time. */
const CHUNK = 1000
const GROWTH = 1.5

interface Memory {
  readonly resident: number
  readonly live: number
}

/** What is wrong: each is printed once, as soon as it is found. */
class Faults {
  readonly #seen = new Set<string>()
  count = 0

  add(fault: string): void {
    this.count += 1
    if (!this.#seen.has(fault)) process.stdout.write(`${fault}\n`)
    this.#seen.add(fault)
  }
}

async function hear(child: ChildProcess): Promise<FromTarget> {
  const [said] = (await once(child, 'message')) as [FromTarget] // By target.ts.
  return said
}

async function fuzz(
  child: ChildProcess,
  of: { readonly requests: number; readonly beside: number; readonly seed: number },
) {
  const ready = await hear(child)
  if (ready.said !== 'ready') throw new Error('the controller did not get ready')
  const faults = new Faults()
  const memory: Memory[] = []
  for (let done = 0; done < of.requests; done += CHUNK) {
    const numRuns = Math.min(CHUNK, of.requests - done)
    const asked = fc.sample(anyRequest, { seed: of.seed + done, numRuns }).values()
    await Promise.all(Array.from({ length: of.beside }, () => ask(ready.target, asked, faults)))
    const tenth = Math.floor((10 * (done + numRuns)) / of.requests)
    if (tenth > memory.length) memory.push(await memoryOf(child, faults))
  }
  return { faults: faults.count, memory }
}

async function ask(target: FuzzTarget, asked: Iterable<Parameters<typeof faultOf>[1]>, faults: Faults): Promise<void> {
  for (const one of asked) {
    const fault = await faultOf(target, one).catch((error: unknown) => `no answer: ${one.name} ${String(error)}`)
    if (fault !== undefined) faults.add(fault)
  }
}

async function memoryOf(child: ChildProcess, faults: Faults): Promise<Memory> {
  child.send('memory' satisfies ToTarget)
  const said = await hear(child)
  if (said.said !== 'memory') throw new Error(`the controller said ${said.said}`)
  // An array or host that did not answer is told to operators in their words.
  const inside = said.internal.filter((text) => !text.includes('"status":534'))
  for (const text of inside) faults.add(`a fault inside: ${text}`)
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
  process.stdout.write(`memory ${mib(said.resident)}, live ${mib(said.live)}\n`)
  return said
}

const of = { requests: Number(values.requests), beside: Number(values.beside), seed: Number(values.seed) }
const began = performance.now()
const child = fork(join(import.meta.dirname, 'target.ts'), { execArgv: ['--expose-gc'] })
const { faults, memory } = await fuzz(child, of)
const ended = once(child, 'exit')
child.send('stop' satisfies ToTarget)
await ended
const [first, last] = [memory[0], memory.at(-1)]
const grew = first && last ? last.live / first.live : Number.NaN
process.stdout.write(
  `seed ${of.seed}: ${of.requests} requests, ${of.beside} at a time, in ${((performance.now() - began) / 1000).toFixed(0)} s: ` +
    `${faults} faults; live memory at the end ${grew.toFixed(2)} times that of the first tenth\n`,
)
process.exit(faults === 0 && grew <= GROWTH ? 0 : 1)
