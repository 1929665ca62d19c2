import type { BackendVm, BackendVolume, VmId } from '@moorage/contract'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { attachmentsOfVm, plugged, unpluggedAll } from '../store/attachments.ts'
import { connectionGiven, deleteIntended, intendConnection } from '../store/connections.ts'
import { isHeld, release } from '../store/held.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm } from '../store/vms.ts'
import { updateVolume } from '../store/volumes.ts'
import { withdrawAccess } from './access.ts'
import { part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { exposeDisks, inTurn, machineSpec, type Sealed, sealedFor } from './exposing.ts'
import { sagaHead } from './head.ts'
import { makeVolume, recordMade, unmakeVolume, unrecordMade } from './making.ts'
import { ends, type Outcome } from './outcome.ts'
import { unplace } from './placing.ts'
import { beginStart, type Starting, type VmStartInput } from './start-begin.ts'
import { forgetGrants } from './stopping.ts'

/** Starts a VM with its volumes; starting what runs is success. */
export const vmStart = sagaHead<VmStartInput>({
  name: 'vm-start',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME: Outcome<VmStartInput> = {
  type: 'VM.START',
  kind: 'UserVm',
  id: ({ vm }) => vm,
  doing: 'starting virtual machine',
}

/**
 * Steps: begin, clear (access that an earlier run left), create (array volumes not made yet), expose, start. A VM that
 * runs already passes through them with nothing to do.
 */
export function vmStartSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VmStartInput, Tx>(vmStart)
    .step('begin', {
      decide: async (tx, { input }, under) => beginStart(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.vm, under),
    })
    .step('clear', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin?.stale ?? [], context),
      record: async (tx, { begin }) => {
        await forgetGrants(tx, begin?.stale ?? [])
        for (const { grant, generation } of begin?.disks ?? []) await intendConnection(tx, { ...grant, generation })
      },
      undo: async () => {},
      unrecord: async (tx, { begin }) => {
        for (const { grant } of begin?.disks ?? []) await deleteIntended(tx, grant)
      },
    })
    .step('create', {
      run: async ({ begin }, context) => inTurn(begin?.plans ?? [], async (plan) => makeVolume(deps, plan, context)),
      record: async (tx, { begin }, made) => recordCreated(tx, begin, made),
      undo: async ({ begin }, context) => inTurn(begin?.plans ?? [], async (plan) => unmakeVolume(deps, plan, context)),
      unrecord: async (tx, { begin }) => {
        for (const plan of begin?.plans ?? []) {
          await unrecordMade(tx, plan)
          await updateVolume(tx, plan.volume, { state: 'Creating' })
        }
      },
    })
    .step('expose', {
      run: async ({ begin }, context) => exposeDisks(deps, begin?.disks ?? [], context),
      record: async (tx, { begin }, given) => {
        for (const { grant } of begin?.disks ?? []) await connectionGiven(tx, grant, sealedFor(given, grant.volume))
      },
      undo: async ({ begin }, context) => withdrawAccess(deps, grantsOf(begin), context),
      unrecord: async (tx, { begin }) => forgetGrants(tx, grantsOf(begin)),
    })
    .step('start', {
      run: async ({ begin, expose }, context) => (begin ? start(deps, { begin, expose }, context) : null),
      record: async (tx, { begin }, machine) => {
        if (begin && machine) await recordStarted(tx, begin, machine)
      },
      undo: async ({ begin }, context) => (begin ? pullThePlug(deps, begin, context) : undefined),
      unrecord: async (tx, { begin }) => {
        if (begin) await unpluggedAll(tx, begin.vm)
      },
    })
    .build(
      ends(OUTCOME, async (tx, { input, begin }, { operation }) => {
        if (begin) await updateVm(tx, begin.vm, { state: 'Running', lastHostId: begin.host })
        await release(tx, 'vm', { id: input.vm, operation })
      }),
    )
}

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'vm', { id, operation }))) return
  for (const { volumeId } of await attachmentsOfVm(tx, id)) {
    if (await unplace(tx, volumeId)) await updateVolume(tx, volumeId, { state: 'Allocated' })
  }
  const vm = await lockVm(tx, id)
  if (vm?.state === 'Starting') await updateVm(tx, id, { state: 'Stopped', hostId: null })
  await release(tx, 'vm', { id, operation })
}

async function recordCreated(tx: Tx, begin: Starting | null, made: readonly BackendVolume[]): Promise<void> {
  for (const plan of begin?.plans ?? []) {
    const volume = made.find(({ id }) => id === plan.volume)
    if (!volume) throw new Error(`volume ${plan.volume} was not made`)
    await recordMade(tx, plan, volume)
    await updateVolume(tx, plan.volume, { state: 'Ready' })
  }
}

async function start(
  deps: SagaDeps,
  what: { readonly begin: Starting; readonly expose: readonly Sealed[] },
  context: StepContext,
): Promise<BackendVm> {
  const { begin, expose } = what
  const host = await deps.plugins.host(begin.host)
  const spec = machineSpec(deps, begin, expose)
  return saying('The hypervisor did not start the virtual machine', async () =>
    host.adapter(context.log).vms.start(spec, part(context.call, 'start')),
  )
}

async function pullThePlug(deps: SagaDeps, begin: Starting, context: StepContext): Promise<void> {
  const host = await deps.plugins.host(begin.host)
  // An id of ours is made by us; the brand only keeps kinds apart.
  await host.adapter(context.log).vms.stop(begin.vm as VmId, { force: true }, part(context.call, 'stop'))
}

async function recordStarted(tx: Tx, begin: Starting, machine: BackendVm): Promise<void> {
  for (const { grant, throttle } of begin.disks) {
    const disk = machine.disks.find(({ volume }) => volume === grant.volume)
    if (!disk) throw new Error(`the machine of VM ${begin.vm} has no disk for volume ${grant.volume}`)
    await plugged(tx, grant.volume, disk.device)
    if (Object.keys(throttle).length > 0) await updateVolume(tx, grant.volume, { qosApplied: disk.throttle })
  }
}

function grantsOf(begin: Starting | null) {
  return begin?.disks.map(({ grant }) => grant) ?? []
}
