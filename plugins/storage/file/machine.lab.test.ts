import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  type Connection,
  type Consumer,
  type HypervisorAdapter,
  serialOf,
  type VmId,
  type VolumeId,
} from '@moorage/contract'
import { startHostd, type TestHostd } from '@moorage/hostd/testing'
import { connectQmp } from '@moorage/qmp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { adapterOf } from './testing/machine.ts'
import { fileStorage } from './index.ts'
import { call, newHost, newId, ours, type RawProvider } from './testing/calls.ts'
import { loopMount, type LoopMount } from './testing/loop-mount.ts'

const MIB = 1024 * 1024
const QMP_MS = 20_000
const run = promisify(execFile)
let hostd: TestHostd
let host: Required<Pick<HypervisorAdapter, 'resize'>> & HypervisorAdapter
let xfs: LoopMount
let ext4: LoopMount

beforeAll(async () => {
  hostd = await startHostd()
  host = adapterOf(hostd)
  xfs = await loopMount('xfs')
  ext4 = await loopMount('ext4')
})
// Machines first: what they have open cannot be unmounted.
afterAll(async () => {
  await hostd.stop()
  await xfs.stop()
  await ext4.stop()
})

interface Plugged {
  readonly vm: VmId
  readonly volume: VolumeId
  readonly generation: number
}

async function newMachine(): Promise<VmId> {
  const id = newId<'vm'>()
  await host.vms.start({ id, name: 'test', cpus: 1, memoryBytes: 64 * MIB, disks: [] }, call())
  return id
}

async function plug(disk: Plugged, connection: Connection): Promise<void> {
  const spec = { mode: 'rw', serial: serialOf(disk.volume), deviceId: 1, throttle: {} } as const
  await host.disks.attach(disk.vm, { ...disk, ...spec, connection }, call())
}

/** Runs commands of qemu-io on the disk inside the machine. Its daemon is killed for that: QMP serves one client at a time. */
async function inMachine(disk: Plugged, ...commands: readonly string[]): Promise<void> {
  await hostd.kill('SIGKILL')
  const qmp = await connectQmp({ path: join(hostd.data, 'vms', disk.vm, 'q'), timeoutMs: QMP_MS })
  const device = `d-${disk.volume.replaceAll('-', '')}-${disk.generation}`
  for (const command of commands) {
    const line = `qemu-io -d ${device} "${command}"`
    const said = await qmp.execute<string>('human-monitor-command', { 'command-line': line }, { timeoutMs: QMP_MS })
    expect(said.toLowerCase()).not.toContain('error')
  }
  qmp.close()
  await qmp.closed
  await hostd.restart()
}

/** Fails unless the file reads as the pattern there, through qemu-io. */
async function reads(file: string, pattern: number, [at, length]: readonly [string, string]): Promise<void> {
  const { stdout } = await run('qemu-io', ['-r', '-U', '-f', 'raw', '-c', `read -P ${pattern} ${at} ${length}`, file])
  expect(stdout).not.toContain('failed')
  expect(stdout).toContain('read')
}

async function newPool(format: 'raw' | 'qcow2') {
  const root = await mkdtemp(join((format === 'raw' ? xfs : ext4).path, 'pool-'))
  const settings = { format }
  // What a qcow2 pool lacks its test does not use.
  const provider = fileStorage.open({ url: `file://${root}`, settings, owner: 'installation' }) as RawProvider
  const volume = newId<'volume'>()
  const { name } = await provider.volumes.create({ id: volume, bytes: 64 * MIB, qos: {}, settings: {} }, call())
  const expose = (consumer: Consumer) =>
    provider.access.expose({ source: { kind: 'volume', id: volume }, consumer, mode: 'rw', account: 'a' }, call())
  const withdraw = (consumer: Consumer) =>
    provider.access.withdraw({ source: { kind: 'volume', id: volume }, consumer }, call())
  return { provider, volume, file: join(root, name), root, expose, withdraw }
}

test('a raw volume is written by a machine, and snapshot, grown, cloned and reverted around it', async () => {
  const { provider, volume, file, root, expose, withdraw } = await newPool('raw')
  const [consumer, vm] = [newHost(), await newMachine()]
  const disk = { vm, volume, generation: 1 }
  await plug(disk, await expose(consumer))
  await inMachine(disk, 'write -P 1 0 1M', 'flush')
  const taken = await provider.snapshots.create({ id: newId(), volume }, call())
  await provider.resize.grow(volume, 128 * MIB, call())
  expect(await host.resize.refresh(vm, { volume, bytes: 128 * MIB }, call())).toMatchObject({ bytes: 128 * MIB })
  await inMachine(disk, 'write -P 2 0 1M', 'write -P 3 100M 1M', 'flush')
  const copy = { id: newId<'volume'>(), bytes: 64 * MIB, qos: {}, settings: {} }
  const clone = await provider.clones.clone({ kind: 'snapshot', id: taken.id }, copy, call())
  await host.disks.detach(vm, disk, call())
  await withdraw(consumer)
  await reads(file, 2, ['0', '1M'])
  await reads(file, 3, ['100M', '1M'])
  await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', join(root, taken.name), join(root, clone.name)])
  await provider.revert.revert(volume, taken.id, call())
  await reads(file, 1, ['0', '1M'])
  await reads(file, 0, ['1M', '127M'])
  await host.vms.stop(vm, { force: true }, call())
  expect(await ours(provider)).toEqual([`volume ${volume}`, `volume ${clone.id}`, `snapshot ${taken.id}`].toSorted())
})

test('a machine whose access was withdrawn while it runs writes to nothing, and the next host has the volume', async () => {
  const { provider, volume, file, expose, withdraw } = await newPool('raw')
  const [lost, next] = [newHost(), newHost()]
  const stale = { vm: await newMachine(), volume, generation: 1 }
  await plug(stale, await expose(lost))
  await inMachine(stale, 'write -P 1 0 2M', 'flush')
  await expect(expose(next)).rejects.toMatchObject({ code: 'LIMIT', effect: 'none' })
  await withdraw(lost)
  const disk = { vm: await newMachine(), volume, generation: 2 }
  await plug(disk, await expose(next))
  await inMachine(disk, 'write -P 2 0 1M', 'flush')
  await inMachine(stale, 'write -P 7 0 2M', 'flush')
  await reads(file, 2, ['0', '1M'])
  await reads(file, 1, ['1M', '1M'])
  for (const { vm } of [stale, disk]) await host.vms.stop(vm, { force: true }, call())
  await withdraw(next)
  expect(await ours(provider)).toEqual([`volume ${volume}`])
})

test('an image of QEMU’s is neither withdrawn nor grown while a machine has it open, and both once it has let go', async () => {
  const { provider, volume, file, expose, withdraw } = await newPool('qcow2')
  const [consumer, vm] = [newHost(), await newMachine()]
  const disk = { vm, volume, generation: 1 }
  await plug(disk, await expose(consumer))
  await inMachine(disk, 'write -P 1 0 1M', 'flush')
  await expect(withdraw(consumer)).rejects.toMatchObject({ code: 'BUSY', effect: 'none' })
  await expect(provider.resize.grow(volume, 128 * MIB, call())).rejects.toMatchObject({
    code: 'IN_USE',
    effect: 'none',
  })
  await host.disks.detach(vm, disk, call())
  await withdraw(consumer)
  await provider.resize.grow(volume, 128 * MIB, call())
  const again = { ...disk, generation: 2 }
  await plug(again, await expose(consumer))
  const grown = await host.vms.get(vm, call())
  expect(grown?.disks).toMatchObject([{ volume, generation: 2, bytes: 128 * MIB }])
  await inMachine(again, 'read -P 1 0 1M', 'write -P 2 100M 1M', 'flush')
  await host.vms.stop(vm, { force: true }, call())
  await withdraw(consumer)
  const { stdout } = await run('qemu-img', ['check', '-f', 'qcow2', file])
  expect(stdout).toContain('No errors')
  const read = await run('qemu-io', ['-r', '-f', 'qcow2', '-c', 'read -P 1 0 1M', '-c', 'read -P 2 100M 1M', file])
  expect(read.stdout).not.toContain('failed')
})
