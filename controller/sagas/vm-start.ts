import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

/** Start `vm`, on `host` when given. */
export interface VmStartInput {
  readonly vm: string
  readonly host?: string
}

/** Starts a VM with its volumes; starting what runs is success. */
export const vmStart = sagaHead<VmStartInput>({
  name: 'vm-start',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})
