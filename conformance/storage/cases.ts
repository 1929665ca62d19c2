import { type RegisterTest, registerCases } from '../runner.ts'
import { accessCases } from './access.ts'
import { callCases } from './calls.ts'
import { changeListCases } from './change-list.ts'
import { cloneCases } from './clones.ts'
import type { StorageCase } from './context.ts'
import { controllerCases } from './controllers.ts'
import { fenceCases } from './fences.ts'
import { groupCases } from './groups.ts'
import { inventoryCases } from './inventory.ts'
import { poolCases } from './pools.ts'
import { qosCases } from './qos.ts'
import { resizeCases } from './resize.ts'
import { revertCases } from './revert.ts'
import { runStorageCase } from './run.ts'
import { sharingCases } from './sharing.ts'
import { snapshotCases } from './snapshots.ts'
import { statsCases } from './stats.ts'
import { strangerCases } from './strangers.ts'
import type { StorageSubject } from './subject.ts'
import { volumeCases } from './volumes.ts'
import { withdrawalCases } from './withdrawal.ts'

/** Everything that the contract asks of a storage provider. Names are unique. */
export const storageCases: readonly StorageCase[] = [
  ...poolCases,
  ...volumeCases,
  ...callCases,
  ...controllerCases,
  ...fenceCases,
  ...accessCases,
  ...withdrawalCases,
  ...sharingCases,
  ...inventoryCases,
  ...strangerCases,
  ...snapshotCases,
  ...cloneCases,
  ...resizeCases,
  ...qosCases,
  ...revertCases,
  ...groupCases,
  ...changeListCases,
  ...statsCases,
]

/**
 * Registers the kit for one storage provider with any test runner: one test per case. Cases must run one after the other
 * when benches of the subject share a back end.
 */
export function storageConformance(options: { readonly test: RegisterTest; readonly subject: StorageSubject }): void {
  const { test, subject } = options
  registerCases({ test, cases: storageCases, lacks: subject.lacks, run: (each) => runStorageCase(each, subject) })
}
