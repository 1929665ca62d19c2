import { Refusal } from '../domain/failures.ts'
import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import type { OfferingRow, VmRow } from '../store/generated/schema.ts'
import type { Tx } from '../store/store.ts'
import { lockVm, updateVm } from '../store/vms.ts'
import { offeringById } from '../store/volumes.ts'
import { sagaHead } from './head.ts'
import { checkLimits } from './limits.ts'
import { ends } from './outcome.ts'

/** Gives `vm` the CPUs and the memory of the service offering `offering`. */
export interface VmScaleInput {
  readonly vm: string
  readonly offering: string
}

/** Gives a stopped VM another service offering. */
export const vmScale = sagaHead<VmScaleInput>({
  name: 'vm-scale',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME = {
  type: 'VM.UPGRADE',
  kind: 'UserVm',
  id: ({ vm }: VmScaleInput) => vm,
  doing: 'changing the service offering of virtual machine',
} as const

/** One step, in the database only: a stopped VM is nowhere. */
export function vmScaleSaga(): SagaDefinition<Tx> {
  return saga<VmScaleInput, Tx>(vmScale)
    .step('begin', { decide: async (tx, { input }) => decide(tx, input) })
    .build(ends(OUTCOME, async () => {}))
}

async function decide(tx: Tx, { vm: id, offering: offeringId }: VmScaleInput): Promise<Record<string, never>> {
  const vm = await lockVm(tx, id)
  if (!vm || vm.removedAt) throw new Refusal('NOT_FOUND', `There is no virtual machine ${id}`)
  const size = await checkScale(tx, vm, await offeringById(tx, offeringId))
  await updateVm(tx, id, size)
  return {}
}

/**
 * What a VM becomes by another service offering. Throws `Refusal`: `INVALID` unless it is Stopped, since a guest keeps
 * what it was started with, or where that is no offering of CPUs and memory; `ALLOCATION` above a limit of its account.
 */
export async function checkScale(
  tx: Tx,
  vm: Pick<VmRow, 'state' | 'accountId' | 'cpus' | 'memoryBytes'>,
  asked: OfferingRow | undefined,
): Promise<Pick<VmRow, 'offeringId' | 'cpus' | 'memoryBytes' | 'ha'>> {
  if (vm.state !== 'Stopped')
    throw new Refusal(
      'INVALID',
      `A virtual machine in state ${vm.state} cannot be given another service offering: it must be Stopped`,
    )
  const { id: offeringId, cpus, memoryBytes, ha } = serviceOffering(asked)
  await checkLimits(tx, vm.accountId, { cpus: cpus - vm.cpus, memory: memoryBytes - vm.memoryBytes })
  return { offeringId, cpus, memoryBytes, ha }
}

/** The offering as one of CPUs and memory. Throws `Refusal` `INVALID` where it is none, or where there is none. */
export function serviceOffering(
  offering: OfferingRow | undefined,
): OfferingRow & { readonly cpus: number; readonly memoryBytes: number } {
  if (offering?.kind === 'service' && offering.cpus !== null && offering.memoryBytes !== null) {
    const { cpus, memoryBytes } = offering
    return { ...offering, cpus, memoryBytes }
  }
  throw new Refusal('INVALID', 'Invalid parameter serviceofferingid: it names no offering of CPU and memory')
}
