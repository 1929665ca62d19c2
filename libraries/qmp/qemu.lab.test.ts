import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { connectQmp, QmpError } from './index.ts'

let directory: string
let path: string
let qemu: ChildProcess

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qmp-'))
  path = join(directory, 'q')
  const machine = ['-nodefaults', '-no-user-config', '-display', 'none', '-M', 'pc', '-m', '16', '-S']
  const small = [
    '-accel',
    'tcg,tb-size=1',
    '-device',
    'virtio-scsi-pci,id=scsi',
    '-qmp',
    `unix:${path},server=on,wait=off`,
  ]
  qemu = spawn('qemu-system-x86_64', [...machine, ...small], { stdio: 'ignore' })
})

afterEach(async () => {
  if (qemu.exitCode === null && qemu.signalCode === null) {
    const exit = once(qemu, 'exit')
    qemu.kill('SIGKILL')
    await exit
  }
  await rm(directory, { recursive: true })
})

test('a QEMU that is still starting is waited for, obeys, refuses and reports', async () => {
  const client = await connectQmp({ path, timeoutMs: 10_000 })
  expect(await client.execute('query-status')).toMatchObject({ status: 'prelaunch', running: false })
  await client.execute('blockdev-add', { driver: 'null-co', 'node-name': 'n', size: 4096 })
  await client.execute('device_add', { driver: 'scsi-hd', id: 'd', drive: 'n' })
  const refusal = await client.execute('device_del', { id: 'other' }).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(QmpError)
  expect(refusal).toMatchObject({ errorClass: 'DeviceNotFound' })
  await client.execute('device_del', { id: 'd' })
  await client.waitFor('DEVICE_DELETED', { where: (data) => data['device'] === 'd', timeoutMs: 5000 })
  client.close()
  await client.closed
})

test('QEMU serves one client at a time, and the next once that has left', async () => {
  const first = await connectQmp({ path, timeoutMs: 10_000 })
  await expect(connectQmp({ path, timeoutMs: 200 })).rejects.toMatchObject({ failure: 'timeout' })
  first.close()
  const second = await connectQmp({ path, timeoutMs: 5000 })
  expect(await second.execute('query-status')).toMatchObject({ running: false })
  second.close()
})

test('the death of QEMU rejects what was asked of it', async () => {
  const client = await connectQmp({ path, timeoutMs: 10_000 })
  const waiting = client.waitFor('RESUME', { timeoutMs: 10_000 }).catch((error: unknown) => error)
  qemu.kill('SIGKILL')
  expect(await waiting).toMatchObject({ failure: 'lost' })
  await client.closed
})
