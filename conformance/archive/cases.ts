import { type RegisterTest, registerCases } from '../runner.ts'
import { callCases } from './calls.ts'
import type { ArchiveCase } from './context.ts'
import { keyCases } from './keys.ts'
import { listingCases } from './listing.ts'
import { objectCases } from './objects.ts'
import { probeCases } from './probe.ts'
import { runArchiveCase } from './run.ts'
import type { ArchiveSubject } from './subject.ts'

/** Everything that the contract asks of an archive. Names are unique. */
export const archiveCases: readonly ArchiveCase[] = [
  ...probeCases,
  ...objectCases,
  ...listingCases,
  ...keyCases,
  ...callCases,
]

/**
 * Registers the kit for one archive with any test runner: one test per case. Cases must run one after the other when
 * benches of the subject share a back end.
 */
export function archiveConformance(options: { readonly test: RegisterTest; readonly subject: ArchiveSubject }): void {
  const { test, subject } = options
  registerCases({ test, cases: archiveCases, lacks: subject.lacks, run: (each) => runArchiveCase(each, subject) })
}
