import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import { census as head } from '../../controller/sagas/census.ts'
import { type Ground, makeGround, startController, type TestController } from '../../controller/testing.ts'
import { type Bench, type BenchRow, timed } from './report.ts'

const SIZES = [5_000, 50_000] as const
const LONGEST_MS = 300_000
const SAMPLE_MS = 20

/** How long a census takes and how much memory, as there come to be many objects on one array. */
export const census: Bench = {
  name: 'census',
  about: 'one array with two volumes for each snapshot and exposure; peak memory is that of the whole controller',
  async run() {
    const rows: BenchRow[] = []
    for (const size of SIZES) {
      const controller = await startController()
      try {
        rows.push(...(await measure(controller, size)))
      } finally {
        await controller.stop()
      }
    }
    return rows
  },
}

async function measure(controller: TestController, size: number): Promise<readonly BenchRow[]> {
  const { store } = controller
  const ground = await makeGround(controller)
  await fill(controller, ground, size)
  const row = async (what: string, goal?: string): Promise<readonly BenchRow[]> => {
    const { seconds, lists, rss, heap, findings } = await once(controller)
    const name = `${size.toLocaleString('en')} objects, ${what}`
    const peak = `${findings} findings; peak heap ${heap} MiB`
    return [
      { bench: 'census', case: name, value: seconds, unit: 's', note: peak, ...(goal ? { goal } : {}) },
      { bench: 'census', case: '  of which the array lists them in', value: lists, unit: 's' },
      { bench: 'census', case: '  peak resident memory', value: rss, unit: 'MiB' },
    ]
  }
  const plain = await row('all as recorded', size === 50_000 ? '< 30 s' : undefined)
  await sql`update location set qos_tier = 'storage'`.execute(store.reader)
  const read = await row('all as recorded, QoS of each volume compared', size === 50_000 ? '< 30 s' : undefined)
  await sql`delete from location`.execute(store.reader)
  await sql`delete from snapshot_copy`.execute(store.reader)
  await sql`delete from connection`.execute(store.reader)
  const orphans = await row('none of it recorded')
  return [...plain, ...read, ...orphans]
}

interface Taken {
  readonly seconds: number
  /** Seconds in which calls of `inventory.list` were open. */
  readonly lists: number
  /** MiB. */
  readonly rss: number
  readonly heap: number
  readonly findings: number
}

async function once({ system, store }: TestController): Promise<Taken> {
  const id = randomUUID()
  const peak = { rss: 0, heap: 0 }
  const sampler = setInterval(() => {
    const { rss, heapUsed } = process.memoryUsage()
    peak.rss = Math.max(peak.rss, rss)
    peak.heap = Math.max(peak.heap, heapUsed)
  }, SAMPLE_MS)
  const ms = await timed(async () => {
    await store.transact(async (tx) => {
      const submission = await head.submission(tx, {})
      await system.jobs.submit(tx, { ...submission, id, account: '', user: '', command: head.name })
    })
    if (!(await system.jobs.ended(id, LONGEST_MS))) throw new Error('the census has not ended')
  })
  clearInterval(sampler)
  const { state, failure } = await store.reader
    .selectFrom('operation')
    .select(['state', 'failure'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (state !== 'succeeded') throw new Error(`the census ended ${state}: ${JSON.stringify(failure)}`)
  const { rows } = await sql<{ readonly ms: number | null; readonly findings: number }>`
    select (select sum((detail->>'ms')::float8) from operation_log
        where operation_id = ${id} and detail->>'method' = 'inventory.list') as ms,
      (select count(*) from census_finding where state = 'open') as findings`.execute(store.reader)
  const [told] = rows
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
  const measured = { rss: mib(peak.rss), heap: mib(peak.heap), findings: told?.findings ?? 0 }
  return { seconds: ms / 1000, lists: (told?.ms ?? 0) / 1000, ...measured }
}

/** Half of the objects are volumes, a quarter snapshots, a quarter exposures: the same on the array and in the database. */
async function fill(controller: TestController, ground: Ground, size: number): Promise<void> {
  const { store, simulator } = controller
  const [volumes, others] = [size / 2, size / 4]
  const qos = JSON.stringify({ totalIops: { max: 1000 } })
  await store.transact(async (tx) => {
    await sql`
      with made as (
        insert into volume (id, account_id, zone_id, name, type, offering_id, bytes, qos_tier, qos_requested, qos_applied, state)
        select gen_random_uuid(), (select id from account order by seq limit 1), ${ground.zone}, 'volume-' || n, 'DATADISK',
          ${ground.offering}, 1073741824, 'storage', ${qos}, ${qos}, 'Ready' from generate_series(1, ${volumes}::int) n returning id
      ) insert into location (volume_id, pool_id, state, name, bytes, qos_tier)
        select id, ${ground.pool}, 'present', 'v', 1073741824, 'none' from made`.execute(tx)
    await sql`
      with made as (
        insert into snapshot (id, account_id, zone_id, volume_id, name, state, bytes)
        select gen_random_uuid(), account_id, zone_id, id, name, 'BackedUp', bytes from volume order by seq limit ${others}
        returning id
      ) insert into snapshot_copy (id, snapshot_id, kind, pool_id, state)
        select gen_random_uuid(), id, 'array', ${ground.pool}, 'present' from made`.execute(tx)
    await sql`insert into connection (source_kind, source_id, host_id, pool_id, generation, mode, state)
      select 'volume', id, (select id from host order by seq limit 1), ${ground.pool}, 1, 'rw', 'given'
      from volume order by seq limit ${others}`.execute(tx)
  })
  await sql`analyze`.execute(store.reader)
  await simulator.kill()
  await put(controller, qos)
  await simulator.restart()
}

/** Writes what the database says into the simulator's own, while it is down: through its calls it would take minutes. */
async function put({ store, simulator }: TestController, qos: string): Promise<void> {
  const array = new DatabaseSync(join(simulator.folder, 'data', 'state.db'))
  try {
    const { name } = array.prepare('SELECT name FROM arrays LIMIT 1').get() ?? {}
    const at = String(name)
    array.exec('BEGIN')
    const volume = array.prepare(
      `INSERT INTO volumes(array, id, owner, bytes, source, image, requestedQos, qos, createdAt) VALUES (?, ?, ?, ?, '', 0, ?, ?, 1)`,
    )
    for (const { volumeId, bytes } of await store.reader.selectFrom('location').select(['volumeId', 'bytes']).execute())
      volume.run(at, volumeId, store.installation, bytes, qos, qos)
    const snapshot = array.prepare('INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, 0, 1)')
    for (const { id, volumeId, bytes } of await store.reader.selectFrom('snapshot').selectAll().execute())
      snapshot.run(at, id, store.installation, volumeId, bytes)
    const exposure = array.prepare(
      `INSERT INTO exposures VALUES (?, ?, ?, 'volume', ?, ?, 'host', 'iqn', 'rw', 'a', 1)`,
    )
    for (const { sourceId, hostId } of await store.reader.selectFrom('connection').selectAll().execute())
      exposure.run(at, `volume/${sourceId}/${hostId}`, store.installation, sourceId, hostId)
    array.exec('COMMIT')
  } finally {
    array.close()
  }
}
