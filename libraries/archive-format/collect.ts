import type { Call, CollectResult, MoverJobId } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { type FooterCache, readCondemned } from './catalog.ts'
import { CONDEMNED, condemnedKeys, packKey, packOf, PACKS, RINGS } from './layout.ts'
import { markLive } from './marks.ts'
import { listAll } from './store.ts'
import { readKind, textsField, writeText } from './text.ts'
import { readWriters } from './writers.ts'

/*
 * Collection beside writers, other collections and removals, without a clock. Nobody who takes a lease after packs were
 * condemned refers to them; those who held one before are waited for; then the snapshots that are there are looked at again.
 * A pack stays condemned until it is gone, so that a verdict "nobody refers to it" is final: docs/reference/archive-format.md.
 */

/** What a collection is given. */
export interface CollectOptions {
  /** Names the condemnation that this one makes; repeated under the same name, it goes on with it. */
  readonly run: string
  readonly cache?: FooterCache | undefined
}

/** Removes what nobody refers to and condemns what nobody should begin to refer to. Needs a store that lists what was put. */
export async function collect(archive: Archive, options: CollectOptions, call: Call): Promise<CollectResult> {
  await condemn(archive, options, call)
  const swept = await sweep(archive, options, call)
  await removeStrangeRings(archive, call)
  return { kind: 'collect', ...swept }
}

/** Condemns packs that no snapshot refers to and whose writer has ended. */
async function condemn(archive: Archive, options: CollectOptions, call: Call): Promise<void> {
  const { store } = archive
  // Packs, then writers, then snapshots: whose lease is not there has stored its snapshot, or never will.
  const there = new Set((await listAll(store, PACKS, call)).map(({ key }) => packOf(key)))
  const already = new Set([...(await readCondemned(store, call)).values()].flat())
  const writing = new Set(await readWriters(store, call))
  const { catalog, isLive } = await markLive(archive, options, call)
  const orphans = catalog.footers.filter(
    (footer) => there.has(footer.pack) && !already.has(footer.pack) && !writing.has(footer.attempt) && !isLive(footer),
  )
  if (orphans.length === 0) return
  const packs = orphans.map(({ pack }) => pack)
  await store.put(condemnedKeys(options.run).packs, writeText('condemned', { packs }), call)
}

/** Removes condemned packs whose possible writers have ended and that no snapshot refers to after all. */
async function sweep(archive: Archive, options: CollectOptions, call: Call): Promise<Omit<CollectResult, 'kind'>> {
  const { store } = archive
  const ready: string[] = []
  const waitsFor = new Set<string>()
  let condemned = 0
  for (const [run, packs] of await readCondemned(store, call)) {
    const waits = await writersBefore(archive, run, call)
    for (const writer of waits) waitsFor.add(writer)
    if (waits.length > 0) condemned += packs.length
    else ready.push(...packs)
  }
  const { removed, removedBytes, kept } = await removeUnreferenced(archive, { ...options, packs: ready }, call)
  await forgetEmptyRuns(archive, call)
  const jobs = [...waitsFor].map((attempt) => attempt as MoverJobId) // Attempts are named by the jobs that make them.
  return { removed, removedBytes, condemned: condemned + kept, waitsFor: jobs }
}

/** Writers that may refer to what a run has condemned and still hold their lease. */
async function writersBefore({ store }: Archive, run: string, call: Call): Promise<readonly string[]> {
  const key = condemnedKeys(run).writers
  const now = await readWriters(store, call)
  const noted = await store.get(key, undefined, call)
  if (noted) return textsField(key, readKind('waits', key, noted), 'writers').filter((one) => now.includes(one))
  // Whoever holds a lease later than the condemnation was stored may be among them: that is no harm.
  await store.put(key, writeText('waits', { writers: now }), call)
  return now
}

async function removeUnreferenced(
  archive: Archive,
  options: CollectOptions & { readonly packs: readonly string[] },
  call: Call,
): Promise<{ readonly removed: number; readonly removedBytes: number; readonly kept: number }> {
  const ready = new Set(options.packs)
  if (ready.size === 0) return { removed: 0, removedBytes: 0, kept: 0 }
  // Again, now that those writers have ended: what they have stored is among the snapshots.
  const { catalog, isLive } = await markLive(archive, options, call)
  const concerned = catalog.footers.filter(({ pack }) => ready.has(pack))
  const orphans = concerned.filter((footer) => !isLive(footer))
  for (const { pack } of orphans) await archive.store.delete(packKey(pack), call)
  const removedBytes = orphans.reduce((sum, { bytes }) => sum + bytes, 0)
  return { removed: orphans.length, removedBytes, kept: concerned.length - orphans.length }
}

/** A condemnation goes when the last of its packs is gone, and not before: else somebody might refer to one again. */
async function forgetEmptyRuns({ store }: Archive, call: Call): Promise<void> {
  const runs = await readCondemned(store, call)
  const there = new Set((await listAll(store, PACKS, call)).map(({ key }) => packOf(key)))
  for (const [run, packs] of runs) {
    if (packs.some((pack) => there.has(pack))) continue
    const keys = condemnedKeys(run)
    await store.delete(keys.packs, call)
    await store.delete(keys.writers, call)
  }
  // What is left of one whose removal was cut short.
  for (const { key } of await listAll(store, CONDEMNED, call)) {
    const run = /^condemned\/([^/]+)\/writers$/.exec(key)?.[1]
    if (run !== undefined && !(await store.stat(condemnedKeys(run).packs, call))) await store.delete(key, call)
  }
}

/** Key rings of archives that never came to be. */
async function removeStrangeRings({ store, head }: Archive, call: Call): Promise<void> {
  for (const { key } of await listAll(store, RINGS, call)) {
    if (!key.startsWith(`${RINGS}${head.id}/`)) await store.delete(key, call)
  }
}
