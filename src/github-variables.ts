import * as z from 'zod'
import { flag, whole, word } from './shapes.ts'
import { vaultKeyProblem } from './vault/keys.ts'

/** The variables of GitHub and of git. */
export const GITHUB_VARIABLES = {
  GITHUB_TOKEN: {
    group: 'GitHub, git',
    default: '',
    about: 'Token for cloning from and pushing to GitHub, and for pull requests.',
    shape: word.optional(),
    secret: true,
  },
  GITHUB_API_URL: {
    group: 'GitHub, git',
    default: 'https://api.github.com',
    about: 'API of a GitHub Enterprise server.',
    shape: z.url({ protocol: /^https?$/ }).default('https://api.github.com'),
  },
  VAULT_KEY: {
    group: 'GitHub, git',
    default: '',
    about:
      'Key of the vault that keeps the credentials of a GitHub App: 32 random bytes, base64 (`openssl rand -base64 32`). Several, divided by commas, while one is being replaced: the first seals, the others are still read.',
    shape: word
      .superRefine((text, context) => {
        const problem = vaultKeyProblem(text)
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
      })
      .optional(),
    secret: true,
  },
  GITHUB_MISSED_SECONDS: {
    group: 'GitHub, git',
    default: '300',
    about: 'Seconds after which the delivery log of the GitHub App is looked through again for webhooks that did not arrive; 0 for at the start alone.',
    shape: whole(0, 86_400).default(300),
  },
  GITHUB_PROGRESS_SECONDS: {
    group: 'GitHub, git',
    default: '5',
    about: 'Seconds between two changes of the comment that shows how the work for an issue goes.',
    shape: whole(0, 3600).default(5),
  },
  PUSH_WORKFLOWS: {
    group: 'GitHub, git',
    default: 'false',
    about: 'Whether changes under `.github/workflows/` may be pushed: what stands there runs with the secrets of the repository.',
    shape: flag.default(false),
  },
  GIT_AUTHOR_NAME: { group: 'GitHub, git', default: 'Claude Code', about: 'Author of the commits.', shape: word.default('Claude Code') },
  GIT_AUTHOR_EMAIL: { group: 'GitHub, git', default: 'noreply@anthropic.com', about: 'Address of that author.', shape: word.default('noreply@anthropic.com') },
} as const
