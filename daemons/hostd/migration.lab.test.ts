import { open } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { serialOf } from '@moorage/contract'
import type { GuestExecResult } from '@moorage/qmp'
import { GUEST_IMAGE, guestImages, startHostd, type TestHostd } from './testing.ts'
import { adapterOf, call, diskSpec, newVm, newVolume, remoteOf, vmSpec } from './testing/calls.ts'
import { startTarget, type TestTarget } from './testing/target.ts'

const MIB = 1024 * 1024
const BLOCK_BYTES = 4096
let source: TestHostd
let destination: TestHostd
let target: TestTarget
const [vm, volume] = [newVm(), newVolume()]

beforeAll(async () => {
  const images = await guestImages()
  ;[source, destination] = await Promise.all([startHostd({ images }), startHostd({ images })])
  target = await startTarget({ initiator: source.initiator, bytes: [256 * MIB] })
})

afterAll(async () => {
  await Promise.all([source.stop(), destination.stop()])
  await target.stop()
})

async function inGuest(hostd: TestHostd, script: string): Promise<string> {
  const args = { owner: hostd.endpoint.owner, vm, script, timeoutMs: 20_000 }
  const result = await remoteOf(hostd)<GuestExecResult>('guest/exec', args, call({ ms: 21_000 }))
  expect(result).toMatchObject({ exitCode: 0 })
  return result.stdout.trim()
}

/** How many blocks from the start of the LUN's file hold their own number. */
async function numberedBlocks(): Promise<number> {
  const file = await open(target.file(1))
  try {
    const block = Buffer.alloc(BLOCK_BYTES)
    for (let number = 0; ; number += 1) {
      const { bytesRead } = await file.read(block, 0, block.length, number * block.length)
      if (bytesRead < block.length || block.toString('latin1').trim() !== String(number)) return number
    }
  } finally {
    await file.close()
  }
}

test('a guest that writes all the while migrates, writes on, and every write that it was told of is on the LUN', async () => {
  const [from, to] = [adapterOf(source), adapterOf(destination)]
  const disk = diskSpec(volume, target.connection(1))
  const spec = vmSpec(vm, { image: GUEST_IMAGE, disks: [disk] })
  await from.vms.start(spec, call({ ms: 60_000 }))
  await expect
    .poll(() => inGuest(source, `disk ${serialOf(volume)} 10`).catch(() => ''), { timeout: 60_000 })
    .toMatch(/^\/dev\//)
  const device = await inGuest(source, `disk ${serialOf(volume)} 10`)
  await inGuest(source, `sequence start ${device}`)
  await expect
    .poll(async () => Number(await inGuest(source, 'sequence acked')), { timeout: 20_000 })
    .toBeGreaterThan(10)

  const connection = await target.admit(1, destination.initiator)
  const description = await from.migration.describe(vm, call())
  const ticket = await to.migration.prepare({ ...spec, disks: [{ ...disk, connection }] }, description, call())
  const send = async () => (await from.migration.send(vm, ticket, call())).state
  await expect.poll(send, { timeout: 60_000, interval: 50 }).toBe('sent')
  const arrived = await to.migration.arrive(vm, call())
  expect(arrived).toMatchObject({ state: 'running', disks: [{ volume, generation: 1 }] })
  await from.vms.stop(vm, { force: true }, call())
  expect(await target.sessions()).toEqual([destination.initiator])

  const before = Number(await inGuest(destination, 'sequence acked'))
  await expect
    .poll(async () => Number(await inGuest(destination, 'sequence acked')), { timeout: 20_000 })
    .toBeGreaterThan(before + 10)
  const acknowledged = Number(await inGuest(destination, 'sequence stop'))
  expect(acknowledged).toBeGreaterThan(20)
  expect(await numberedBlocks()).toBeGreaterThanOrEqual(acknowledged)
  // It answers to hot plug as it did at home.
  await to.disks.detach(vm, { volume, generation: 1 }, call())
  expect(await target.sessions()).toEqual([])
}, 180_000)

test('a daemon that is killed on either side takes up the migration where QEMU is', async () => {
  const [from, to] = [adapterOf(source), adapterOf(destination)]
  const [bare, other] = [newVm(), newVolume()]
  const number = await target.add(16 * MIB)
  const disk = diskSpec(other, target.connection(number))
  const spec = vmSpec(bare, { disks: [disk] })
  await from.vms.start(spec, call())
  const connection = await target.admit(number, destination.initiator)
  const there = { ...spec, disks: [{ ...disk, connection }] }
  const ticket = await to.migration.prepare(there, await from.migration.describe(bare, call()), call())
  await destination.kill('SIGKILL')
  await destination.restart()
  expect(await to.migration.prepare(there, await from.migration.describe(bare, call()), call())).toEqual(ticket)
  const send = async () => (await from.migration.send(bare, ticket, call())).state
  await expect.poll(send, { timeout: 30_000, interval: 20 }).toBe('sent')
  await Promise.all([source.kill('SIGKILL'), destination.kill('SIGKILL')])
  await Promise.all([source.restart(), destination.restart()])
  expect(await send()).toBe('sent')
  expect(await from.vms.get(bare, call())).toMatchObject({ state: 'paused' })
  expect(await to.migration.arrive(bare, call())).toMatchObject({ state: 'running' })
  await destination.kill('SIGKILL')
  await destination.restart()
  expect(await to.migration.abandon(bare, call())).toEqual({ arrived: true })
  await from.vms.stop(bare, { force: true }, call())
  await to.vms.stop(bare, { force: true }, call())
})
