import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

/** Remove `vm` for good. */
export interface VmExpungeInput {
  readonly vm: string
}

/** Stops a VM if it runs, detaches its volumes, which stay, and removes it. */
export const vmExpunge = sagaHead<VmExpungeInput>({
  name: 'vm-expunge',
  version: 1,
  lane: 'housekeeping',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})
