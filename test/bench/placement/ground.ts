import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import type { Reader } from '../../../controller/store/store.ts'
import { text, type Api } from '../../../lab/api.ts'
import type { ControllerProcess } from '../../support/controller.ts'

/** Where volumes are placed: of what offering, and a VM for each client. */
export interface Ground {
  readonly zone: string
  readonly offering: string
  readonly vms: readonly string[]
}

/** Registers pools until there are so many, and deploys a stopped VM for each client. */
export async function placementGround(
  { api, dir }: Pick<ControllerProcess, 'api' | 'dir'>,
  { pools, clients }: { readonly pools: number; readonly clients: number },
): Promise<Ground> {
  const first = async (command: string, params = {}) => text((await api.list(command, params))[0] ?? {}, 'id')
  const zone = await first('listZones')
  await morePools(api, { dir, zoneid: zone, pools })
  const from = { zoneid: zone, serviceofferingid: await first('listServiceOfferings'), startvm: false }
  const templateid = await first('listTemplates', { templatefilter: 'all' })
  const terms = { name: 'bench', displaytext: 'bench', disksize: 1, miniops: 100, maxiops: 1000 }
  const offering = text(await api.run('createDiskOffering', terms), 'id')
  const vms = await Promise.all(
    Array.from({ length: clients }, async (_, nth) =>
      text(await api.run('deployVirtualMachine', { ...from, templateid, name: `bench-${nth}` }), 'id'),
    ),
  )
  return { zone, offering, vms }
}

/** Arrays of the simulator that runs beside the controller. */
async function morePools(
  api: Api,
  to: { readonly dir: string; readonly zoneid: string; readonly pools: number },
): Promise<void> {
  const { dir, zoneid, pools } = to
  const credentials = JSON.parse(readFileSync(join(dir, 'simulator.credentials.json'), 'utf8')) as Record<
    string,
    string
  > // Written by the controller.
  const ready = JSON.parse(readFileSync(join(dir, 'simulator', 'ready.json'), 'utf8')) as Record<string, string> // Written by the simulator.
  const authority = new URL(ready['url'] ?? '').host
  for (let nth = (await api.list('listStoragePools')).length; nth < pools; nth += 1)
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
export async function fillPools(reader: Reader, ground: Ground, size: number): Promise<void> {
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
  await sql`vacuum analyze`.execute(reader)
}
