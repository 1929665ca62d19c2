import assert from 'node:assert/strict'
import { newAudit } from '../audit.ts'
import { everyStep } from '../calls.ts'
import { notRefused } from '../check.ts'
import { type ArchiveCase, ArchiveContext } from './context.ts'
import type { ArchiveBench, ArchiveSubject } from './subject.ts'

/**
 * Runs one case against a subject: makes a bench, probes it, runs the case, takes away what it stored, and throws when a
 * promise was broken or a rule of every call was breached. Throws `NotApplicable` when the case finds that it says nothing
 * about this subject.
 */
export async function runArchiveCase(each: ArchiveCase, subject: ArchiveSubject): Promise<void> {
  const bench = await subject.make()
  try {
    refuseUndeclared(bench, subject)
    const audit = newAudit()
    const context = new ArchiveContext(bench, audit)
    await bench.store.probe(context.call())
    await everyStep([
      () => notRefused(each.run(context)),
      () => context.cleanUp(),
      async () => assert.deepEqual(audit.breaches, [], 'rules of every call'),
    ])
  } finally {
    await bench.dispose()
  }
}

function refuseUndeclared(bench: ArchiveBench, subject: ArchiveSubject): void {
  for (const name of ['plugin', 'peek'] as const) {
    const [there, lacked] = [bench[name] !== undefined, subject.lacks[name] !== undefined]
    assert.notEqual(
      there,
      lacked,
      `the bench ${there ? 'has' : 'has no'} ${name}, and the subject declares the opposite`,
    )
  }
}
