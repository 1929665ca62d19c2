import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostId, Source, VolumeId } from '@moorage/contract'
import { assert, constantFrom, property, uuid } from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { Access, type ExposureRecord } from './access.ts'
import { CounterRows, NOTHING } from './counters.ts'
import { Database } from './database.ts'
import { claim } from './fences.ts'
import { iqnOf, isNodeName, nodeOf, outletName, outletOfIqn, parseOutletName } from './names.ts'
import { Objects, type VolumeRecord } from './objects.ts'

const directory = mkdtempSync(join(tmpdir(), 'san-state-'))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
function newPath(): string {
  files += 1
  return join(directory, `${files}.db`)
}

function call(fence: number) {
  return { key: 'k', deadline: Infinity, signal: new AbortController().signal, fence }
}

function newVolume(): Source & { kind: 'volume' } {
  return { kind: 'volume', id: randomUUID() as VolumeId } // randomUUID makes what the contract calls an id.
}

test('what was committed is there after a restart, and the file is for its owner alone', () => {
  const path = newPath()
  const record: VolumeRecord = {
    id: newVolume().id,
    owner: 'o',
    state: 'creating',
    bytes: 2 ** 45,
    askedBytes: 2 ** 40,
    origin: newVolume(),
    qos: { applied: { totalIops: { max: 100 } }, clamped: ['totalIops'] },
    createdAt: 1_700_000_000_000,
  }
  const before = new Database(path)
  new Objects(before).addVolume(record)
  before.close()
  const after = new Database(path)
  expect(new Objects(after).volume(record.id)).toEqual(record)
  new Objects(after).setVolumeState(record.id, 'ready')
  expect(new Objects(after).volumes()).toEqual([{ ...record, state: 'ready' }])
  expect(statSync(path).mode & 0o077).toBe(0)
  after.close()
})

test('a database has one user at a time', () => {
  const path = newPath()
  const first = new Database(path)
  expect(() => new Database(path)).toThrow('locked')
  first.close()
  new Database(path).close()
})

test('a transaction that throws leaves nothing', () => {
  const database = new Database(newPath())
  const spoil = () => {
    database.run("INSERT INTO meta VALUES ('a', 'b')")
    throw new Error('no')
  }
  expect(() => database.transaction(spoil)).toThrow('no')
  expect(database.all('SELECT * FROM meta')).toEqual([])
  database.close()
})

test('a fence is remembered for ever and admits only itself and higher ones', () => {
  const path = newPath()
  const database = new Database(path)
  claim(database, 'volume/a', call(5))
  claim(database, 'volume/a', call(5))
  expect(() => claim(database, 'volume/a', call(4))).toThrow('fence 4 is below 5')
  claim(database, 'volume/b', call(1))
  claim(database, 'volume/a', call(9))
  database.close()
  const again = new Database(path)
  expect(() => claim(again, 'volume/a', call(8))).toThrow('fence 8 is below 9')
  again.close()
})

test('an account has one secret, and accounts of different owners never share', () => {
  const database = new Database(newPath())
  const access = new Access(database)
  const mine = access.chap('owner', 'tenant')
  expect(access.chap('owner', 'tenant')).toEqual(mine)
  expect(access.chap('other', 'tenant').user).not.toBe(mine.user)
  expect(mine.secret).toMatch(/^[A-Za-z0-9]{16}$/)
  database.close()
})

test('target ids stay, are the lowest free, and avoid those that others have', () => {
  const database = new Database(newPath())
  const access = new Access(database)
  const [a, b, c] = [newVolume(), newVolume(), newVolume()]
  expect([access.targetId(a, 'rw'), access.targetId(b, 'rw'), access.targetId(a, 'ro')]).toEqual([1, 2, 3])
  expect(access.targetId(a, 'rw')).toBe(1)
  access.removeOutlet(outletName(b, 'rw'))
  expect(access.targetId(c, 'rw', new Set([2]))).toBe(4)
  expect(access.targetId(c, 'rw', new Set([4]))).toBe(2)
  database.close()
})

test('a withdrawal is remembered until it is done', () => {
  const database = new Database(newPath())
  const access = new Access(database)
  const source = newVolume()
  const consumer = randomUUID() as HostId // randomUUID makes what the contract calls an id.
  const who = { source, consumer, initiator: 'iqn.2026-01.x:a', mode: 'rw', account: 'a', owner: 'o' } as const
  const record: ExposureRecord = { ...who, state: 'given', createdAt: 1 }
  access.add(record)
  expect(access.exposures(source)).toEqual([record])
  access.startWithdrawal(source, consumer)
  expect(access.allExposures()).toEqual([{ ...record, state: 'withdrawing' }])
  access.remove(source, consumer)
  expect(access.allExposures()).toEqual([])
  database.close()
})

test('what workers counted is added once, however often they are ended', () => {
  const database = new Database(newPath())
  const rows = new CounterRows(database)
  const { id } = newVolume()
  const seen = { ...NOTHING, writeOps: 3, writeBytes: 300 }
  const tap = { outlet: 'o', volume: id, tgtd: '1:2', threads: [5], seen }
  rows.save([tap])
  expect(rows.taps()).toEqual([tap])
  rows.end(tap)
  rows.end(tap)
  expect(rows.counted(id)).toEqual(seen)
  expect(rows.taps()).toEqual([])
  database.close()
})

test('names on the back end lead back to what they stand for', () => {
  const sources = constantFrom('volume', 'snapshot')
  assert(
    property(sources, uuid(), constantFrom('rw', 'ro'), (kind, id, asked) => {
      const source = { kind, id } as Source // Kinds and ids as the contract has them.
      const mode = kind === 'snapshot' ? 'ro' : asked
      const name = outletName(source, mode)
      expect(parseOutletName(name)).toEqual({ source, mode })
      expect(outletOfIqn(iqnOf(name))).toBe(name)
      expect(isNodeName(nodeOf(source, mode))).toBe(true)
      expect(nodeOf(source, mode).length).toBeLessThan(32)
    }),
  )
  expect(outletOfIqn('iqn.2026-01.elsewhere:x')).toBeUndefined()
  expect(parseOutletName('volume-1')).toBeUndefined()
})
