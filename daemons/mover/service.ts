import {
  type Archive,
  findManifest,
  type Manifest,
  manifestKeys,
  openArchive,
  prepareArchive,
  readManifest,
  rekeyArchive,
  removeManifests,
} from '@moorage/archive-format'
import type { ArchivedSnapshot, Call, HostId, MoverReport, Page } from '@moorage/contract'
import { type Method, moverArgs, moverClaims } from '@moorage/wire'
import { ARCHIVES, openStore } from './archives.ts'
import { PROTOCOLS } from './ends/ends.ts'
import type { Fences } from './fences.ts'
import type { Jobs } from './jobs.ts'

/** Who this mover is. */
export interface MoverIdentity {
  readonly id: HostId
  readonly initiator: string
  readonly version: string
}

/** Manifests on a page of a listing: each is read. */
const PAGE = 100

/** What the methods work with. */
export interface MoverParts {
  readonly jobs: Jobs
  readonly fences: Fences
  readonly identity: MoverIdentity
}

/** Methods of the HTTP API: `Mover` of the contract. Changes are refused that come late: `moverClaims`. */
export function moverMethods(parts: MoverParts): Readonly<Record<string, Method>> {
  const methods = { ...archiveMethods(parts), ...jobMethods(parts), ...snapshotMethods() }
  return Object.fromEntries(
    Object.entries(methods).map(([name, run]) => [
      name,
      async (args: unknown, call: Call) => {
        await parts.fences.claim(moverClaims(name, args), call.fence)
        return run(args, call)
      },
    ]),
  )
}

type Served = Readonly<Record<string, (args: unknown, call: Call) => Promise<unknown>>>

function archiveMethods({ identity }: MoverParts): Served {
  return {
    'mover/report': async (): Promise<MoverReport> => ({
      ...identity,
      accepts: PROTOCOLS,
      archives: ARCHIVES.map(({ name }) => name),
    }),
    'archives/prepare': async (args, call) => {
      const access = moverArgs.access(args)
      const store = openStore(access)
      // The first probe makes the store.
      await store.probe(call)
      return (await prepareArchive({ store, key: access.key }, moverArgs.shape(args), call)).head
    },
    'archives/rekey': async (args, call) => {
      const access = moverArgs.access(args)
      return rekeyArchive({ store: openStore(access), key: access.key }, moverArgs.rekey(args), call)
    },
  }
}

function jobMethods({ jobs }: MoverParts): Served {
  return {
    'jobs/submit': async (args) => jobs.submit(moverArgs.task(args, PROTOCOLS)),
    'jobs/get': async (args) => jobs.get(moverArgs.job(args)) ?? null,
    'jobs/cancel': async (args) => jobs.cancel(moverArgs.job(args)),
    'jobs/abandon': async (args, call) => jobs.abandon(moverArgs.access(args), moverArgs.job(args), call),
    'jobs/forget': async (args) => jobs.forget(moverArgs.job(args)),
  }
}

function snapshotMethods(): Served {
  return {
    'snapshots/list': listSnapshots,
    'snapshots/get': async (args, call) => {
      const manifest = await findManifest(await opened(args, call), moverArgs.snapshot(args), call)
      return manifest ? describe(manifest) : null
    },
    'snapshots/remove': async (args, call) => removeManifests(await opened(args, call), moverArgs.snapshot(args), call),
  }
}

async function listSnapshots(args: unknown, call: Call): Promise<Page<ArchivedSnapshot>> {
  const archive = await opened(args, call)
  const after = moverArgs.cursor(args) ?? ''
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

async function opened(args: unknown, call: Call): Promise<Archive> {
  const access = moverArgs.access(args)
  return openArchive({ store: openStore(access), key: access.key }, call)
}

/** A snapshot as callers see it: without what only readers need. */
function describe(manifest: Manifest): ArchivedSnapshot {
  const { snapshot, volume, bytes, dataBytes, addedBytes, takenAt, archivedAt, base } = manifest
  return { snapshot, volume, bytes, dataBytes, addedBytes, takenAt, archivedAt, ...(base !== undefined && { base }) }
}
