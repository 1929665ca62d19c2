import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Connection, type Exposure, serialOf, type StorageProvider, type VolumeId } from '@moorage/contract'
import { remoteStorage, wireClient } from '@moorage/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeSessions, iscsi, newCall, newHost, newId, qemuIo, runQemu, Session, until } from './initiator.ts'
import { SAN_LIMITS, startTestSan, type TestSan } from './testing.ts'

const MEBIBYTE = 1024 * 1024
const GIBIBYTE = 1024 * MEBIBYTE

/** tgtd hangs up right after it has said no; libiscsi reports what it saw first. */
const NOT_FOUND = /Target not found|Can not reconnect/

let san: TestSan
let provider: StorageProvider
const host = newHost()

beforeAll(async () => {
  san = await startTestSan()
  provider = open(san)
})
afterAll(async () => {
  await closeSessions()
  await san.stop()
})

function open({ url, user, password, endpoint }: TestSan): StorageProvider {
  const can = ['snapshots', 'clones', 'resize', 'qos', 'revert', 'stats'] as const
  const context = { pool: 'pool1', owner: endpoint.owner }
  return remoteStorage({ remote: wireClient({ url, user, password }), limits: SAN_LIMITS, can, context })
}

function exposureOf(id: VolumeId): Exposure {
  return { source: { kind: 'volume', id }, consumer: host, mode: 'rw', account: 'tenant' }
}

async function makeVolume(bytes = GIBIBYTE): Promise<{ readonly id: VolumeId; readonly connection: Connection }> {
  const id = newId<'volume'>()
  await provider.volumes.create({ id, bytes, qos: {}, settings: {} }, newCall())
  return { id, connection: await provider.access.expose(exposureOf(id), newCall()) }
}

async function dropVolume(id: VolumeId): Promise<void> {
  await provider.access.withdraw(exposureOf(id), newCall())
  await provider.volumes.delete(id, newCall())
}

/** Asks the unit for its serial number (VPD page 0x80). */
async function inquireSerial(connection: Connection): Promise<string> {
  const { portal, iqn, lun, initiator, chap } = iscsi(connection)
  const args = ['-i', initiator, '-e', '1', '-c', '128', `iscsi://${portal}/${iqn}/${lun}`]
  const env = { ...process.env, LIBISCSI_CHAP_USERNAME: chap?.user, LIBISCSI_CHAP_PASSWORD: chap?.secret }
  const { stdout } = await promisify(execFile)('iscsi-inq', args, { env })
  return stdout
}

async function passes(connection: Connection, ...commands: readonly string[]): Promise<void> {
  expect(await qemuIo(connection, commands)).toMatchObject({ status: 0 })
}

test('a volume holds what was written through it, and shows its id as serial', async () => {
  const { id, connection } = await makeVolume()
  await passes(connection, 'write -P 1 0 8M', 'read -P 1 0 8M', 'read -P 0 8M 8M')
  const info = await runQemu('qemu-img', connection, { before: ['info'] })
  expect(info.output).toContain('virtual size: 1 GiB')
  expect(await inquireSerial(connection)).toContain(serialOf(id))
  const volume = await provider.volumes.get(id, newCall())
  expect(volume).toMatchObject({ id, bytes: GIBIBYTE, usedBytes: 8 * MEBIBYTE })
  await passes(connection, 'discard 0 8M', 'read -P 0 0 8M')
  expect(await provider.volumes.get(id, newCall())).toMatchObject({ usedBytes: 0 })
  await dropVolume(id)
  expect(await provider.volumes.get(id, newCall())).toBeUndefined()
})

test('a wrong secret, no secret and a foreign initiator are refused at login', async () => {
  const { id, connection } = await makeVolume()
  const good = iscsi(connection)
  const { chap, ...open } = good
  const wrong = { ...good, chap: { user: chap?.user ?? '', secret: 'wrongwrong123456' } }
  expect((await qemuIo(wrong, ['read 0 4k'])).output).toContain('Authentication failure')
  expect((await qemuIo(open, ['read 0 4k'])).output).toContain('Authentication failure')
  const stranger = { ...good, initiator: newHost().initiator }
  expect((await qemuIo(stranger, ['read 0 4k'])).output).toMatch(NOT_FOUND)
  await passes(good, 'read 0 4k')
  await dropVolume(id)
})

test('one large write arrives as it was sent', async () => {
  const { id, connection } = await makeVolume(64 * MEBIBYTE)
  const content = randomBytes(48 * MEBIBYTE)
  const [source, copy] = [join(tmpdir(), `${id}.src`), join(tmpdir(), `${id}.copy`)]
  await writeFile(source, content)
  await passes(connection, `write -q -s ${source} 0 48M`)
  const back = await runQemu('qemu-img', connection, { before: ['convert', '-O', 'raw'], after: [copy] })
  const read = back.status === 0 ? (await readFile(copy)).subarray(0, content.length) : Buffer.alloc(0)
  await Promise.all([rm(source), rm(copy, { force: true })])
  expect(back).toMatchObject({ status: 0 })
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  expect(digest(read)).toBe(digest(content))
  await dropVolume(id)
})

test('a snapshot keeps the bytes of its moment, is read-only, and outlives its volume', async () => {
  const { id, connection } = await makeVolume()
  await passes(connection, 'write -P 1 0 4M')
  const snapshot = newId<'snapshot'>()
  const taken = await provider.snapshots?.create({ id: snapshot, volume: id }, newCall())
  expect(taken).toMatchObject({ id: snapshot, volume: id, bytes: GIBIBYTE })
  await passes(connection, 'write -P 2 0 4M')
  const again = await provider.snapshots?.create({ id: snapshot, volume: id }, newCall())
  expect(again).toEqual(taken)
  await dropVolume(id)
  const exposure = { source: { kind: 'snapshot', id: snapshot }, consumer: host, mode: 'ro', account: 'a' } as const
  const readOnly = await provider.access.expose(exposure, newCall())
  expect(await qemuIo(readOnly, ['read -P 1 0 4M'], 'ro')).toMatchObject({ status: 0 })
  expect((await qemuIo(readOnly, ['write -P 3 0 4k'])).status).not.toBe(0)
  await expect(provider.snapshots?.delete(snapshot, newCall())).rejects.toMatchObject({
    code: 'IN_USE',
    effect: 'none',
  })
  await provider.access.withdraw(exposure, newCall())
  await provider.snapshots?.delete(snapshot, newCall())
  expect(await provider.snapshots?.get(snapshot, newCall())).toBeUndefined()
})

test('a snapshot under a writer holds every write that was acknowledged before it, in order', async () => {
  const { id, connection } = await makeVolume()
  const session = await Session.open(connection)
  for (let block = 0; block < 50; block += 1) await session.run(`write -P 9 ${block * 4096} 4096`)
  const snapshot = newId<'snapshot'>()
  const writing = session.run(`write -P 9 ${50 * 4096} 4096`)
  await provider.snapshots?.create({ id: snapshot, volume: id }, newCall())
  await writing
  await session.run('write -P 8 0 4096')
  await session.close()
  const exposure = { source: { kind: 'snapshot', id: snapshot }, consumer: host, mode: 'ro', account: 'a' } as const
  const readOnly = await provider.access.expose(exposure, newCall())
  expect(await qemuIo(readOnly, [`read -P 9 0 ${50 * 4096}`], 'ro')).toMatchObject({ status: 0 })
  await provider.access.withdraw(exposure, newCall())
  await provider.snapshots?.delete(snapshot, newCall())
  await dropVolume(id)
})

test('a clone has the bytes of its source and a life of its own', async () => {
  const { id, connection } = await makeVolume()
  await passes(connection, 'write -P 5 0 4M')
  const clone = newId<'volume'>()
  const spec = { id: clone, bytes: 2 * GIBIBYTE, qos: {}, settings: {} }
  const small = { ...spec, bytes: MEBIBYTE }
  const from = { kind: 'volume', id } as const
  await expect(provider.clones?.clone(from, small, newCall())).rejects.toMatchObject({
    code: 'INVALID',
    effect: 'none',
  })
  expect(await provider.clones?.clone(from, spec, newCall())).toMatchObject({ id: clone, bytes: 2 * GIBIBYTE })
  expect(await provider.clones?.clone(from, spec, newCall())).toMatchObject({ id: clone })
  await passes(connection, 'write -P 6 0 4M')
  await dropVolume(id)
  const cloned = await provider.access.expose(exposureOf(clone), newCall())
  await passes(cloned, 'read -P 5 0 4M', 'write -P 7 1536M 1M', 'read -P 7 1536M 1M')
  await dropVolume(clone)
})

test('a revert puts every byte back, in place, and only while nobody uses the volume', async () => {
  const { id, connection } = await makeVolume()
  await passes(connection, 'write -P 1 0 4M')
  const to = newId<'snapshot'>()
  await provider.snapshots?.create({ id: to, volume: id }, newCall())
  await provider.resize?.grow(id, 2 * GIBIBYTE, newCall())
  await passes(connection, 'write -P 2 0 8M', 'write -P 2 1900M 1M')
  await expect(provider.revert?.revert(id, to, newCall())).rejects.toMatchObject({ code: 'IN_USE', effect: 'none' })
  await provider.access.withdraw(exposureOf(id), newCall())
  expect(await provider.revert?.revert(id, to, newCall())).toMatchObject({ id, bytes: 2 * GIBIBYTE })
  const reverted = await provider.access.expose(exposureOf(id), newCall())
  await passes(reverted, 'read -P 1 0 4M', 'read -P 0 4M 8M', 'read -P 0 1900M 1M')
  await dropVolume(id)
  await provider.snapshots?.delete(to, newCall())
})

test('a volume grows under a writer, which sees a pause and no error', async () => {
  const { id, connection } = await makeVolume()
  const commands = Array.from(
    { length: 3000 },
    (_, index) => `write -q -P ${(index % 250) + 1} ${(index % 512) * 4096} 4k`,
  )
  const writer = qemuIo(connection, commands)
  await until('it writes', async () => ((await provider.stats?.read(id, newCall()))?.writeOps ?? 0) > 100)
  for (let size = 2; size <= 4; size += 1) {
    expect(await provider.resize?.grow(id, size * GIBIBYTE, newCall())).toMatchObject({ bytes: size * GIBIBYTE })
  }
  await expect(provider.resize?.grow(id, GIBIBYTE, newCall())).rejects.toMatchObject({
    code: 'INVALID',
    effect: 'none',
  })
  const { status, output } = await writer
  expect(status).toBe(0)
  // QEMU mentions the unit attention of each new login, and repeats the command.
  expect(output.replaceAll(/.*UNIT_ATTENTION.*\n/g, '')).toBe('')
  await passes(connection, 'write -P 3 4095M 1M', 'read -P 3 4095M 1M')
  await dropVolume(id)
})

test('counters tell what a session did, also after it has ended, and never go down', async () => {
  const { id, connection } = await makeVolume()
  const before = await provider.stats?.read(id, newCall())
  expect(before).toMatchObject({ writeOps: 0, writeBytes: 0 })
  await passes(connection, ...Array.from({ length: 100 }, (_, index) => `write -q ${index * 8192} 8192`))
  const after = await provider.stats?.read(id, newCall())
  expect(after).toMatchObject({ writeOps: 100, writeBytes: 819_200 })
  await provider.access.withdraw(exposureOf(id), newCall())
  expect(await provider.stats?.read(id, newCall())).toMatchObject({ writeOps: 100, writeBytes: 819_200 })
  await provider.access.expose(exposureOf(id), newCall())
  expect(await provider.stats?.read(id, newCall())).toMatchObject({ writeOps: 100 })
  await dropVolume(id)
})
