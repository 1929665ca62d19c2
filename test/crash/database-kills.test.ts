import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, ApiError, text } from '../../lab/api.ts'
import { stopDaemon, until } from '../../lab/process.ts'
import { findings } from '../support/census.ts'
import { controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { runLives } from './lives.ts'

const KILLS = 5
const LIVES = 40

/** The database server is killed with everything it has in memory; the controller stays, and brings it back. */
describe(`a controller whose database is killed ${KILLS} times`, () => {
  const parent = mkdtempSync(join(tmpdir(), 'moorage-database-'))
  let controller: ControllerProcess

  beforeAll(async () => {
    controller = await controllerProcess({ parent, args: ['--seed', 'simulator'] })
  }, 90_000)

  afterAll(async () => {
    await controller.stop()
    await stopDaemon(join(controller.dir, 'simulator'), 10_000)
    expect(postmaster(controller.dir)).toBeUndefined()
    rmSync(parent, { recursive: true, force: true })
  }, 60_000)

  it('refuses requests in between without telling of its inside, and serves again', async () => {
    const url = new URL(controller.url).origin
    killDatabase(controller.dir)
    const refused: unknown[] = []
    await until(
      async () => {
        const answer = await controller.api.list('listZones').catch((error: unknown) => error)
        if (!(answer instanceof Error)) return true
        refused.push(answer)
        return undefined
      },
      { what: 'the API to answer', withinMs: 30_000 },
    )
    for (const error of refused) {
      expect(error).toBeInstanceOf(ApiError)
      expect(error).toMatchObject({ code: 503 })
      expect(String(error)).not.toMatch(/ECONN|postgres|\.ts|57P0|Connection/)
    }
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
  })

  it('brings every operation that was on its way to its end', async () => {
    const ground = await groundOf(controller.api)
    let over = false
    const running = runLives(controller.api, ground, LIVES).finally(() => {
      over = true
    })
    for (let kill = 0; kill < KILLS && !over; kill += 1) {
      await until(async () => (over ? true : await isAtWork(controller)), {
        what: 'operations under way',
        withinMs: 60_000,
      })
      killDatabase(controller.dir)
    }
    const { completed, failures } = await running
    if (failures.length > 0) expect.fail([...failures, ...causes(controller.dir)].join('\n'))
    expect(completed).toBe(LIVES)
  })

  it('left nothing over', async () => {
    expect(await controller.api.list('listOperations', { state: 'open', listall: true })).toEqual([])
    expect(await findings(controller.api)).toEqual([])
  })
})

/** `true` once there is a server and the API answers and has work: it refuses while the database is away. */
async function isAtWork({ dir, api }: ControllerProcess): Promise<true | undefined> {
  if (postmaster(dir) === undefined) return undefined
  const open = await api.list('listOperations', { state: 'open', listall: true }).catch(() => [])
  // Backends of a killed server answer for a moment yet.
  return open.length > 0 && postmaster(dir) !== undefined ? true : undefined
}

function killDatabase(dir: string): void {
  const pid = postmaster(dir)
  if (pid === undefined) throw new Error('no database server runs')
  process.kill(pid, 'SIGKILL')
}

/** The database server: it works in its cluster, and its program has a path, which its children's titles have not. */
function postmaster(dir: string): number | undefined {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => isPostmaster(pid, join(dir, 'postgres')))
}

function isPostmaster(pid: number, cluster: string): boolean {
  try {
    const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return program.endsWith('/bin/postgres') && readlinkSync(`/proc/${pid}/cwd`) === cluster
  } catch {
    return false
  }
}

/** What the controller's log says of operations that failed for reasons of its own: the API does not tell them. */
function causes(dir: string): readonly string[] {
  const lines = readFileSync(`${dir}.log`, 'utf8').split('\n')
  return lines.filter((line) => line.includes('"code":"INTERNAL"'))
}

async function groundOf(api: Api) {
  const zone = text((await api.list('listZones'))[0] ?? {}, 'id')
  const serviceofferingid = text((await api.list('listServiceOfferings'))[0] ?? {}, 'id')
  const templateid = text((await api.list('listTemplates', { templatefilter: 'all' }))[0] ?? {}, 'id')
  const custom = { name: 'life', displaytext: 'life', customized: true }
  const offering = text(await api.run('createDiskOffering', custom), 'id')
  const vms: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) {
    const machine = { zoneid: zone, serviceofferingid, templateid, name }
    vms.push(text(await api.run('deployVirtualMachine', machine), 'id'))
  }
  return { zone, offering, vms }
}
