import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Connection, Exposure, StorageProvider, VolumeId } from '@moorage/contract'
import { tgtClient } from '@moorage/tgt'
import { remoteStorage, wireClient } from '@moorage/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeSessions, iscsi, newCall, newHost, newId, qemuIo, Session, until } from './initiator.ts'
import { SAN_LIMITS, startTestSan, type TestSan } from './testing.ts'

const GIBIBYTE = 1024 ** 3

/** tgtd hangs up right after it has said no; libiscsi reports what it saw first. */
const NOT_FOUND = /Target not found|Can not reconnect/

let san: TestSan
let provider: StorageProvider

beforeAll(async () => {
  san = await startTestSan()
  const { url, user, password, endpoint } = san
  const context = { pool: 'pool1', owner: endpoint.owner }
  const can = ['snapshots', 'qos', 'resize'] as const
  provider = remoteStorage({ remote: wireClient({ url, user, password }), limits: SAN_LIMITS, can, context })
})
afterAll(async () => {
  await closeSessions()
  await san.stop()
})

async function makeVolume(options: { readonly iops?: number; readonly bytes?: number } = {}): Promise<VolumeId> {
  const { iops, bytes = GIBIBYTE } = options
  const id = newId<'volume'>()
  const qos = iops === undefined ? {} : { totalIops: { max: iops } }
  await provider.volumes.create({ id, bytes, qos, settings: {} }, newCall())
  return id
}

function exposureOf(id: VolumeId, options: Partial<Exposure> = {}): Exposure {
  return { source: { kind: 'volume', id }, consumer: newHost(), mode: 'rw', account: 'tenant', ...options }
}

async function give(exposure: Exposure): Promise<Connection> {
  return provider.access.expose(exposure, newCall())
}

test('a session that was open cannot write once its access is withdrawn, nor log in again', async () => {
  const id = await makeVolume()
  const exposure = exposureOf(id)
  const connection = await give(exposure)
  const session = await Session.open(connection)
  expect(await session.run('write -P 1 0 4096')).toContain('wrote')
  await provider.access.withdraw(exposure, newCall())
  // libiscsi waits for its target for ever: no answer is what a refused write looks like.
  expect(await session.tryRun('write -P 2 0 4096', 1500)).toBeUndefined()
  expect((await qemuIo(connection, ['read 0 4k'])).output).toMatch(NOT_FOUND)
  await session.close()
  const again = await give(exposure)
  expect(await qemuIo(again, ['read -P 1 0 4096'])).toMatchObject({ status: 0 })
  await provider.access.withdraw(exposure, newCall())
  await provider.volumes.delete(id, newCall())
})

test('writes that a throttle holds back have landed or never will when the withdrawal returns', async () => {
  const id = await makeVolume({ iops: 10, bytes: 4 * 1024 ** 2 })
  const exposure = exposureOf(id)
  const session = await Session.open(await give(exposure))
  const commands = Array.from({ length: 64 }, (_, index) => `aio_write -q -P 3 ${index * 4096} 4096`)
  for (const command of commands) await session.tryRun(command, 0)
  const began = Date.now()
  await provider.access.withdraw(exposure, newCall())
  // At 10 operations per second they would have taken six seconds.
  expect(Date.now() - began).toBeLessThan(3000)
  const { name = '' } = (await provider.volumes.get(id, newCall())) ?? {}
  const content = async () => (await readFile(join(san.data, 'pool', name))).subarray(0, 64 * 4096)
  const then = await content()
  await session.close()
  expect(then.some((byte) => byte === 3)).toBe(true)
  expect((await content()).equals(then)).toBe(true)
  expect(await provider.qos?.read(id, newCall())).toEqual({ totalIops: { max: 10 } })
  await provider.volumes.delete(id, newCall())
})

test('of two hosts the one that keeps its access notices nothing', async () => {
  const id = await makeVolume()
  const [one, other] = [exposureOf(id), exposureOf(id, { account: 'second' })]
  const stays = await Session.open(await give(one))
  const leaves = await Session.open(await give(other))
  expect(await leaves.run('write -P 4 4096 4096')).toContain('wrote')
  await provider.access.withdraw(other, newCall())
  expect(await leaves.tryRun('write -P 5 4096 4096', 1000)).toBeUndefined()
  expect(await stays.run('write -P 6 0 4096')).toContain('wrote')
  expect(await stays.run('read -P 4 4096 4096')).toContain('read 4096')
  await Promise.all([stays.close(), leaves.close()])
  await provider.access.withdraw(one, newCall())
  await provider.volumes.delete(id, newCall())
})

test('the secret of an account that was withdrawn no longer opens the target, under any name', async () => {
  const id = await makeVolume()
  const [one, other, third] = [exposureOf(id), exposureOf(id, { account: 'b' }), exposureOf(id, { account: 'c' })]
  const first = await give(one)
  const second = await give(other)
  const last = await give(third)
  await provider.access.withdraw(other, newCall())
  const { chap } = iscsi(second)
  const disguised = { ...iscsi(first), ...(chap && { chap }) }
  expect((await qemuIo(disguised, ['read 0 4k'])).output).toContain('Authentication failure')
  for (const connection of [first, last]) expect(await qemuIo(connection, ['read 0 4k'])).toMatchObject({ status: 0 })
  await provider.access.withdraw(one, newCall())
  await provider.access.withdraw(third, newCall())
  await provider.volumes.delete(id, newCall())
})

test('a reader and a writer of one volume have what they were given', async () => {
  const id = await makeVolume()
  const [writer, reader] = [exposureOf(id), exposureOf(id, { mode: 'ro' })]
  const writable = await give(writer)
  const readable = await give(reader)
  expect(await qemuIo(writable, ['write -P 8 0 64k'])).toMatchObject({ status: 0 })
  expect(await qemuIo(readable, ['read -P 8 0 64k'], 'ro')).toMatchObject({ status: 0 })
  expect((await qemuIo(readable, ['write -P 9 0 64k'])).status).not.toBe(0)
  await provider.resize?.grow(id, 2 * GIBIBYTE, newCall())
  expect(await qemuIo(writable, ['write -P 8 1536M 64k'])).toMatchObject({ status: 0 })
  expect(await qemuIo(readable, ['read -P 8 1536M 64k'], 'ro')).toMatchObject({ status: 0 })
  for (const exposure of [writer, reader]) await provider.access.withdraw(exposure, newCall())
  await provider.volumes.delete(id, newCall())
})

test('a session without access is ended, as one would be whose login ran while its access was withdrawn', async () => {
  const id = await makeVolume()
  const exposure = exposureOf(id)
  const session = await Session.open(await give(exposure))
  const tgt = tgtClient({ path: join(san.data, 'tgtd.1'), timeoutMs: 5000 })
  const [target] = await tgt.targets()
  const tid = target?.tid ?? 0
  expect(await tgt.connections(tid)).toHaveLength(1)
  await tgt.denyInitiator(tid, exposure.consumer.initiator)
  await until('the session has ended', async () => (await tgt.connections(tid)).length === 0)
  await session.close()
  await provider.access.withdraw(exposure, newCall())
  await provider.volumes.delete(id, newCall())
})

test('two consumers of one initiator name are refused, because nobody could tell them apart', async () => {
  const id = await makeVolume()
  const one = exposureOf(id)
  await give(one)
  const twin = { ...one, consumer: { ...one.consumer, id: newId<'host'>() } }
  await expect(give(twin)).rejects.toMatchObject({ code: 'CONFLICT', effect: 'none' })
  await provider.access.withdraw(one, newCall())
  await provider.volumes.delete(id, newCall())
})
