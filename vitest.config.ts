import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { SlowFirst } from './tools/slow-tests.ts'
import { SYSTEM_PROJECTS } from './tools/suites.ts'

const everywhere = ['**/node_modules/**', '**/dist/**', '**/.moorage/**']
const bench = 'test/bench/**'
const AT_A_TIME = { e2e: 2, compat: 2, crash: 3 } as const

/**
 * `unit` needs nothing but Node and PostgreSQL and is part of `npm run check`. `proof` needs no more, but goes over whole
 * registries (every command as every role, every call of every saga, every cheat), which takes as long again. `process`
 * starts whole controllers and database servers as programs, seconds each, and needs no more either. `lab` starts real
 * daemons (tgtd, qemu-storage-daemon, QEMU) and needs root. `e2e`, `compat` and `crash` run a whole system. `lab` and
 * `crash` often wait, for leases, bursts and guests, so three of their files go at a time, each on daemons, ports and mounts
 * of its own; of `e2e` two, beside the tour that measures, and the two files of `compat`.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: SlowFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [
            ...everywhere,
            '**/*.{lab,process,proof}.test.ts',
            bench,
            ...SYSTEM_PROJECTS.map((name) => `test/${name}/**`),
          ],
          isolate: false,
          // Files wait for PostgreSQL and for processes as much as they compute; the default is one worker on two cores.
          maxWorkers: Math.max(4, availableParallelism() - 1),
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'proof',
          include: ['**/*.proof.test.ts'],
          exclude: everywhere,
          isolate: false,
          maxWorkers: Math.max(4, availableParallelism() - 1),
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'process',
          include: ['**/*.process.test.ts'],
          exclude: everywhere,
          maxWorkers: Math.max(4, availableParallelism() - 1),
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['**/*.lab.test.ts'],
          exclude: [...everywhere, bench, ...SYSTEM_PROJECTS.map((name) => `test/${name}/**`)],
          maxWorkers: 3,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      ...SYSTEM_PROJECTS.map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          exclude: everywhere,
          maxWorkers: AT_A_TIME[name],
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      })),
    ],
  },
})
