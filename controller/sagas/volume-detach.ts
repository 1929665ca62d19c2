import { asPluginError, type VmId, type VolumeId } from '@moorage/contract'
import { Refusal } from '../domain/failures.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { attachmentOf, deleteAttachment, updateAttachment } from '../store/attachments.ts'
import { connectionsTo, connectionsWithdrawing, deleteConnectionsTo } from '../store/connections.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { resourcesOfVolume } from '../store/resources.ts'
import type { Tx } from '../store/store.ts'
import { lockVm } from '../store/vms.ts'
import { lockVolume } from '../store/volumes.ts'
import { type Grant, withdrawAccess } from './access.ts'
import { mayPass, part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { sagaHead } from './head.ts'
import { ends, type Outcome } from './outcome.ts'

/** Take `volume` from the VM it is attached to. */
export interface VolumeDetachInput {
  readonly volume: string
}

/** Takes a volume from its VM: unplugged, its access withdrawn, then forgotten. */
export const volumeDetach = sagaHead<VolumeDetachInput>({
  name: 'volume-detach',
  version: 1,
  lane: 'access',
  needs: async (tx, { volume }) => resourcesOfVolume(tx, volume),
  about: ({ volume }) => ({ kind: 'volume', id: volume }),
})

const OUTCOME: Outcome<VolumeDetachInput> = {
  type: 'VOLUME.DETACH',
  kind: 'Volume',
  id: ({ volume }) => volume,
  doing: 'detaching volume',
}

interface Begun {
  readonly volume: string
  readonly vm: string
  readonly generation: number
  /** Host on which the machine runs; absent when it does not. */
  readonly host?: string
  readonly grants: readonly Grant[]
}

/** What the machine has after a failed unplug; `unknown` when its host does not answer. */
type Plugged = 'attached' | 'detached' | 'unknown'

/**
 * Steps: begin, unplug, withdraw. Until the machine has let go, a failure leaves the volume attached. Once it has, the
 * volume is not put back under a guest that saw it go: it stays marked for detaching, and a reconciler finishes.
 */
export function volumeDetachSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VolumeDetachInput, Tx>(volumeDetach)
    .step('begin', {
      decide: async (tx, { input }, under) => begin(tx, input, under),
      unrecord: async (tx, { input }, { operation }) => {
        if (!(await isHeld(tx, 'volume', { id: input.volume, operation }))) return
        await updateAttachment(tx, input.volume, { desired: 'attached' })
        await release(tx, 'volume', { id: input.volume, operation })
      },
    })
    .step('unplug', {
      run: async ({ begin }, context) => unplug(deps, begin, context),
      record: async (tx, { begin }) => {
        await updateAttachment(tx, begin.volume, { actual: 'detached', device: null })
        await connectionsWithdrawing(tx, [begin.volume])
      },
      undo: async ({ begin }, context) => look(deps, begin, context),
      unrecord: async (tx, { begin }, { found, operation }) => {
        await updateAttachment(tx, begin.volume, { actual: found })
        // Released here, so that undoing `begin` does not wish the volume back to a machine that no longer has it.
        if (found !== 'attached') await release(tx, 'volume', { id: begin.volume, operation })
      },
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin.grants, context),
      record: async (tx, { begin }) => deleteConnectionsTo(tx, begin.volume),
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        await deleteAttachment(tx, input.volume)
        await release(tx, 'volume', { id: input.volume, operation })
      }),
    )
}

async function begin(tx: Tx, input: VolumeDetachInput, under: Under): Promise<Begun> {
  const volume = await lockVolume(tx, input.volume)
  if (!volume || volume.removedAt) throw new Refusal('NOT_FOUND', `There is no volume ${input.volume}`)
  const attachment = await attachmentOf(tx, volume.id)
  if (!attachment)
    throw new Refusal('INVALID', `The specified volume ${volume.id} is not attached to a virtual machine`)
  if (volume.state !== 'Ready') {
    throw new Refusal('INVALID', `Volume ${volume.id} is in state ${volume.state}, it can be detached from Ready only`)
  }
  const vm = await lockVm(tx, attachment.vmId)
  if (!vm) throw new Error(`attachment of volume ${volume.id} names a VM that does not exist`)
  await hold(tx, 'volume', { id: volume.id, operation: under.operation, holder: volume.operationId })
  await updateAttachment(tx, volume.id, { desired: 'detached' })
  return {
    volume: volume.id,
    vm: vm.id,
    generation: attachment.generation,
    ...(vm.state === 'Running' && vm.hostId !== null ? { host: vm.hostId } : {}),
    grants: await connectionsTo(tx, [volume.id]),
  }
}

async function unplug(deps: SagaDeps, what: Begun, context: StepContext): Promise<void> {
  if (what.host === undefined) return
  const host = await deps.plugins.host(what.host)
  // Ids of ours are made by us; the brands only keep kinds apart.
  const disk = { volume: what.volume as VolumeId, generation: what.generation }
  await saying(
    'The virtual machine did not let go of the volume',
    async () => host.adapter(context.log).disks.detach(what.vm as VmId, disk, part(context.call, 'detach')), // As above.
  )
}

async function look(deps: SagaDeps, what: Begun, context: StepContext): Promise<Plugged> {
  if (what.host === undefined) return 'detached'
  const host = await deps.plugins.host(what.host)
  try {
    // An id of ours is made by us; the brand only keeps kinds apart.
    const vm = await host.adapter(context.log).vms.get(what.vm as VmId, part(context.call, 'look'))
    return vm?.disks.some(({ volume }) => volume === what.volume) === true ? 'attached' : 'detached'
  } catch (error) {
    if (mayPass(asPluginError(error))) return 'unknown'
    throw error
  }
}
