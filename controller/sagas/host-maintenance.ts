import { PluginError } from '@moorage/contract'
import { derivedId } from '../domain/derived-id.ts'
import { Refusal } from '../domain/failures.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga, type StepContext } from '../jobs/saga.ts'
import { hold, isHeld, release } from '../store/held.ts'
import { lockHost, updateHost } from '../store/hosts.ts'
import type { Tx } from '../store/store.ts'
import { vmsOnOrComing } from '../store/vms.ts'
import type { SagaDeps } from './deps.ts'
import { type SagaHead, sagaHead } from './head.ts'
import { submitInternal } from './internal.ts'
import { ends, type Outcome } from './outcome.ts'
import { vmMigrate } from './vm-migrate.ts'
import { vmStop } from './vm-stop.ts'

/** Take `host` out of service. */
export interface HostMaintenanceInput {
  readonly host: string
}

/** Moves every VM off the host, or stops it where it cannot move, then holds the host in Maintenance: nothing starts there. */
export const hostMaintenance = sagaHead<HostMaintenanceInput>({
  name: 'host-maintenance',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { host }) => [resourceName('host', host)],
  about: ({ host }) => ({ kind: 'host', id: host }),
})

const OUTCOME: Outcome<HostMaintenanceInput> = {
  type: 'MAINT.PREPARE',
  kind: 'Host',
  id: ({ host }) => host,
  doing: 'preparing for maintenance host',
}

/** Share of the time left that is spent waiting: the rest is for saying so before the step's deadline. */
const WAITING_SHARE = 0.8

/**
 * Steps: begin, move, stop. From `begin` on nothing begins to start or to move there, so that the VMs that are on the host or
 * on their way to it only become fewer. They move and stop in operations of their own, which wait for whatever else is being
 * done to the VM; those that had to stop start again by themselves where there is room.
 */
export function hostMaintenanceSaga(deps: SagaDeps): SagaDefinition<Tx> {
  return saga<HostMaintenanceInput, Tx>(hostMaintenance)
    .step('begin', {
      decide: async (tx, { input }, { operation }) => {
        const host = await lockHost(tx, input.host)
        if (!host) throw new Refusal('NOT_FOUND', `There is no host ${input.host}`)
        const why = unready(host)
        if (why !== undefined) throw new Refusal('INVALID', `Host ${host.name} ${why}`)
        await hold(tx, 'host', { id: host.id, operation })
        await updateHost(tx, host.id, { resourceState: 'PrepareForMaintenance' })
        return {}
      },
      unrecord: async (tx, { input }, { operation }) => {
        if (!(await isHeld(tx, 'host', { id: input.host, operation }))) return
        await updateHost(tx, input.host, { resourceState: 'ErrorInMaintenance' })
        await release(tx, 'host', { id: input.host, operation })
      },
    })
    .step('move', {
      run: async ({ input }, context) => {
        await forEachVm(
          deps,
          { host: input.host, head: vmMigrate, inputOf: (vm) => ({ vm, from: input.host }) },
          context,
        )
      },
      undo: async () => {},
    })
    .step('stop', {
      run: async ({ input }, context) => {
        const inputOf = (vm: string) => ({ vm, force: false, on: input.host, restart: true })
        await forEachVm(deps, { host: input.host, head: vmStop, inputOf }, context)
        const left = await vmsOnOrComing(deps.store.reader, input.host)
        if (left.length === 0) return
        const ids = left.map(({ id }) => id).join(', ')
        throw new Refusal('UNAVAILABLE', `Virtual machines on the host could neither be moved nor stopped: ${ids}`)
      },
      undo: async () => {},
    })
    .build(
      ends(OUTCOME, async (tx, { input }, { operation }) => {
        await updateHost(tx, input.host, { resourceState: 'Maintenance' })
        await release(tx, 'host', { id: input.host, operation })
      }),
    )
}

/** Why a host cannot be taken out of service; `undefined` when it can. */
export function unready(host: { readonly lostAt: Date | null; readonly resourceState: string }): string | undefined {
  if (host.lostAt !== null) return 'was given up: nothing is left on it to move'
  if (host.resourceState === 'Maintenance') return 'is in maintenance already'
  return undefined
}

interface Errand<Input> {
  readonly host: string
  readonly head: SagaHead<Input>
  inputOf(vm: string): Input
}

/** Submits an operation for each VM on the host, or on its way to it, and waits for their ends, which may be failures. */
async function forEachVm<Input>(deps: SagaDeps, errand: Errand<Input>, context: StepContext): Promise<void> {
  const { store } = deps
  const { host, head } = errand
  const jobs = deps.jobs()
  const vms = await vmsOnOrComing(store.reader, host)
  const orders = vms.map((vm) => ({ ...vm, operation: derivedId(context.operation, head.name, vm.id) }))
  for (const { id, accountId: account, operation } of orders) {
    const order = { head, input: errand.inputOf(id), id: operation, account }
    await store.transact(async (tx) => submitInternal(tx, jobs, order))
  }
  let done = 0
  for (const { operation } of orders) {
    context.progress({ done, total: orders.length, unit: 'items', note: `virtual machines: ${head.name}` })
    if (!(await jobs.ended(operation, Math.max(0, context.call.deadline - Date.now()) * WAITING_SHARE))) {
      throw new PluginError('BUSY', `waits for operation ${operation} about a virtual machine`, 'none')
    }
    done += 1
  }
}
