import { defineConfig } from 'vitest/config'

/**
 * Two tiers. `unit`: needs nothing but Node and PostgreSQL; part of `npm run check`. `lab`: starts real daemons
 * (tgtd, qemu-storage-daemon, QEMU) and needs root; part of `make test`, one file at a time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/*.lab.test.ts'],
          isolate: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['**/*.lab.test.ts'],
          exclude: ['**/node_modules/**'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
})
