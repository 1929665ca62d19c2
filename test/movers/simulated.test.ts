import { randomUUID } from 'node:crypto'
import type { HostId, Source, StorageProvider, VolumeId } from '@moorage/contract'
import { simulatorStorage } from '@moorage/storage-simulator'
import { startSimulator, type TestSimulator } from '@moorage/simulator/testing'
import { remoteMover, wireClient } from '@moorage/wire'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callUnder, moverCases, run, type Runs, SIZE } from './cases.ts'
import { importCases } from './import-cases.ts'

const MIB = 1024 * 1024

describe('the simulated mover', () => {
  moverCases(async () => groundOf(await startSimulator()))
  describe('importing', () => {
    importCases(async () => groundOf(await startSimulator()))
  })
})

describe('beside what every mover keeps, the simulated one', () => {
  let ground: Awaited<ReturnType<typeof groundOf>>
  beforeAll(async () => {
    ground = await groundOf(await startSimulator())
  })
  afterAll(() => ground.stop())
  const ids = () => ({ id: randomUUID() as never, snapshot: randomUUID() as never, volume: randomUUID() as never }) // Ids are UUIDs.
  const prepared = async () => {
    const archive = ground.archive()
    await ground.mover.prepare(archive, {}, callUnder())
    return archive
  }

  test('reads nothing that it was not given access to, or no longer, and says DENIED', async () => {
    const archive = await prepared()
    const end = await ground.end([[0, Buffer.from('x')]])
    const task = { kind: 'archive', ...ids(), archive, source: end.connection, takenAt: 1 } as const
    await ground.mover.submit(task, callUnder())
    await ground.mover.job(task.id, callUnder())
    await ground.withdraw(end)
    expect(await ground.mover.job(task.id, callUnder())).toMatchObject({ state: 'failed', failure: { code: 'DENIED' } })
    expect(await ground.mover.snapshots(archive, undefined, callUnder())).toEqual({ items: [] })
    const host = await ground.end([], { kind: 'host', id: randomUUID(), initiator: 'iqn.2025-01.test:host' })
    const foreign = run(ground.mover, { ...task, ...ids(), source: host.connection })
    await expect(foreign).rejects.toMatchObject({ code: 'DENIED' })
  })

  test('goes on when it is looked at, so that running is seen, and done is known beforehand', async () => {
    const archive = await prepared()
    const { connection: source } = await ground.end([[0, Buffer.alloc(4 * MIB, 'x')]])
    const task = { kind: 'archive', ...ids(), archive, source, takenAt: 1 } as const
    const seen = [await ground.mover.submit(task, callUnder())]
    for (let times = 0; times < 3; times += 1) {
      const job = await ground.mover.job(task.id, callUnder())
      if (job) seen.push(job)
    }
    expect(seen.map(({ state, progress }) => [state, progress.done])).toEqual([
      ['running', 0],
      ['running', 2 * MIB],
      ['done', 4 * MIB],
      ['done', 4 * MIB],
    ])
  })

  test('lets its calls and its jobs meet faults on command', async () => {
    const archive = await prepared()
    const { connection: source } = await ground.end([[0, Buffer.from('x')]])
    const task = { kind: 'archive', ...ids(), archive, source, takenAt: 1 } as const
    const { faults } = ground.simulator
    await faults.arm({ method: 'mover/jobs/submit', kind: 'lose-answer' })
    await expect(ground.mover.submit(task, callUnder())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      effect: 'possible',
    })
    expect(await ground.mover.job(task.id, callUnder())).toMatchObject({ state: 'running' })
    await faults.arm({ method: 'mover/work', kind: 'error-before', code: 'NO_SPACE', match: { id: task.id } })
    await expect(run(ground.mover, task)).rejects.toMatchObject({ code: 'NO_SPACE' })
    expect(await run(ground.mover, task)).toMatchObject({ state: 'done' })
    await faults.arm({ method: 'mover/snapshots/remove', kind: 'lie' })
    await ground.mover.remove(archive, task.snapshot, callUnder())
    expect(await ground.mover.snapshot(archive, task.snapshot, callUnder())).toBeDefined()
    const { items } = await ground.simulator.calls({ method: 'mover/jobs/submit', object: task.id })
    expect(items[0]).toMatchObject({ outcome: 'UNAVAILABLE', object: task.id })
  })
})

interface SimulatedEnd {
  readonly source: Source
  readonly consumer: { readonly kind: 'host' | 'mover'; readonly id: HostId; readonly initiator: string }
}

async function groundOf(simulator: TestSimulator) {
  const provider = simulatorStorage.open(simulator.storageEndpoint('array'))
  const { url, user, password } = simulator
  const mover = remoteMover(wireClient({ url, user, password }))
  const { id, initiator } = await mover.report(callUnder())
  const ends = new Map<object, SimulatedEnd>()
  let archives = 0
  return {
    simulator,
    mover,
    archive: () => {
      archives += 1
      return { plugin: 'directory', endpoint: { url: `file:///archives/${archives}`, settings: {}, owner: 'test' } }
    },
    end: async (runs: Runs, other?: { readonly kind: 'host'; readonly id: string; readonly initiator: string }) => {
      const source: Source = { kind: 'volume', id: randomUUID() as string as VolumeId } // An id is a UUID.
      await provider.volumes.create({ id: source.id, bytes: SIZE, qos: {}, settings: {} }, callUnder())
      await write(simulator, provider, { source, runs })
      const consumer = other ? { ...other, id: other.id as HostId } : ({ kind: 'mover', id, initiator } as const) // The same.
      const exposure = { source, consumer, mode: 'rw', account: 'movers' } as const
      const connection = await provider.access.expose(exposure, callUnder())
      const end = { connection, bytes: () => read(simulator, provider, source) }
      ends.set(end, { source, consumer })
      return end
    },
    withdraw: async (end: object) => {
      const found = ends.get(end)
      if (found) await provider.access.withdraw(found, callUnder())
    },
    restart: () => simulator.restart(),
    stop: () => simulator.stop(),
  }
}

const PIECE = 4 * MIB

/** As an initiator of its own does it. */
async function write(
  simulator: TestSimulator,
  provider: StorageProvider,
  { source, runs }: { readonly source: Source; readonly runs: Runs },
): Promise<void> {
  await withSession(simulator, { provider, source }, async (session) => {
    for (const [offset, bytes] of runs) {
      for (let at = 0; at < bytes.length; at += PIECE) {
        const data = bytes.subarray(at, at + PIECE).toString('base64')
        await simulator.send('io/session-write', { session, offset: offset + at, data })
      }
    }
  })
}

async function read(simulator: TestSimulator, provider: StorageProvider, source: Source): Promise<Buffer> {
  const pieces: Buffer[] = []
  await withSession(simulator, { provider, source }, async (session) => {
    for (let offset = 0; offset < SIZE; offset += PIECE) {
      const { data } = await simulator.send<{ data: string }>('io/session-read', { session, offset, length: PIECE })
      pieces.push(Buffer.from(data, 'base64'))
    }
  })
  return Buffer.concat(pieces)
}

async function withSession(
  simulator: TestSimulator,
  { provider, source }: { readonly provider: StorageProvider; readonly source: Source },
  use: (session: string) => Promise<void>,
): Promise<void> {
  const id = randomUUID() as string as HostId // An id is a UUID.
  const consumer = { kind: 'host', id, initiator: `iqn.2025-01.test:${id}` } as const
  const connection = await provider.access.expose({ source, consumer, mode: 'rw', account: 'tests' }, callUnder())
  const { session } = await simulator.send<{ session: string }>('io/session', { connection })
  await use(session)
  await provider.access.withdraw({ source, consumer }, callUnder())
}
