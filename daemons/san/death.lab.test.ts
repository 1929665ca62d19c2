import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type Call,
  type Exposure,
  type InventoryItem,
  PluginError,
  type StorageProvider,
  type VolumeId,
} from '@moorage/contract'
import { remoteStorage, wireClient } from '@moorage/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeSessions, newCall, newHost, newId, qemuIo, Session, until } from './initiator.ts'
import { SAN_LIMITS, startTestSan, type TestSan } from './testing.ts'

const MEBIBYTE = 1024 ** 2
const BLOCK = 4096
/** Blocks of each writer. */
const BLOCKS = 256
/** Blocks that it writes: few, so that they are written again soon. */
const SPREAD = 16

let san: TestSan
let provider: StorageProvider
const host = newHost()

beforeAll(async () => {
  san = await startTestSan()
  const { url, user, password, endpoint } = san
  const context = { pool: 'pool1', owner: endpoint.owner }
  const can = ['snapshots', 'clones', 'resize', 'qos', 'stats'] as const
  provider = remoteStorage({ remote: wireClient({ url, user, password }), limits: SAN_LIMITS, can, context })
})
afterAll(async () => {
  await closeSessions()
  await san.stop()
})

function exposureOf(id: VolumeId): Exposure {
  return { source: { kind: 'volume', id }, consumer: host, mode: 'rw', account: 'tenant' }
}

async function inventory(): Promise<readonly InventoryItem[]> {
  return (await provider.inventory.list(undefined, newCall())).items
}

/** Writes blocks over and over, each time another pattern, and remembers what was acknowledged. */
class Witness {
  readonly #session: Session
  /** Its first block; it has as many as `BLOCKS`. */
  readonly #first: number
  /** Pattern last acknowledged per block, and the one after it that may or may not have landed. */
  readonly #acknowledged = new Map<number, number>()
  #doubtful: { readonly block: number; readonly pattern: number } | undefined
  #stopping = false
  #done: Promise<void> | undefined
  writes = 0
  failures = 0

  constructor(session: Session, first: number) {
    this.#session = session
    this.#first = first
  }

  start(): void {
    this.#done = this.#work()
  }

  async #work(): Promise<void> {
    for (let turn = 0; !this.#stopping; turn += 1) {
      const block = this.#first + ((turn * 7) % SPREAD)
      const pattern = (turn % 251) + 1
      this.#doubtful = { block, pattern }
      let answer = ''
      while (!answer.startsWith('wrote') && !this.#stopping) {
        answer = await this.#session.run(`write -P ${pattern} ${block * BLOCK} ${BLOCK}`, 60_000)
        if (answer.startsWith('wrote')) continue
        // As a hypervisor does that stops at an error and resumes when the unit is back.
        this.failures += 1
        await pause(20)
      }
      if (!answer.startsWith('wrote')) return
      this.#acknowledged.set(block, pattern)
      this.#doubtful = undefined
      this.writes += 1
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#done
    await this.#session.close()
  }

  /** Blocks of a file that do not hold what was acknowledged last. */
  async lost(file: string): Promise<readonly number[]> {
    const content = await readFile(file)
    const holds = (block: number, pattern: number) =>
      content.subarray(block * BLOCK, (block + 1) * BLOCK).every((byte) => byte === pattern)
    return [...this.#acknowledged]
      .filter(([block, pattern]) => {
        const other = this.#doubtful?.block === block ? this.#doubtful.pattern : pattern
        return !holds(block, pattern) && !holds(block, other)
      })
      .map(([block]) => block)
  }
}

type Victim = 'san' | 'tgtd' | 'qsd'

async function strike(victims: readonly Victim[]): Promise<void> {
  const pids = await san.daemons()
  for (const victim of victims) if (victim !== 'san') process.kill(pids[victim], 'SIGKILL')
  if (!victims.includes('san')) return
  await san.kill()
  await san.start()
}

const STRIKES: readonly (readonly Victim[])[] = [['tgtd'], ['qsd'], ['san'], ['tgtd', 'qsd'], ['san', 'tgtd', 'qsd']]

const NAMED_STRIKES = STRIKES.map((victims) => ({ victims, names: victims.join(' and ') }))

/** Writes to a new volume in several sessions while `victims` are killed, twice. */
async function surviveStrikes(victims: readonly Victim[], iops: number, writes: number): Promise<void> {
  const id = newId<'volume'>()
  const qos = { totalIops: { max: iops } }
  const { name } = await provider.volumes.create({ id, bytes: 16 * MEBIBYTE, qos, settings: {} }, newCall())
  const connection = await provider.access.expose(exposureOf(id), newCall())
  const sessions = await Promise.all(Array.from({ length: 3 }, () => Session.open(connection)))
  const witnesses = sessions.map((session, index) => new Witness(session, index * BLOCKS))
  try {
    for (const witness of witnesses) witness.start()
    for (let round = 0; round < 2; round += 1) {
      await allWrite(witnesses, writes)
      const counted = await provider.stats?.read(id, newCall())
      await strike(victims)
      await allWrite(witnesses, writes / 2)
      const now = await provider.stats?.read(id, newCall())
      expect(now?.writeOps).toBeGreaterThanOrEqual(counted?.writeOps ?? Infinity)
    }
  } finally {
    await Promise.all(witnesses.map((witness) => witness.stop()))
  }
  const lost = await Promise.all(witnesses.map((witness) => witness.lost(join(san.data, 'pool', name))))
  expect(lost).toEqual([[], [], []])
  expect(await provider.access.expose(exposureOf(id), newCall())).toEqual(connection)
  expect(await provider.qos?.read(id, newCall())).toEqual(qos)
  await provider.access.withdraw(exposureOf(id), newCall())
  await provider.volumes.delete(id, newCall())
  expect(await inventory()).toEqual([])
}

async function allWrite(witnesses: readonly Witness[], writes: number): Promise<void> {
  const before = witnesses.map((witness) => witness.writes)
  const each = (witness: Witness, index: number) => witness.writes > (before[index] ?? 0) + writes
  await until('all of them write', () => witnesses.every(each), 40_000)
}

test.for(NAMED_STRIKES)('no acknowledged write is lost when $names is killed, and writing resumes', ({ victims }) =>
  surviveStrikes(victims, 3000, 200),
)

test.for([{ victim: 'tgtd' }, { victim: 'qsd' }] as const)(
  'a write that a throttle held back when $victim was killed does not come back over a later one',
  ({ victim }) => surviveStrikes([victim], 40, 12),
)

test('the daemons of a SAN that was killed are adopted, and their sessions go on', async () => {
  const id = newId<'volume'>()
  await provider.volumes.create({ id, bytes: 16 * MEBIBYTE, qos: {}, settings: {} }, newCall())
  const session = await Session.open(await provider.access.expose(exposureOf(id), newCall()))
  const before = await san.daemons()
  await san.kill()
  expect(await session.run('write -P 1 0 4096')).toContain('wrote')
  await san.start()
  expect(await session.run('read -P 1 0 4096')).toContain('read 4096')
  const after = await san.daemons()
  expect([after.tgtd, after.qsd]).toEqual([before.tgtd, before.qsd])
  await session.close()
  await provider.access.withdraw(exposureOf(id), newCall())
  await provider.volumes.delete(id, newCall())
})

test.for([{ when: 'before the SAN starts again' }, { when: 'while the SAN runs' }] as const)(
  'a storage daemon that hangs $when is replaced, and what it served goes on',
  async ({ when }) => {
    const id = newId<'volume'>()
    await provider.volumes.create({ id, bytes: 16 * MEBIBYTE, qos: {}, settings: {} }, newCall())
    const session = await Session.open(await provider.access.expose(exposureOf(id), newCall()))
    expect(await session.run('write -P 1 0 4096')).toContain('wrote')
    const { qsd } = await san.daemons()
    const restart = when === 'before the SAN starts again'
    if (restart) await san.kill()
    process.kill(qsd, 'SIGSTOP')
    if (restart) await san.start()
    const other = newId<'volume'>()
    const spec = { id: other, bytes: 16 * MEBIBYTE, qos: {}, settings: {} }
    await insist((call) => provider.volumes.create(spec, call))
    await insist((call) => provider.access.expose(exposureOf(other), call))
    expect((await san.daemons()).qsd).not.toBe(qsd)
    // A request that was under way when the storage daemon hung may have failed, as for any hypervisor, which repeats it.
    await until('the session reads', async () => (await session.run('read -P 1 0 4096')).includes('read 4096'), 30_000)
    await session.close()
    for (const volume of [id, other]) {
      await provider.access.withdraw(exposureOf(volume), newCall())
      await provider.volumes.delete(volume, newCall())
    }
  },
)

test('SIGTERM ends everything it serves, and a new start serves the same again', async () => {
  const id = newId<'volume'>()
  const clone = newId<'volume'>()
  const snapshot = newId<'snapshot'>()
  await provider.volumes.create({ id, bytes: 16 * MEBIBYTE, qos: { totalIops: { max: 500 } }, settings: {} }, newCall())
  const connection = await provider.access.expose(exposureOf(id), newCall())
  expect(await qemuIo(connection, ['write -P 5 0 1M'])).toMatchObject({ status: 0 })
  await provider.snapshots?.create({ id: snapshot, volume: id }, newCall())
  const spec = { id: clone, bytes: 16 * MEBIBYTE, qos: {}, settings: {} }
  await provider.clones?.clone({ kind: 'snapshot', id: snapshot }, spec, newCall())
  const counted = await provider.stats?.read(id, newCall())
  await san.terminate()
  await san.start()
  expect(await provider.access.expose(exposureOf(id), newCall())).toEqual(connection)
  expect(await qemuIo(connection, ['read -P 5 0 1M'])).toMatchObject({ status: 0 })
  expect(await provider.qos?.read(id, newCall())).toEqual({ totalIops: { max: 500 } })
  expect((await provider.stats?.read(id, newCall()))?.writeOps).toBe(counted?.writeOps)
  await provider.access.withdraw(exposureOf(id), newCall())
  await provider.snapshots?.delete(snapshot, newCall())
  for (const volume of [id, clone]) await provider.volumes.delete(volume, newCall())
  expect(await inventory()).toEqual([])
})

test('SIGTERM leaves nothing also while the daemons that died are being brought back', async () => {
  const id = newId<'volume'>()
  await provider.volumes.create({ id, bytes: 16 * MEBIBYTE, qos: {}, settings: {} }, newCall())
  await provider.access.expose(exposureOf(id), newCall())
  await strike(['tgtd', 'qsd'])
  await san.terminate()
  await san.start()
  await provider.access.withdraw(exposureOf(id), newCall())
  await provider.volumes.delete(id, newCall())
})

/** Repeats a call, as its operation does, until it succeeds. */
async function insist<Result>(step: (call: Call) => Promise<Result>): Promise<Result> {
  const call = newCall({ deadline: Date.now() + 60_000 })
  for (;;) {
    try {
      return await step({ ...call, deadline: Date.now() + 10_000 })
    } catch (error) {
      const again = error instanceof PluginError && ['UNAVAILABLE', 'TIMEOUT', 'BUSY'].includes(error.code)
      if (!again || Date.now() > call.deadline) throw error
      await pause(20)
    }
  }
}

async function live(): Promise<void> {
  const [id, clone, snapshot] = [newId<'volume'>(), newId<'volume'>(), newId<'snapshot'>()]
  const spec = { id, bytes: 16 * MEBIBYTE, qos: { totalIops: { max: 500 } }, settings: {} }
  await insist((call) => provider.volumes.create(spec, call))
  await insist((call) => provider.access.expose(exposureOf(id), call))
  await insist(async (call) => provider.snapshots?.create({ id: snapshot, volume: id }, call))
  await insist(async (call) => provider.clones?.clone({ kind: 'snapshot', id: snapshot }, { ...spec, id: clone }, call))
  await insist(async (call) => provider.resize?.grow(id, 32 * MEBIBYTE, call))
  await insist((call) => provider.access.withdraw(exposureOf(id), call))
  await insist((call) => provider.volumes.delete(id, call))
  await insist(async (call) => provider.snapshots?.delete(snapshot, call))
  await insist((call) => provider.volumes.delete(clone, call))
}

test('lives of volumes end with nothing left over, whenever the SAN and its daemons are killed', async () => {
  let living = true
  let lived = 0
  const lives = Array.from({ length: 6 }, async () => {
    while (living) {
      await live()
      lived += 1
    }
  })
  const killing = (async () => {
    for (let kill = 0; kill < 12; kill += 1) {
      const before = lived
      await until('a life was lived', () => lived > before + (kill % 4))
      await strike(STRIKES[kill % STRIKES.length] ?? [])
    }
  })()
  await killing.finally(() => (living = false))
  await Promise.all(lives)
  expect(lived).toBeGreaterThan(12)
  expect(await inventory()).toEqual([])
})
