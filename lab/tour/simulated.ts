import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { wireClient } from '@moorage/wire'
import { text, type Api } from '../api.ts'
import { labCall } from '../guest.ts'
import type { Layout } from '../layout.ts'
import { runningDaemon } from '../process.ts'
import { adminApi, startController } from '../stack.ts'
import type { Terminal } from '../terminal.ts'
import { cleanUp } from './snapshot.ts'
import { must } from './volume.ts'

const PATTERN_BYTES = 4 * 1024 * 1024

/** A machine of the simulator, as its guest would use a disk: bytes go through its host's session to the array. */
interface Machine {
  write(volume: string, bytes: Buffer): Promise<void>
  digest(volume: string, length: number): Promise<string>
}

/** The same tour on simulated parts: real bytes, no real guest; what cannot be shown without one is said, not faked. */
export async function simulatedTour(at: Layout, out: Terminal): Promise<void> {
  out.heading('Starting')
  await startController(at, out, ['--seed', 'simulator'])
  const api = adminApi(at)
  out.heading('The tour, on simulated parts')
  const vm = await startVm(api, out)
  const machine = await machineOf(at, api, vm)
  const volume = await createAndAttach(api, out, vm)
  const digest = await writePattern(machine, out, volume)
  out.note('IOPS are not measured: the simulator keeps the numbers but does not slow anybody down')
  const snapshot = await snapshotAndRevert({ api, out, machine, vm }, volume, digest)
  const clone = await volumeFromSnapshot({ api, out, machine, vm }, snapshot, digest)
  await out.step('resize', async () => {
    const grown = await api.run('resizeVolume', { id: volume, size: 2 })
    must(grown['size'] === 2 ** 31, 'the volume says its new size')
    return '1 GiB -> 2 GiB'
  })
  await cleanUp({ api, out }, [volume, clone], snapshot)
}

async function startVm(api: Api, out: Terminal): Promise<string> {
  let vm = ''
  await out.step('VM started', async () => {
    const known = (await api.list('listVirtualMachines', { name: 'tour' }))[0]
    const first = async (command: string, params = {}) => text((await api.list(command, params))[0] ?? {}, 'id')
    const made =
      known ??
      (await api.run('deployVirtualMachine', {
        name: 'tour',
        zoneid: await first('listZones'),
        serviceofferingid: await first('listServiceOfferings'),
        templateid: await first('listTemplates', { templatefilter: 'all' }),
      }))
    vm = text(made, 'id')
    return text(made, 'state')
  })
  return vm
}

async function machineOf(at: Layout, api: Api, vm: string): Promise<Machine> {
  const credentials = JSON.parse(readFileSync(`${at.simulator}.credentials.json`, 'utf8')) as {
    readonly user: string
    readonly password: string
  } // Written by the controller when it started the simulator.
  const remote = wireClient({ url: String(runningDaemon(at.simulator)?.['url']), ...credentials })
  const host = text((await api.list('listVirtualMachines', { id: vm }))[0] ?? {}, 'hostname')
  return {
    async write(volume, bytes) {
      await remote('io/write', { host, vm, volume, offset: 0, data: bytes.toString('base64') }, labCall(10_000))
    },
    async digest(volume, length) {
      const read = await remote<{ readonly data: string }>(
        'io/read',
        { host, vm, volume, offset: 0, length },
        labCall(10_000),
      )
      return createHash('sha256').update(Buffer.from(read.data, 'base64')).digest('hex')
    },
  }
}

async function createAndAttach(api: Api, out: Terminal, vm: string): Promise<string> {
  let id = ''
  await out.step('createVolume', async () => {
    const offering = text((await api.list('listDiskOfferings', { name: 'silver' }))[0] ?? {}, 'id')
    const zone = text((await api.list('listZones'))[0] ?? {}, 'id')
    const volume = await api.run('createVolume', { name: 'tour', zoneid: zone, diskofferingid: offering, size: 1 })
    must(volume['state'] === 'Allocated', 'a new volume is Allocated')
    id = text(volume, 'id')
    return 'Allocated: nothing on the array yet'
  })
  await out.step('attachVolume', async () => {
    const volume = await api.run('attachVolume', { id, virtualmachineid: vm })
    must(volume['state'] === 'Ready', 'an attached volume is Ready')
    return `Ready, ${String(volume['miniops'])}/${String(volume['maxiops'])} IOPS`
  })
  return id
}

async function writePattern(machine: Machine, out: Terminal, volume: string): Promise<string> {
  const pattern = Buffer.alloc(PATTERN_BYTES, `moorage-${volume}`)
  const digest = createHash('sha256').update(pattern).digest('hex')
  await out.step('pattern written', async () => {
    await machine.write(volume, pattern)
    must((await machine.digest(volume, PATTERN_BYTES)) === digest, 'it reads as it was written')
    return `4 MiB, sha256 ${digest.slice(0, 16)}`
  })
  return digest
}

interface Parts {
  readonly api: Api
  readonly out: Terminal
  readonly machine: Machine
  readonly vm: string
}

async function snapshotAndRevert({ api, out, machine, vm }: Parts, volume: string, digest: string): Promise<string> {
  let snapshot = ''
  await out.step('snapshot on the array', async () => {
    const made = await api.run('createSnapshot', { volumeid: volume, locationtype: 'primary', name: 'tour' })
    snapshot = text(made, 'id')
    return `${text(made, 'state')}, ${text(made, 'locationtype')}`
  })
  await out.step('pattern destroyed', async () => {
    await machine.write(volume, Buffer.alloc(PATTERN_BYTES))
    must((await machine.digest(volume, PATTERN_BYTES)) !== digest, 'the volume is another')
    return '4 MiB of zeros over it'
  })
  await out.step('detach, revert, attach', async () => {
    await api.run('detachVolume', { id: volume })
    await api.run('revertSnapshot', { id: snapshot })
    await api.run('attachVolume', { id: volume, virtualmachineid: vm })
    must((await machine.digest(volume, PATTERN_BYTES)) === digest, 'every byte is back')
    return 'every byte is back'
  })
  return snapshot
}

async function volumeFromSnapshot({ api, out, machine, vm }: Parts, snapshot: string, digest: string): Promise<string> {
  let clone = ''
  await out.step('volume from the snapshot, compared', async () => {
    const made = await api.run('createVolume', { name: 'tour-clone', snapshotid: snapshot })
    clone = text(made, 'id')
    await api.run('attachVolume', { id: clone, virtualmachineid: vm })
    must((await machine.digest(clone, PATTERN_BYTES)) === digest, 'it holds the pattern')
    return 'same digest'
  })
  return clone
}
