import { playUnreachable } from './testing/unreachable.ts'

// All but those of volumes and VMs.
playUnreachable(({ saga }) => !saga.startsWith('v'))
