import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type BackendVm, type HypervisorAdapter, type Qos, serialOf, type VmId, type VolumeId } from '@moorage/contract'
import { connectGuestAgent, type GuestExecResult } from '@moorage/qmp'
import { processesWith } from './qemu-process.ts'
import { GUEST_IMAGE, guestImages, startHostd, type TestHostd } from './testing.ts'
import { adapterOf, call, diskSpec, newVm, newVolume, refusal, remoteOf, vmSpec } from './testing/calls.ts'
import { startTarget, type TestTarget } from './testing/target.ts'

const MIB = 1024 * 1024
let hostd: TestHostd
let host: Required<HypervisorAdapter>
let target: TestTarget
const vm: VmId = newVm()

beforeAll(async () => {
  hostd = await startHostd({ images: await guestImages() })
  host = adapterOf(hostd)
  target = await startTarget({ initiator: hostd.initiator, bytes: [256 * MIB, 256 * MIB] })
  await host.vms.start(vmSpec(vm, { image: GUEST_IMAGE }), call())
})

afterEach(async () => {
  await expect.poll(() => target.sessions(), { timeout: 10_000 }).toEqual([])
})

afterAll(async () => {
  await hostd.stop()
  await target.stop()
})

function exec(script: string, timeoutMs = 20_000): Promise<GuestExecResult> {
  const args = { owner: hostd.endpoint.owner, vm, script, timeoutMs }
  return remoteOf(hostd)<GuestExecResult>('guest/exec', args, call({ ms: timeoutMs + 1000 }))
}

/** Runs a script that must succeed, and gives what it printed. */
async function inGuest(script: string, timeoutMs?: number): Promise<string> {
  const result = await exec(script, timeoutMs)
  expect(result).toMatchObject({ exitCode: 0 })
  return result.stdout.trim()
}

async function attached(
  lun: number,
  throttle: Qos = {},
): Promise<{ readonly volume: VolumeId; readonly device: string }> {
  const volume = newVolume()
  await host.disks.attach(vm, diskSpec(volume, target.connection(lun), { throttle }), call())
  return { volume, device: await inGuest(`disk ${serialOf(volume)} 10`) }
}

function detach(volume: VolumeId, ms?: number): Promise<void> {
  return host.disks.detach(vm, { volume, generation: 1 }, call(ms === undefined ? {} : { ms }))
}

async function state(): Promise<BackendVm['state'] | undefined> {
  return (await host.vms.get(vm, call()))?.state
}

async function acknowledged(): Promise<number> {
  return Number(await inGuest('sequence acked'))
}

/** Asked of the guest without the daemon, which must be dead: the agent has one line. */
async function freezeStatus(): Promise<string> {
  const agent = await connectGuestAgent({ path: `${hostd.data}/vms/${vm}/a`, timeoutMs: 5000 })
  try {
    return await agent.execute<string>('guest-fsfreeze-status')
  } finally {
    agent.close()
  }
}

/** Processes that would thaw the guest. */
function deadMen(): number {
  return processesWith(`${hostd.data}/vms/${vm}/a`).filter(({ args }) => args.includes('--at')).length
}

/** How many blocks from the start of the LUN's file hold their own number. */
async function numberedBlocks(lun: number): Promise<number> {
  const file = await open(target.file(lun))
  try {
    const block = Buffer.alloc(4096)
    for (let number = 0; ; number += 1) {
      const { bytesRead } = await file.read(block, 0, block.length, number * block.length)
      if (bytesRead < block.length || block.toString('latin1').trim() !== String(number)) return number
    }
  } finally {
    await file.close()
  }
}

test('the guest answers within seconds of its start', async () => {
  await expect
    .poll(() => exec('cat /proc/uptime').catch(() => undefined), { timeout: 60_000 })
    .toMatchObject({ exitCode: 0 })
})

test('a disk plugged into the running guest is seen by serial, holds a file system, and goes again', async () => {
  const { volume, device } = await attached(1)
  const digest = 'pattern seed 1000000 | sha256sum'
  await inGuest(`mkfs.ext4 -q ${device} && mount ${device} /mnt && pattern seed 1000000 > /mnt/p && umount /mnt`)
  expect(await inGuest(`mount ${device} /mnt && sha256sum < /mnt/p; umount /mnt`)).toBe(await inGuest(digest))
  await detach(volume)
  expect((await exec(`disk ${serialOf(volume)}`)).exitCode).toBe(1)
})

test('what the guest wrote is read back past everything of ours', async () => {
  const { volume, device } = await attached(2)
  await inGuest(`pattern proof ${8 * MIB} | /usr/bin/dd of=${device} bs=1M iflag=fullblock oflag=direct status=none`)
  await detach(volume)
  const expected = await inGuest(`pattern proof ${8 * MIB} | sha256sum`)
  const { stdout } = await promisify(execFile)('sh', ['-c', `head -c ${8 * MIB} ${target.file(2)} | sha256sum`])
  expect(stdout.trim()).toBe(expected)
})

test('a mounted disk is taken away all the same', async () => {
  const { volume, device } = await attached(1)
  await inGuest(`mkfs.ext4 -q ${device} && mount ${device} /mnt`)
  await detach(volume)
  expect(await target.sessions()).toEqual([])
  await exec('umount /mnt')
})

test('limits of the hypervisor hold inside the guest, and change live', async () => {
  const { volume, device } = await attached(1, { totalIops: { max: 100 } })
  const measure = async (count: number) => {
    const [ops, ms] = (await inGuest(`iops ${device} write ${count}`, 60_000)).split(' ').map(Number)
    return ((ops ?? 0) * 1000) / (ms ?? 1)
  }
  // A tenth of a second's worth is credit at the start.
  await measure(20)
  // How close to a limit it comes is for the bench: a guest that waits for the processor falls short of any.
  expect(await measure(200)).toBeLessThan(100 * 1.05)
  await host.throttle.apply(vm, { volume, qos: { totalIops: { max: 400 } } }, call())
  await measure(80)
  const fast = await measure(800)
  expect(fast).toBeGreaterThan(100 * 1.05)
  expect(fast).toBeLessThan(400 * 1.05)
  const stats = await host.stats.read(vm, volume, call())
  expect(stats.writeOps).toBeGreaterThanOrEqual(1100)
  expect(stats.writeBytes).toBe(stats.writeOps * 4096)
  await detach(volume)
})

test('a grown LUN has its new size inside the guest', async () => {
  const { volume, device } = await attached(2)
  await target.grow(2, 512 * MIB)
  expect(await host.resize.refresh(vm, { volume, bytes: 512 * MIB }, call())).toMatchObject({ bytes: 512 * MIB })
  const sectors = () => inGuest(`cat /sys/block/${device.slice('/dev/'.length)}/size`)
  await expect.poll(async () => Number(await sectors()) * 512, { timeout: 5000 }).toBe(512 * MIB)
  await detach(volume)
})

test('writes wait while the SAN is gone and none that was acknowledged is lost', async () => {
  const { volume, device } = await attached(1)
  await inGuest(`sequence start ${device}`)
  await expect.poll(acknowledged, { timeout: 10_000 }).toBeGreaterThan(50)
  await target.kill()
  const before = await acknowledged()
  const blocks = await numberedBlocks(1)
  expect(blocks).toBeGreaterThanOrEqual(before)
  await target.start()
  await expect.poll(acknowledged, { timeout: 40_000 }).toBeGreaterThan(blocks + 50)
  const count = Number(await inGuest('sequence stop'))
  expect(await numberedBlocks(1)).toBeGreaterThanOrEqual(count)
  await detach(volume)
})

test('a LUN that fails stops the machine, and the machine goes on by itself when the LUN is back', async () => {
  const { volume, device } = await attached(1)
  await inGuest(`sequence start ${device}`)
  await expect.poll(acknowledged, { timeout: 10_000 }).toBeGreaterThan(50)
  await target.kill()
  await target.start({ luns: false })
  await expect.poll(state, { timeout: 30_000 }).toBe('paused')
  await target.addLuns()
  await expect.poll(state, { timeout: 30_000 }).toBe('running')
  const blocks = await numberedBlocks(1)
  await expect.poll(acknowledged, { timeout: 10_000 }).toBeGreaterThan(blocks)
  const count = Number(await inGuest('sequence stop'))
  expect(await numberedBlocks(1)).toBeGreaterThanOrEqual(count)
  expect(await hostd.logs()).toContain('machine goes on')
  await detach(volume)
})

test('a guest that cannot let go is busy, and its session is closed once it does', async () => {
  const { volume, device } = await attached(1)
  await inGuest(`sequence start ${device}`)
  await expect.poll(acknowledged, { timeout: 10_000 }).toBeGreaterThan(50)
  await target.kill()
  expect(await refusal(detach(volume, 2000))).toMatchObject({ code: 'BUSY', effect: 'possible' })
  const again = diskSpec(volume, target.connection(1), { generation: 2 })
  expect(await refusal(host.disks.attach(vm, again, call()))).toMatchObject({ code: 'BUSY', effect: 'none' })
  await target.start()
  await expect.poll(async () => (await host.vms.get(vm, call()))?.disks, { timeout: 40_000 }).toEqual([])
  await expect.poll(() => target.sessions()).toEqual([])
  await host.disks.detach(vm, { volume, generation: 2 }, call())
})

test('a machine whose writes hang is stopped at once when it is forced to', async () => {
  const other = newVm()
  const volume = newVolume()
  const disks = [diskSpec(volume, target.connection(1))]
  await host.vms.start(vmSpec(other, { image: GUEST_IMAGE, disks }), call())
  const args = { owner: hostd.endpoint.owner, vm: other, timeoutMs: 10_000 }
  const script = `sequence start $(disk ${serialOf(volume)} 10) && until [ -n "$(sequence acked)" ]; do usleep 100000; done`
  const writing = () =>
    remoteOf(hostd)<GuestExecResult>('guest/exec', { ...args, script }, call()).catch(() => undefined)
  await expect.poll(writing, { timeout: 60_000 }).toMatchObject({ exitCode: 0 })
  await target.kill()
  const began = Date.now()
  await host.vms.stop(other, { force: true }, call())
  expect(Date.now() - began).toBeLessThan(5000)
  expect((await host.vms.get(other, call()))?.state).toBe('stopped')
  await target.start()
})

test('a freeze holds writes until the thaw, and says so', async () => {
  const { volume, device } = await attached(1)
  await inGuest(`mkfs.ext4 -q ${device} && mount ${device} /mnt`)
  const freeze = call()
  expect(await host.quiesce.freeze(vm, { withinMs: 20_000 }, freeze)).toEqual({ filesystems: 1 })
  expect(await host.quiesce.freeze(vm, { withinMs: 20_000 }, freeze)).toEqual({ filesystems: 1 })
  expect(await refusal(host.quiesce.freeze(vm, { withinMs: 20_000 }, call()))).toMatchObject({
    code: 'BUSY',
    effect: 'none',
  })
  expect(await refusal(exec('true'))).toMatchObject({ code: 'UNAVAILABLE', effect: 'none' })
  const thaw = call()
  const thawed = await host.quiesce.thaw(vm, thaw)
  expect(thawed).toMatchObject({ held: true })
  expect(await host.quiesce.thaw(vm, thaw)).toEqual(thawed)
  expect(await host.quiesce.thaw(vm, call())).toMatchObject({ held: false })
  await inGuest('touch /mnt/x && umount /mnt')
  await detach(volume)
})

test('a freeze that nobody thaws ends by itself, with the daemon or without it', async () => {
  const { volume, device } = await attached(1)
  await inGuest(`mkfs.ext4 -q ${device} && mount ${device} /mnt`)
  const writes = () =>
    exec('touch /mnt/x').then(
      (result) => result.exitCode,
      () => undefined,
    )
  await host.quiesce.freeze(vm, { withinMs: 1500 }, call())
  await expect.poll(writes, { timeout: 10_000 }).toBe(0)
  const late = await host.quiesce.thaw(vm, call())
  expect(late.held).toBe(false)
  expect(late.frozenMs).toBeLessThan(2500)
  await host.quiesce.freeze(vm, { withinMs: 3000 }, call())
  await hostd.kill('SIGKILL')
  expect(await freezeStatus()).toBe('frozen')
  await expect.poll(freezeStatus, { timeout: 15_000 }).toBe('thawed')
  await expect.poll(deadMen).toBe(0)
  await hostd.restart()
  expect(await writes()).toBe(0)
  expect(await host.quiesce.thaw(vm, call())).toMatchObject({ held: false })
  await inGuest('umount /mnt')
  await detach(volume)
})

test('a disk attached for reading only is one that the guest cannot write', async () => {
  const volume = newVolume()
  await host.disks.attach(vm, diskSpec(volume, target.connection(1), { mode: 'ro' }), call())
  const device = await inGuest(`disk ${serialOf(volume)} 10`)
  expect(await inGuest(`cat /sys/block/${device.slice('/dev/'.length)}/ro`)).toBe('1')
  expect(await exec(`iops ${device} write 1`)).toMatchObject({ exitCode: 1 })
  await inGuest(`iops ${device} read 10`)
  await detach(volume)
})

test('a reboot starts the guest anew with its disks', async () => {
  const { volume } = await attached(1)
  const boot = () =>
    exec('cat /proc/sys/kernel/random/boot_id').then(
      (result) => result.stdout,
      () => undefined,
    )
  const before = await boot()
  await host.vms.reboot(vm, call())
  await expect.poll(boot, { timeout: 30_000 }).toSatisfy((id: unknown) => id !== undefined && id !== before)
  await inGuest(`disk ${serialOf(volume)} 10`)
  await detach(volume)
})

test('a guest that does not shut down when it is asked is busy, and runs on', async () => {
  await inGuest('mv /sbin/shutdown /sbin/shutdown.gone')
  expect(await refusal(host.vms.stop(vm, { force: false }, call({ ms: 3000 })))).toMatchObject({
    code: 'BUSY',
    effect: 'possible',
  })
  expect(await state()).toBe('running')
  await inGuest('mv /sbin/shutdown.gone /sbin/shutdown')
})

test('a guest that is asked shuts down, and a machine starts with a disk that it sees from the first moment', async () => {
  await host.vms.stop(vm, { force: false }, call({ ms: 30_000 }))
  expect(await state()).toBe('stopped')
  expect(await hostd.logs()).not.toContain('bug')
  const volume = newVolume()
  const disks = [diskSpec(volume, target.connection(1), { throttle: { totalBytes: { max: MIB } } })]
  await host.vms.start(vmSpec(vm, { image: GUEST_IMAGE, disks }), call())
  await expect
    .poll(() => exec(`disk ${serialOf(volume)}`).catch(() => undefined), { timeout: 60_000 })
    .toMatchObject({
      exitCode: 0,
    })
  expect(await host.throttle.read(vm, volume, call())).toEqual({ totalBytes: { max: MIB } })
  await host.vms.stop(vm, { force: true }, call())
})
