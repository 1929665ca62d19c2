import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type HypervisorAdapter, PluginError, type VmId } from '@moorage/contract'
import { startHostd, type TestHostd } from './testing.ts'
import { adapterOf, call, diskSpec, newVm, newVolume, refusal, remoteOf, vmSpec } from './testing/calls.ts'
import { startTarget, type TestTarget } from './testing/target.ts'

const MIB = 1024 * 1024
let hostd: TestHostd
let host: Required<HypervisorAdapter>
let target: TestTarget
const vms: VmId[] = []

beforeAll(async () => {
  hostd = await startHostd()
  host = adapterOf(hostd)
  target = await startTarget({ initiator: hostd.initiator, bytes: [64 * MIB, 64 * MIB] })
})

afterEach(async () => {
  for (const id of vms.splice(0)) await host.vms.stop(id, { force: true }, call({ fence: 1000 }))
  expect(await target.sessions()).toEqual([])
})

afterAll(async () => {
  await hostd.stop()
  await target.stop()
})

async function started(more: Parameters<typeof vmSpec>[1] = {}): Promise<VmId> {
  const id = newVm()
  vms.push(id)
  await host.vms.start(vmSpec(id, more), call())
  return id
}

async function items(): Promise<readonly object[]> {
  return (await host.inventory.list(undefined, call())).items
}

test('the host reports what it is, and who may not ask', async () => {
  const report = await host.hosts.report(call())
  expect(report.initiator).toBe(hostd.initiator)
  expect(report.version).toMatch(/^\d+\./)
  expect(await host.hosts.report(call())).toEqual(report)
  const stranger = adapterOf({ ...hostd, password: 'wrong' })
  expect(await refusal(stranger.hosts.report(call()))).toMatchObject({ code: 'DENIED', effect: 'none' })
})

test('a disk is attached over iSCSI with CHAP under the host name, and its session ends with the detach', async () => {
  const vm = await started()
  const volume = newVolume()
  const disk = diskSpec(volume, target.connection(1))
  const attached = await host.disks.attach(vm, disk, call())
  expect(attached).toMatchObject({ volume, generation: 1, bytes: 64 * MIB, throttle: {} })
  expect(await target.sessions()).toEqual([hostd.initiator])
  expect(await host.disks.attach(vm, disk, call())).toEqual(attached)
  expect(await target.sessions()).toHaveLength(1)
  expect(await items()).toContainEqual({
    kind: 'disk',
    owner: 'ours',
    name: attached.device,
    vm,
    volume,
    generation: 1,
  })
  await host.disks.detach(vm, disk, call())
  expect(await target.sessions()).toEqual([])
  expect(await items()).toEqual([{ kind: 'vm', owner: 'ours', name: 'test', id: vm, state: 'running' }])
  await host.disks.detach(vm, disk, call())
})

test('a wrong CHAP secret is denied and leaves nothing', async () => {
  const vm = await started()
  const connection = { ...target.connection(1), chap: { user: 'tenant', secret: 'not-the-secret' } }
  const outcome = await refusal(host.disks.attach(vm, diskSpec(newVolume(), connection), call()))
  expect(outcome).toMatchObject({ code: 'DENIED', effect: 'none' })
  expect(String(outcome)).not.toContain('not-the-secret')
  expect(await items()).toHaveLength(1)
  expect(await hostd.logs()).not.toContain('not-the-secret')
})

test('a foreign initiator, a missing LUN and a dead portal are unavailable and leave nothing', async () => {
  const vm = await started()
  const good = target.connection(1)
  const bad = [
    { ...good, initiator: 'iqn.2026-01.somebody:else' },
    { ...good, lun: 9 },
    { ...good, portal: '127.0.0.1:1' },
    { via: 'file', path: '/nonexistent/volume.raw', format: 'raw' } as const,
  ]
  for (const connection of bad) {
    const outcome = await refusal(host.disks.attach(vm, diskSpec(newVolume(), connection), call()))
    expect(outcome).toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  }
  expect(await items()).toHaveLength(1)
})

test('generations and fences below the highest seen are refused, also by the next daemon', async () => {
  const vm = await started()
  const volume = newVolume()
  const disk = diskSpec(volume, target.connection(1), { generation: 5 })
  await host.disks.attach(vm, disk, call({ fence: 7 }))
  const late = () => refusal(host.disks.detach(vm, { volume, generation: 4 }, call({ fence: 9 })))
  expect(await late()).toMatchObject({ code: 'FENCED', effect: 'none' })
  await hostd.kill('SIGKILL')
  await hostd.restart()
  expect(await late()).toMatchObject({ code: 'FENCED' })
  expect(await refusal(host.disks.detach(vm, disk, call({ fence: 6 })))).toMatchObject({
    code: 'FENCED',
    effect: 'none',
  })
  const second = await refusal(host.disks.attach(vm, { ...disk, generation: 6 }, call({ fence: 8 })))
  expect(second).toMatchObject({ code: 'CONFLICT', effect: 'none' })
  await host.disks.detach(vm, disk, call({ fence: 8 }))
  expect(await refusal(host.disks.attach(vm, disk, call({ fence: 7 })))).toMatchObject({ code: 'FENCED' })
  expect(await target.sessions()).toEqual([])
  await host.vms.stop(vm, { force: true }, call({ fence: 20 }))
  expect(await refusal(host.vms.start(vmSpec(vm), call({ fence: 19 })))).toMatchObject({
    code: 'FENCED',
    effect: 'none',
  })
})

test('a machine starts with its disks, is started once, and closes its sessions when it stops', async () => {
  const disks = [diskSpec(newVolume(), target.connection(1)), diskSpec(newVolume(), target.connection(2))]
  const vm = await started({ disks })
  const running = await host.vms.get(vm, call())
  expect(running).toMatchObject({ state: 'running', disks: [{ generation: 1 }, { generation: 1 }] })
  expect(await host.vms.start(vmSpec(vm, { disks }), call())).toEqual(running)
  expect(await refusal(host.vms.start(vmSpec(vm, { cpus: 2 }), call()))).toMatchObject({
    code: 'CONFLICT',
    effect: 'none',
  })
  expect(await host.vms.reboot(vm, call())).toEqual(running)
  await host.vms.stop(vm, { force: false }, call())
  await host.vms.stop(vm, { force: true }, call())
  expect(await host.vms.get(vm, call())).toEqual({ id: vm, state: 'stopped', disks: [] })
  expect(await target.sessions()).toEqual([])
  expect(await refusal(host.disks.attach(vm, diskSpec(newVolume(), target.connection(1)), call()))).toMatchObject({
    code: 'NOT_FOUND',
    effect: 'none',
  })
  await host.vms.start(vmSpec(vm, { disks }), call())
  expect(await target.sessions()).toHaveLength(2)
})

test('a start with a disk that cannot be opened leaves no machine and no session', async () => {
  const id = newVm()
  const missing = { ...target.connection(2), iqn: 'iqn.2026-01.moorage.test:missing' }
  const disks = [diskSpec(newVolume(), target.connection(1)), diskSpec(newVolume(), missing)]
  expect(await refusal(host.vms.start(vmSpec(id, { disks }), call()))).toMatchObject({
    code: 'UNAVAILABLE',
    effect: 'none',
  })
  expect(await host.vms.get(id, call())).toMatchObject({ state: 'stopped' })
  expect(await target.sessions()).toEqual([])
  expect(await items()).toEqual([])
})

test('what is unknown is absent, and stopping it succeeds', async () => {
  const nobody = newVm()
  expect(await host.vms.get(nobody, call())).toBeUndefined()
  await host.vms.stop(nobody, { force: true }, call())
  await host.disks.detach(nobody, { volume: newVolume(), generation: 1 }, call())
  expect(await refusal(host.vms.reboot(nobody, call()))).toMatchObject({ code: 'NOT_FOUND', effect: 'none' })
})

test('limits are set live and read back; counters count', async () => {
  const vm = await started()
  const volume = newVolume()
  await host.disks.attach(vm, diskSpec(volume, target.connection(1), { throttle: { totalIops: { max: 150 } } }), call())
  expect(await host.throttle.read(vm, volume, call())).toEqual({ totalIops: { max: 150 } })
  const asked = {
    readIops: { max: 200, burst: 600, burstSeconds: 6 },
    writeBytes: { max: 1_000_000 },
    ioBytes: 4096,
  }
  const applied = await host.throttle.apply(vm, { volume, qos: asked }, call())
  expect(applied).toEqual({ applied: asked, clamped: [] })
  expect(await host.throttle.read(vm, volume, call())).toEqual(asked)
  const uneven = { totalIops: { max: 200, burst: 600, burstSeconds: 5 } }
  expect(await host.throttle.apply(vm, { volume, qos: uneven }, call())).toEqual({
    applied: { totalIops: { max: 200, burst: 600, burstSeconds: 4.5 } },
    clamped: ['totalIops'],
  })
  expect(await host.throttle.apply(vm, { volume, qos: {} }, call())).toEqual({ applied: {}, clamped: [] })
  const guaranteed = host.throttle.apply(vm, { volume, qos: { totalIops: { min: 5, max: 10 } } }, call())
  expect(await refusal(guaranteed)).toMatchObject({ code: 'UNSUPPORTED', effect: 'none' })
  expect(await host.stats.read(vm, volume, call())).toMatchObject({ writeOps: 0, writeBytes: 0 })
})

test('a grown LUN is seen after the refresh, and one that has not grown is to be asked about later', async () => {
  const vm = await started()
  const volume = newVolume()
  await host.disks.attach(vm, diskSpec(volume, target.connection(2)), call())
  const refresh = (bytes: number) => host.resize.refresh(vm, { volume, bytes }, call())
  expect(await refusal(refresh(128 * MIB))).toMatchObject({ code: 'BUSY', effect: 'none' })
  await target.grow(2, 128 * MIB)
  expect(await refresh(128 * MIB)).toMatchObject({ bytes: 128 * MIB })
  expect(await refresh(128 * MIB)).toMatchObject({ bytes: 128 * MIB })
  expect(await refusal(refresh(64 * MIB))).toMatchObject({ code: 'INVALID', effect: 'none' })
})

test('files and NBD exports are attached too, each written by one machine only', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'disks-'))
  const [raw, qcow2, socket] = [join(directory, 'raw'), join(directory, 'qcow2'), join(directory, 'nbd')]
  const run = promisify(execFile)
  await run('qemu-img', ['create', '-q', '-f', 'raw', raw, '8M'])
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', qcow2, '16M'])
  const exported = join(directory, 'exported')
  await run('qemu-img', ['create', '-q', '-f', 'raw', exported, '32M'])
  const server = spawn('qemu-nbd', ['-k', socket, '-f', 'raw', '-x', 'v', '-t', exported], { stdio: 'ignore' })
  try {
    await expect.poll(() => existsSync(socket)).toBe(true)
    const connections = [
      { via: 'file', path: raw, format: 'raw' },
      { via: 'file', path: qcow2, format: 'qcow2' },
      { via: 'nbd', uri: `nbd+unix:///?socket=${socket}`, export: 'v' },
    ] as const
    const vm = await started()
    const volumes = connections.map(() => newVolume())
    for (const [index, connection] of connections.entries()) {
      const disk = await host.disks.attach(vm, diskSpec(volumes[index] ?? newVolume(), connection), call())
      expect(disk.bytes).toBe([8, 16, 32].map((size) => size * MIB)[index])
    }
    const other = await started()
    const second = host.disks.attach(other, diskSpec(newVolume(), connections[0]), call())
    expect(await refusal(second)).toMatchObject({ code: 'IN_USE', effect: 'none' })
    for (const volume of volumes) await host.disks.detach(vm, { volume, generation: 1 }, call())
    expect(await items()).toHaveLength(2)
  } finally {
    const exit = once(server, 'exit')
    server.kill('SIGTERM')
    await exit
    await rm(directory, { recursive: true })
  }
})

test('another installation sees foreign machines and may not touch them', async () => {
  const vm = await started()
  const other = adapterOf({ ...hostd, endpoint: { ...hostd.endpoint, owner: 'other' } })
  expect((await other.inventory.list(undefined, call())).items).toEqual([
    { kind: 'vm', owner: 'foreign', name: 'test' },
  ])
  expect(await refusal(other.vms.stop(vm, { force: true }, call()))).toMatchObject({ code: 'DENIED', effect: 'none' })
})

test('the freeze of a machine without a guest holds no file system, and bad arguments are named', async () => {
  const vm = await started()
  expect(await host.quiesce.freeze(vm, { withinMs: 5000 }, call())).toEqual({ filesystems: 0 })
  expect(await host.quiesce.thaw(vm, call())).toMatchObject({ held: true })
  expect(await host.quiesce.thaw(vm, call())).toEqual({ held: false, frozenMs: 0 })
  const outcome = await refusal(remoteOf(hostd)('disks/attach', { owner: 'test', vm, disk: { mode: 'rx' } }, call()))
  expect(outcome).toBeInstanceOf(PluginError)
  expect(outcome).toMatchObject({ code: 'INVALID', effect: 'none', message: "disk.mode must be 'rw' or 'ro'" })
})
