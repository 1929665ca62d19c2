import { makeGround, startController, type TestController } from '../../controller/testing.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'
import { fillVolumes } from './volumes.ts'

const SIZES = [1_000, 100_000] as const
const ROUNDS = 40

/** How long one page of volumes takes, as there come to be many. */
export const lists: Bench = {
  name: 'lists',
  about: `listVolumes over the wire, ${ROUNDS} times each, p50 and p99`,
  async run() {
    const controller = await startController()
    try {
      const ground = await makeGround(controller)
      const rows: BenchRow[] = []
      for (const size of SIZES) {
        await fillVolumes(controller.store.reader, { ...ground, account: 'admin', size })
        rows.push(...(await measure(controller, size)))
      }
      return rows
    } finally {
      await controller.stop()
    }
  },
}

async function measure(controller: TestController, size: number): Promise<readonly BenchRow[]> {
  const cases = [
    ['first page of 500', { pagesize: 500, page: 1 }],
    ['a page of 20 in the middle', { pagesize: 20, page: Math.floor(size / 40) }],
    ['by name', { name: `volume-${Math.floor(size / 2)}` }],
    ['by state, first 20', { state: 'Ready', pagesize: 20, page: 1 }],
  ] as const
  const rows: BenchRow[] = []
  for (const [what, params] of cases) {
    const once = () => timed(() => controller.api.list('listVolumes', { ...params, listall: true }))
    await once()
    const times: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) times.push(await once())
    rows.push({
      bench: 'lists',
      case: `${size.toLocaleString('en')} volumes, ${what}`,
      value: percentile(times, 0.5),
      unit: 'ms p50',
      note: `p99 ${percentile(times, 0.99).toFixed(1)} ms`,
    })
  }
  return rows
}
