import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** Inside workerd: the objects and the routes of the Worker. What is around it is driven from outside, in test/. */
export default defineConfig({
  plugins: [
    cloudflareTest({
      wrangler: { configPath: './wrangler.jsonc' },
      miniflare: {
        bindings: {
          API_TOKEN: 'CANARY-worker-token-41d7',
          VAULT_KEY: '3q2+7wQhcB1l9vYk0aX5mZr8sT4uN6pC2eJ7gH1iK0o=',
          GITHUB_API_URL: 'http://github.invalid',
          ANTHROPIC_API_KEY: 'CANARY-model-key-2b71',
          LOCAL_CONTAINERS: 'http://containers.invalid',
          MAX_CONTAINERS: '2',
          PROGRESS_SECONDS: '0',
        },
      },
    }),
  ],
  test: { include: ['worker/*.test.ts'], testTimeout: 30_000, reporters: ['default', '../../test/support/closing-line.ts'] },
})
