import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../controller/store/connect.ts'
import { apiClient, type Api, text } from '../../lab/api.ts'
import { stopDaemon } from '../../lab/process.ts'
import { controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { type Bench, type BenchRow, percentile, timed } from './report.ts'
import { fillVolumes } from './volumes.ts'

const SIZES = [10_000, 1_000_000] as const
const CLIENTS = 32
const SECONDS = 8
/** Volumes of the tenant, among those of everybody. */
const OWN = 100

/** Requests per second of a controller in a process of its own, by clients that sign, as there come to be many volumes. */
export const api: Bench = {
  name: 'api',
  about: `requests per second and p99 of ${CLIENTS} clients, ${SECONDS} s each, on a database that syncs`,
  async run() {
    const parent = mkdtempSync(join(tmpdir(), 'moorage-bench-'))
    const controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
    const address = { connectionString: databaseOf(controller) }
    const { reader } = connect(address, { name: 'moorage bench', connections: 1, failed: () => {} })
    try {
      const ground = await groundOf(controller.api)
      const tenant = await tenantOf(controller, ground)
      const rows: BenchRow[] = []
      for (const size of SIZES) {
        await fillVolumes(reader, { ...ground, account: 'admin', size })
        const cases = casesOf({ operator: controller.api, tenant, ground, size })
        for (const { what, ask } of cases)
          rows.push(await measure(`${size.toLocaleString('en')} volumes, ${what}`, ask))
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

interface Ground {
  readonly zone: string
  readonly offering: string
  readonly pool: string
}

interface Case {
  readonly what: string
  readonly ask: (nth: number) => Promise<unknown>
}

function casesOf(of: {
  readonly operator: Api
  readonly tenant: Api
  readonly ground: Ground
  readonly size: number
}): readonly Case[] {
  const { operator, tenant, ground, size } = of
  const made = { zoneid: ground.zone, diskofferingid: ground.offering }
  const jobs: string[] = []
  // All that there is.
  const period = { startdate: '2020-01-01', enddate: '2099-12-31' }
  return [
    { what: `listVolumes, the ${OWN} of a tenant`, ask: async () => await tenant.raw('listVolumes') },
    {
      what: 'listVolumes, a page of 20 of all',
      ask: async (nth) => await operator.raw('listVolumes', { listall: true, pagesize: 20, page: 1 + (nth % 100) }),
    },
    {
      what: 'listVolumes, one by name',
      ask: async (nth) => await operator.raw('listVolumes', { listall: true, name: `volume-${(nth * 7919) % size}` }),
    },
    {
      what: 'listUsageRecords, a page of 500 volumes of all',
      ask: async (nth) =>
        await operator.raw('listUsageRecords', { ...period, type: 6, pagesize: 500, page: 1 + (nth % 20) }),
    },
    {
      what: 'createVolume, the request',
      ask: async () => {
        const { job } = await operator.submit('createVolume', { ...made, name: 'bench' })
        jobs.push(job)
      },
    },
    {
      what: 'queryAsyncJobResult',
      ask: async (nth) => await operator.raw('queryAsyncJobResult', { jobid: jobs[nth % jobs.length] }),
    },
  ]
}

async function measure(what: string, ask: Case['ask']): Promise<BenchRow> {
  await ask(0)
  const times: number[] = []
  const began = performance.now()
  const until = began + SECONDS * 1000
  let nth = 0
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      nth += 1
      const mine = nth
      times.push(await timed(() => ask(mine)))
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  const seconds = (performance.now() - began) / 1000
  return {
    bench: 'api',
    case: what,
    value: times.length / seconds,
    unit: 'requests/s',
    note: `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`,
  }
}

async function groundOf(operator: Api): Promise<Ground> {
  const first = async (command: string) => text((await operator.list(command))[0] ?? {}, 'id')
  const named = { name: 'bench', displaytext: 'bench', disksize: 1, miniops: 100, maxiops: 1000 }
  return {
    zone: await first('listZones'),
    pool: await first('listStoragePools'),
    offering: text(await operator.run('createDiskOffering', named), 'id'),
  }
}

/** A user of an account of its own, with volumes. */
async function tenantOf(controller: ControllerProcess, ground: Ground): Promise<Api> {
  const { api: operator, url } = controller
  const who = { username: 'tenant', account: 'tenant', password: 'a bench has no secrets', accounttype: 0 }
  await operator.run('createAccount', { ...who, firstname: 'A', lastname: 'Tenant', email: 'a@example.com' })
  const [user] = await operator.list('listUsers', { username: 'tenant', listall: true })
  const keys = await operator.run('registerUserKeys', { id: text(user ?? {}, 'id') })
  const tenant = apiClient({ url, apiKey: text(keys, 'apikey'), secretKey: text(keys, 'secretkey') })
  const made = { zoneid: ground.zone, diskofferingid: ground.offering, name: 'own' }
  for (let nth = 0; nth < OWN; nth += 1) await tenant.run('createVolume', made)
  return tenant
}

function databaseOf({ dir }: ControllerProcess): string {
  return `postgres://moorage@localhost:5432/moorage?host=${encodeURIComponent(join(dir, 'postgres'))}`
}
