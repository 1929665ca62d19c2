import { type BackendDisk, type BackendVolume, type Qos, serialOf, type VmId, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { next } from '../domain/machine.ts'
import { resourceName } from '../domain/resource.ts'
import { VOLUME_MACHINE } from '../domain/volume.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { hostCharge } from '../placement/charges.ts'
import {
  deleteAttachment,
  insertAttachment,
  lockAttachGround,
  plugged,
  updateAttachment,
} from '../store/attachments.ts'
import { connectionGiven, deleteConnectionsTo, intendConnection, unsealConnection } from '../store/connections.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { resourcesOfVolume, unique } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { chapAccountOf, updateVolume } from '../store/volumes.ts'
import { type Grant, giveAccess, withdrawAccess } from './access.ts'
import {
  checkAttachable,
  checkDiskLimit,
  checkHostRoom,
  checkReachable,
  deviceIdFor,
  type Ground,
  hostOf,
  possibleHosts,
  throttleOf,
} from './attaching.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { makeVolume, recordMade, unmakeVolume, unrecordMade } from './making.ts'
import { ends, type Outcome } from './outcome.ts'
import { placeVolume, unplace, type VolumePlan } from './placing.ts'

/** Attach `volume` to `vm`; `deviceId` absent: the next free one. */
export interface VolumeAttachInput {
  readonly volume: string
  readonly vm: string
  readonly deviceId?: number
}

/** Gives a volume to a VM: places and makes it on an array first when it lives nowhere yet. */
export const volumeAttach = sagaHead<VolumeAttachInput>({
  name: 'volume-attach',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume, vm }) => unique([resourceName('vm', vm), ...(await resourcesOfVolume(tx, volume))]),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

/** What `begin` decided. */
interface Begun {
  readonly volume: string
  readonly vm: string
  readonly deviceId: number
  readonly generation: number
  /** Present when the array volume is still to be made. */
  readonly plan?: VolumePlan
  /** Present when the VM runs: on `grant.host`. */
  readonly grant?: Grant & { readonly account: string }
  /** Limits for the hypervisor to enforce. */
  readonly throttle: Qos
}

const OUTCOME: Outcome<VolumeAttachInput> = {
  type: 'VOLUME.ATTACH',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'attaching volume',
}

/** Steps: begin, create (array volume), expose (access of the host), plug (into the machine). A stopped VM gets it at its start. */
export function volumeAttachSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeAttachInput, Tx>(volumeAttach)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.volume, under),
    })
    .step('create', {
      run: async ({ begin: { plan } }, context) => (plan ? makeVolume(deps, plan, context) : null),
      record: async (tx, { begin: { plan } }, made) => {
        if (plan && made) await recordCreated(tx, plan, made)
      },
      undo: async ({ begin: { plan } }, context) => (plan ? unmakeVolume(deps, plan, context) : undefined),
      unrecord: async (tx, { begin: { plan } }) => {
        if (!plan) return
        await unrecordMade(tx, plan)
        await updateVolume(tx, plan.volume, { state: 'Creating' })
      },
    })
    .step('expose', {
      run: async ({ begin: { grant } }, context) => (grant ? { sealed: await giveAccess(deps, grant, context) } : null),
      record: async (tx, { begin: { grant } }, given) => {
        if (grant && given) await connectionGiven(tx, grant, given.sealed)
      },
      undo: async ({ begin: { grant } }, context) => withdrawAccess(deps, grant ? [grant] : [], context),
    })
    .step('plug', {
      run: async ({ begin, expose }, context) =>
        expose ? plug(deps, { ...begin, sealed: expose.sealed }, context) : null,
      record: async (tx, { begin }, disk) => {
        if (disk) await recordPlugged(tx, begin, disk)
      },
      undo: async ({ begin }, context) => unplug(deps, begin, context),
      unrecord: async (tx, { input }) => updateAttachment(tx, input.volume, { actual: 'detached', device: null }),
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        await updateVolume(tx, input.volume, { state: 'Ready' })
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function begin(
  deps: SagaDeps,
  tx: Tx,
  { input, under }: { readonly input: VolumeAttachInput; readonly under: Under },
): Promise<Begun> {
  const ground = await groundOf(tx, input)
  const { volume, vm } = ground
  checkAttachable(ground)
  const deviceId = deviceIdFor(ground, input.deviceId)
  await hold(tx, 'volume', { id: volume.id, operation: under.operation, holder: volume.operationId })
  const home = await settle(deps, tx, { ground, deviceId, under })
  const charge = hostCharge(home.throttle)
  const generation = volume.generation + 1
  await updateVolume(tx, volume.id, { generation })
  await insertAttachment(tx, {
    volumeId: volume.id,
    vmId: vm.id,
    deviceId,
    generation,
    desired: 'attached',
    actual: 'detached',
    chargedIops: charge.iops,
    chargedRate: charge.rate,
  })
  if (home.grant) await intendConnection(tx, { ...home.grant, generation })
  return { volume: volume.id, vm: vm.id, deviceId, generation, ...home }
}

async function groundOf(tx: Tx, input: VolumeAttachInput): Promise<Ground> {
  const { volume, vm, ...ground } = await lockAttachGround(tx, input)
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${input.vm}`)
  return { ...ground, volume, vm }
}

/** Finds where the volume lives, or is to live, and who is to reach it there. */
async function settle(
  deps: SagaDeps,
  tx: Tx,
  what: { readonly ground: Ground; readonly deviceId: number; readonly under: Under },
): Promise<Pick<Begun, 'plan' | 'grant' | 'throttle'>> {
  const { ground, deviceId, under } = what
  const { volume, vm, location, offering } = ground
  const host = vm.state === 'Running' ? await hostOf(deps, tx, ground) : undefined
  const hosts = host ? [host.facts] : await possibleHosts(deps, tx, ground)
  checkDiskLimit(ground, { hosts, deviceId })
  if (location) await checkReachable(deps, tx, { volume, location, hosts })
  const plan = location ? undefined : await placeVolume(tx, deps, { volume, hosts, offering, under })
  const home = plan
    ? { pool: plan.pool, tier: plan.tier }
    : location && { pool: location.poolId, tier: location.qosTier }
  if (!home) throw new Error('a volume without a location was not placed')
  const throttle = throttleOf(volume, home.tier)
  if (host) checkHostRoom([host.facts], throttle)
  const event = plan ? 'CreateRequested' : 'AttachRequested'
  await updateVolume(tx, volume.id, { state: next(VOLUME_MACHINE, volume.state, { event, of: `Volume ${volume.id}` }) })
  const grant = host && {
    volume: volume.id,
    host: host.facts.id,
    pool: home.pool,
    initiator: host.initiator,
    account: await chapAccountOf(tx, volume.accountId),
  }
  return { ...(plan ? { plan } : {}), ...(grant ? { grant } : {}), throttle }
}

/** The volume as it was before: what was only intended is forgotten. */
async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'volume', { id, operation }))) return
  await deleteAttachment(tx, id)
  await deleteConnectionsTo(tx, id)
  const state = (await unplace(tx, id)) ? 'Allocated' : 'Ready'
  await updateVolume(tx, id, { state })
  await release(tx, 'volume', { id, operation })
}

async function recordCreated(tx: Tx, plan: VolumePlan, made: BackendVolume): Promise<void> {
  await recordMade(tx, plan, made)
  const of = `Volume ${plan.volume}`
  const ready = next(VOLUME_MACHINE, 'Creating', { event: 'OperationSucceeded', of })
  await updateVolume(tx, plan.volume, { state: next(VOLUME_MACHINE, ready, { event: 'AttachRequested', of }) })
}

async function plug(
  deps: SagaDeps,
  what: Begun & { readonly sealed: string },
  context: StepContext,
): Promise<BackendDisk | null> {
  const { grant, generation, deviceId, throttle } = what
  if (!grant) return null
  const volume = what.volume as VolumeId // An id of ours is made by us; the brand only keeps kinds apart.
  const host = await deps.plugins.host(grant.host)
  const disk = {
    volume,
    generation,
    connection: unsealConnection(deps.store, grant, what.sealed),
    mode: 'rw',
    serial: serialOf(volume),
    deviceId,
    throttle,
  } as const
  return saying(
    'The hypervisor did not take the volume',
    async () => host.adapter(context.log).disks.attach(what.vm as VmId, disk, part(context.call, 'attach')), // As above.
  )
}

async function unplug(deps: SagaDeps, what: Begun, context: StepContext): Promise<void> {
  if (!what.grant) return
  const host = await deps.plugins.host(what.grant.host)
  // Ids of ours are made by us; the brands only keep kinds apart.
  const disk = { volume: what.volume as VolumeId, generation: what.generation }
  await host.adapter(context.log).disks.detach(what.vm as VmId, disk, part(context.call, 'detach')) // As above.
}

async function recordPlugged(tx: Tx, { volume, throttle }: Begun, disk: BackendDisk): Promise<void> {
  await plugged(tx, volume, disk.device)
  if (Object.keys(throttle).length > 0) await updateVolume(tx, volume, { qosApplied: disk.throttle })
}
