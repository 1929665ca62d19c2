import { type Call, PluginError, type SnapshotId } from '@moorage/contract'
import type { Archive } from './archive.ts'
import { type Catalog, type FooterCache, readCatalog, readCondemned } from './catalog.ts'
import { WRITERS, writerKey } from './layout.ts'
import { forbidManifest } from './manifest.ts'
import { type ArchiveStore, listAll } from './store.ts'
import { readKind, textField, writeText } from './text.ts'

/*
 * A writer holds a lease while it refers to packs in a manifest that it has not stored yet. Leases do not expire: their
 * writer returns them, or somebody forbids its manifest first. No clock is involved.
 */

/** What a writer writes. */
export interface Attempt {
  readonly attempt: string
  readonly snapshot: SnapshotId
}

/**
 * Takes the lease, then reads what is stored. What the catalog holds stays at least until the lease is returned. The order
 * is what collections count on: lease, condemnations, packs.
 */
export async function beginWriting(
  { store }: Pick<Archive, 'store'>,
  options: Attempt & { readonly cache?: FooterCache | undefined },
  call: Call,
): Promise<Catalog> {
  const { attempt, snapshot, cache } = options
  await store.put(writerKey(attempt), writeText('writer', { attempt, snapshot }), call)
  const condemned = await readCondemned(store, call)
  return readCatalog(store, { cache, without: new Set([...condemned.values()].flat()) }, call)
}

/** Returns the lease. Only whoever does not write any more may: the manifest is stored, or never will be. */
export function endWriting(store: ArchiveStore, attempt: string, call: Call): Promise<void> {
  return store.delete(writerKey(attempt), call)
}

/** Attempts that hold a lease. */
export async function readWriters(store: ArchiveStore, call: Call): Promise<readonly string[]> {
  return (await listAll(store, WRITERS, call)).map(({ key }) => key.slice(WRITERS.length))
}

/**
 * Takes the lease of a writer away that may still be at work, and makes sure that it stores no manifest. `CONFLICT` when it
 * has stored it: the lease is returned all the same. Giving up what is not there succeeds.
 */
export async function abandonWriting(store: ArchiveStore, attempt: string, call: Call): Promise<void> {
  const object = writerKey(attempt)
  const lease = await store.get(object, undefined, call)
  if (!lease) return
  const snapshot = textField(object, readKind('writer', object, lease), 'snapshot') as SnapshotId // We wrote it.
  const came = await forbidManifest({ store }, { snapshot, attempt }, call)
  await store.delete(object, call)
  if (came === 'stored') throw new PluginError('CONFLICT', `job ${attempt} has stored snapshot ${snapshot}`, 'none')
}
