import { asPluginError, type VmId } from '@moorage/contract'
import type { StepContext } from '../jobs/saga.ts'
import { attachmentsOfVm, unpluggedAll } from '../store/attachments.ts'
import { connectionsTo, connectionsWithdrawing, deleteConnection } from '../store/connections.ts'
import type { Tx } from '../store/store.ts'
import type { Grant } from './access.ts'
import { mayPass, part, saying } from './calls.ts'
import type { SagaDeps } from './deps.ts'

/** A VM with what of it is out there. Plain data. */
export interface Abroad {
  readonly vm: string
  /** Host on which its machine runs; absent when it runs nowhere. */
  readonly host?: string
  readonly volumes: readonly string[]
  readonly grants: readonly Grant[]
}

/** What of a VM is out there: its machine on `host`, and access of any host to its volumes. */
export async function abroad(tx: Tx, vm: string, host: string | null): Promise<Abroad> {
  const volumes = (await attachmentsOfVm(tx, vm)).map(({ volumeId }) => volumeId)
  return { vm, ...(host === null ? {} : { host }), volumes, grants: await connectionsTo(tx, volumes) }
}

/** Stops the machine. Nothing happens when there is none. */
export async function stopMachine(
  deps: Pick<SagaDeps, 'plugins'>,
  what: Abroad & { readonly force: boolean },
  context: StepContext,
): Promise<void> {
  const { vm, host: id, force } = what
  if (id === undefined) return
  const host = await deps.plugins.host(id)
  await saying(
    'The hypervisor did not stop the virtual machine',
    async () => host.adapter(context.log).vms.stop(vm as VmId, { force }, part(context.call, 'stop')), // An id of ours is made by us.
  )
}

/** Whether the machine runs after all; `unknown` when its host does not answer. */
export async function lookAtMachine(
  deps: Pick<SagaDeps, 'plugins'>,
  what: Abroad,
  context: StepContext,
): Promise<'running' | 'stopped' | 'unknown'> {
  if (what.host === undefined) return 'stopped'
  const host = await deps.plugins.host(what.host)
  try {
    const found = await host.adapter(context.log).vms.get(what.vm as VmId, part(context.call, 'look')) // As above.
    return found === undefined || found.state === 'stopped' ? 'stopped' : 'running'
  } catch (error) {
    if (mayPass(asPluginError(error))) return 'unknown'
    throw error
  }
}

/** The machine is gone, so its disks are plugged nowhere and nobody needs access to them. */
export async function recordStopped(tx: Tx, { vm, volumes }: Abroad): Promise<void> {
  await unpluggedAll(tx, vm)
  await connectionsWithdrawing(tx, volumes)
}

/** Forgets access that was withdrawn. */
export async function forgetGrants(tx: Tx, grants: readonly Grant[]): Promise<void> {
  for (const grant of grants) await deleteConnection(tx, grant)
}
