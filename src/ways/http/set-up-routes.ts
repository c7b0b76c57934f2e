import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import * as z from 'zod'
import { GitHubBusy, GitHubRefused } from '../github/api/refusals.ts'
import { convertManifest, manifestOf } from '../github/api/manifest.ts'
import { printable } from '../../observe/text.ts'
import { toPkcs8 } from '../../vault/pkcs8.ts'
import { keepApp } from './config-routes.ts'
import type { Desk } from './desk.ts'
import { page, type Page } from './page.ts'
import { Problem } from './problem.ts'
import { route, type Route } from './route.ts'

/** GitHub lets an hour pass between its steps. */
const LASTS_MS = 60 * 60_000
const MAX_STATES = 20

const WORD = /^[\w-]{1,200}$/
const word = z.string().regex(WORD)
const given = z.string().max(1000).optional()
const StartQuery = z.object({ token: given, organization: given })
const BackQuery = z.object({ code: given, state: given, error: given, error_description: given })
const FinishBody = z.strictObject({ code: word, state: word })

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const same = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))

/** The guided way to a GitHub App: a page that sends its manifest to GitHub, and one that takes the credentials from there. */
export function setUpRoutes(desk: Desk): readonly Route[] {
  const { setUp, vault } = desk.github
  const states = new Map<string, number>()
  const open = async (): Promise<void> => {
    if (setUp === undefined || vault === undefined) throw new Problem(404, 'Not found', 'VAULT_KEY and PUBLIC_URL are needed to set up a GitHub App.')
    if (await desk.github.api.hasApp()) throw new Problem(409, 'Closed', await already())
  }
  const html = (c: Context, content: Page, status: ContentfulStatusCode = 200): Response => {
    const { text, policy } = page(content)
    return c.body(text, status, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
    })
  }
  const already = async (): Promise<string> => {
    const slug = await desk.github.api.itself().then(
      (itself) => itself.slug,
      () => undefined, // GitHub cannot be asked now
    )
    const where = slug === undefined ? '' : ` It is installed at ${desk.github.access.url}/apps/${slug}/installations/new.`
    return `A GitHub App is set up already.${where} To make another one, have whoever runs the service forget it: branchline config clear.`
  }
  /** A person in a browser is told on a page. */
  const shown = async (c: Context, serve: () => Promise<Response>): Promise<Response> => {
    try {
      return await serve()
    } catch (error) {
      if (!(error instanceof Problem) || !(c.req.header('accept') ?? '').includes('text/html')) throw error
      return html(c, { kind: 'told', text: error.message }, error.status)
    }
  }
  return [
    route({
      method: 'GET',
      url: '/setup/github',
      operationId: 'setUpGitHub',
      summary: 'A page that makes the GitHub App; opened by the link that the service prints at its start',
      role: undefined,
      query: StartQuery,
      answers: { 200: { about: 'A page.', contentType: 'text/html' } },
      serve: async ({ query: { token, organization }, c }) =>
        shown(c, async () => {
          await open()
          if (organization !== undefined && !/^[A-Za-z0-9-]{1,100}$/.test(organization))
            throw new Problem(400, 'The request is not valid', 'organization: must be the name of an organisation')
          if (setUp === undefined || token === undefined || !same(token, setUp.token))
            throw new Problem(401, 'Not signed in', 'token: open the link that the service printed when it started')
          for (const [state, at] of states) if (at < Date.now() - LASTS_MS || states.size >= MAX_STATES) states.delete(state)
          const state = randomBytes(24).toString('base64url')
          states.set(digest(state).toString('hex'), Date.now())
          const back = `${setUp.publicUrl}/setup/github/back`
          const where = organization === undefined ? 'settings/apps/new' : `organizations/${organization}/settings/apps/new`
          return html(c, {
            kind: 'begin',
            action: `${desk.github.access.url}/${where}?state=${state}`,
            github: desk.github.access.url,
            manifest: JSON.stringify(manifestOf({ publicUrl: setUp.publicUrl, back, workflows: setUp.workflows })),
            token,
            organization,
          })
        }),
    }),
    route({
      method: 'GET',
      url: '/setup/github/back',
      operationId: 'comeBackFromGitHub',
      summary: 'Where GitHub leads back to; the page finishes the set-up by a POST',
      role: undefined,
      query: BackQuery,
      answers: { 200: { about: 'A page.', contentType: 'text/html' } },
      serve: async ({ query: { code, state, error_description: why, error }, c }) =>
        shown(c, async () => {
          await open()
          if (code === undefined || state === undefined || !WORD.test(code) || !WORD.test(state))
            throw new Problem(
              400,
              'The request is not valid',
              `GitHub has sent no code${error === undefined ? '' : ` (${printable(why ?? error, 300)})`}. Begin again by the link that the service printed when it started.`,
            )
          return html(c, { kind: 'back', code, state })
        }),
    }),
    route({
      method: 'POST',
      url: '/setup/github/finish',
      operationId: 'finishGitHub',
      summary: 'Take the credentials of the app that was made, once, and keep them in the vault',
      role: undefined,
      body: FinishBody,
      answers: { 200: { about: 'Where to install it.', schema: z.object({ success: z.literal(true), slug: z.string(), installUrl: z.string() }) } },
      serve: async ({ body: { code, state }, c }) => {
        await open()
        const began = states.get(digest(state).toString('hex'))
        if (began === undefined || began < Date.now() - LASTS_MS || vault === undefined)
          throw new Problem(400, 'The request is not valid', 'state: is not of a set-up that was begun here; begin again by the link of the service', [
            { pointer: '#/state', detail: 'is not of a set-up that was begun here' },
          ])
        try {
          const made = await convertManifest(desk.github.api.url, code)
          states.delete(digest(state).toString('hex'))
          await keepApp({ appId: made.appId, privateKey: await toPkcs8(made.privateKey), webhookSecrets: [made.webhookSecret] }, vault, desk)
          desk.tools.log.info({ event: 'github.set_up', appId: made.appId, slug: made.slug })
          return c.json({ success: true, slug: made.slug, installUrl: `${made.url}/installations/new` })
        } catch (error) {
          if (error instanceof GitHubRefused || error instanceof GitHubBusy)
            throw new Problem(502, 'GitHub refused', `${error.message}. Delete the app on GitHub, if it was made, and begin again by the link of the service.`)
          throw error
        }
      },
    }),
  ]
}
