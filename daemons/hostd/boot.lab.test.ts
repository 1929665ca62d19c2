import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HypervisorAdapter } from '@moorage/contract'
import { startHostd, type TestHostd } from './testing.ts'
import { bootDisk } from './testing/boot-disk.ts'
import { adapterOf, call, diskSpec, newVm, newVolume, refusal, vmSpec } from './testing/calls.ts'
import { startTarget, type TestTarget } from './testing/target.ts'

const MIB = 1024 * 1024
let hostd: TestHostd
let host: Required<HypervisorAdapter>
let target: TestTarget

beforeAll(async () => {
  hostd = await startHostd()
  host = adapterOf(hostd)
  target = await startTarget({ initiator: hostd.initiator, bytes: [MIB, MIB] })
})
afterAll(async () => {
  await hostd.stop()
  await target.stop()
})

async function consoleOf(vm: string): Promise<string> {
  return readFile(join(hostd.data, 'vms', vm, 'console.log'), 'latin1').catch(() => '')
}

test('a machine boots from its root disk, whichever disk comes first, again after a reboot, and its daemon may be killed', async () => {
  for (const lun of [1, 2]) await write(lun, bootDisk(`disk ${lun}`))
  const [vm, root, data] = [newVm(), newVolume(), newVolume()]
  const disks = [
    diskSpec(data, target.connection(2), { deviceId: 1 }),
    diskSpec(root, target.connection(1), { deviceId: 0 }),
  ]
  const spec = vmSpec(vm, { boot: 'disk', disks })
  expect(await host.vms.start(spec, call())).toMatchObject({ state: 'running' })
  await expect.poll(() => consoleOf(vm), { timeout: 60_000 }).toContain('disk 1; written')
  await hostd.kill('SIGKILL')
  await hostd.restart()
  await host.vms.reboot(vm, call())
  await expect.poll(() => consoleOf(vm), { timeout: 60_000 }).toMatch(/disk 1; written[^]*disk 1; written/)
  expect(await consoleOf(vm)).not.toContain('disk 2')
  expect(await refusal(host.vms.start(vmSpec(vm, { disks }), call()))).toMatchObject({ code: 'CONFLICT' })
  await host.vms.stop(vm, { force: true }, call())
  const file = await readFile(target.file(1))
  expect(file.toString('latin1', 1024, 1030)).toBe('disk 1')
})

test('a machine that is to boot from a disk must have that disk, and no image', async () => {
  const disk = diskSpec(newVolume(), target.connection(1))
  const more = { boot: 'disk', disks: [disk] } as const
  expect(await refusal(host.vms.start(vmSpec(newVm(), more), call()))).toMatchObject({
    code: 'INVALID',
    effect: 'none',
  })
  const both = { boot: 'disk', image: 'guest', disks: [{ ...disk, deviceId: 0 }] } as const
  expect(await refusal(host.vms.start(vmSpec(newVm(), both), call()))).toMatchObject({
    code: 'INVALID',
    effect: 'none',
  })
})

async function write(lun: number, bytes: Buffer): Promise<void> {
  const file = await open(target.file(lun), 'r+')
  await file.write(bytes, 0, bytes.length, 0)
  await file.close()
}
