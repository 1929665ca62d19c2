import {
  findManifest,
  type Manifest,
  manifestKeys,
  openArchive,
  prepareArchive,
  readManifest,
  rekeyArchive,
  removeManifests,
} from '@moorage/archive-format'
import type { ArchivedSnapshot, Call, HostId, MoverJobId, MoverReport, Page, SnapshotId } from '@moorage/contract'
import type { Method } from '@moorage/wire'
import { ARCHIVES, openStore } from './archives.ts'
import { PROTOCOLS } from './ends/ends.ts'
import type { Jobs } from './jobs.ts'
import { archiveAccess, archiveShape, fields, flag, moverTask, text, uuid } from './parse.ts'

/** Who this mover is. */
export interface MoverIdentity {
  readonly id: HostId
  readonly initiator: string
  readonly version: string
}

/** Manifests on a page of a listing: each is read. */
const PAGE = 100

/** Methods of the HTTP API: `Mover` of the contract. */
export function moverMethods(jobs: Jobs, identity: MoverIdentity): Readonly<Record<string, Method>> {
  return {
    'mover/report': async (): Promise<MoverReport> => ({
      ...identity,
      accepts: PROTOCOLS,
      archives: ARCHIVES.map(({ name }) => name),
    }),
    'archives/prepare': async (args: unknown, call: Call) => {
      const { access, from } = accessOf(args)
      const store = openStore(access)
      // The first probe makes the store.
      await store.probe(call)
      return (await prepareArchive({ store, key: access.key }, archiveShape(from['shape'] ?? {}), call)).head
    },
    'archives/rekey': async (args: unknown, call: Call) => {
      const { access, from } = accessOf(args)
      const options = { newKey: text(from, 'newKey'), fresh: flag(from, 'fresh') }
      return rekeyArchive({ store: openStore(access), key: access.key }, options, call)
    },
    'jobs/submit': (args: unknown) => jobs.submit(moverTask(fields(args, 'body')['task'])),
    'jobs/get': async (args: unknown) => jobs.get(jobIdOf(args)) ?? null,
    'jobs/cancel': (args: unknown) => jobs.cancel(jobIdOf(args)),
    'jobs/abandon': (args: unknown, call: Call) => jobs.abandon(accessOf(args).access, jobIdOf(args), call),
    'jobs/forget': (args: unknown) => jobs.forget(jobIdOf(args)),
    ...snapshotMethods(),
  }
}

function snapshotMethods(): Readonly<Record<string, Method>> {
  return {
    'snapshots/list': (args: unknown, call: Call) => listSnapshots(args, call),
    'snapshots/get': async (args: unknown, call: Call) => {
      const { access, from } = accessOf(args)
      const archive = await openArchive({ store: openStore(access), key: access.key }, call)
      const manifest = await findManifest(archive, uuid<SnapshotId>(from, 'id'), call)
      return manifest ? describe(manifest) : null
    },
    'snapshots/remove': async (args: unknown, call: Call) => {
      const { access, from } = accessOf(args)
      const archive = await openArchive({ store: openStore(access), key: access.key }, call)
      await removeManifests(archive, uuid<SnapshotId>(from, 'id'), call)
    },
  }
}

async function listSnapshots(args: unknown, call: Call): Promise<Page<ArchivedSnapshot>> {
  const { access, from } = accessOf(args)
  const after = from['cursor'] === undefined ? '' : text(from, 'cursor')
  const archive = await openArchive({ store: openStore(access), key: access.key }, call)
  const keys = (await manifestKeys(archive.store, undefined, call)).filter((key) => key > after)
  const items: ArchivedSnapshot[] = []
  for (const key of keys.slice(0, PAGE)) {
    const manifest = await readManifest(archive, key, call)
    // Two attempts may have stored one snapshot.
    if (manifest && items.at(-1)?.snapshot !== manifest.snapshot) items.push(describe(manifest))
  }
  const next = keys.length > PAGE ? keys[PAGE - 1] : undefined
  return next === undefined ? { items } : { items, next }
}

/** A snapshot as callers see it: without what only readers need. */
function describe(manifest: Manifest): ArchivedSnapshot {
  const { snapshot, volume, bytes, dataBytes, addedBytes, takenAt, archivedAt, base } = manifest
  return { snapshot, volume, bytes, dataBytes, addedBytes, takenAt, archivedAt, ...(base !== undefined && { base }) }
}

function accessOf(args: unknown) {
  const from = fields(args, 'body')
  return { from, access: archiveAccess(from['archive']) }
}

function jobIdOf(args: unknown): MoverJobId {
  return uuid<MoverJobId>(fields(args, 'body'), 'id')
}
