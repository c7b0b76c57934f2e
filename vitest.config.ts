import { defineConfig } from 'vitest/config'
import { ofTheDay } from './test/support/by-day.ts'

/** The program from outside: one service at a time, by users of this project's own, since others may run beside it. */
const fromOutside = (name: string, firstUserId: number, include: string[], exclude: string[] = [], env: Record<string, string> = {}) => ({
  extends: true as const,
  test: {
    name,
    include,
    exclude,
    env: { TEST_PROJECT: name, FIRST_TEST_USER_ID: String(firstUserId), ...env },
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 90_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 30_000, interval: 100 } },
    globalSetup: ['test/support/global-setup.ts'],
  },
})
const PREVIEWS = 'test/end-to-end/preview*.test.ts'
const QUEUES = ['test/end-to-end/queue*.test.ts', 'test/end-to-end/mail-front-end.test.ts', 'test/faults/queues.test.ts']
/** Long ones, a third of each kind each day, which take about as long; all where all tests are taken. */
const LONG = [
  [
    ...['damage', 'bounds', 'hostile', 'sweep', 'processes', 'queues', 'wedged', 'model', 'interrupts', 'disk'].map((name) => `test/faults/${name}.test.ts`),
    'deploy/cloudflare/test/faults.test.ts',
  ],
  [
    'warm',
    'preview-guard',
    'command-line',
    'preview-hostile',
    'costs',
    'history',
    'sandbox',
    'egress',
    'preview-kinds',
    'separate',
    'conversation',
    'recovery',
    'console-thread',
    'console-everybody',
    'preview-pick',
    'steer',
    'limits',
  ].map((name) => `test/end-to-end/${name}.test.ts`),
]
const NOT_TODAY = LONG.flatMap((files) => files.filter((file) => !ofTheDay(files, 3).includes(file)))
/** The tests look as root into repositories of the container's user. */
const OTHERS_REPOSITORIES = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }
const GITHUB = ['test/end-to-end/github*.test.ts', 'test/faults/github.test.ts']

export default defineConfig({
  test: {
    pool: 'forks', // tests start, stop and signal processes
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['src/**/*.test.ts', 'test/contract/**/*.test.ts', 'bench/**/*.test.ts'], isolate: false, testTimeout: 30_000 },
      },
      fromOutside('end-to-end', 30_000, ['test/end-to-end/**/*.test.ts'], [PREVIEWS, ...QUEUES, ...GITHUB, ...NOT_TODAY]),
      fromOutside('previews', 34_000, [PREVIEWS], NOT_TODAY),
      fromOutside('queues', 38_000, QUEUES, NOT_TODAY),
      fromOutside('faults', 42_000, ['test/faults/**/*.test.ts'], [...QUEUES, ...GITHUB, ...NOT_TODAY]),
      fromOutside('github', 46_000, GITHUB),
      // Behind the Worker in workerd, with services as its containers.
      fromOutside('cloudflare', 54_000, ['deploy/cloudflare/test/*.test.ts'], NOT_TODAY),
      // One synthesis of the stacks takes 400 MB, and loading the CDK some seconds.
      {
        extends: true,
        test: {
          name: 'aws',
          include: ['deploy/aws/*.test.ts'],
          fileParallelism: false,
          maxWorkers: 1,
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          globalSetup: ['test/support/aws-setup.ts'],
        },
      },
      // Against the container image: what it is, and that it does what the program does that is started from a checkout.
      fromOutside('image', 50_000, ['test/image/**/*.test.ts', 'test/end-to-end/queues.test.ts'], [], OTHERS_REPOSITORIES),
    ],
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
