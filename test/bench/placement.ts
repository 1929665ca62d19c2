import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PoolFacts } from '../../controller/placement/facts.ts'
import { place } from '../../controller/placement/place.ts'
import { recorded } from '../../controller/placement/record.ts'
import { POOL, REQUEST } from '../../controller/placement/testing.ts'
import { connect } from '../../controller/store/connect.ts'
import { stopDaemon } from '../../lab/process.ts'
import { controllerProcess } from '../support/controller.ts'
import { fillPools, placementGround } from './placement/ground.ts'
import { closedLoop, type Load, type Loading, openLoop } from './placement/load.ts'
import { type Bench, type BenchRow, percentile } from './report.ts'

const POOLS = 200
const SIZES = [5_000, 50_000] as const
const CLIENTS = 32
/** Lives that each client's volumes have where they are counted, and before: a process that has just begun is another measure. */
const LIVES = 16
const WARM_UP = 4
/** Where there is one client it lets so many times more live. */
const ALONE = 12
/** What of the most that they get done the clients of the open loop ask for. */
const SHARE = 0.5
/** As many pools as `likeliestPools` is asked for. */
const A_FEW = 8
const PURE_ROUNDS = 1_000
/** Not counted: code that runs for the first times is interpreted. */
const PURE_WARM_UP = 200
const GOAL = '<= 20 ms'

/** How long it takes from an attach's request until its volume has a pool and room there, as there come to be many volumes. */
export const placement: Bench = {
  name: 'placement',
  about: `choosing among ${POOLS} pools, 1 and ${CLIENTS} clients that attach: from the request until the reservation is committed`,
  async run() {
    const parent = mkdtempSync(join(tmpdir(), 'moorage-bench-'))
    const controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
    const address = {
      connectionString: `postgres://moorage@localhost:5432/moorage?host=${encodeURIComponent(join(controller.dir, 'postgres'))}`,
    }
    const { reader } = connect(address, { name: 'moorage bench', connections: 1, failed: () => {} })
    try {
      const ground = await placementGround(controller, { pools: POOLS, clients: CLIENTS })
      const rows: BenchRow[] = pure()
      let before: Loads | undefined
      for (const size of SIZES) {
        await fillPools(reader, ground, size)
        const loads = await measure({ api: controller.api, reader, ground })
        rows.push(...rowsOf(loads, { size, before }))
        before = loads
      }
      return rows
    } finally {
      await reader.destroy()
      await controller.stop()
      await stopDaemon(join(controller.dir, 'simulator'), 10_000)
      rmSync(parent, { recursive: true, force: true })
    }
  },
}

/** The choice alone, no I/O: of those that the database has picked out, and of all that there are. */
function pure(): BenchRow[] {
  return [A_FEW, POOLS].flatMap((pools) => {
    const facts: readonly PoolFacts[] = Array.from({ length: pools }, (_, nth) => ({
      ...POOL,
      id: `pool-${nth}`,
      reservedIops: nth * 10,
    }))
    const request = { ...REQUEST, qos: { totalIops: { min: 100 } }, spread: 'volume' }
    const times: number[] = []
    for (let round = -PURE_WARM_UP; round < PURE_ROUNDS; round += 1) {
      const began = performance.now()
      recorded('volume', place(request, facts), { chosen: 'pool-0', text: 'There is room for the volume' })
      if (round >= 0) times.push(performance.now() - began)
    }
    return both(times, { case: `${pools} pools, the choice alone`, goal: '<= 5 ms' })
  })
}

/** What is measured at each size: alone, as fast as all of them get answers, and at half of that rate. */
interface Loads {
  readonly alone: Load
  readonly saturated: Load
  readonly offered: Load
}

async function measure(on: Pick<Loading, 'api' | 'reader' | 'ground'>): Promise<Loads> {
  const one = { ...on, clients: 1, lives: LIVES * ALONE }
  const all = { ...on, clients: CLIENTS, lives: LIVES }
  await closedLoop({ ...one, lives: WARM_UP * ALONE })
  const alone = await closedLoop(one)
  await closedLoop({ ...all, lives: WARM_UP })
  const saturated = await closedLoop(all)
  return { alone, saturated, offered: await openLoop(all, { rate: saturated.rate * SHARE }) }
}

/** The middle, and what one in a hundred exceeds. */
function both(
  times: readonly number[],
  of: {
    readonly case: string
    readonly goal?: string
    readonly note?: string
    readonly before?: readonly number[] | undefined
  },
): BenchRow[] {
  const { case: what, goal, note, before } = of
  const row = (share: number, unit: string) => {
    const value = percentile(times, share)
    const ratio = before && { ratio: value / percentile(before, share) }
    return { bench: 'placement', case: what, value, unit, ...ratio, ...(note === undefined ? {} : { note }) }
  }
  return [row(0.5, 'ms p50'), { ...row(0.99, 'ms p99'), ...(goal === undefined ? {} : { goal }) }]
}

/** Those of `Loads`, in words. */
const WORDS = [
  ['alone', '1 client'],
  ['offered', `${CLIENTS} clients at half of the most`],
  ['saturated', `${CLIENTS} clients at the most`],
] as const satisfies readonly (readonly [keyof Loads, string])[]

function rowsOf(loads: Loads, of: { readonly size: number; readonly before: Loads | undefined }): BenchRow[] {
  const { size, before } = of
  return WORDS.flatMap(([which, words]) => {
    const { placed, attached, rate } = loads[which]
    const due = which === 'offered' ? `${(loads.saturated.rate * SHARE).toFixed(1)} due, ` : ''
    const note = `${placed.length} volumes, a second ${due}${rate.toFixed(1)} done${before ? '; ratio: to fewer' : ''}`
    const what = `${size.toLocaleString('en')} volumes, ${words}`
    return [
      ...both(placed, { case: what, goal: GOAL, note, before: before?.[which].placed }),
      ...both(attached, { case: `${what}: until the job ended`, before: before?.[which].attached }),
    ]
  })
}
