import { describe, expect, it } from 'vitest'
import { readSettings, settingsProblems } from './settings.ts'

const VAULT_KEY = '3q2+7wQhcB1l9vYk0aX5mZr8sT4uN6pC2eJ7gH1iK0o='
const right = { API_TOKEN: 'a-token-of-some-length', VAULT_KEY, ANTHROPIC_API_KEY: 'sk-ant-1' }

describe('settings', () => {
  it('have defaults', () => {
    expect(readSettings(right)).toMatchObject({
      ENVIRONMENT: 'development',
      MAX_CONTAINERS: 10,
      SLEEP_AFTER_SECONDS: 45,
      GITHUB_API_URL: 'https://api.github.com',
    })
  })

  it('say everything that is wrong at once, by the name of the variable', () => {
    expect(settingsProblems({ API_TOKEN: 'short', MAX_CONTAINERS: 'many', MAX_COST_USD: 'free', ENVIRONMENT: 'test', GITHUB_API_URL: 'x' })).toEqual([
      expect.stringMatching(/^ENVIRONMENT: must be development, staging or production/),
      expect.stringMatching(/^API_TOKEN: must be at least 16 characters/),
      expect.stringMatching(/^VAULT_KEY: must be set/),
      expect.stringMatching(/^GITHUB_API_URL: /),
      expect.stringMatching(/^MAX_CONTAINERS: must be a whole number/),
      expect.stringMatching(/^MAX_COST_USD: must be /),
      expect.stringMatching(/^ANTHROPIC_API_KEY: must be set/),
    ])
  })

  it('take one credential of the model, or none in simulation', () => {
    expect(settingsProblems({ ...right, CLAUDE_CODE_OAUTH_TOKEN: 'x' })).toEqual([expect.stringContaining('only one')])
    const { ANTHROPIC_API_KEY: _, ...without } = right
    expect(settingsProblems(without)).toHaveLength(1)
    expect(settingsProblems({ ...without, SIMULATION: 'true' })).toEqual([])
  })

  it('hand on to containers what is meant for them, and no secret', () => {
    const { passedOn, model } = readSettings({ ...right, ANTHROPIC_MODEL: 'some-model', RUN_LIMIT: '30', UNKNOWN: 'x' })
    expect(passedOn).toEqual({ ANTHROPIC_MODEL: 'some-model', RUN_LIMIT: '30' })
    expect(model).toEqual({ name: 'ANTHROPIC_API_KEY', value: 'sk-ant-1' })
  })
})
