import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { PoolFacts } from '../../controller/placement/facts.ts'
import { place } from '../../controller/placement/place.ts'
import { recorded } from '../../controller/placement/record.ts'
import { POOL, REQUEST } from '../../controller/placement/testing.ts'
import { connect } from '../../controller/store/connect.ts'
import type { Reader } from '../../controller/store/store.ts'
import { text, type Api } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'

const POOLS = 200
const SIZES = [5_000, 50_000] as const
/** Alone it is what placing takes; many at once wait for each other, and for all else that their volumes' lives take. */
const CLIENTS = [1, 32] as const
/** Volumes that each client lets live, of which the first are not counted: a process that has just begun is another measure. */
const LIVES = 6
const WARM_UP = 2
/** Where there is one client it lets so many times more live. */
const ALONE = 20
/** As many pools as `likeliestPools` is asked for. */
const A_FEW = 8
const PURE_ROUNDS = 300

/** How long it takes to find a volume its pool, from the operation's claim to the commit of its reservation, as there come to be many volumes. */
export const placement: Bench = {
  name: 'placement',
  about: `choosing among ${POOLS} pools, ${CLIENTS.join(' and ')} clients that attach; facts loaded, reservation committed`,
  async run() {
    const parent = mkdtempSync(join(tmpdir(), 'moorage-bench-'))
    const controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
    const address = {
      connectionString: `postgres://moorage@localhost:5432/moorage?host=${encodeURIComponent(join(controller.dir, 'postgres'))}`,
    }
    const { reader } = connect(address, { name: 'moorage bench', connections: 1, failed: () => {} })
    try {
      const ground = await groundOf(controller)
      const rows: BenchRow[] = pure()
      const placed: number[][] = []
      for (const size of SIZES) {
        await fill(reader, ground, size)
        for (const clients of CLIENTS) {
          const measured = await measure(controller.api, reader, { ...ground, clients })
          rows.push(...rowsOf(measured, { size, clients, before: placed[placed.length - CLIENTS.length] }))
          placed.push([...measured.placed])
        }
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
    for (let round = 0; round < PURE_ROUNDS; round += 1) {
      const began = performance.now()
      recorded('volume', place(request, facts), { chosen: 'pool-0', text: 'There is room for the volume' })
      times.push(performance.now() - began)
    }
    return both(times, { case: `${pools} pools, the choice alone`, goal: '<= 5 ms' })
  })
}

/** The middle, and what one in a hundred exceeds. */
function both(
  times: readonly number[],
  of: { readonly case: string; readonly goal?: string; readonly note?: string; readonly before?: readonly number[] },
): BenchRow[] {
  const { case: what, goal, note, before } = of
  const row = (share: number, unit: string) => {
    const value = percentile(times, share)
    const ratio = before && { ratio: value / percentile(before, share) }
    return { bench: 'placement', case: what, value, unit, ...ratio, ...(note === undefined ? {} : { note }) }
  }
  return [row(0.5, 'ms p50'), { ...row(0.99, 'ms p99'), ...(goal === undefined ? {} : { goal }) }]
}

interface Ground {
  readonly zone: string
  readonly offering: string
  readonly vms: readonly string[]
}

interface Measured {
  readonly placed: readonly number[]
  readonly attaches: readonly number[]
}

async function measure(api: Api, reader: Reader, at: Ground & { readonly clients: number }): Promise<Measured> {
  const attaches: number[] = []
  const client = async (virtualmachineid: string, lives: number): Promise<void> => {
    for (let life = 0; life < lives; life += 1) {
      const created = await api.run('createVolume', { name: 'bench', zoneid: at.zone, diskofferingid: at.offering })
      const id = text(created, 'id')
      attaches.push(await timed(() => api.run('attachVolume', { id, virtualmachineid })))
      await api.run('detachVolume', { id })
      await api.run('destroyVolume', { id, expunge: true })
    }
  }
  const all = (lives: number) => Promise.all(at.vms.slice(0, at.clients).map((vm) => client(vm, lives)))
  const alone = at.clients === 1 ? ALONE : 1
  await all(WARM_UP * alone)
  attaches.length = 0
  const { now } = await reader.selectNoFrom(sql<Date>`clock_timestamp()`.as('now')).executeTakeFirstOrThrow()
  await all((LIVES - WARM_UP) * alone)
  return { placed: await placedSince(reader, now), attaches }
}

function rowsOf(
  { placed, attaches }: Measured,
  of: { readonly size: number; readonly clients: number; readonly before: readonly number[] | undefined },
): BenchRow[] {
  const { size, clients, before } = of
  const what = `${size.toLocaleString('en')} volumes, ${clients} client${clients > 1 ? 's' : ''}`
  const note = before ? 'ratio: to fewer volumes' : `${placed.length} volumes placed`
  return [
    ...both(placed, { case: `${what}: placed, reserved`, goal: '<= 20 ms', note, ...(before ? { before } : {}) }),
    ...both(attaches, { case: `${what}: attach until its job ended`, note: 'the array volume is made in it' }),
  ]
}

/** Milliseconds of the step that places, by the database's clock: from the claim until its transaction. */
async function placedSince(reader: Reader, since: Date): Promise<readonly number[]> {
  const { rows } = await sql<{ readonly ms: number }>`
    select (extract(epoch from done.at - claimed.at) * 1000)::double precision as ms
    from operation o
    join operation_log claimed on claimed.operation_id = o.id and claimed.kind = 'claimed'
    join operation_log done on done.operation_id = o.id and done.kind = 'step done' and done.step = 'begin'
    where o.saga = 'volume-attach' and o.created_at >= ${since}`.execute(reader)
  return rows.map(({ ms }) => ms)
}

async function groundOf({ api, dir }: ControllerProcess): Promise<Ground> {
  const first = async (command: string, params = {}) => text((await api.list(command, params))[0] ?? {}, 'id')
  const zone = await first('listZones')
  await morePools(api, dir, zone)
  const from = { zoneid: zone, serviceofferingid: await first('listServiceOfferings'), startvm: false }
  const templateid = await first('listTemplates', { templatefilter: 'all' })
  const terms = { name: 'bench', displaytext: 'bench', disksize: 1, miniops: 100, maxiops: 1000 }
  const offering = text(await api.run('createDiskOffering', terms), 'id')
  const vms = await Promise.all(
    Array.from({ length: Math.max(...CLIENTS) }, async (_, nth) =>
      text(await api.run('deployVirtualMachine', { ...from, templateid, name: `bench-${nth}` }), 'id'),
    ),
  )
  return { zone, offering, vms }
}

/** Arrays of the simulator that runs beside the controller, until there are as many pools as there shall be. */
async function morePools(api: Api, dir: string, zoneid: string): Promise<void> {
  const credentials = JSON.parse(readFileSync(join(dir, 'simulator.credentials.json'), 'utf8')) as Record<
    string,
    string
  > // Written by the controller.
  const ready = JSON.parse(readFileSync(join(dir, 'simulator', 'ready.json'), 'utf8')) as Record<string, string> // Written by the simulator.
  const authority = new URL(ready['url'] ?? '').host
  for (let nth = (await api.list('listStoragePools')).length; nth < POOLS; nth += 1)
    await api.run('createStoragePool', {
      name: `bench-${nth}`,
      zoneid,
      provider: 'simulator',
      scope: 'zone',
      managed: true,
      capacityiops: 1_000_000,
      capacitybytes: 2 ** 50,
      url: `simulator://${authority}/bench-${nth}`,
      'details[0].user': credentials['user'],
      'details[0].password': credentials['password'],
    })
}

/** Volumes straight into the database until there are so many, over all pools in turn, with location, reservation and sums. */
async function fill(reader: Reader, ground: Ground, size: number): Promise<void> {
  await sql`
    with pools as (select id, row_number() over (order by id) - 1 as nth, count(*) over () as n from pool),
    made as (
      insert into volume (id, account_id, zone_id, name, type, offering_id, bytes, qos_tier, qos_requested, state)
      select gen_random_uuid(), (select id from account where name = 'admin'), ${ground.zone}, 'volume-' || n,
        'DATADISK', ${ground.offering}, 1073741824, 'storage', '{"totalIops":{"min":100,"max":1000}}', 'Ready'
      from generate_series((select count(*) from volume) + 1, ${size}) n
      returning id
    ),
    living as (
      select made.id, pools.id as pool
      from (select id, row_number() over () as nth from made) made join pools on pools.nth = made.nth % pools.n
    ),
    located as (
      insert into location (volume_id, pool_id, state, name, bytes, qos_tier)
      select id, pool, 'present', 'vol-' || id, 1073741824, 'storage' from living
    )
    insert into reservation (volume_id, pool_id, bytes, iops) select id, pool, 1073741824, 100 from living`.execute(
    reader,
  )
  await sql`
    update pool set reserved_volumes = held.n, reserved_bytes = held.bytes, reserved_iops = held.iops
    from (select pool_id, count(*) as n, sum(bytes) as bytes, sum(iops) as iops from reservation group by pool_id) held
    where held.pool_id = pool.id`.execute(reader)
  await sql`analyze`.execute(reader)
}
