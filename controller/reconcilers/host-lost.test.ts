import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { sql } from 'kysely'
import { hostById } from '../store/hosts.ts'
import { vmById } from '../store/vms.ts'
import { textOf } from '../testing-client.ts'
import { type Scene, startScene } from './testing.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
  await scene.api.run('updateConfiguration', { name: 'host.lost.after', value: '60' })
})
afterAll(async () => scene.stop())
afterEach(async () => scene.simulator.faults.clear())

const NAMES = ['host-one-a', 'host-one-b'] as const

/** Makes a host silent: nothing that asks it gets through. */
async function silence(name: string): Promise<void> {
  for (const method of ['host/hosts/report', 'host/inventory/list', 'host/vms/get', 'host/vms/stop'])
    await scene.simulator.faults.arm({ method, kind: 'error-before', match: { host: name }, count: 1000 })
}

async function silentFor(host: string, seconds: number): Promise<void> {
  const back = sql`silent_since - make_interval(secs => ${seconds})`
  await sql`update host set silent_since = ${back} where id = ${host}`.execute(scene.store.reader)
}

/** A VM with a volume, on the first host. */
async function pair(offering?: string): Promise<{ readonly vm: string; readonly volume: string }> {
  const [hostid] = scene.ground.hosts
  const more = offering === undefined ? {} : { serviceofferingid: offering }
  const [vm, volume] = [await scene.deploy({ hostid, ...more }), await scene.create()]
  await scene.api.run('attachVolume', { id: volume, virtualmachineid: vm })
  return { vm, volume }
}

function write(host: string, at: { readonly vm: string; readonly volume: string }) {
  const data = Buffer.alloc(4096, 'x').toString('base64')
  return scene.simulator.send('io/write', { host, ...at, offset: 0, data })
}

async function ended(vm: string, saga: string): Promise<void> {
  const all = await scene.operations(saga, vm)
  expect(all.at(-1)).toMatchObject({ state: 'succeeded' })
}

describe('a host that is lost', () => {
  test('loses its access at the arrays, then its VMs are stopped or run elsewhere; back again, it is emptied first', async () => {
    const { api, store, ground, turn, events } = scene
    const [here, there] = ground.hosts
    const small = { displaytext: 'small', cpunumber: 1, cpuspeed: 1000, memory: 128 }
    const ha = textOf(await api.run('createServiceOffering', { name: 'ha', ...small, offerha: true }), 'id')
    const [plain, wanted] = [await pair(), await pair(ha)]
    expect(await scene.one('listVirtualMachines', { id: wanted.vm })).toMatchObject({ haenable: true })
    await write(NAMES[0], wanted)

    await silence(NAMES[0])
    await turn('host-report')
    expect(await hostById(store.reader, here)).toMatchObject({ state: 'Alert', lostAt: null })
    await silentFor(here, 59)
    await turn('host-report')
    expect(await hostById(store.reader, here)).toMatchObject({ state: 'Alert', lostAt: null })
    await silentFor(here, 2)
    await turn('host-report')
    expect(await hostById(store.reader, here)).toMatchObject({ state: 'Down', dead: false })
    expect(await events(here, 'HOST.%')).toEqual(['HOST.ADD INFO', 'HOST.ALERT WARN', 'HOST.DOWN ERROR'])
    for (const { vm } of [plain, wanted]) await ended(vm, 'vm-stop')
    for (const at of [plain, wanted]) await expect(write(NAMES[0], at)).rejects.toMatchObject({ code: 'DENIED' })

    await turn('vm-restart')
    await ended(wanted.vm, 'vm-start')
    expect(await vmById(store.reader, wanted.vm)).toMatchObject({
      state: 'Running',
      hostId: there,
      restartWanted: false,
    })
    expect(await vmById(store.reader, plain.vm)).toMatchObject({ state: 'Stopped', hostId: null })
    await write(NAMES[1], wanted)
    await expect(write(NAMES[0], wanted)).rejects.toMatchObject({ code: 'DENIED' })

    await scene.simulator.faults.clear()
    await turn('host-report')
    expect(await hostById(store.reader, here)).toMatchObject({ state: 'Down' })
    for (const { vm } of [plain, wanted]) await ended(vm, 'vm-leave')
    await turn('host-report')
    expect(await hostById(store.reader, here)).toMatchObject({ state: 'Up', lostAt: null, silentSince: null })
    expect(await scene.findings()).toEqual([])
    await write(NAMES[1], wanted)
  })

  test('is not given up together with more than half of its zone: then it is rather us who are cut off', async () => {
    const { store, ground, turn } = scene
    for (const name of NAMES) await silence(name)
    await turn('host-report')
    for (const host of ground.hosts) await silentFor(host, 3600)
    await turn('host-report')
    for (const host of ground.hosts) expect(await hostById(store.reader, host)).toMatchObject({ state: 'Alert' })
    await scene.simulator.faults.clear()
    await turn('host-report')
    for (const host of ground.hosts)
      expect(await hostById(store.reader, host)).toMatchObject({ state: 'Up', silentSince: null })
  })

  test('is given up when an operator says so, unless it answers', async () => {
    const { api, store, ground, turn } = scene
    const [here] = ground.hosts
    const { vm } = await pair()
    expect(await api.refuses('declareHostLost', { id: here })).toMatch(/^431 .*answers: it is not lost/)
    await silence(NAMES[0])
    expect(await api.run('declareHostLost', { id: here })).toMatchObject({ state: 'Down' })
    await ended(vm, 'vm-stop')
    expect(await vmById(store.reader, vm)).toMatchObject({ state: 'Stopped', hostId: null })
    expect(await api.run('startVirtualMachine', { id: vm })).toMatchObject({ hostid: ground.hosts[1] })
    await scene.simulator.faults.clear()
    await turn('host-report')
    await ended(vm, 'vm-leave')
    await turn('host-report')
    expect(await hostById(store.reader, here)).toMatchObject({ state: 'Up' })
    expect(await scene.findings()).toEqual([])
  })

  test('lets go of an operation that waits for it', async () => {
    const { api, store, ground, turn, simulator } = scene
    const [here] = ground.hosts
    const { vm, volume } = await pair()
    await silence(NAMES[0])
    await simulator.faults.arm({
      method: 'host/disks/detach',
      kind: 'error-before',
      match: { host: NAMES[0] },
      count: 1000,
    })
    const job = textOf(await api.ask('detachVolume', { id: volume }), 'jobid')
    await api.run('declareHostLost', { id: here })
    await api.run('retryOperation', { id: job })
    expect(await scene.system.jobs.ended(job, 30_000)).toBe(true)
    await ended(volume, 'volume-detach')
    await ended(vm, 'vm-stop')
    expect(await vmById(store.reader, vm)).toMatchObject({ state: 'Stopped' })
    await simulator.faults.clear()
    await turn('host-report')
    await ended(vm, 'vm-leave')
    await turn('host-report')
    expect(await scene.findings()).toEqual([])
  })
})
