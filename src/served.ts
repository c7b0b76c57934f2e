import { ClientId, ProjectId, UserId } from './command/ids.ts'
import { containerIdOf } from './queues/names.ts'
import type { Values } from './variables.ts'

type Who = Pick<Values, 'CLIENT_ID' | 'PROJECT_ID' | 'USER_ID'>

/** Whom `CONTAINER_ID` (`{client}-{project}-{user}`) says is served; the ids that are given separately say where its dashes divide. */
export function whoIsServed(values: Who & Pick<Values, 'CONTAINER_ID'>, problems: string[]): Who {
  const { CLIENT_ID, PROJECT_ID, USER_ID, CONTAINER_ID } = values
  const given = { CLIENT_ID, PROJECT_ID, USER_ID }
  if (CONTAINER_ID === undefined) return given
  const fitting = splits(CONTAINER_ID).filter((who) =>
    (['CLIENT_ID', 'PROJECT_ID', 'USER_ID'] as const).every((name) => given[name] === undefined || given[name] === who[name]),
  )
  const [only, another] = fitting
  if (only === undefined) problems.push('CONTAINER_ID: must be {client}-{project}-{user}, and agree with CLIENT_ID, PROJECT_ID and USER_ID where those are set')
  else if (another !== undefined) problems.push(`CONTAINER_ID: its dashes can be read in ${fitting.length} ways; set CLIENT_ID, PROJECT_ID and USER_ID too`)
  return only ?? given
}

/** Every way to divide it at two of its dashes into three ids. */
function splits(containerId: string): readonly Required<Who>[] {
  const parts = containerId.split('-')
  const found: Required<Who>[] = []
  for (let first = 1; first < parts.length - 1; first += 1) {
    for (let second = first + 1; second < parts.length; second += 1) {
      const join = (from: number, to: number): string => parts.slice(from, to).join('-')
      const client = ClientId.safeParse(join(0, first)).data
      const project = ProjectId.safeParse(join(first, second)).data
      const user = UserId.safeParse(join(second, parts.length)).data
      if (client === undefined || project === undefined || user === undefined) continue
      if (containerIdOf({ clientId: client, projectId: project, userId: user }) === containerId)
        found.push({ CLIENT_ID: client, PROJECT_ID: project, USER_ID: user })
    }
  }
  return found
}
