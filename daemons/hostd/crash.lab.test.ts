import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HypervisorAdapter } from '@moorage/contract'
import { connectQmp } from '@moorage/qmp'
import { namesOf } from './names.ts'
import { processesWith } from './qemu-process.ts'
import { startHostd, type TestHostd } from './testing.ts'
import { adapterOf, call, diskSpec, newVm, newVolume, refusal, vmSpec } from './testing/calls.ts'
import { startTarget, type TestTarget } from './testing/target.ts'

const MIB = 1024 * 1024
let hostd: TestHostd
let host: Required<HypervisorAdapter>
let target: TestTarget

beforeAll(async () => {
  hostd = await startHostd()
  host = adapterOf(hostd)
  target = await startTarget({ initiator: hostd.initiator, bytes: [64 * MIB] })
})

afterAll(async () => {
  await hostd.stop()
  await target.stop()
})

function qemus(): readonly number[] {
  return processesWith(`unix:${hostd.data}/`).map(({ pid }) => pid)
}

test('machines survive the daemon and are adopted with their disks', async () => {
  const [vm, volume] = [newVm(), newVolume()]
  await host.vms.start(vmSpec(vm), call())
  await host.disks.attach(vm, diskSpec(volume, target.connection(1)), call())
  const before = await host.vms.get(vm, call())
  await hostd.kill('SIGKILL')
  expect(await refusal(host.vms.get(vm, call()))).toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  expect(await target.sessions()).toHaveLength(1)
  await hostd.restart()
  expect(await host.vms.get(vm, call())).toEqual(before)
  await hostd.kill('SIGTERM')
  await hostd.restart()
  await host.disks.detach(vm, { volume, generation: 1 }, call())
  expect(await target.sessions()).toEqual([])
  await host.vms.stop(vm, { force: true }, call())
  expect(qemus()).toEqual([])
})

test('what an interrupted attach left in QEMU is closed by the next daemon', async () => {
  const [vm, volume] = [newVm(), newVolume()]
  await host.vms.start(vmSpec(vm), call())
  await hostd.kill('SIGKILL')
  const names = namesOf({ volume, generation: 3 })
  const { portal, iqn, lun, initiator, chap } = target.connection(1)
  const qmp = await connectQmp({ path: join(hostd.data, 'vms', vm, 'q'), timeoutMs: 5000 })
  await qmp.execute('object-add', { 'qom-type': 'secret', id: names.secret, data: chap?.secret })
  const login = { user: chap?.user, 'password-secret': names.secret, 'initiator-name': initiator }
  const source = { driver: 'iscsi', transport: 'tcp', portal, target: iqn, lun, ...login }
  await qmp.execute('blockdev-add', { ...source, 'node-name': names.protocol })
  qmp.close()
  expect(await target.sessions()).toHaveLength(1)
  await hostd.restart()
  expect(await target.sessions()).toEqual([])
  expect((await host.inventory.list(undefined, call())).items).toHaveLength(1)
  await host.vms.stop(vm, { force: true }, call())
})

test('a QEMU that is killed shows as stopped, and starts again', async () => {
  const vm = newVm()
  const disks = [diskSpec(newVolume(), target.connection(1))]
  await host.vms.start(vmSpec(vm, { disks }), call())
  for (const pid of qemus()) process.kill(pid, 'SIGKILL')
  await expect.poll(async () => (await host.vms.get(vm, call()))?.state).toBe('stopped')
  expect((await host.inventory.list(undefined, call())).items).toEqual([])
  expect(await host.vms.start(vmSpec(vm, { disks }), call())).toMatchObject({ state: 'running', disks: [{}] })
  await host.vms.stop(vm, { force: true }, call())
})

test('killed at random moments of its work, the daemon leaves nothing that its own calls do not settle', async () => {
  const [vm, volume] = [newVm(), newVolume()]
  const life = async (generation: number, fence: number) => {
    const disk = diskSpec(volume, target.connection(1), { generation })
    await host.vms.start(vmSpec(vm), call({ fence }))
    await host.disks.attach(vm, disk, call({ fence }))
    await host.disks.detach(vm, disk, call({ fence }))
    await host.vms.stop(vm, { force: true }, call({ fence }))
  }
  const began = Date.now()
  await life(1, 1)
  const lifeMs = Date.now() - began
  for (let round = 2; round < 14; round += 1) {
    const outcome = refusal(life(round, round))
    await new Promise((resolve) => {
      setTimeout(resolve, Math.random() * lifeMs * 1.2)
    })
    await hostd.kill('SIGKILL')
    await outcome
    await hostd.restart()
    const state = (await host.vms.get(vm, call({ fence: round })))?.state
    expect(qemus()).toHaveLength(state === 'running' ? 1 : 0)
    await life(round, round)
    expect(await target.sessions()).toEqual([])
    expect((await host.inventory.list(undefined, call())).items).toEqual([])
    expect(qemus()).toEqual([])
  }
})

test('a QEMU in our directory that nobody has a record of is listed as ours, and left alone until it is told to stop', async () => {
  const vm = newVm()
  await host.vms.start(vmSpec(vm), call())
  await hostd.kill('SIGKILL')
  await rm(join(hostd.data, 'vms', vm, 'record.json'))
  await hostd.restart()
  const [pid] = qemus()
  const expected = { kind: 'vm', owner: 'ours', name: `process ${pid}`, id: vm, state: 'running' }
  expect((await host.inventory.list(undefined, call())).items).toEqual([expected])
  expect(await host.vms.get(vm, call())).toBeUndefined()
  await host.vms.stop(vm, { force: true }, call())
  expect(qemus()).toEqual([])
})

test('a second daemon on the same data is refused', async () => {
  const args = ['daemons/hostd/main.ts', '--data', hostd.data, '--listen', '127.0.0.1:0', '--initiator', 'iqn.x']
  const credentials = ['--credentials', join(hostd.data, 'credentials.json')]
  const second = promisify(execFile)(process.execPath, [...args, ...credentials])
  const outcome = await refusal(second)
  expect(outcome).toMatchObject({ code: 1 })
  expect(JSON.stringify(outcome)).toContain('another host daemon holds')
})
