import { type RegisterTest, registerCases } from '../runner.ts'
import { callCases } from './calls.ts'
import type { HypervisorCase } from './context.ts'
import { controllerCases } from './controllers.ts'
import { diskCases } from './disks.ts'
import { facetCases } from './facets.ts'
import { fenceCases } from './fences.ts'
import { hostCases } from './hosts.ts'
import { migrationCases } from './migration.ts'
import { mirrorCases } from './mirror.ts'
import { reachCases } from './reach.ts'
import { runHypervisorCase } from './run.ts'
import { strangerCases } from './strangers.ts'
import type { HypervisorSubject } from './subject.ts'
import { throttleCases } from './throttle.ts'
import { vmCases } from './vms.ts'

/** Everything that the contract asks of a hypervisor adapter. Names are unique. */
export const hypervisorCases: readonly HypervisorCase[] = [
  ...hostCases,
  ...vmCases,
  ...callCases,
  ...controllerCases,
  ...fenceCases,
  ...diskCases,
  ...throttleCases,
  ...facetCases,
  ...migrationCases,
  ...mirrorCases,
  ...reachCases,
  ...strangerCases,
]

/**
 * Registers the kit for one hypervisor adapter with any test runner: one test per case. Cases must run one after the other
 * when benches of the subject share a host.
 */
export function hypervisorConformance(options: {
  readonly test: RegisterTest
  readonly subject: HypervisorSubject
}): void {
  const { test, subject } = options
  registerCases({ test, cases: hypervisorCases, lacks: subject.lacks, run: (each) => runHypervisorCase(each, subject) })
}
