import { resourceName } from '../domain/resource.ts'
import { type SagaDefinition, saga } from '../jobs/saga.ts'
import type { Tx } from '../store/store.ts'
import { sagaHead } from './head.ts'
import { ends } from './outcome.ts'

/** `vm` is a row in state Stopped. */
export interface VmCreateInput {
  readonly vm: string
}

/** What is left to do for a VM that is not to be started, after its row was made: nothing. It gives the command its job. */
export const vmCreate = sagaHead<VmCreateInput>({
  name: 'vm-create',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})

const OUTCOME = {
  type: 'VM.CREATE',
  kind: 'UserVm',
  id: ({ vm }: VmCreateInput) => vm,
  doing: 'deploying virtual machine',
} as const

/** A stopped VM is nowhere, so there is a single step and no effect. */
export function vmCreateSaga(): SagaDefinition<Tx> {
  return saga<VmCreateInput, Tx>(vmCreate)
    .step('begin', { decide: async () => ({}) })
    .build(ends(OUTCOME, async () => {}))
}
