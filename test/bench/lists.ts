import { sql } from 'kysely'
import { makeGround, startController, type TestController } from '../../controller/testing.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'

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
        await fill(controller, { ...ground, size })
        rows.push(...(await measure(controller, size)))
      }
      return rows
    } finally {
      await controller.stop()
    }
  },
}

/** Adds volumes straight to the database until there are `size`, each with a location, half of them attached. */
async function fill(
  { store }: TestController,
  to: { readonly size: number; readonly zone: string; readonly offering: string; readonly pool: string },
): Promise<void> {
  await store.transact(async (tx) => {
    await sql`
      with made as (
        insert into volume (id, account_id, zone_id, name, type, offering_id, bytes, qos_tier, qos_requested, state)
        select gen_random_uuid(), (select id from account order by seq limit 1), ${to.zone}, 'volume-' || n, 'DATADISK',
          ${to.offering}, 1073741824, 'storage', '{"totalIops":{"min":100,"max":1000}}', 'Ready'
        from generate_series((select count(*) from volume) + 1, ${to.size}) n
        returning id
      )
      insert into location (volume_id, pool_id, state, name, bytes, qos_tier)
      select id, ${to.pool}, 'present', 'vol-' || id, 1073741824, 'storage' from made`.execute(tx)
  })
  await sql`analyze`.execute(store.reader)
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
