import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { newKey } from '@moorage/archive-format'
import { patternBytes } from '@moorage/archive-format/testing'
import type {
  ArchiveAccess,
  ArchiveTask,
  Call,
  Connection,
  Mover,
  MoverJob,
  MoverJobId,
  MoverTask,
  SnapshotId,
  VolumeId,
} from '@moorage/contract'
import { afterAll, beforeAll, expect, test } from 'vitest'

const KIB = 1024
const MIB = 1024 * KIB
/** Size of every source and target. */
export const SIZE = 20 * MIB
const CHUNK = 256 * KIB
/** So slow that a job is still at work when it is looked at; a mover whose jobs wait to be looked at may ignore it. */
const SLOW = MIB

/** Runs of bytes, by offset. */
export type Runs = readonly (readonly [number, Buffer])[]

/** Something of `SIZE` bytes that a mover is given access to. */
export interface MoverEnd {
  readonly connection: Connection
  /** All its bytes, read without the mover. */
  bytes(): Promise<Buffer>
}

/** A mover, and what it reads and writes. */
export interface MoverGround {
  readonly mover: Mover
  /** An archive that nobody has made yet. */
  archive(): ArchiveAccess
  /** What holds zeros but for these runs. */
  end(runs: Runs): Promise<MoverEnd>
  /** `kill -9`, and started again on the same data and address. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const OLD: Runs = [
  [0, patternBytes(1, MIB)],
  [6 * MIB + 4096, patternBytes(2, MIB / 2, true)],
]
/** Chunks of `OLD` that hold anything. */
const OLD_CHUNKS = 7
/** A little in each of so many chunks that a mover reads them in more than one go. */
const WIDE: Runs = Array.from({ length: 72 }, (_, at) => [at * CHUNK + 8 * KIB, patternBytes(at, 4 * KIB)] as const)
const CHANGED = patternBytes(3, 8 * KIB)

/** What every mover keeps, be it the daemon or the simulated one. */
export function moverCases(start: () => Promise<MoverGround>): void {
  const bench = new Bench(start)
  beforeAll(() => bench.start())
  afterAll(() => bench.ground.stop())
  copying(bench)
  increments(bench)
  keys(bench)
  ending(bench)
  restarting(bench)
  removing(bench)
  lateness(bench)
}

/** What the cases work with. */
class Bench {
  readonly #start: () => Promise<MoverGround>
  #ready: { readonly ground: MoverGround; readonly old: MoverEnd; readonly wide: MoverEnd } | undefined

  constructor(start: () => Promise<MoverGround>) {
    this.#start = start
  }

  async start(): Promise<void> {
    const ground = await this.#start()
    this.#ready = { ground, old: await ground.end(OLD), wide: await ground.end(WIDE) }
  }

  get ground(): MoverGround {
    return this.#there.ground
  }

  get mover(): Mover {
    return this.#there.ground.mover
  }

  /** A source that holds `OLD`. */
  get old(): MoverEnd {
    return this.#there.old
  }

  /** A source that holds `WIDE`. */
  get wide(): MoverEnd {
    return this.#there.wide
  }

  /** An archive that was made. */
  async made(key?: string): Promise<ArchiveAccess> {
    const archive = { ...this.ground.archive(), ...(key !== undefined && { key }) }
    await this.mover.prepare(archive, { chunkBytes: CHUNK }, callUnder())
    return archive
  }

  /** A task that archives `OLD` unless told. */
  archiving(archive: ArchiveAccess, more: Partial<ArchiveTask> = {}): ArchiveTask {
    const { connection: source } = this.old
    const [snapshot, volume] = [newId<SnapshotId>(), newId<VolumeId>()]
    return { kind: 'archive', id: newId(), archive, snapshot, volume, source, takenAt: 1, ...more }
  }

  /** What a snapshot is once it was restored over these runs. */
  async restored(archive: ArchiveAccess, snapshot: SnapshotId, over: Runs = []): Promise<Buffer> {
    const target = await this.ground.end(over)
    const more = { snapshot, target: target.connection, blank: over.length === 0 }
    await run(this.mover, { kind: 'restore', id: newId(), archive, ...more })
    return target.bytes()
  }

  get #there() {
    if (this.#ready) return this.#ready
    throw new Error('the cases have not begun')
  }
}

function copying(bench: Bench): void {
  test('a snapshot goes into an archive and back, also over something else', async () => {
    const archive = await bench.made(newKey())
    const task = bench.archiving(archive)
    expect(await bench.mover.submit(task, callUnder())).toMatchObject({ id: task.id, state: 'running' })
    const done = await run(bench.mover, task)
    const data = OLD_CHUNKS * CHUNK
    expect(done.result).toMatchObject({ kind: 'archive', bytes: SIZE, dataBytes: data })
    expect(done.progress).toMatchObject({ done: done.progress.total, leftMs: 0 })
    // Asked again it answers the same and does nothing.
    expect(await bench.mover.submit(task, callUnder())).toEqual(done)
    const shown = await bench.mover.snapshot(archive, task.snapshot, callUnder())
    expect(shown).toMatchObject({
      snapshot: task.snapshot,
      volume: task.volume,
      bytes: SIZE,
      dataBytes: data,
      takenAt: 1,
    })
    expect((await bench.mover.snapshots(archive, undefined, callUnder())).items).toEqual([shown])
    const bytes = await bench.old.bytes()
    expect((await bench.restored(archive, task.snapshot)).equals(bytes)).toBe(true)
    const over: Runs = [[5 * MIB, patternBytes(9, 2 * MIB)]]
    expect((await bench.restored(archive, task.snapshot, over)).equals(bytes)).toBe(true)
    expect(await run(bench.mover, { kind: 'verify', id: newId(), archive })).toMatchObject({
      result: { snapshots: 1, damaged: 0, damages: [] },
    })
  })
}

function increments(bench: Bench): void {
  test('with a list of changes only these are read; a list that is wrong is found out, and stores nothing', async () => {
    const archive = await bench.made()
    const first = bench.archiving(archive)
    await run(bench.mover, first)
    const now = await bench.ground.end([...OLD, [MIB / 2, CHANGED]])
    const next = { volume: first.volume, base: first.snapshot, source: now.connection }
    const more = bench.archiving(archive, { ...next, changes: [{ offset: MIB / 2, length: 64 * KIB, kind: 'data' }] })
    const { result } = await run(bench.mover, more)
    // Random data does not become smaller.
    expect(result).toMatchObject({ dataBytes: OLD_CHUNKS * CHUNK })
    expect(result.kind === 'archive' && result.sentBytes < 2 * CHUNK && result.sentBytes > CHUNK / 2).toBe(true)
    expect((await bench.restored(archive, more.snapshot)).equals(await now.bytes())).toBe(true)
    expect((await bench.restored(archive, first.snapshot)).equals(await bench.old.bytes())).toBe(true)
    const wrong = bench.archiving(archive, { ...next, changes: [] })
    await expect(run(bench.mover, wrong)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await bench.mover.snapshot(archive, wrong.snapshot, callUnder())).toBeUndefined()
    const strange = bench.archiving(archive, { base: first.snapshot, changes: [] })
    await expect(run(bench.mover, strange)).rejects.toMatchObject({ code: 'INVALID' })
    const lost = bench.archiving(archive, { volume: first.volume, base: newId<SnapshotId>(), changes: [] })
    await expect(run(bench.mover, lost)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
}

function keys(bench: Bench): void {
  test('a key that is wrong, missing, replaced or one too many is DENIED, of a job as its failure', async () => {
    const [right, wrong] = [newKey(), newKey()]
    const archive = await bench.made(right)
    const { key: _, ...keyless } = archive
    for (const other of [keyless, { ...archive, key: wrong }]) {
      await expect(run(bench.mover, bench.archiving(other))).rejects.toMatchObject({ code: 'DENIED' })
      await expect(bench.mover.snapshots(other, undefined, callUnder())).rejects.toMatchObject({ code: 'DENIED' })
    }
    const open = await bench.made()
    await expect(run(bench.mover, bench.archiving({ ...open, key: right }))).rejects.toMatchObject({ code: 'DENIED' })
    const task = bench.archiving(archive)
    await run(bench.mover, task)
    for (let times = 0; times < 2; times += 1)
      await bench.mover.rekey(archive, { newKey: wrong, fresh: true }, callUnder())
    await expect(run(bench.mover, bench.archiving(archive))).rejects.toMatchObject({ code: 'DENIED' })
    const renewed = { ...archive, key: wrong }
    expect((await bench.restored(renewed, task.snapshot)).equals(await bench.old.bytes())).toBe(true)
    await expect(bench.mover.rekey(open, { newKey: right, fresh: false }, callUnder())).rejects.toMatchObject({
      code: 'INVALID',
    })
  })

  test('an archive is made once, and its shape stays; without one there is nothing to work with', async () => {
    const archive = await bench.made()
    const head = await bench.mover.prepare(archive, {}, callUnder())
    expect(head).toMatchObject({ chunkBytes: CHUNK, encrypted: false })
    expect(await bench.mover.prepare(archive, { chunkBytes: CHUNK }, callUnder())).toEqual(head)
    const other = bench.mover.prepare(archive, { chunkBytes: 2 * CHUNK }, callUnder())
    await expect(other).rejects.toMatchObject({ code: 'CONFLICT' })
    const odd = bench.mover.prepare(bench.ground.archive(), { chunkBytes: 3 }, callUnder())
    await expect(odd).rejects.toMatchObject({ code: 'INVALID' })
  })
}

function ending(bench: Bench): void {
  test('an id names one task; a job that is not known can be ended and forgotten all the same', async () => {
    const archive = await bench.made()
    const task = bench.archiving(archive)
    await run(bench.mover, task)
    const other = bench.mover.submit({ ...task, snapshot: newId<SnapshotId>() }, callUnder())
    await expect(other).rejects.toMatchObject({ code: 'CONFLICT' })
    await bench.mover.cancel(task.id, callUnder())
    expect(await bench.mover.job(task.id, callUnder())).toMatchObject({ state: 'done' })
    for (let times = 0; times < 2; times += 1) {
      await bench.mover.forget(task.id, callUnder())
      expect(await bench.mover.job(task.id, callUnder())).toBeUndefined()
      await bench.mover.cancel(task.id, callUnder())
      await bench.mover.abandon(archive, task.id, callUnder())
    }
    // Once more under the same id it finds the snapshot that it has stored.
    expect(await run(bench.mover, task)).toMatchObject({ result: { readBytes: 0, sentBytes: 0 } })
  })

  test('a job that is cancelled ends, holds no collection up, and can be started again', async () => {
    const archive = await bench.made()
    const task = bench.archiving(archive, { source: bench.wide.connection, bytesPerSecond: SLOW })
    await bench.mover.submit(task, callUnder())
    await expect(bench.mover.forget(task.id, callUnder())).rejects.toMatchObject({ code: 'BUSY' })
    await hasBegun(bench.mover, task)
    await bench.mover.cancel(task.id, callUnder())
    expect(await bench.mover.job(task.id, callUnder())).toMatchObject({ state: 'cancelled' })
    const collected = await run(bench.mover, { kind: 'collect', id: newId(), archive })
    expect(collected.result).toMatchObject({ condemned: 0, waitsFor: [] })
    await run(bench.mover, { ...task, bytesPerSecond: 1024 * MIB })
    expect((await bench.restored(archive, task.snapshot)).equals(await bench.wide.bytes())).toBe(true)
  })
}

function restarting(bench: Bench): void {
  test('a mover that was killed has its jobs paused; asked again they go on, or given up they store nothing', async () => {
    const archive = await bench.made()
    const slow = { source: bench.wide.connection, bytesPerSecond: SLOW }
    const [task, lost] = [bench.archiving(archive, slow), bench.archiving(archive, slow)]
    for (const one of [task, lost]) await hasBegun(bench.mover, one)
    await bench.ground.restart()
    for (const { id } of [task, lost])
      expect(await bench.mover.job(id, callUnder())).toMatchObject({ id, state: 'paused' })
    await run(bench.mover, { ...task, bytesPerSecond: 1024 * MIB })
    expect((await bench.restored(archive, task.snapshot)).equals(await bench.wide.bytes())).toBe(true)
    await bench.mover.abandon(archive, lost.id, callUnder())
    const collected = await run(bench.mover, { kind: 'collect', id: newId(), archive })
    expect(collected.result).toMatchObject({ condemned: 0, waitsFor: [] })
    const again = run(bench.mover, { ...lost, bytesPerSecond: 1024 * MIB })
    await expect(again).rejects.toMatchObject({ code: 'FENCED' })
    expect(await bench.mover.snapshot(archive, lost.snapshot, callUnder())).toBeUndefined()
  })
}

function removing(bench: Bench): void {
  test('what was taken out cannot be restored, and goes with the next collection', async () => {
    const archive = await bench.made()
    const task = bench.archiving(archive)
    await run(bench.mover, task)
    for (let times = 0; times < 2; times += 1) await bench.mover.remove(archive, task.snapshot, callUnder())
    expect(await bench.mover.snapshots(archive, undefined, callUnder())).toEqual({ items: [] })
    await expect(bench.restored(archive, task.snapshot)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const verify = { kind: 'verify', id: newId(), archive, snapshot: task.snapshot } as const
    await expect(run(bench.mover, verify)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const { result } = await run(bench.mover, { kind: 'collect', id: newId(), archive })
    expect(result).toMatchObject({ kind: 'collect', condemned: 0, waitsFor: [] })
    expect(result.kind === 'collect' && result.removedBytes > MIB).toBe(true)
    const after = await run(bench.mover, { kind: 'verify', id: newId(), archive })
    expect(after.result).toMatchObject({ snapshots: 0, checkedBytes: 0 })
  })
}

function lateness(bench: Bench): void {
  test('whoever was taken over changes nothing any more: not a job, not a snapshot that is gone, not a key', async () => {
    const archive = await bench.made(newKey())
    const task = bench.archiving(archive)
    await run(bench.mover, task, 5)
    await bench.mover.forget(task.id, callUnder(6))
    const late = { code: 'FENCED', effect: 'none' }
    await expect(bench.mover.submit(task, callUnder(5))).rejects.toMatchObject(late)
    await expect(bench.mover.cancel(task.id, callUnder(5))).rejects.toMatchObject(late)
    expect(await bench.mover.job(task.id, callUnder(5))).toBeUndefined()
    await bench.mover.remove(archive, task.snapshot, callUnder(8))
    const again = bench.archiving(archive, { snapshot: task.snapshot, volume: task.volume })
    await expect(bench.mover.submit(again, callUnder(7))).rejects.toMatchObject(late)
    await expect(bench.mover.remove(archive, task.snapshot, callUnder(7))).rejects.toMatchObject(late)
    const newer = newKey()
    await bench.mover.rekey(archive, { newKey: newer, fresh: false }, callUnder(9))
    const rekey = bench.mover.rekey(archive, { newKey: newer, fresh: false }, callUnder(8))
    await expect(rekey).rejects.toMatchObject(late)
    await bench.ground.restart()
    await expect(bench.mover.submit(task, callUnder(5))).rejects.toMatchObject(late)
  })

  test('bad arguments are refused by the name of what is wrong', async () => {
    const archive = await bench.made()
    const task = bench.archiving(archive)
    const bad: readonly (readonly [object, string])[] = [
      [{ ...task, kind: 'move' }, 'task.kind'],
      [{ ...task, snapshot: 'x' }, 'snapshot'],
      [{ ...task, source: { via: 'carrier-pigeon' } }, 'source.via'],
      [{ ...task, changes: [{ offset: 0, length: 0, kind: 'data' }] }, 'length'],
    ]
    for (const [wrong, name] of bad) {
      // What no caller in TypeScript could send.
      const refused = bench.mover.submit(wrong as MoverTask, callUnder())
      await expect(refused).rejects.toMatchObject({ code: 'INVALID', effect: 'none' })
      await expect(refused).rejects.toThrow(name)
    }
    expect(await bench.mover.job(task.id, callUnder())).toBeUndefined()
  })
}

/** A call of a test, under a fence. */
export function callUnder(fence = 0): Call {
  const { signal } = new AbortController()
  return { key: randomUUID(), fence, deadline: Date.now() + 30_000, signal }
}

const WITHIN_MS = 60_000

/** Submits a task and waits until it is done. Throws what it failed with. */
export async function run(mover: Mover, task: MoverTask, fence = 0): Promise<Extract<MoverJob, { state: 'done' }>> {
  let job: MoverJob | undefined = await mover.submit(task, callUnder(fence))
  for (const until = Date.now() + WITHIN_MS; job?.state === 'running' && Date.now() < until; await pause(2)) {
    job = await mover.job(task.id, callUnder())
  }
  if (job?.state === 'done') return job
  if (job?.state === 'failed') throw Object.assign(new Error(job.failure.message), { code: job.failure.code })
  throw new Error(`job ${task.id} is ${job?.state ?? 'not known'}`)
}

/** Submits a task and waits until it has read something, and is still at work. */
async function hasBegun(mover: Mover, task: MoverTask): Promise<void> {
  let job: MoverJob | undefined = await mover.submit(task, callUnder())
  for (const until = Date.now() + WITHIN_MS; Date.now() < until; await pause(2)) {
    if (job?.state !== 'running') throw new Error(`job ${task.id} is ${job?.state ?? 'not known'}`)
    if (job.progress.done > 0) return
    job = await mover.job(task.id, callUnder())
  }
  throw new Error(`job ${task.id} has read nothing`)
}

/** A new id of any kind. */
export function newId<Kind extends string = MoverJobId>(): Kind {
  return randomUUID() as string as Kind // An id is a UUID.
}
