import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { ROOT } from './suites.ts'

/**
 * Files that take longest, with about how many seconds each takes on two cores. They start first, so that no suite ends
 * with one of them running alone; a machine that never ran the tests cannot know it, and by size it guesses wrong.
 * A number need not be right, only its order: renew it when a suite's last minute belongs to one file.
 */
export const SLOW_TESTS: Readonly<Record<string, number>> = {
  'conformance/cheats/cheats.proof.test.ts': 29,
  'conformance/simulator.test.ts': 25,
  'controller/api/audit.test.ts': 8,
  'controller/api/commands/volumes.test.ts': 8,
  'controller/api/registry.proof.test.ts': 36,
  'controller/api/tenancy.proof.test.ts': 20,
  'controller/jobs/crash.lab.test.ts': 61,
  'controller/main.process.test.ts': 60,
  'controller/plugin-host/outside/outside.process.test.ts': 16,
  'controller/reconcilers/reconcilers.test.ts': 8,
  'controller/refusals.process.test.ts': 22,
  'controller/sagas/census-resolve.proof.test.ts': 21,
  'controller/sagas/archive-rules.test.ts': 25,
  'controller/sagas/faults.proof.test.ts': 45,
  'controller/sagas/host-faults.proof.test.ts': 45,
  'controller/sagas/resume.proof.test.ts': 28,
  'controller/sagas/root-rules.test.ts': 15,
  'controller/sagas/scenes.proof.test.ts': 45,
  'controller/sagas/unreachable-others.proof.test.ts': 55,
  'controller/sagas/unreachable.proof.test.ts': 56,
  'controller/sagas/volume-rules.test.ts': 11,
  'controller/store/supervise.process.test.ts': 41,
  'daemons/hostd/guest.lab.test.ts': 90,
  'daemons/mover/engine/engine.test.ts': 11,
  'daemons/san/death.lab.test.ts': 105,
  'daemons/san/qos.lab.test.ts': 60,
  'plugins/archive/s3/conformance.test.ts': 8,
  'plugins/archive/s3/radosgw.lab.test.ts': 41,
  'plugins/hypervisor/qemu/conformance.lab.test.ts': 31,
  'plugins/storage/file/conformance.lab.test.ts': 75,
  'plugins/storage/linux-san/conformance.lab.test.ts': 61,
  'test/crash/attach-storm.test.ts': 47,
  'test/crash/census-resolve.test.ts': 60,
  'test/crash/controller-kills.test.ts': 60,
  'test/crash/controllers.test.ts': 52,
  'test/crash/fencing.test.ts': 40,
  'test/crash/host-kills.test.ts': 50,
  'test/crash/matrix.test.ts': 55,
  'test/crash/move-kills.test.ts': 31,
  'test/crash/real-kills.test.ts': 69,
  'test/crash/storage-kills.test.ts': 42,
  'test/crash/zombies.test.ts': 70,
  'test/e2e/down.test.ts': 24,
  'test/e2e/quickstart.test.ts': 110,
  'test/e2e/volume-migration.test.ts': 26,
  'test/plugins/outside.process.test.ts': 32,
}

/** Vitest's order within each project, with the files of `SLOW_TESTS` in front, the slowest first. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const projects = [...new Set(sorted.map(({ project }) => project.name))]
    return projects.flatMap((name) =>
      sorted.filter(({ project }) => project.name === name).sort((a, b) => secondsOf(b) - secondsOf(a)),
    )
  }
}

function secondsOf({ moduleId }: TestSpecification): number {
  return SLOW_TESTS[relative(ROOT, moduleId)] ?? 0
}
