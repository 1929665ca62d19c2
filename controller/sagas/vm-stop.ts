import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

/** Stop `vm`. `force` pulls the plug. `destroy`: it ends in state Destroyed instead of Stopped. */
export interface VmStopInput {
  readonly vm: string
  readonly force: boolean
  readonly destroy?: boolean
}

/** Stops a VM and withdraws its access to its volumes; stopping what is stopped is success. */
export const vmStop = sagaHead<VmStopInput>({
  name: 'vm-stop',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})
