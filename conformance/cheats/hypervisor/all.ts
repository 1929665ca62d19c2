import type { HypervisorCheat } from '../cheat.ts'
import { callCheats } from './calls.ts'
import { controllerCheats } from './controllers.ts'
import { diskCheats } from './disks.ts'
import { facetCheats } from './facets.ts'
import { fenceCheats } from './fences.ts'
import { hostCheats } from './hosts.ts'
import { migrationCheats } from './migration.ts'
import { mirrorCheats } from './mirror.ts'
import { plugCheats } from './plugs.ts'
import { reachCheats } from './reach.ts'
import { strangerCheats } from './strangers.ts'
import { vmCheats } from './vms.ts'

/** Adapters that the hypervisor kit must reject, each with the cases that must catch it. Names are unique. */
export const hypervisorCheats: readonly HypervisorCheat[] = [
  ...hostCheats,
  ...vmCheats,
  ...callCheats,
  ...controllerCheats,
  ...fenceCheats,
  ...diskCheats,
  ...plugCheats,
  ...facetCheats,
  ...migrationCheats,
  ...mirrorCheats,
  ...reachCheats,
  ...strangerCheats,
]
