import { resourceName } from '../domain/resource.ts'
import { sagaHead } from './head.ts'

/** Restart the guest of `vm`. */
export interface VmRebootInput {
  readonly vm: string
}

/** Restarts the guest of a running VM; machine and disks stay. */
export const vmReboot = sagaHead<VmRebootInput>({
  name: 'vm-reboot',
  version: 1,
  lane: 'access',
  needs: async (_tx, { vm }) => [resourceName('vm', vm)],
  about: ({ vm }) => ({ kind: 'vm', id: vm }),
})
