import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RunFailure } from '../../command/ending.ts'
import type { ThreadRef } from '../../command/ids.ts'
import { picturesIn, picturesOf } from '../../engine/pictures.ts'
import { requireReach, type Caller } from './access.ts'
import { PreviewAnswer, PreviewLinkAnswer } from './answers.ts'
import { action, RESULT } from './command-routes.ts'
import { knownThread, submit, type Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { ActionBody, LinkBody, LinkedPicturePath, PicturePath, ProjectQuery, ThreadPath, threadOf } from './requests.ts'
import { route, type Route } from './route.ts'

const PREVIEW = '/api/threads/{clientId}/{userId}/{threadId}/preview'

const SUMMARIES = {
  start: 'Start the preview of the thread where it does not run; `preview` as a command waits until it answers',
  stop: 'Stop the preview of the thread; whoever asks for a page of it starts it again',
  restart: 'Start the server of the preview anew',
} as const

/** Routes of a thread's preview. */
export function previewRoutes(desk: Desk): readonly Route[] {
  const { previews } = desk.engine
  const reached = async (given: Parameters<typeof threadOf>[0], caller: Caller): Promise<ThreadRef> => {
    const ref = threadOf(given, desk.defaults)
    requireReach(caller, ref)
    await knownThread(ref, desk)
    if (!desk.tools.preview.on) throw new Problem(409, 'Not possible here', 'Previews are switched off (ASTRO_PORT=off).')
    return ref
  }
  return [
    route({
      method: 'GET',
      url: PREVIEW,
      operationId: 'getPreview',
      summary: 'How the preview of the thread stands',
      role: 'view',
      path: ThreadPath,
      query: ProjectQuery,
      answers: { 200: { about: 'How it stands.', schema: PreviewAnswer } },
      serve: async ({ path, query, c, caller }) => {
        const ref = await reached({ ...path, ...query }, caller)
        return c.json({ success: true, preview: await previews.standing(ref) })
      },
    }),
    ...(['start', 'stop', 'restart'] as const).map((verb) =>
      route({
        method: 'POST',
        url: `${PREVIEW}/${verb}`,
        operationId: `${verb}Preview`,
        summary: SUMMARIES[verb],
        role: 'work',
        path: ThreadPath,
        query: ProjectQuery,
        answers: { 200: { about: 'How it stands by now.', schema: PreviewAnswer } },
        serve: async ({ path, query, c, caller }) => {
          const ref = await reached({ ...path, ...query }, caller)
          if (verb !== 'start') await previews.stop(ref)
          if (verb !== 'stop') await begun(ref)
          return c.json({ success: true, preview: await previews.standing(ref) })
        },
      }),
    ),
    route({
      method: 'POST',
      url: `${PREVIEW}/build`,
      operationId: 'buildPreview',
      summary: "Run the project's own build",
      role: 'work',
      path: ThreadPath,
      query: ProjectQuery,
      body: ActionBody,
      headers: ['idempotency-key', 'prefer'],
      answers: RESULT,
      serve: async ({ path, query, body, c, caller }) => {
        const command = await action('build', '', { ...path, ...query }, body, c.req.header('idempotency-key'), desk)
        return submit(command, body.wait, { c, caller }, desk)
      },
    }),
    route({
      method: 'POST',
      url: `${PREVIEW}/link`,
      operationId: 'linkPreview',
      summary: 'Make a link to the preview, for whoever is to see it; who may only look is given one for half a day at most',
      role: 'view',
      path: ThreadPath,
      query: ProjectQuery,
      body: LinkBody,
      answers: { 200: { about: 'The link.', schema: PreviewLinkAnswer } },
      serve: async ({ path, query, body, c, caller }) => {
        const ref = await reached({ ...path, ...query }, caller)
        const [label, url] = [await desk.tools.preview.labels.labelOf(ref), await desk.tools.preview.urlOf(ref)]
        if (label === undefined || url === undefined) throw new Problem(409, 'Not possible here', 'This thread has no preview.')
        const link = desk.previewLink?.(
          label,
          Math.min(body.minutes * 60_000, caller.role === 'view' ? HALF_A_DAY_MS : Infinity, (caller.expiresAt ?? Infinity) - Date.now()),
        )
        return c.json({
          success: true,
          ...(link === undefined ? { url } : { url: new URL(link.path, url).href, expiresAt: new Date(link.expiresAt).toISOString() }),
        })
      },
    }),
    route({
      method: 'GET',
      url: '/api/threads/{clientId}/{userId}/{threadId}/pictures/{name}',
      operationId: 'getPicture',
      summary: 'A picture of a page, as a result names it',
      role: 'view',
      path: PicturePath,
      query: ProjectQuery,
      answers: { 200: { about: 'The picture.', contentType: 'image/png' } },
      serve: async ({ path: { name, ...path }, query, c, caller }) => {
        const ref = threadOf({ ...path, ...query }, desk.defaults)
        requireReach(caller, ref)
        const picture = await readFile(join(picturesOf(desk.tools.root, ref), name)).catch(() => undefined)
        if (picture === undefined) throw new Problem(404, 'Not found', `name: there is no picture ${name} of this thread, or it is no longer kept`)
        return c.body(new Uint8Array(picture), 200, { 'content-type': 'image/png', 'cache-control': 'private, max-age=31536000, immutable' })
      },
    }),
    route({
      method: 'GET',
      url: '/pictures/{folder}/{signature}/{name}',
      operationId: 'getLinkedPicture',
      summary: 'A picture of a page, for whoever has its link out of a pull request',
      role: undefined,
      path: LinkedPicturePath,
      answers: { 200: { about: 'The picture.', contentType: 'image/png' } },
      serve: async ({ path: { folder, signature, name }, c }) => {
        const known = desk.pictureLinks?.isValid(folder, signature, name) === true
        const picture = known ? await readFile(join(picturesIn(desk.tools.root, folder), name)).catch(() => undefined) : undefined
        if (picture === undefined) throw new Problem(404, 'Not found', 'There is no such picture, or it is no longer kept.')
        return c.body(new Uint8Array(picture), 200, { 'content-type': 'image/png', 'cache-control': 'public, max-age=31536000, immutable' })
      },
    }),
  ]

  /** Resolves when it has been started, or is being prepared; what cannot be is said at once. */
  async function begun(ref: ThreadRef): Promise<void> {
    const opening = previews.open(ref)
    opening.catch(() => {}) // what fails later stands in `why`
    try {
      await Promise.race([opening, new Promise((resolve) => setTimeout(resolve, AT_ONCE_MS).unref())])
    } catch (error) {
      if (!(error instanceof RunFailure)) throw error
      throw new Problem(409, 'Not possible here', error.message)
    }
  }
}

const HALF_A_DAY_MS = 12 * 60 * 60_000
/** What is not done by then goes on in the background. */
const AT_ONCE_MS = 1000
