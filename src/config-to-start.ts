import { mkdir, mkdtemp, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BadConfiguration, readConfig, type Config, type Place } from './config.ts'
import { messageOf } from './observe/text.ts'

/** Whoever does not answer by then is no reason not to start. */
const ANSWER_MS = 5000

/**
 * Reads the environment for a service that is to start, and looks at the places that it names.
 *
 * @throws BadConfiguration that lists everything that is wrong
 */
export async function configToStart(options: { readonly httpOnly: boolean }): Promise<Config> {
  const config = attempt(options)
  const place = config instanceof BadConfiguration ? config.place : config
  const problems = [...(config instanceof BadConfiguration ? config.problems : []), ...(place === undefined ? [] : await problemsOf(place))]
  if (problems.length > 0 || config instanceof BadConfiguration) throw new BadConfiguration(problems)
  return config
}

function attempt(options: { readonly httpOnly: boolean }): Config | BadConfiguration {
  try {
    return readConfig(undefined, options)
  } catch (error) {
    if (error instanceof BadConfiguration) return error
    throw error
  }
}

const problemsOf = async (place: Place): Promise<readonly string[]> =>
  (await Promise.all([workspaceProblem(place), originProblem(place)])).filter((problem) => problem !== undefined)

/** One after the other: where a file system has no folder to give, as /proc, Node's own way of making them all never ends. */
async function missingFolders(path: string): Promise<readonly string[]> {
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    return []
  return [...(await missingFolders(dirname(path))), path]
}

async function workspaceProblem({ workspacePath }: Place): Promise<string | undefined> {
  try {
    for (const folder of await missingFolders(workspacePath)) await mkdir(folder, { mode: 0o711 })
    await rmdir(await mkdtemp(join(workspacePath, '.writable-')))
    return undefined
  } catch (error) {
    const who = process.getuid === undefined ? '' : ` as user ${process.getuid()}`
    return `WORKSPACE_PATH: ${workspacePath} cannot be written to${who} (${messageOf(error)})`
  }
}

/** A server of git asks for a credential by 401, GitHub for every repository that not everybody may read. */
async function originProblem({ openOrigin }: Place): Promise<string | undefined> {
  if (openOrigin === undefined) return undefined
  const url = `${openOrigin}/info/refs?service=git-upload-pack`
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => undefined) // it may be reached later
  await answer?.body?.cancel()
  return answer?.status === 401
    ? `REPO_URL: ${openOrigin} asks for a credential (or does not exist), so GITHUB_TOKEN must be set, or a user name and token in the URL`
    : undefined
}
