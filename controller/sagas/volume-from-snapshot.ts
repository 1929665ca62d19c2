import { randomUUID } from 'node:crypto'
import type { MoverJobId, SnapshotId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { hostCharge } from '../placement/charges.ts'
import { archiveById } from '../store/archives.ts'
import { attachmentOf } from '../store/attachments.ts'
import { deleteOfMover, givenToMover, intendForMover } from '../store/connections.ts'
import type { VolumeRow } from '../store/generated/schema.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { chargeHost } from '../store/host-charges.ts'
import { pinPools } from '../store/pools.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { chapAccountOf, lockVolume, updateVolume } from '../store/volumes.ts'
import { poolsOfVm, possibleHosts, throttleOf } from './attaching.ts'
import type { SagaDeps } from './deps.ts'
import { poolFacts } from './facts.ts'
import { sagaHead } from './head.ts'
import { makeVolume, recordMade, unmakeVolume, unrecordMade } from './making.ts'
import {
  archiveAccess,
  carryOut,
  connectionOf,
  endJob,
  exposeToMover,
  forgetJob,
  moverFor,
  type MoverWork,
  withdrawFromMover,
} from './archiving.ts'
import { ends, type Outcome } from './outcome.ts'
import { placeVolume, sourceOf, unplace, type VolumePlan } from './placing.ts'

/**
 * Fill `volume`, a row in state Allocated, with the bytes of `snapshot`; absent: of the template that its row names. `host`: of
 * a root disk, which only that host is to reach. `pool`: nowhere else. `vm`: of a root disk that is to take the place of
 * that VM's.
 */
export interface VolumeFromSnapshotInput {
  readonly volume: string
  readonly snapshot?: string
  readonly host?: string
  readonly pool?: string
  readonly vm?: string
}

/**
 * Makes a volume from a snapshot or a template: on its array, in the pool that holds it; where that is none any more, in
 * whatever pool it fits, filled from the archive. A root disk is one of its VM already, and is made where that can start.
 */
export const volumeFromSnapshot = sagaHead<VolumeFromSnapshotInput>({
  name: 'volume-from-snapshot',
  version: 3,
  lane: 'motion',
  needs: async (tx, { volume, snapshot, vm }) =>
    unique([
      ...(snapshot === undefined ? [] : [resourceName('snapshot', snapshot)]),
      ...(vm === undefined ? [] : [resourceName('vm', vm)]),
      ...(await resourcesOfVolume(tx, volume)),
    ]),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME: Outcome<VolumeFromSnapshotInput> = {
  type: 'VOLUME.CREATE',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'creating volume',
}

interface Begun {
  readonly plan: VolumePlan
  /** What fills it. Absent: it is a clone. */
  readonly fill?: MoverWork & { readonly snapshot: string }
}

/**
 * Steps: begin, make (a clone, or what is to be filled), expose (to a mover), restore, withdraw. A failure leaves the volume
 * Allocated: the next attach tries again, where it would be a clone; a root disk is tried again by the next start.
 */
export function volumeFromSnapshotSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeFromSnapshotInput, Tx>(volumeFromSnapshot)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.volume, under),
    })
    .step('make', {
      run: async ({ begin: { plan } }, context) => makeVolume(deps, plan, context),
      record: async (tx, { begin: { plan, fill } }, made) => {
        await recordMade(tx, plan, made)
        if (fill) await intendForMover(tx, fill.grant)
      },
      undo: async ({ begin: { plan } }, context) => unmakeVolume(deps, plan, context),
      unrecord: async (tx, { begin: { plan, fill } }) => {
        await unrecordMade(tx, plan)
        if (fill) await deleteOfMover(tx, fill.grant)
      },
    })
    .step('expose', {
      run: async ({ begin: { fill } }, context) =>
        fill ? { sealed: await exposeToMover(deps, fill.grant, context) } : null,
      record: async (tx, { begin: { fill } }) => {
        if (fill) await givenToMover(tx, fill.grant)
      },
      undo: async ({ begin: { fill } }, context) => {
        if (fill) await withdrawFromMover(deps, fill.grant, context)
      },
    })
    .step('restore', {
      run: async ({ begin: { fill }, expose }, context) => {
        if (fill && expose) await restore(deps, { ...fill, sealed: expose.sealed }, context)
      },
      undo: async ({ begin: { fill } }, context) => {
        if (fill && (await endJob(deps, fill, context)) !== 'unknown') await forgetJob(deps, fill, context)
      },
    })
    .step('withdraw', {
      run: async ({ begin: { fill } }, context) => {
        if (!fill) return
        await withdrawFromMover(deps, fill.grant, context)
        await forgetJob(deps, fill, context)
      },
      record: async (tx, { begin: { fill } }) => {
        if (fill) await deleteOfMover(tx, fill.grant)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        const state = next(VOLUME_MACHINE, 'Creating', { event: 'OperationSucceeded', of: `Volume ${input.volume}` })
        await updateVolume(tx, input.volume, { state })
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: VolumeFromSnapshotInput; readonly under: Under },
): Promise<Begun> {
  const row = await lockVolume(tx, input.volume)
  if (!row || row.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  const state = next(VOLUME_MACHINE, row.state, { event: 'CreateRequested', of: `Volume ${row.id}` })
  await hold(tx, 'volume', { id: row.id, operation: under.operation })
  const volume = { ...row, sourceSnapshotId: input.snapshot ?? row.sourceSnapshotId }
  const source = await sourceOf(tx, volume)
  if (!source) throw new Refusal('INVALID', `There is nothing of which volume ${row.id} could be made`)
  const archive = source.archive === undefined ? undefined : await archiveById(tx, source.archive)
  const provider = archive?.provider ?? ''
  // Where none does any of it, that is the reason, whatever the pools.
  if (archive && !source.seeds?.size) await moverFor(tx, volume.zoneId, { provider })
  const plan = await place(deps, tx, { volume, input, under })
  await updateVolume(tx, volume.id, { state, sourceSnapshotId: volume.sourceSnapshotId })
  if (!archive || plan.source !== undefined) return { plan }
  const [pool] = await pinPools(tx, [plan.pool])
  const protocols = pool ? (await poolFacts(deps, pool)).protocols : []
  const mover = await moverFor(tx, volume.zoneId, { provider, protocols })
  const account = await chapAccountOf(tx, volume.accountId)
  const { id, initiator } = mover
  const grant = { kind: 'volume', source: volume.id, mover: id, pool: plan.pool, initiator, account } as const
  const work = { job: randomUUID(), archive: archive.id, zone: volume.zoneId, grant }
  return { plan, fill: { ...work, snapshot: source.snapshot } }
}

/** Places it where the VM can start whose disk it is, if any, and charges who throttles it there. */
async function place(
  deps: SagaDeps,
  tx: Tx,
  what: { readonly volume: VolumeRow; readonly input: VolumeFromSnapshotInput; readonly under: Under },
): Promise<VolumePlan> {
  const { volume, under } = what
  const { host, pool } = what.input
  const attachment = await attachmentOf(tx, volume.id)
  const of = attachment?.vmId ?? what.input.vm
  const vm = of === undefined ? undefined : await lockVm(tx, of)
  if (!vm) return placeVolume(tx, deps, { volume, under, pool, restores: true })
  const possible = await possibleHosts(deps, tx, { vm, pools: await poolsOfVm(tx, vm.id) })
  const hosts = possible.filter(({ id }) => host === undefined || id === host)
  const plan = await placeVolume(tx, deps, { volume, hosts, under, pool, restores: true })
  await chargeHost(tx, volume.id, hostCharge(throttleOf(volume, plan.tier)))
  return plan
}

const NOTHING = { iops: 0, rate: 0 } as const

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'volume', { id, operation }))) return
  await unplace(tx, id)
  await chargeHost(tx, id, NOTHING)
  await updateVolume(tx, id, { state: 'Allocated' })
  await release(tx, 'volume', { id, operation })
}

async function restore(
  deps: SagaDeps,
  fill: NonNullable<Begun['fill']> & { readonly sealed: string },
  context: StepContext,
): Promise<void> {
  const task = {
    kind: 'restore',
    id: fill.job as MoverJobId, // Ids of ours are made by us; the brands only keep kinds apart.
    archive: await archiveAccess(deps, fill.archive),
    snapshot: fill.snapshot as SnapshotId, // As above.
    target: connectionOf(deps, fill.grant, fill.sealed),
    // Just made: it shows zeros.
    blank: true,
  } as const
  await carryOut(deps, { mover: fill.grant.mover, task, note: 'restored' }, context)
}
