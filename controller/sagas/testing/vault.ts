import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type ArchiveAccess,
  type ArchivedSnapshot,
  type Call,
  type CollectResult,
  type Mover,
  type MoverJob,
  type MoverJobId,
} from '@moorage/contract'
import { jsonb } from '../../store/json.ts'
import { insertArchive } from '../../store/archives.ts'
import { insertMover } from '../../store/movers.ts'
import { sealArchiveKey, sealSettings } from '../../store/registrations.ts'
import { type Adding, probe } from './places.ts'

/** Something that a mover has not put away, or that an archive holds. */
export type Moved =
  | ({ readonly moved: 'job' } & MoverJob)
  | { readonly moved: 'writer'; readonly id: string }
  | ({ readonly moved: 'snapshot' } & ArchivedSnapshot)

/** A mover and an archive of a world. They come into being when they are asked for, and stay. */
export interface Vault {
  /** Registers the mover; answers its id. */
  mover(): Promise<string>
  /** Makes and registers the archive, encrypted, and the mover; answers the archive's id. */
  archive(): Promise<string>
  /** How the archive is opened. */
  archiveAccess(): ArchiveAccess
  /** Their ids and what they are called, as far as they are registered. */
  vaultNames(): readonly (readonly [string, string])[]
  /** What the mover and the archive hold. */
  moved(): Promise<readonly Moved[]>
  /** Collects the archive, if there is one, so that nothing of what was removed is left in it. Throws when somebody still writes. */
  collect(): Promise<void>
}

const CHUNK_BYTES = 262_144
const KEY = `moorage-key-1.${Buffer.alloc(32, 'test').toString('base64url')}`
const COLLECTED_MS = 30_000

/** What `vaultOf` registers where. */
export type VaultParts = Adding & { readonly archive: { readonly plugin: string; readonly url: string } }

/** A vault in which nothing is registered yet. */
export function vaultOf(parts: VaultParts): Vault {
  const { store, simulator, plugins, owner, archive: to } = parts
  const made: { mover?: Promise<string>; archive?: Promise<string> } = {}
  const names = new Map<string, string>()
  const named = async (name: string, making: Promise<string>) => {
    const id = await making
    names.set(id, name)
    return id
  }
  const mover = async () => (made.mover ??= named('mover', addMover(parts)))
  const access: ArchiveAccess = { plugin: to.plugin, endpoint: { url: to.url, settings: {}, owner }, key: KEY }
  const daemon = async () => (await plugins.mover(await mover())).mover(() => {})
  const makeArchive = async () => {
    await (await daemon()).prepare(access, { chunkBytes: CHUNK_BYTES }, probe('prepare'))
    return addArchive(parts)
  }
  const archive = async () => (made.archive ??= named('archive', makeArchive()))
  return {
    mover,
    archive,
    archiveAccess: () => access,
    vaultNames: () => [...names],
    moved: async () => {
      const { jobs, writers } = await simulator.moverHoldings()
      const archived = made.archive === undefined ? [] : await allSnapshots(await daemon(), access)
      return [
        ...jobs.map((job) => ({ moved: 'job', ...job }) as const),
        ...writers.map((id) => ({ moved: 'writer', id }) as const),
        ...archived.map((one) => ({ moved: 'snapshot', ...one }) as const),
      ]
    },
    collect: async () => {
      if (made.archive === undefined) return
      const row = await store.reader
        .selectFrom('operation')
        .select((of) => of.fn.max('fence').as('fence'))
        .executeTakeFirst()
      const { condemned, waitsFor } = await collect(await daemon(), access, {
        ...probe('collect'),
        fence: row?.fence ?? 0,
      })
      if (condemned > 0) throw new Error(`left over in the archive: ${condemned} objects, for ${waitsFor.join(', ')}`)
    },
  }
}

async function addMover({ store, simulator, plugins, owner, zone }: VaultParts): Promise<string> {
  const id = randomUUID()
  const { url, settings } = simulator.moverEndpoint(owner)
  const { password = '', ...open } = settings
  const report = await plugins.probeMover({ url, settings, owner }, probe('mover'))
  await store.transact(async (tx) =>
    insertMover(tx, {
      id,
      zoneId: zone,
      name: 'mover',
      url,
      settings: jsonb(open),
      sealedSettings: sealSettings(store, { kind: 'mover', id }, { password }),
      identity: report.id,
      initiator: report.initiator,
      accepts: [...report.accepts],
      archives: [...report.archives],
      version: report.version,
      reportedAt: new Date(),
    }),
  )
  return id
}

async function addArchive({ store, zone, archive: { plugin, url } }: VaultParts): Promise<string> {
  const id = randomUUID()
  await store.transact(async (tx) =>
    insertArchive(tx, {
      id,
      zoneId: zone,
      name: 'archive',
      provider: plugin,
      url,
      settings: jsonb({}),
      sealedSettings: sealSettings(store, { kind: 'archive', id }, {}),
      identity: url,
      sealedKey: sealArchiveKey(store, id, KEY),
      chunkBytes: CHUNK_BYTES,
      conditionalPut: 'atomic',
      reportedAt: new Date(),
    }),
  )
  return id
}

/** Everything that an archive holds. */
async function allSnapshots(mover: Mover, access: ArchiveAccess): Promise<readonly ArchivedSnapshot[]> {
  const found: ArchivedSnapshot[] = []
  let cursor: string | undefined
  do {
    const page = await mover.snapshots(access, cursor, probe('list'))
    found.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return found
}

async function collect(
  mover: Mover,
  archive: ArchiveAccess,
  call: Call,
): Promise<Pick<CollectResult, 'condemned' | 'waitsFor'>> {
  const id = randomUUID() as string as MoverJobId // An id is a UUID.
  let job: MoverJob | undefined = await mover.submit({ kind: 'collect', id, archive }, call)
  for (const until = Date.now() + COLLECTED_MS; job?.state === 'running' && Date.now() < until; await pause(5)) {
    job = await mover.job(id, probe('look'))
  }
  await mover.forget(id, call)
  if (job?.state === 'done' && job.result.kind === 'collect') return job.result
  throw new Error(`the archive was not collected: ${JSON.stringify(job)}`)
}
