import { existsSync, globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A set of tests that runs as one process. */
export interface Suite {
  readonly name: string
  /** `check` suites are quick and need no root; `system` suites start real daemons and whole systems. */
  readonly group: 'check' | 'system'
  readonly command: readonly [string, ...string[]]
  /**
   * `exit`: it counts as one test, passed when it exits with 0. `report`: it writes a `Report` as JSON to the file named
   * by MOORAGE_TEST_REPORT.
   */
  readonly result: 'exit' | 'report'
  readonly env?: Readonly<Record<string, string>>
  /** Minutes after which it has failed. */
  readonly minutes: number
  /** Why it cannot run here; `undefined` when it can. */
  unmet?(): string | undefined
}

/** What a suite of kind `report` tells. */
export interface Report {
  readonly passed: number
  readonly failures: readonly string[]
  readonly skips: readonly { readonly name: string; readonly reason: string }[]
}

/** Folders of `test/` that are Vitest projects of their own, in the order in which they run. */
export const SYSTEM_PROJECTS = ['e2e', 'compat', 'crash'] as const

function vitest(
  project: string,
  minutes: number,
  ...more: readonly string[]
): Pick<Suite, 'command' | 'result' | 'minutes'> {
  return { command: ['node', 'tools/run-vitest.ts', '--project', project, ...more], result: 'report', minutes }
}

function needsRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root: it mounts file systems and starts an iSCSI target'
}

/**
 * Where transactions are at work and can collide. What goes over a whole registry, of commands, calls or findings, does so one at a
 * time, as does one caller who asks for one command after another: they collide with nothing, and are not here. Many callers at
 * once are in `npm run lives -- --isolation serializable`, and in the crash suite.
 */
function transacting(): readonly string[] {
  const sagas = globSync('controller/sagas/*.test.ts', { cwd: ROOT }).filter((path) => !path.endsWith('.proof.test.ts'))
  const folders = ['jobs', 'operations', 'reconcilers', 'store']
  return [...folders.map((folder) => `controller/${folder}/`), ...sagas.toSorted()]
}

/**
 * Every suite, in the order in which they run. To add one, add a row, or a folder to SYSTEM_PROJECTS: `npm test`,
 * `make test` and the continuous integration run what stands here and nothing else.
 */
export const SUITES: readonly Suite[] = [
  { name: 'format', group: 'check', command: ['oxfmt', '--check'], result: 'exit', minutes: 1 },
  { name: 'lint', group: 'check', command: ['oxlint'], result: 'exit', minutes: 2 },
  { name: 'types', group: 'check', command: ['tsc', '-b'], result: 'exit', minutes: 2 },
  { name: 'unused', group: 'check', command: ['knip'], result: 'exit', minutes: 2 },
  { name: 'unit', group: 'check', ...vitest('unit', 10) },
  { name: 'proof', group: 'system', ...vitest('proof', 10) },
  {
    // The isolation that CockroachDB has always, and the cheapest way to find what rests on a weaker one.
    name: 'serializable',
    group: 'system',
    ...vitest('unit', 10, ...transacting()),
    env: { MOORAGE_TEST_ISOLATION: 'serializable' },
  },
  { name: 'process', group: 'system', ...vitest('process', 10) },
  { name: 'lab', group: 'system', ...vitest('lab', 20), unmet: needsRoot },
  ...SYSTEM_PROJECTS.filter((name) => existsSync(`${ROOT}/test/${name}`)).map((name): Suite => {
    return { name, group: 'system', ...vitest(name, 20), unmet: needsRoot }
  }),
]
