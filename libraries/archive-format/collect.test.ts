import { randomUUID } from 'node:crypto'
import { setImmediate as turnOfLoop } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PluginError, type SnapshotId } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { readCatalog } from './catalog.ts'
import { collect } from './collect.ts'
import { CONDEMNED, PACKS, WRITERS } from './layout.ts'
import { findManifest, manifestKeys, removeManifests } from './manifest.ts'
import { markLive } from './marks.ts'
import { type MemoryStore, memoryStore, readSnapshot, testCall, type TestSnapshot, writeSnapshot } from './testing.ts'
import { abandonWriting } from './writers.ts'

/** Not a shape that an archive may have: small, so that thousands of stories are told in seconds. */
const CHUNK = 512
const call = testCall()

test('a pack that nobody needs is removed, one that is needed stays, and what is written meanwhile is waited for', async () => {
  const { archive, store } = newArchive()
  const [kept, dropped] = [newSnapshot([1, 2]), newSnapshot([3])]
  await writeSnapshot(archive, kept, call)
  await writeSnapshot(archive, dropped, call)
  await removeManifests(archive, dropped.snapshot, call)
  const late = newSnapshot([3, 4])
  const { writing, go } = await begun(archive, late)
  const during = await collect(archive, { run: 'one' }, call)
  expect(during).toMatchObject({ removed: 0, condemned: 1, waitsFor: [late.attempt] })
  go()
  expect(await writing).toBe('stored')
  // It refers to the pack that was condemned, which therefore stays, and stays condemned.
  expect(await collect(archive, { run: 'two' }, call)).toMatchObject({ removed: 0, condemned: 1, waitsFor: [] })
  expect(count(store, CONDEMNED)).toBe(2)
  expect((await readSnapshot(archive, late.snapshot, call)).equals(late.bytes)).toBe(true)
  await removeManifests(archive, late.snapshot, call)
  await collect(archive, { run: 'three' }, call)
  expect(count(store, PACKS)).toBe(1)
  expect(count(store, CONDEMNED)).toBe(0)
  expect((await readSnapshot(archive, kept.snapshot, call)).equals(kept.bytes)).toBe(true)
})

test('who begins to write after a pack was condemned does not refer to it, and may end after it has gone', async () => {
  const { archive, store } = newArchive()
  const [dropped, early, late] = [newSnapshot([3]), newSnapshot([4]), newSnapshot([3, 5])]
  await writeSnapshot(archive, dropped, call)
  await removeManifests(archive, dropped.snapshot, call)
  const first = await begun(archive, early)
  expect(await collect(archive, { run: 'one' }, call)).toMatchObject({ condemned: 1, waitsFor: [early.attempt] })
  const second = await begun(archive, late)
  first.go()
  expect(await first.writing).toBe('stored')
  expect(await collect(archive, { run: 'two' }, call)).toMatchObject({ removed: 1 })
  second.go()
  expect(await second.writing).toBe('stored')
  expect((await readSnapshot(archive, late.snapshot, call)).equals(late.bytes)).toBe(true)
  expect(count(store, PACKS)).toBe(2)
})

test('what a job has stored that was cut short is kept for it, until it is given up', async () => {
  const { archive, store } = newArchive()
  const cut = newSnapshot([1, 2])
  const put: Archive['store']['put'] = async (key, body, call) => {
    if (key.startsWith('snapshots/')) throw new Error('killed')
    return store.put(key, body, call)
  }
  await expect(writeSnapshot({ ...archive, store: { ...store, put } }, cut, call)).rejects.toThrow('killed')
  expect(await collect(archive, { run: 'one' }, call)).toMatchObject({ removed: 0, condemned: 0 })
  await abandonWriting(store, cut.attempt, call)
  expect(await collect(archive, { run: 'two' }, call)).toMatchObject({ removed: 1 })
})

test('a job that was given up stores no snapshot any more, whatever it still does', async () => {
  const { archive, store } = newArchive()
  const given = newSnapshot([1])
  const pause = () => abandonWriting(store, given.attempt, call)
  expect(await writeSnapshot(archive, { ...given, pause }, call)).toBe('abandoned')
  expect(await findManifest(archive, given.snapshot, call)).toBeUndefined()
  await expect(abandonWriting(store, given.attempt, call)).resolves.toBeUndefined()
  // Another attempt may still store it.
  expect(await writeSnapshot(archive, { ...given, attempt: randomUUID() }, call)).toBe('stored')
})

test('nothing is collected while a manifest cannot be read: what it refers to is not known', async () => {
  const { archive, store } = newArchive()
  const [one, other] = [newSnapshot([1]), newSnapshot([2])]
  await writeSnapshot(archive, one, call)
  await writeSnapshot(archive, other, call)
  await removeManifests(archive, other.snapshot, call)
  const [key = ''] = await manifestKeys(store, one.snapshot, call)
  store.objects.set(key, Buffer.from('what is this'))
  await expect(collect(archive, { run: 'one' }, call)).rejects.toMatchObject({ code: 'DAMAGED' })
  expect(count(store, PACKS)).toBe(2)
})

/** What one of those who use an archive at the same time does. */
const deeds = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      deed: fc.constant('write' as const),
      chunks: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ deed: fc.constant('remove' as const), of: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ deed: fc.constant('collect' as const) }) },
  { weight: 1, arbitrary: fc.record({ deed: fc.constant('abandon' as const), of: fc.nat(9) }) },
)

test('however archives, removals and collections meet, no snapshot loses a chunk, and in the end no orphan is left', async () => {
  const stories = fc.record({
    lives: fc.array(fc.array(deeds, { minLength: 1, maxLength: 5 }), { minLength: 2, maxLength: 5 }),
    seed: fc.nat(),
    /** After how many operations each life is cut short, now and then. */
    kills: fc.array(fc.nat(60), { minLength: 5, maxLength: 5 }),
  })
  await fc.assert(
    fc.asyncProperty(stories, async (story) => {
      const world = new World(story.seed)
      await world.run(story.lives, story.kills)
      await world.judge()
    }),
    { numRuns: 100, endOnFailure: true },
  )
})

type Deed = typeof deeds extends fc.Arbitrary<infer Value> ? Value : never

/** An archive and its users. Before each operation on the store, chance decides who goes on. */
class World {
  readonly #store: MemoryStore
  readonly #archive: Archive
  readonly #waiting: { readonly life: number; go(): void; die(error: Error): void }[] = []
  readonly #attempts: (TestSnapshot & { stored: boolean })[] = []
  readonly #removed = new Set<SnapshotId>()
  #state: number
  /** Whose code runs: it is set before its promise goes on, and its next operation comes before any other's. */
  #life = 0
  #favoured: number | undefined
  #quiet = false

  constructor(seed: number) {
    this.#state = seed
    this.#store = memoryStore({ page: 2, turn: () => this.#turn() })
    this.#archive = { store: this.#store, head: { id: randomUUID(), chunkBytes: CHUNK, encrypted: false } }
  }

  async run(lives: readonly (readonly Deed[])[], kills: readonly number[]): Promise<void> {
    let living = lives.length
    for (const [life, deeds] of lives.entries()) {
      this.#life = life
      void this.#live(deeds).finally(() => (living -= 1))
    }
    const left = kills.map((kill) => (kill > 45 ? Number.POSITIVE_INFINITY : kill + 5))
    while (living > 0) {
      await turnOfLoop()
      const next = this.#pick()
      if (!next) continue
      this.#life = next.life
      left[next.life] = (left[next.life] ?? 0) - 1
      if (left[next.life] === 0) next.die(new Error('killed'))
      else next.go()
    }
  }

  /** What must hold whatever happened. */
  async judge(): Promise<void> {
    this.#quiet = true
    const archive = this.#archive
    for (const { attempt } of this.#attempts) await abandonWriting(this.#store, attempt, call).catch(() => undefined)
    await this.#readAll()
    await collect(archive, { run: randomUUID() }, call)
    await collect(archive, { run: randomUUID() }, call)
    await this.#readAll()
    const { isLive } = await markLive(archive, {}, call)
    const { footers } = await readCatalog(this.#store, {}, call)
    expect(footers.filter((footer) => !isLive(footer))).toEqual([])
    expect(count(this.#store, WRITERS)).toBe(0)
  }

  async #readAll(): Promise<void> {
    for (const { snapshot, bytes, stored } of this.#attempts) {
      const there = await findManifest(this.#archive, snapshot, call)
      // What was answered as stored is there until somebody takes it out.
      if (stored && !this.#removed.has(snapshot)) expect(there).toBeDefined()
      if (there) expect((await readSnapshot(this.#archive, snapshot, call)).equals(bytes)).toBe(true)
    }
  }

  async #live(deeds: readonly Deed[]): Promise<void> {
    for (const deed of deeds) {
      try {
        await this.#do(deed)
      } catch (error) {
        // Whoever is killed does nothing more; a snapshot that was taken out under a reader is no failure of his.
        if (!(error instanceof PluginError)) return
      }
    }
  }

  async #do(deed: Deed): Promise<void> {
    if (deed.deed === 'write') {
      const attempt = { ...newSnapshot(deed.chunks), stored: false }
      this.#attempts.push(attempt)
      attempt.stored = (await writeSnapshot(this.#archive, attempt, call)) === 'stored'
    } else if (deed.deed === 'collect') await collect(this.#archive, { run: randomUUID() }, call)
    else {
      const of = this.#attempts[deed.of % Math.max(1, this.#attempts.length)]
      if (!of) return
      if (deed.deed === 'abandon') return abandonWriting(this.#store, of.attempt, call)
      this.#removed.add(of.snapshot)
      await removeManifests(this.#archive, of.snapshot, call)
    }
  }

  /** As a rule who went on before goes on: others stand still for as long as a whole collection takes. */
  #pick() {
    if (this.#random(12) === 0) this.#favoured = this.#waiting[this.#random(this.#waiting.length)]?.life
    const favoured = this.#waiting.findIndex(({ life }) => life === this.#favoured)
    return this.#waiting.splice(favoured < 0 ? this.#random(this.#waiting.length) : favoured, 1)[0]
  }

  #turn(): Promise<void> {
    if (this.#quiet) return Promise.resolve()
    return new Promise((go, die) => {
      this.#waiting.push({ life: this.#life, go, die })
    })
  }

  #random(below: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((this.#state / 2 ** 32) * below)
  }
}

/** A writer that has read what is stored, and writes when it is told to. */
async function begun(archive: Archive, snapshot: TestSnapshot) {
  const [went, paused] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const pause = () => {
    paused.resolve()
    return went.promise
  }
  const writing = writeSnapshot(archive, { ...snapshot, pause }, call)
  await paused.promise
  return { writing, go: () => went.resolve() }
}

function newArchive() {
  const store = memoryStore({ page: 2 })
  const archive: Archive = { store, head: { id: randomUUID(), chunkBytes: CHUNK, encrypted: false } }
  return { archive, store }
}

function newSnapshot(chunks: readonly number[]): TestSnapshot {
  const snapshot = randomUUID() as string as SnapshotId // An id is a UUID.
  return { attempt: randomUUID(), snapshot, bytes: Buffer.concat(chunks.map((one) => Buffer.alloc(CHUNK, one))) }
}

function count({ objects }: MemoryStore, prefix: string): number {
  return [...objects.keys()].filter((key) => key.startsWith(prefix)).length
}
