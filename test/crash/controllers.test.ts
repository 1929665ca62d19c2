import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Api, text } from '../../lab/api.ts'
import { stopDaemon, until } from '../../lab/process.ts'
import { findings } from '../support/census.ts'
import { controllerProcess, type ControllerProcess } from '../support/controller.ts'
import { sharing } from '../support/controllers.ts'
import { simulatorFaults } from '../support/simulator.ts'

const OPERATIONS = 20
/** Attaching locks the VM, so that no more run at a time than there are of them. */
const VMS = 5

/** Two controllers that share nothing but a database and the master key, and what a third one left: database and array. */
describe('two controllers on one database', () => {
  const parent = mkdtempSync(join(tmpdir(), 'moorage-two-'))
  let first: ControllerProcess
  let one: ControllerProcess
  let two: ControllerProcess
  let disks: readonly Disk[] = []

  beforeAll(async () => {
    first = await controllerProcess({ parent, name: 'first', args: ['--seed', 'simulator'] })
    await first.kill()
    const env = sharing(first.dir)
    one = await controllerProcess({ parent, name: 'one', env })
    two = await controllerProcess({ parent, name: 'two', env })
    disks = await prepare(one.api)
  }, 120_000)

  afterAll(async () => {
    await one.stop()
    await two.stop()
    await first.start()
    await first.stop()
    await stopDaemon(join(first.dir, 'simulator'), 10_000)
    rmSync(parent, { recursive: true, force: true })
  }, 90_000)

  it('both serve, and what is asked of one can be asked about at the other', async () => {
    const { id, virtualmachineid } = disks[0] ?? {}
    const { job } = await one.api.submit('attachVolume', { id, virtualmachineid })
    expect(await two.api.job(job)).toMatchObject({ volume: { id, virtualmachineid } })
    await two.api.run('detachVolume', { id })
  })

  it(`the second one finishes ${OPERATIONS} operations of the first, which was killed under them`, async () => {
    const jobs = await heldAtOne('attachVolume')
    await one.kill()
    await simulatorFaults(first.dir).clear()
    for (const job of jobs) await two.api.job(job)
    expect(await takenOver(jobs)).toBe(VMS)
    await one.start()
    expect(await findings(one.api)).toEqual([])
  })

  it('one that was stopped for longer than its lease does no harm when it goes on', async () => {
    const jobs = await heldAtOne('detachVolume')
    const pid = one.pid() ?? 0
    process.kill(pid, 'SIGSTOP')
    try {
      await simulatorFaults(first.dir).clear()
      for (const job of jobs) await two.api.job(job)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect(await takenOver(jobs)).toBe(VMS)
    expect(await one.api.list('listVolumes', { virtualmachineid: disks[0]?.virtualmachineid })).toEqual([])
    expect(await findings(one.api)).toEqual([])
    expect(await two.api.list('listOperations', { state: 'open', listall: true })).toEqual([])
  })

  it(`ends within seconds of SIGTERM though ${OPERATIONS} operations run, which go on elsewhere`, async () => {
    const jobs = await heldAtOne('attachVolume')
    const began = performance.now()
    await one.stop()
    expect(performance.now() - began).toBeLessThan(15_000)
    await simulatorFaults(first.dir).clear()
    for (const job of jobs) await two.api.job(job)
    await one.start()
    expect(await findings(two.api)).toEqual([])
  })

  it('wrote nothing but JSON lines to their logs, and no secret', () => {
    for (const { dir } of [first, one, two]) {
      const log = readFileSync(`${dir}.log`, 'utf8')
      expect(
        log
          .trim()
          .split('\n')
          .filter((line) => !/^\{"level":"\w+",.*\}$/.test(line)),
      ).toEqual([])
      for (const secret of secretsOf(first.dir)) expect(log).not.toContain(secret)
    }
  })

  /**
   * Submits an operation per disk, which the first controller takes up: the second one is not there until as many of them
   * as can run wait in the host.
   */
  async function heldAtOne(command: 'attachVolume' | 'detachVolume'): Promise<readonly string[]> {
    await two.stop()
    const faults = simulatorFaults(first.dir)
    await faults.arm({ method: 'host/disks/*', kind: 'hold-before', count: OPERATIONS })
    const jobs: string[] = []
    for (const disk of disks) {
      const params = command === 'attachVolume' ? { ...disk } : { id: disk.id }
      jobs.push((await one.api.submit(command, params)).job)
    }
    await until(async () => ((await faults.held()) === VMS ? true : undefined), {
      what: `${VMS} calls that wait in the host`,
      withinMs: 20_000,
    })
    await two.start()
    return jobs
  }

  async function takenOver(jobs: readonly string[]): Promise<number> {
    const all = await two.api.list('listOperations', { listall: true })
    return all.filter((one) => jobs.includes(text(one, 'id')) && Number(one['takeovers']) > 0).length
  }
})

/** A volume, and the VM that it is attached to and detached from. */
interface Disk {
  readonly id: string
  readonly virtualmachineid: string
}

async function prepare(api: Api): Promise<readonly Disk[]> {
  const zoneid = text((await api.list('listZones'))[0] ?? {}, 'id')
  const serviceofferingid = text((await api.list('listServiceOfferings'))[0] ?? {}, 'id')
  const templateid = text((await api.list('listTemplates', { templatefilter: 'all' }))[0] ?? {}, 'id')
  const plain = { name: 'small', displaytext: 'small', disksize: 1 }
  const diskofferingid = text(await api.run('createDiskOffering', plain), 'id')
  const disks: Disk[] = []
  for (let index = 0; index < VMS; index += 1) {
    const vm = await api.run('deployVirtualMachine', { zoneid, serviceofferingid, templateid, name: `vm-${index}` })
    for (let disk = 0; disk < OPERATIONS / VMS; disk += 1) {
      const name = `disk-${index}-${disk}`
      const volume = await api.run('createVolume', { name, zoneid, diskofferingid })
      disks.push({ id: text(volume, 'id'), virtualmachineid: text(vm, 'id') })
    }
  }
  return disks
}

/** Every secret that an installation holds in files. */
function secretsOf(dir: string): readonly string[] {
  const files = ['admin.json', 'simulator.credentials.json']
  const found = files.flatMap((name) => {
    const content = JSON.parse(readFileSync(join(dir, name), 'utf8')) as Readonly<Record<string, string>> // Flat, and written by the controller.
    return [content['password'], content['secretKey']].filter((value) => value !== undefined)
  })
  return [...found, readFileSync(join(dir, 'master.key'), 'utf8').trim()]
}
