import { defineConfig } from 'vitest/config'

/** The program from outside: one service at a time. */
const fromOutside = {
  fileParallelism: false,
  maxWorkers: 1,
  testTimeout: 90_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 30_000, interval: 100 } },
  globalSetup: ['test/support/global-setup.ts'],
}
const PREVIEWS = 'test/end-to-end/preview*.test.ts'

export default defineConfig({
  test: {
    pool: 'forks', // tests start, stop and signal processes
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts', 'test/contract/**/*.test.ts'], isolate: false, testTimeout: 30_000 } },
      {
        extends: true,
        test: { name: 'end-to-end', include: ['test/end-to-end/**/*.test.ts', 'test/faults/**/*.test.ts'], exclude: [PREVIEWS], ...fromOutside },
      },
      // Beside the others, by users of their own: dev servers and browsers are waited for most of the time.
      { extends: true, test: { name: 'previews', include: [PREVIEWS], env: { FIRST_TEST_USER_ID: '34000' }, ...fromOutside } },
    ],
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
