import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tgtClient, type TgtClient } from './client.ts'
import { TgtLineError } from './errors.ts'

const HOST = 'iqn.2026-01.test.moorage:host'
const IQN = 'iqn.2026-01.test.moorage:disk'
const MEBIBYTE = 1024 * 1024

let directory: string
let portal: string
let tgtd: ChildProcess
let tgt: TgtClient

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tgt-'))
  portal = `127.0.0.1:${await freePort()}`
  tgtd = spawn('tgtd', ['-f', '-C', '1', '-t', '1', '--iscsi', `portal=${portal}`], {
    env: { PATH: process.env['PATH'], TGT_IPC_SOCKET: join(directory, 's') },
    stdio: 'ignore',
  })
  tgt = tgtClient({ path: join(directory, 's.1'), timeoutMs: 2000 })
  await until('tgtd listens', async () => (await tgt.portals()).includes(portal))
})

afterAll(async () => {
  const gone = new Promise((resolve) => tgtd.once('exit', resolve))
  tgtd.kill('SIGKILL')
  await gone
  await rm(directory, { recursive: true })
})

async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo // A TCP server that listens has one.
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000
  for (;;) {
    const held = await holds().catch((error: unknown) => {
      if (error instanceof TgtLineError) return false
      throw error
    })
    if (held) return
    if (Date.now() > deadline) throw new Error(`not within 15 s: ${what}`)
    await pause(10)
  }
}

/** Makes a target with one unit of 16 MiB that `HOST` may use. */
async function makeTarget(tid: number): Promise<string> {
  const path = join(directory, `disk${tid}`)
  await writeFile(path, '')
  await truncate(path, 16 * MEBIBYTE)
  await tgt.createTarget({ tid, iqn: `${IQN}${tid}` })
  await tgt.createLun({ tid, lun: 1, path })
  await tgt.allowInitiator(tid, HOST)
  return path
}

interface Ended {
  readonly status: number | null
  readonly output: string
}

/** Runs qemu-io on a unit; the CHAP secret goes through a file. */
async function qemuIo(
  tid: number,
  commands: readonly string[],
  login: { readonly initiator?: string; readonly user?: string; readonly secret?: string } = {},
): Promise<Ended> {
  const { initiator = HOST, user, secret } = login
  const options = [`driver=iscsi,transport=tcp,portal=${portal},target=${IQN}${tid},lun=1,initiator-name=${initiator}`]
  const objects: string[] = []
  if (user !== undefined && secret !== undefined) {
    const file = join(directory, 'secret')
    await writeFile(file, secret, { mode: 0o600 })
    objects.push('--object', `secret,id=chap,file=${file}`)
    options.push(`user=${user},password-secret=chap`)
  }
  const args = [...objects, '--image-opts', options.join(','), ...commands.flatMap((command) => ['-c', command])]
  const child = spawn('qemu-io', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, output }
}

test('a target is made, listed, used, counted and deleted', async () => {
  const path = await makeTarget(1)
  await tgt.updateLun(
    { tid: 1, lun: 1 },
    { thin_provisioning: 1, scsi_sn: 'abc', scsi_id: 'def', vendor_id: 'MOORAGE' },
  )
  const [listed] = await tgt.targets()
  expect(listed).toMatchObject({ tid: 1, iqn: `${IQN}1`, state: 'ready', sessions: [], acl: [HOST] })
  expect(listed?.luns[1]).toMatchObject({ lun: 1, path, scsiSn: 'abc', scsiId: 'def', thin: true, readonly: false })
  expect(await tgt.targetNames()).toEqual(new Map([[1, `${IQN}1`]]))
  expect((await qemuIo(1, ['write -P 7 0 1M', 'read -P 7 0 1M'])).status).toBe(0)
  await until('the session has ended', async () => (await tgt.connections(1)).length === 0)
  await tgt.deleteTarget(1)
  expect(await tgt.targets()).toEqual([])
})

test('what tgtd refuses comes with its reason', async () => {
  await tgt.createTarget({ tid: 2, iqn: `${IQN}2` })
  await expect(tgt.createTarget({ tid: 2, iqn: `${IQN}x` })).rejects.toMatchObject({ reason: 'TARGET_EXIST', rc: 9 })
  await expect(tgt.deleteLun(2, 1)).rejects.toMatchObject({ reason: 'NO_LUN' })
  await expect(tgt.deleteTarget(3)).rejects.toMatchObject({ reason: 'NO_TARGET' })
  await expect(tgt.denyInitiator(2, HOST)).rejects.toMatchObject({ reason: 'ACL_NOEXIST' })
  await expect(tgt.bindAccount(2, 'nobody')).rejects.toMatchObject({ reason: 'NO_USER' })
  await tgt.deleteTarget(2)
})

test('nobody listening is unreachable, not an unknown effect', async () => {
  const nowhere = tgtClient({ path: join(directory, 'nowhere'), timeoutMs: 1000 })
  await expect(nowhere.targets()).rejects.toMatchObject({ name: 'TgtLineError', failure: 'unreachable' })
})

test('only the right secret under an admitted name gets in', async () => {
  await makeTarget(3)
  await tgt.createAccount({ user: 'tenant', secret: 'correcthorse1' })
  await tgt.bindAccount(3, 'tenant')
  expect(await tgt.accounts()).toEqual(['tenant'])
  const read = ['read 0 4k']
  expect((await qemuIo(3, read, { user: 'tenant', secret: 'correcthorse1' })).status).toBe(0)
  expect((await qemuIo(3, read, { user: 'tenant', secret: 'wrongwrong12' })).output).toContain('Authentication failure')
  expect((await qemuIo(3, read)).output).toContain('Authentication failure')
  const stranger = { user: 'tenant', secret: 'correcthorse1', initiator: `${HOST}2` }
  expect((await qemuIo(3, read, stranger)).output).toContain('Target not found')
  await until('all sessions have ended', async () => (await tgt.connections(3)).length === 0)
  await tgt.deleteTarget(3)
  await tgt.deleteAccount('tenant')
})

test('a unit is exchanged under a writer that sees no error, because its commands are swallowed and repeated', async () => {
  const path = await makeTarget(4)
  const commands = Array.from(
    { length: 4000 },
    (_, index) => `write -q -P ${(index % 250) + 1} ${(index % 256) * 4096} 4k`,
  )
  const writer = qemuIo(4, commands)
  await until('it writes', async () => (await tgt.counters()).some(({ tid, writeOps }) => tid === 4 && writeOps > 100))
  await tgt.setTargetState(4, 'offline')
  await until('its commands have ended', async () => {
    return tgt.deleteLun(4, 1).then(
      () => true,
      () => false,
    )
  })
  await truncate(path, 32 * MEBIBYTE)
  await tgt.createLun({ tid: 4, lun: 1, path })
  await tgt.setTargetState(4, 'ready')
  for (const { sid, cid } of await tgt.connections(4)) await tgt.closeConnection({ tid: 4, sid, cid })
  expect(await writer).toEqual({ status: 0, output: expect.not.stringContaining('failed') as string }) // A matcher stands for the string.
  expect((await qemuIo(4, ['write -P 9 24M 1M', 'read -P 9 24M 1M'])).status).toBe(0)
  await until('all sessions have ended', async () => (await tgt.connections(4)).length === 0)
  await tgt.deleteTarget(4)
})
