import { app } from './app.ts'

export { ContainerObject } from './container.ts'
export { GitHubAppObject } from './github-app.ts'
export { Outbound } from './outbound.ts'
export { RepositoryObject } from './repository.ts'
export { SlotsObject } from './slots.ts'

const routes = app()

export default {
  fetch: (request, env, ctx) => routes.fetch(request, env, ctx),
  scheduled: (_, env) => env.GITHUB_APP.getByName('app').lookForMissed(),
} satisfies ExportedHandler<Env>
