import { randomUUID } from 'node:crypto'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storageConformance } from '@moorage/conformance'
import { type Call, type Endpoint, type HostId, serialOf, type VmId, type VolumeId } from '@moorage/contract'
import { startHostd, type TestHostd } from '@moorage/hostd/testing'
import { qemuHypervisor } from '@moorage/hypervisor-qemu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadOutside, type OutsidePlugin } from '../../controller/plugin-host/outside/load.ts'
import { readPluginSpec } from '../../controller/plugin-host/outside/spec.ts'
import { startController, type TestController } from '../../controller/testing.ts'
import { textOf } from '../../controller/testing-client.ts'
import { openSession } from '../plugins/nbd-files/session.ts'

/**
 * The provider that was written by following docs/how-to/add-a-provider.md in an empty folder. Here its libraries are
 * linked, not installed: their own folders must be readable too.
 */
const PROVIDER = join(import.meta.dirname, '../plugins/nbd-files/index.ts')
const LIBRARIES = join(import.meta.dirname, '../../libraries')
const MOST_LINES = 199
const log = { info: () => {}, warn: () => {} }

let pool: string
let array: ChildProcess
let outside: OutsidePlugin
let hostd: TestHostd
beforeAll(async () => {
  pool = mkdtempSync(join(tmpdir(), 'moorage-nbd-'))
  array = startArray(pool)
  outside = await loadOutside(readPluginSpec(`${PROVIDER},write=${pool},read=${LIBRARIES}`), { log })
  hostd = await startHostd()
})
afterAll(async () => {
  await hostd.stop()
  await outside.close()
  array.kill()
  await once(array, 'exit')
  rmSync(pool, { recursive: true })
})

/** The array as whoever runs it starts it. */
function startArray(dir: string): ChildProcess {
  const monitor = ['--chardev', `socket,id=qmp,path=${dir}/qmp,server=on,wait=off`, '--monitor', 'qmp']
  const args = [...monitor, '--nbd-server', `addr.type=unix,addr.path=${dir}/nbd`]
  return spawn('qemu-storage-daemon', args, { stdio: 'ignore' })
}

function endpoint(owner: string): Endpoint {
  return { url: `nbd-files://${pool}`, settings: {}, owner }
}

function storage() {
  if (outside.plugin.kind !== 'storage') throw new Error('it is a storage plug-in')
  return outside.plugin
}

function call(fence: number): Call {
  return { key: randomUUID(), fence, deadline: Date.now() + 30_000, signal: new AbortController().signal }
}

test('the provider fits on a page or two', () => {
  expect(readFileSync(PROVIDER, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_LINES)
})

describe('a provider from outside the repository, in a process of its own', () => {
  const without = 'a file has none'
  storageConformance({
    test,
    subject: {
      lacks: {
        snapshots: without,
        groupSnapshots: without,
        clones: without,
        resize: without,
        qos: without,
        revert: without,
        changeList: without,
        stats: without,
        console: 'nothing is kept to limits',
        paced: 'nothing is kept to limits',
      },
      make: async () => ({
        provider: await storage().open(endpoint('kit')),
        stranger: await storage().open(endpoint('another')),
        plugin: { plugin: storage(), endpoint: endpoint('kit') },
        connect: openSession,
        dispose: async () => undefined,
      }),
    },
  })

  test('gives connections that a real QEMU plugs in and lets go', async () => {
    const [provider, host] = [await storage().open(endpoint('kit')), qemuHypervisor.open(hostd.endpoint)]
    // Ids of ours are UUIDs.
    const [volume, vm, consumer] = [randomUUID() as VolumeId, randomUUID() as VmId, randomUUID() as HostId]
    const access = {
      source: { kind: 'volume', id: volume },
      consumer: { kind: 'host', id: consumer, initiator: 'iqn' },
    } as const
    await provider.volumes.create({ id: volume, bytes: 4 * 1024 * 1024, qos: {}, settings: {} }, call(1))
    const connection = await provider.access.expose({ ...access, mode: 'rw', account: 'kit' }, call(1))
    await host.vms.start({ id: vm, name: 'vm', cpus: 1, memoryBytes: 64 * 1024 * 1024, disks: [] }, call(1))
    const disk = {
      volume,
      generation: 1,
      connection,
      mode: 'rw',
      serial: serialOf(volume),
      deviceId: 1,
      throttle: {},
    } as const
    expect(await host.disks.attach(vm, disk, call(1))).toMatchObject({ volume, bytes: 4 * 1024 * 1024 })
    await host.disks.detach(vm, disk, call(1))
    await host.vms.stop(vm, { force: true }, call(1))
    await provider.access.withdraw(access, call(1))
    await provider.volumes.delete(volume, call(1))
    expect((await provider.inventory.list(undefined, call(1))).items).toEqual([])
  })
})

test('its volumes live through the API: registered, made at the attach, detached, deleted', async () => {
  const controller = await startController({ plugins: { storage: [storage()], hypervisors: [qemuHypervisor] } })
  try {
    const { zoneid, vm } = await newPlace(controller)
    const { api } = controller
    const files = { name: 'files', provider: 'nbd-files', scope: 'zone', hypervisor: 'KVM', url: `nbd-files://${pool}` }
    const providers = await api.list('listStorageProviders', { type: 'primary' })
    expect(providers.map(({ name }) => name)).toContain('nbd-files')
    expect(await api.run('createStoragePool', { ...files, zoneid, managed: true })).toMatchObject({ state: 'Up' })
    const offering = { name: 'disk', displaytext: 'disk', customized: true }
    const diskofferingid = textOf(await api.run('createDiskOffering', offering), 'id')
    const id = textOf(await api.run('createVolume', { name: 'v', zoneid, diskofferingid, size: 1 }), 'id')
    await api.run('attachVolume', { id, virtualmachineid: vm })
    expect(readdirSync(pool)).toContain(`${id}.img`)
    await api.run('detachVolume', { id })
    await api.run('deleteVolume', { id })
    expect(readdirSync(pool)).not.toContain(`${id}.img`)
  } finally {
    await controller.stop()
  }
})

/** A zone with one QEMU host, and a VM there that is stopped. */
async function newPlace({ api }: TestController) {
  const made = async (command: string, params: Parameters<typeof api.run>[1]) =>
    textOf(await api.run(command, params), 'id')
  const hypervisor = 'KVM'
  const zoneid = await made('createZone', { name: 'zone', networktype: 'Basic' })
  const range = { gateway: '127.0.0.1', netmask: '255.0.0.0', startip: '127.0.0.2' }
  const podid = await made('createPod', { name: 'pod', zoneid, ...range })
  const inPod = { zoneid, podid, hypervisor }
  const clusterid = await made('addCluster', { ...inPod, clustername: 'cluster', clustertype: 'CloudManaged' })
  const { user: username = '', password = '' } = hostd.endpoint.settings
  await made('addHost', { ...inPod, clusterid, url: hostd.endpoint.url, username, password })
  const small = { name: 'small', displaytext: 'small', cpunumber: 1, cpuspeed: 1000, memory: 64 }
  const serviceofferingid = await made('createServiceOffering', small)
  const image = { name: 'guest', displaytext: 'guest', format: 'RAW', hypervisor, url: 'guest' }
  const templateid = await made('registerTemplate', { ...image, zoneid })
  return { zoneid, vm: await made('deployVirtualMachine', { zoneid, serviceofferingid, templateid, startvm: false }) }
}
