import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    pool: 'forks', // tests start, stop and signal processes
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts', 'test/contract/**/*.test.ts'], isolate: false, testTimeout: 30_000 } },
      {
        extends: true,
        test: {
          name: 'end-to-end',
          include: ['test/end-to-end/**/*.test.ts', 'test/faults/**/*.test.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 90_000,
          hookTimeout: 300_000,
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
    ],
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
