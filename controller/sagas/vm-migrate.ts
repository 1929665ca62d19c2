import { setTimeout as pause } from 'node:timers/promises'
import { type BackendVm, type MigrationFacet, type MigrationTicket, PluginError, type VmId } from '@moorage/contract'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext, type Under } from '../jobs/saga.ts'
import { attachmentsOfVm, plugged } from '../store/attachments.ts'
import { connectionGiven, connectionsWithdrawingAt, deleteIntended } from '../store/connections.ts'
import { isHeld, release } from '../store/held.ts'
import { hostById } from '../store/hosts.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm, vmById, vmLeftHost } from '../store/vms.ts'
import { withdrawAccess } from './access.ts'
import { part, saying, unlessGone } from './calls.ts'
import type { SagaDeps } from './deps.ts'
import { exposeDisks, machineSpec, type Sealed, sealedFor } from './exposing.ts'
import { sagaHead } from './head.ts'
import { beginMigration, type Migrating, type VmMigrateInput } from './migrate-begin.ts'
import { ends, type Outcome } from './outcome.ts'
import { forgetGrants, recordStopped } from './stopping.ts'

/** Moves a running VM to another host. */
export const vmMigrate = sagaHead<VmMigrateInput>({
  name: 'vm-migrate',
  version: 1,
  lane: 'motion',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME: Outcome<VmMigrateInput> = {
  type: 'VM.MIGRATE',
  kind: 'UserVm',
  id: ({ vm }) => vm,
  doing: 'migrating virtual machine',
}

/** Where the machine is, once a migration that failed has been given up. */
type Whereabouts = 'source' | 'destination' | 'gone'

/** Between two looks at a transfer. */
const LOOK_AGAIN_MS = 250
/** Share of the time left that is spent looking on: the rest is for saying so before the step's deadline. */
const LOOKING_SHARE = 0.8

/**
 * Steps: begin, expose (to the destination: two connections from here), prepare, send, arrive, leave (the source's machine
 * is ended), withdraw (one connection again). Until it arrives, a failure takes everything back, and the VM runs where it
 * was. Once it has arrived nothing is taken back: the undo ends what is left at the source, and access that is left there is
 * marked, so that a reconciler finishes.
 */
export function vmMigrateSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<VmMigrateInput, Tx>(vmMigrate)
    .step('begin', {
      decide: async (tx, { input }, under) => beginMigration(deps, tx, { input, under }),
      unrecord: async (tx, { input }, under) => putBack(tx, input.vm, under),
    })
    .step('expose', {
      run: async ({ begin }, context) => exposeDisks(deps, begin.disks, context),
      record: async (tx, { begin }, given) => {
        for (const { grant } of begin.disks) await connectionGiven(tx, grant, sealedFor(given, grant.volume))
      },
      undo: async ({ begin }, context) => {
        if (await hasMoved(deps, begin)) return { moved: true }
        await withdrawAccess(deps, grantsOf(begin), context)
        return { moved: false }
      },
      unrecord: async (tx, { begin }, { found }) => {
        if (!found.moved) await forgetGrants(tx, grantsOf(begin))
      },
    })
    .step('prepare', {
      run: async ({ begin, expose }, context) => prepare(deps, { begin, expose }, context),
      undo: async ({ begin }, context) => {
        if (!(await hasMoved(deps, begin))) await abandon(deps, begin, context)
      },
    })
    .step('send', {
      run: async ({ begin, prepare: ticket }, context) => send(deps, { begin, ticket }, context),
      undo: async ({ begin }, context) => takeBack(deps, begin, context),
      unrecord: async (tx, { begin }, { found }) => recordWhereabouts(tx, begin, found),
    })
    .step('arrive', {
      run: async ({ begin }, context) =>
        saying('The virtual machine did not arrive at the other host', async () =>
          (await migrationOf(deps, begin.to, context)).arrive(vmOf(begin), part(context.call, 'arrive')),
        ),
      record: async (tx, { begin }, machine) => recordArrived(tx, begin, machine),
      undo: async ({ begin }, context) => lookForArrival(deps, begin, context),
      unrecord: async (tx, { begin }, { found }) => {
        if (found === 'lost') await updateVm(tx, begin.vm, { state: 'Stopping' })
        else if (found) await recordArrived(tx, begin, found)
      },
    })
    .step('leave', {
      run: async ({ begin }, context) => endAtSource(deps, begin, context),
      // That the source's machine ends, the undo of `send` sees to.
      undo: async () => {},
    })
    .step('withdraw', {
      run: async ({ begin }, context) => withdrawAccess(deps, begin.left, context),
      record: async (tx, { begin }) => forgetGrants(tx, begin.left),
      undo: async () => {},
    })
    .build(ends(OUTCOME, async (tx, { input }, under) => putBack(tx, input.vm, under)))
}

async function putBack(tx: Tx, id: string, { operation }: Under): Promise<void> {
  if (!(await isHeld(tx, 'vm', { id, operation }))) return
  const vm = await lockVm(tx, id)
  const to = vm?.targetHostId
  if (to)
    for (const { volumeId: volume } of await attachmentsOfVm(tx, id)) await deleteIntended(tx, { volume, host: to })
  await updateVm(tx, id, { targetHostId: null, ...(vm?.state === 'Migrating' ? { state: 'Running' } : {}) })
  await release(tx, 'vm', { id, operation })
}

async function prepare(
  deps: SagaDeps,
  what: { readonly begin: Migrating; readonly expose: readonly Sealed[] },
  context: StepContext,
): Promise<MigrationTicket> {
  const { begin, expose } = what
  const source = await migrationOf(deps, begin.from, context)
  const destination = await migrationOf(deps, begin.to, context)
  return saying('The other host could not make ready for the virtual machine', async () => {
    const description = await source.describe(vmOf(begin), part(context.call, 'describe'))
    const spec = machineSpec(deps, begin, expose)
    return destination.prepare(spec, description, part(context.call, 'prepare'))
  })
}

async function send(
  deps: SagaDeps,
  what: { readonly begin: Migrating; readonly ticket: MigrationTicket },
  context: StepContext,
): Promise<void> {
  const { begin, ticket } = what
  const source = await migrationOf(deps, begin.from, context)
  const until = Date.now() + (context.call.deadline - Date.now()) * LOOKING_SHARE
  for (let look = 1; ; look += 1) {
    const progress = await saying('The virtual machine could not be sent to the other host', async () =>
      source.send(vmOf(begin), ticket, part(context.call, `send/${look}`)),
    )
    if (progress.state === 'sent') return
    context.progress({ done: progress.doneBytes, total: progress.totalBytes, unit: 'bytes', note: 'memory sent' })
    if (Date.now() >= until) throw new PluginError('BUSY', 'the machine is being sent', 'possible')
    await pause(LOOK_AGAIN_MS)
  }
}

/** Nothing makes it arrive any more; or it has arrived. A destination that is lost runs nothing that counts. */
async function abandon(deps: SagaDeps, begin: Migrating, context: StepContext): Promise<boolean> {
  const destination = await migrationOf(deps, begin.to, context)
  return (await destination.abandon(vmOf(begin), part(context.call, 'abandon'))).arrived
}

/** The machine at the destination, if it arrived; `lost` when nobody will ever know, because that host is lost. */
async function lookForArrival(
  deps: SagaDeps,
  begin: Migrating,
  context: StepContext,
): Promise<BackendVm | 'lost' | undefined> {
  if (await hasMoved(deps, begin)) return undefined
  // Opened before its state is read: of a host that is given up in between, the answer below is not believed.
  const { adapter } = await deps.plugins.host(begin.to)
  if ((await hostById(deps.store.reader, begin.to))?.state === 'Down') return 'lost'
  const { migration, vms } = adapter(context.log)
  if (!migration) throw new Error(`host ${begin.to} does not migrate any more`)
  const { arrived } = await migration.abandon(vmOf(begin), part(context.call, 'abandon'))
  return arrived ? await vms.get(vmOf(begin), part(context.call, 'look')) : undefined
}

async function takeBack(deps: SagaDeps, begin: Migrating, context: StepContext): Promise<Whereabouts> {
  const vm = await vmById(deps.store.reader, begin.vm)
  if (vm?.hostId === begin.to || vm?.state === 'Stopping') {
    await endAtSource(deps, begin, context)
    return vm.hostId === begin.to ? 'destination' : 'gone'
  }
  // Only the step `arrive` makes it arrive, and that has not begun, or its undo has settled that it did not.
  await abandon(deps, begin, context)
  const source = await migrationOf(deps, begin.from, context)
  const back = await unlessGone(async () => source.resume(vmOf(begin), part(context.call, 'resume')))
  return back ? 'source' : 'gone'
}

async function endAtSource(deps: SagaDeps, begin: Migrating, context: StepContext): Promise<void> {
  const host = await deps.plugins.host(begin.from)
  await saying('The other host has the virtual machine, but the first did not end what it kept of it', async () =>
    host.adapter(context.log).vms.stop(vmOf(begin), { force: true }, part(context.call, 'leave')),
  )
}

async function recordArrived(tx: Tx, begin: Migrating, machine: BackendVm): Promise<void> {
  const vm = await lockVm(tx, begin.vm)
  if (!vm) throw new Error(`VM ${begin.vm} is not there`)
  const moved = { hostId: begin.to, targetHostId: null, lastHostId: begin.to, generation: vm.generation + 1 }
  await updateVm(tx, begin.vm, moved)
  for (const { grant } of begin.disks) {
    const disk = machine.disks.find(({ volume }) => volume === grant.volume)
    if (!disk) throw new Error(`the machine of VM ${begin.vm} has no disk for volume ${grant.volume}`)
    await plugged(tx, grant.volume, disk.device)
  }
  await connectionsWithdrawingAt(
    tx,
    begin.from,
    begin.left.map(({ volume }) => volume),
  )
}

async function recordWhereabouts(tx: Tx, begin: Migrating, where: Whereabouts): Promise<void> {
  if (where !== 'gone') return
  const volumes = begin.disks.map(({ grant }) => grant.volume)
  await recordStopped(tx, { vm: begin.vm, volumes, grants: [] })
  await vmLeftHost(tx, begin.vm, 'Stopped')
}

async function hasMoved(deps: Pick<SagaDeps, 'store'>, begin: Migrating): Promise<boolean> {
  return (await vmById(deps.store.reader, begin.vm))?.hostId === begin.to
}

async function migrationOf(
  deps: Pick<SagaDeps, 'plugins'>,
  host: string,
  context: StepContext,
): Promise<MigrationFacet> {
  const { migration } = (await deps.plugins.host(host)).adapter(context.log)
  if (migration) return migration
  throw new PluginError('UNSUPPORTED', `host ${host} does not migrate`, 'none')
}

function grantsOf(begin: Migrating) {
  return begin.disks.map(({ grant }) => grant)
}

function vmOf(begin: Migrating): VmId {
  return begin.vm as VmId // An id of ours is made by us; the brand only keeps kinds apart.
}
