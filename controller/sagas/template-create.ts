import { randomUUID } from 'node:crypto'
import type { Checksum, ImageFormat, ImportResult, MoverJobId, SnapshotId, VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next, peek } from '../domain/machine.ts'
import { inService } from '../domain/pool.ts'
import { resourceName } from '../domain/resource.ts'
import { GIB } from '../domain/size.ts'
import { TEMPLATE_MACHINE } from '../domain/template.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { attachmentOf } from '../store/attachments.ts'
import { setting } from '../store/configurations.ts'
import { deleteOfMover, givenToMover, intendForMover } from '../store/connections.ts'
import type { SnapshotCopyRow, TemplateRow } from '../store/generated/schema.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { locationOf } from '../store/locations.ts'
import { pinPools } from '../store/pools.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import { archiveCopyOf, arrayCopyOf, lockSnapshot } from '../store/snapshots.ts'
import type { Tx } from '../store/store.ts'
import { lockTemplate, updateTemplate } from '../store/templates.ts'
import { vmById } from '../store/vms.ts'
import { chapAccountOf, lockVolume, updateVolume } from '../store/volumes.ts'
import {
  archiveAccess,
  archiveFor,
  carryOut,
  connectionOf,
  exposeToMover,
  forgetJob,
  giveUp,
  makeReady,
  type MoverErrand,
  moverFor,
  type MoverGrant,
  removeFromArchive,
  withdrawFromMover,
} from './archiving.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { sagaHead } from './head.ts'
import { checkLimits, roomFor } from './limits.ts'
import { ends, type Outcome } from './outcome.ts'

/** Where the disk of a template comes from. */
export type TemplateSource =
  | { readonly kind: 'url'; readonly url: string; readonly format: ImageFormat; readonly checksum?: Checksum }
  | { readonly kind: 'snapshot'; readonly snapshot: string }
  | { readonly kind: 'volume'; readonly volume: string }

/** Fill `template`, a row in state Creating, from `from`. */
export interface TemplateCreateInput {
  readonly template: string
  readonly from: TemplateSource
}

/** Brings a disk into an archive, to be what root disks are made of. */
export const templateCreate = sagaHead<TemplateCreateInput>({
  name: 'template-create',
  version: 1,
  lane: 'motion',
  needs: async (tx, { template, from }) => {
    const own = resourceName('template', template)
    if (from.kind === 'url') return [own]
    if (from.kind === 'snapshot') return unique([own, resourceName('snapshot', from.snapshot)])
    return unique([own, ...(await resourcesOfVolume(tx, from.volume))])
  },
  about: ({ template }) => ({ kind: 'template', id: template }),
})

const OUTCOME: Outcome<TemplateCreateInput> = {
  type: 'TEMPLATE.CREATE',
  kind: 'Template',
  id: ({ template }) => template,
  doing: 'creating template',
}

interface Begun {
  readonly template: string
  /** Epoch milliseconds. */
  readonly takenAt: number
  readonly work: MoverErrand
  readonly chunkBytes: number
  /** What the mover is to read. Absent: it fetches, or copies. */
  readonly grant?: MoverGrant
  /** Largest size of what is fetched; the size of what is read. */
  readonly bytes: number
  /** The archive holds the snapshot already. */
  readonly copies?: true
}

/** What a job has found of a disk, and stored. */
type Brought = Pick<ImportResult, 'bytes' | 'dataBytes'> & Partial<Pick<ImportResult, 'sha256'>>

/**
 * Steps: begin, expose (a snapshot or a volume to a mover, read-only), ready (the archive), move (into it, under the
 * template's id), withdraw. One that fails leaves a template that has Failed, says why, and has nothing in the archive.
 */
export function templateCreateSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<TemplateCreateInput, Tx>(templateCreate)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input, under),
    })
    .step('expose', {
      run: async ({ begin: { grant } }, context) =>
        grant ? { sealed: await exposeToMover(deps, grant, context) } : null,
      record: async (tx, { begin: { grant } }) => {
        if (grant) await givenToMover(tx, grant)
      },
      undo: async ({ begin: { grant } }, context) => {
        if (grant) await withdrawFromMover(deps, grant, context)
      },
      unrecord: async (tx, { begin: { grant } }) => {
        if (grant) await deleteOfMover(tx, grant)
      },
    })
    .step('ready', {
      run: async ({ begin: { work, chunkBytes } }, context) => makeReady(deps, work, { chunkBytes, context }),
      undo: async () => {},
    })
    .step('move', {
      run: async ({ input, begin, expose }, context) =>
        move(deps, { ...begin, from: input.from, sealed: expose?.sealed }, context),
      undo: async ({ begin: { work, template } }, context) => giveUp(deps, { work, snapshot: template }, context),
    })
    .step('withdraw', {
      run: async ({ begin: { work, grant } }, context) => {
        if (grant) await withdrawFromMover(deps, grant, context)
        await forgetJob(deps, work, context)
      },
      record: async (tx, { begin: { grant } }) => {
        if (grant) await deleteOfMover(tx, grant)
      },
      undo: async ({ begin: { work, template } }, context) =>
        removeFromArchive(deps, { ...work, snapshot: template }, context),
    })
    .build(
      ends(
        OUTCOME,
        async (tx, { input, move: brought }, under) => settle(tx, { input, brought, under }),
        async (tx, { template }, { text }) => failTemplate(tx, template, text),
      ),
    )
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: TemplateCreateInput; readonly under: Under },
): Promise<Begun> {
  const template = await lockTemplate(tx, input.template)
  if (!template || template.removedAt) throw new Refusal('NOT_FOUND', `There is no template ${input.template}`)
  const { zoneId: zone } = template
  if (template.state !== 'Creating' || zone === null)
    throw new Refusal('INVALID', `Template ${template.id} is in state ${template.state}, it must be in Creating`)
  await hold(tx, 'template', { id: template.id, operation: under.operation })
  const { from } = input
  const archived = from.kind === 'snapshot' ? await archiveCopyOf(tx, from.snapshot) : undefined
  const archive = await archiveFor(tx, zone, archived?.archiveId)
  // Another archive takes it where that one does not now: from the array, if it is there.
  const there = archived?.archiveId === archive.id ? archived : undefined
  const source = await sourceOf(deps, tx, { input, template, there, under })
  const { id: mover, initiator } = await moverFor(tx, zone, { provider: archive.provider, ...source.way })
  // What is not known yet counts as the most that it may be.
  await updateTemplate(tx, template.id, { archiveId: archive.id, dataBytes: source.bytes })
  const grant = source.read && { ...source.read, mover, initiator }
  if (grant) await intendForMover(tx, grant)
  return {
    template: template.id,
    takenAt: template.createdAt.getTime(),
    work: { job: randomUUID(), archive: archive.id, zone, grant: grant ?? { mover } },
    chunkBytes: archive.chunkBytes,
    bytes: source.bytes,
    ...(grant && { grant }),
    ...(there && { copies: true }),
  }
}

interface Found {
  readonly bytes: number
  readonly way: { readonly protocols?: readonly string[] }
  readonly read?: Omit<MoverGrant, 'mover' | 'initiator'>
}

/** What the disk is read from, and how many bytes are charged for it meanwhile. Throws `Refusal` where it cannot be. */
async function sourceOf(
  deps: SagaDeps,
  tx: Tx,
  what: {
    readonly input: TemplateCreateInput
    readonly template: TemplateRow
    /** The snapshot, in the archive to which the template goes. */
    readonly there: SnapshotCopyRow | undefined
    readonly under: Under
  },
): Promise<Found> {
  const { from } = what.input
  const account = what.template.accountId
  if (from.kind === 'url') {
    const most = (await setting(tx, 'max.template.iso.size')) * GIB
    const room = await roomFor(tx, account, 'secondaryBytes')
    return { bytes: Math.min(most, room), way: {} }
  }
  if (what.there) {
    await checkLimits(tx, account, { secondaryBytes: what.there.bytes })
    return { bytes: what.there.bytes, way: {} }
  }
  const read =
    from.kind === 'snapshot' ? await snapshotOf(tx, from.snapshot) : await volumeOf(tx, from.volume, what.under)
  await checkLimits(tx, account, { secondaryBytes: read.bytes })
  const [pool] = await pinPools(tx, [read.pool])
  if (!pool || !inService(pool.state))
    throw new Refusal('UNAVAILABLE', 'The storage pool of the disk is not in service')
  const { kind, source, bytes } = read
  const grant = { kind, source, pool: pool.id, account: await chapAccountOf(tx, read.owner), mode: 'ro' } as const
  return { bytes, way: { protocols: (await poolFacts(deps, pool)).protocols }, read: grant }
}

interface Read {
  readonly kind: 'volume' | 'snapshot'
  readonly source: string
  readonly pool: string
  readonly bytes: number
  readonly owner: string
}

async function snapshotOf(tx: Tx, id: string): Promise<Read> {
  const snapshot = await lockSnapshot(tx, id)
  const copy = snapshot && (await arrayCopyOf(tx, id))
  if (!snapshot || snapshot.removedAt) throw new Refusal('NOT_FOUND', `There is no snapshot ${id}`)
  if (snapshot.state !== 'BackedUp' || !copy)
    throw new Refusal(
      'INVALID',
      `Snapshot ${id} is in state ${snapshot.state}, it must be in BackedUp and on its array`,
    )
  return { kind: 'snapshot', source: id, pool: copy.poolId, bytes: snapshot.bytes, owner: snapshot.accountId }
}

/** Of a volume that nobody writes to; nobody begins to while its lock is held. */
async function volumeOf(tx: Tx, id: string, under: Under): Promise<Read> {
  const volume = await lockVolume(tx, id)
  const location = volume && (await locationOf(tx, id))
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${id}`)
  if (!location)
    throw new Refusal('INVALID', `Volume ${id} has never been attached: there is nothing to make a template of`)
  const attachment = await attachmentOf(tx, id)
  const vm = attachment && (await vmById(tx, attachment.vmId))
  if (vm && vm.state !== 'Stopped')
    throw new Refusal('INVALID', `Virtual machine ${vm.id} of volume ${id} is in state ${vm.state}, it must be Stopped`)
  const state = next(VOLUME_MACHINE, volume.state, { event: 'SnapshotRequested', of: `Volume ${id}` })
  await hold(tx, 'volume', { id, operation: under.operation })
  await updateVolume(tx, id, { state })
  return { kind: 'volume', source: id, pool: location.poolId, bytes: volume.bytes, owner: volume.accountId }
}

async function move(
  deps: SagaDeps,
  what: Begun & { readonly from: TemplateSource; readonly sealed: string | undefined },
  context: StepContext,
): Promise<Brought> {
  const { work, grant, from, sealed, takenAt, bytes: most } = what
  const { mover } = work.grant
  const common = {
    id: work.job as MoverJobId, // Ids of ours are made by us; the brands only keep kinds apart.
    archive: await archiveAccess(deps, work.archive),
    snapshot: what.template as SnapshotId, // As above.
    volume: what.template as VolumeId, // As above.
    takenAt,
  }
  if (from.kind === 'url') {
    const { url, format, checksum } = from
    const task = { ...common, kind: 'import', url, format, most, ...(checksum && { checksum }) } as const
    const { bytes, dataBytes, sha256 } = await carryOut(deps, { mover, task, note: 'archived' }, context)
    return { bytes, dataBytes, sha256 }
  }
  if (from.kind === 'snapshot' && what.copies) {
    const task = { ...common, kind: 'copy', from: from.snapshot as SnapshotId } as const // As above.
    const { bytes, dataBytes } = await carryOut(deps, { mover, task, note: 'copied' }, context)
    return { bytes, dataBytes }
  }
  if (!grant || sealed === undefined) throw new Error(`template ${what.template} has nothing to be read from`)
  const task = { ...common, kind: 'archive', source: connectionOf(deps, grant, sealed), bytes: most } as const
  const { bytes, dataBytes } = await carryOut(deps, { mover, task, note: 'archived' }, context)
  return { bytes, dataBytes }
}

async function settle(
  tx: Tx,
  what: { readonly input: TemplateCreateInput; readonly brought: Brought; readonly under: Under },
): Promise<void> {
  const { input, brought, under } = what
  const { template: id, from } = input
  const state = next(TEMPLATE_MACHINE, 'Creating', { event: 'OperationSucceeded', of: `Template ${id}` })
  const { bytes, dataBytes, sha256 } = brought
  await updateTemplate(tx, id, { state, bytes, dataBytes, ...(sha256 !== undefined && { checksum: sha256 }) })
  await release(tx, 'template', { id, operation: under.operation })
  if (from.kind === 'volume') await letGo(tx, from.volume, under)
}

async function putBack(tx: Tx, { template: id, from }: TemplateCreateInput, under: Under): Promise<void> {
  if (!(await isHeld(tx, 'template', { id, operation: under.operation }))) return
  await updateTemplate(tx, id, { archiveId: null, dataBytes: 0 })
  await release(tx, 'template', { id, operation: under.operation })
  if (from.kind === 'volume') await letGo(tx, from.volume, under)
}

async function letGo(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'volume', { id, operation }))) return
  await updateVolume(tx, id, { state: 'Ready' })
  await release(tx, 'volume', { id, operation })
}

/** It stays in lists, so that whoever asked sees why, until it is deleted. */
async function failTemplate(tx: Tx, id: string, failure: string): Promise<void> {
  const row = await lockTemplate(tx, id)
  const state = row && peek(TEMPLATE_MACHINE, row.state, 'OperationFailed')
  if (state !== undefined) await updateTemplate(tx, id, { state, failure, operationId: null })
}
