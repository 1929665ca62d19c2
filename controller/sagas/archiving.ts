import { setTimeout as pause } from 'node:timers/promises'
import {
  type ArchiveAccess,
  asPluginError,
  type Connection,
  type FailureCode,
  type HostId,
  type Mover,
  type MoverJobId,
  type MoverResult,
  type MoverTask,
  PluginError,
  type SnapshotId,
  type Source,
} from '@moorage/contract'
import { chooseArchive, chooseMover } from '../domain/archiving.ts'
import { Refusal } from '../domain/failures.ts'
import { endsSessions } from '../domain/pool.ts'
import { FETCHING_NOTE } from '../domain/template.ts'
import type { StepContext } from '../jobs/saga.ts'
import { archiveById, archivesOfZone } from '../store/archives.ts'
import { type MoverAccess, sealForMover, unsealForMover } from '../store/connections.ts'
import { moversOfZone } from '../store/movers.ts'
import { archiveKey, archiveRegistration } from '../store/registrations.ts'
import type { Reader } from '../store/store.ts'
import { mayPass, part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'

/** A mover's access to what it moves, as it is to be given and withdrawn. Plain data. */
export interface MoverGrant extends MoverAccess {
  readonly pool: string
  /** Name under which the mover logs in. */
  readonly initiator: string
  /** Groups CHAP credentials. */
  readonly account: string
  /** Absent: a snapshot is read, a volume is written. */
  readonly mode?: 'ro'
}

/** A mover's job, where it is known, and the archive that it is about. Plain data. */
export interface MoverErrand {
  readonly job: string
  readonly archive: string
  readonly zone: string
  /** Whose job it is; and what it moves, if that is on an array. */
  readonly grant: MoverGrant | Pick<MoverGrant, 'mover'>
}

/** The same of a job that moves what is on an array. */
export interface MoverWork extends MoverErrand {
  readonly grant: MoverGrant
}

type Deps = Pick<SagaDeps, 'store' | 'plugins'>

/** The archive of the zone that a snapshot goes to. Throws `Refusal` naming, for operators, what is wrong with each. */
export async function archiveFor(reader: Reader, zone: string, chain: string | undefined) {
  const choice = chooseArchive(await archivesOfZone(reader, zone), chain)
  if ('chosen' in choice) return choice.chosen
  throw new Refusal('UNAVAILABLE', 'The zone has no secondary storage that takes snapshots now', {
    internal: choice.none.join('; '),
  })
}

/** A mover of the zone that can do it, the one with least to do. Throws `Refusal` likewise. `protocols` absent: it only speaks to archives. */
export async function moverFor(
  reader: Reader,
  zone: string,
  way: { readonly provider: string; readonly protocols?: readonly string[] },
) {
  const choice = chooseMover(await moversOfZone(reader, zone), way)
  if ('chosen' in choice) return choice.chosen
  throw new Refusal(
    'UNAVAILABLE',
    'The zone has no data mover that reaches both the storage and the secondary storage',
    {
      internal: choice.none.join('; '),
    },
  )
}

/** Gives a mover access; answers the connection, sealed (see `connectionOf`): it may hold CHAP secrets. */
export async function exposeToMover(deps: Deps, grant: MoverGrant, context: StepContext): Promise<string> {
  const pool = await deps.plugins.pool(grant.pool)
  const mode = grant.mode ?? (grant.kind === 'snapshot' ? 'ro' : 'rw')
  const exposure = { ...accessOf(grant), mode, account: grant.account } as const
  const connection = await saying('The storage system did not give the data mover access', async () =>
    pool.provider(context.log).access.expose(exposure, part(context.call, `expose/${grant.source}/${grant.mover}`)),
  )
  return sealForMover(deps.store, grant, connection)
}

/** Takes a mover's access away. It has let go, or reads only. */
export async function withdrawFromMover(deps: Deps, grant: MoverGrant, context: StepContext): Promise<void> {
  const pool = await deps.plugins.pool(grant.pool)
  const call = part(context.call, `withdraw/${grant.source}/${grant.mover}`)
  await saying('The storage system did not withdraw the access of the data mover', async () =>
    pool.provider(context.log).access.withdraw(accessOf(grant), call),
  )
}

/** What `exposeToMover` answered, with secrets in clear: for a call, never to be stored. */
export function connectionOf(deps: Pick<SagaDeps, 'store'>, grant: MoverGrant, sealed: string): Connection {
  return unsealForMover(deps.store, grant, sealed)
}

/** How a mover gets into an archive, its key in clear: for a call, never to be stored. */
export async function archiveAccess(deps: Deps, id: string): Promise<ArchiveAccess> {
  const row = await archiveById(deps.store.reader, id)
  if (!row) throw new Refusal('NOT_FOUND', `There is no secondary storage ${id}`)
  const { plugin, url, settings } = archiveRegistration(deps.store, row)
  const key = archiveKey(deps.store, row)
  return { plugin, endpoint: { url, settings, owner: deps.plugins.owner }, ...(key === undefined ? {} : { key }) }
}

/** The mover of a job. Throws `Refusal` `NOT_FOUND` once it was removed. */
export async function moverOf(deps: Deps, id: string, context: Pick<StepContext, 'log'>): Promise<Mover> {
  return (await deps.plugins.mover(id)).mover(context.log)
}

/** Makes an archive ready for a job, unless it is. */
export async function makeReady(
  deps: Deps,
  work: MoverErrand,
  { chunkBytes, context }: { readonly chunkBytes: number; readonly context: StepContext },
): Promise<void> {
  const access = await archiveAccess(deps, work.archive)
  await sayingOf(async () => {
    const mover = await moverOf(deps, work.grant.mover, context)
    await mover.prepare(access, { chunkBytes }, part(context.call, 'prepare'))
  })
}

const FIRST_LOOK_MS = 100
const LONGEST_LOOK_MS = 5_000

/**
 * Has a mover do a task, to its end: asked again under the same id it goes on where it was, whoever was killed in between.
 * Throws what the task failed with.
 */
export async function carryOut<Kind extends MoverTask['kind']>(
  deps: Deps,
  what: { readonly mover: string; readonly task: MoverTask & { readonly kind: Kind }; readonly note: string },
  context: StepContext,
): Promise<Extract<MoverResult, { readonly kind: Kind }>> {
  const { mover: id, task, note } = what
  const sentences = task.kind === 'import' ? { ...SENTENCES, ...OF_IMPORT } : SENTENCES
  return sayingOf(async () => {
    const mover = await moverOf(deps, id, context)
    let job = await mover.submit(task, part(context.call, 'submit/0'))
    for (let look = 1; job.state !== 'done'; look += 1) {
      if (job.state === 'failed') {
        const { code, message, effect } = job.failure
        throw new PluginError(code, message, effect)
      }
      const { done, total, leftMs, fetching } = job.progress
      const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 1000)} s left`
      // That it answers is progress: a job that waits for others, or for its archive, is ended by its mover.
      context.progress({ done, total, unit: 'bytes', note: `${fetching ? FETCHING_NOTE : note}${left}` })
      // Paused: the mover was restarted. Cancelled, or not known: by somebody else's hand.
      const gone = job.state !== 'running'
      if (!gone) await pause(Math.min(FIRST_LOOK_MS * look, LONGEST_LOOK_MS), undefined, context.call)
      const seen = gone ? undefined : await mover.job(task.id, part(context.call, `look/${look}`))
      job = seen ?? (await mover.submit(task, part(context.call, `submit/${look}`)))
    }
    // A job answers with a result of its own kind.
    return job.result as Extract<MoverResult, { readonly kind: Kind }>
  }, sentences)
}

/** How a job ended: with what it was to do, without, or nobody knows, because its mover does not answer. */
export type JobEnd = 'done' | 'undone' | 'unknown'

/**
 * Ends a job, as far as its mover can be asked. Of one that does not answer the job may go on for a while: that it stores
 * nothing `giveUp` sees to, that it writes to no volume the array, and where that ends no sessions the mover must answer.
 */
export async function endJob(deps: Deps, work: MoverErrand, context: StepContext): Promise<JobEnd> {
  const id = work.job as MoverJobId // An id of ours is made by us; the brand only keeps kinds apart.
  try {
    const mover = await moverOf(deps, work.grant.mover, context)
    await mover.cancel(id, part(context.call, 'cancel'))
    const job = await mover.job(id, part(context.call, 'look'))
    return job?.state === 'done' ? 'done' : 'undone'
  } catch (error) {
    if (error instanceof Refusal) return 'unknown'
    if (!mayPass(asPluginError(error)) || (await mayWriteOn(deps, work))) throw error
    return 'unknown'
  }
}

/** Whether a job that nobody can end goes on writing to a volume, although its access was withdrawn. */
async function mayWriteOn(deps: Deps, { grant }: MoverErrand): Promise<boolean> {
  if (!('kind' in grant) || grant.kind === 'snapshot' || grant.mode === 'ro') return false
  return !endsSessions((await deps.plugins.pool(grant.pool)).limits)
}

/**
 * Gives a job up that was to store a snapshot, wherever it ran, and takes out what it has stored: by its own mover, or any
 * other that can.
 */
export async function giveUp(
  deps: Deps,
  { work, snapshot }: { readonly work: MoverErrand; readonly snapshot: string },
  context: StepContext,
): Promise<void> {
  const end = await endJob(deps, work, context)
  const access = await archiveAccess(deps, work.archive)
  const mover = await anyMover(deps, { zone: work.zone, provider: access.plugin }, context)
  // Ids of ours are made by us; the brands only keep kinds apart.
  const [job, id] = [work.job as MoverJobId, snapshot as SnapshotId]
  let stored = end !== 'undone'
  try {
    await mover.abandon(access, job, part(context.call, 'abandon'))
  } catch (error) {
    const { code } = asPluginError(error)
    // Where the archive cannot decide between the two, the job must be known to have ended.
    if (code !== 'CONFLICT' && (code !== 'UNSUPPORTED' || end === 'unknown')) throw error
    stored ||= code === 'CONFLICT'
  }
  if (stored) await mover.remove(access, id, part(context.call, 'remove'))
  // One that does not answer is not waited for.
  if (end !== 'unknown') await forgetJob(deps, work, context)
}

/** Takes a snapshot out of an archive, with whatever mover of the zone can. */
export async function removeFromArchive(
  deps: Deps,
  what: { readonly zone: string; readonly archive: string; readonly snapshot: string },
  context: StepContext,
): Promise<void> {
  const access = await archiveAccess(deps, what.archive)
  await sayingOf(async () => {
    const mover = await anyMover(deps, { zone: what.zone, provider: access.plugin }, context)
    // An id of ours is made by us; the brand only keeps kinds apart.
    await mover.remove(access, what.snapshot as SnapshotId, part(context.call, `remove/${what.archive}`))
  })
}

/** Has its mover forget a job that has ended. One that was removed has nothing to forget. */
export async function forgetJob(deps: Deps, work: MoverErrand, context: StepContext): Promise<void> {
  try {
    const mover = await moverOf(deps, work.grant.mover, context)
    // An id of ours is made by us; the brand only keeps kinds apart.
    await sayingOf(async () => mover.forget(work.job as MoverJobId, part(context.call, 'forget')))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
}

/** Whoever can, of the movers of the zone. Throws `PluginError` `UNAVAILABLE` while none can: then it is tried again. */
async function anyMover(
  deps: Deps,
  { zone, provider }: { readonly zone: string; readonly provider: string },
  context: StepContext,
): Promise<Mover> {
  const choice = chooseMover(await moversOfZone(deps.store.reader, zone), { provider })
  if ('chosen' in choice) return moverOf(deps, choice.chosen.id, context)
  throw new PluginError('UNAVAILABLE', choice.none.join('; '), 'none')
}

const SENTENCES: Readonly<Partial<Record<FailureCode, string>>> = {
  NO_SPACE: 'The secondary storage is full',
  DENIED: 'The secondary storage did not let the data mover in: its credentials or its key are not those it has',
  DAMAGED: 'The secondary storage does not hold what was stored there',
  NOT_FOUND: 'The snapshot is not in the secondary storage',
  UNAVAILABLE: 'The data mover or the secondary storage does not answer',
  TIMEOUT: 'The data mover or the secondary storage does not answer',
}

/** What else a job that fetches a file may end with. */
const OF_IMPORT: typeof SENTENCES = {
  NO_SPACE: 'The secondary storage, or the data mover, has no room for the file',
  DENIED: 'The server does not give the file, or the secondary storage did not let the data mover in',
  DAMAGED: 'The file does not have the checksum that was told',
  NOT_FOUND: 'There is no such file',
  UNAVAILABLE: 'The server of the file, the data mover or the secondary storage does not answer',
  TIMEOUT: 'The server of the file, the data mover or the secondary storage does not answer',
  INVALID: 'The file is no image that can be taken: one that stands alone, as raw or qcow2',
  LIMIT: 'The file, or the disk in it, is too large',
  UNSUPPORTED: 'The data mover does not take images of this format',
}

/** As `saying`, with a sentence for what a mover or an archive says. */
export async function sayingOf<Result>(work: () => Promise<Result>, sentences = SENTENCES): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Refusal) throw error
    const failure = asPluginError(error)
    return saying(sentences[failure.code] ?? 'The data mover did not do what was asked', async () => {
      throw failure
    })
  }
}

function accessOf({ kind, source, mover, initiator }: MoverGrant) {
  return {
    source: { kind, id: source } as Source, // An id of ours is made by us; the brand only keeps kinds apart.
    consumer: { kind: 'mover', id: mover as HostId, initiator }, // As above.
  } as const
}
