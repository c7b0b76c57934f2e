import { basename } from 'node:path'
import { ofRepository, page, publicUser, repository as repositoryShape, user, type Shape } from './accounts.ts'
import { checkRun } from './answers.ts'
import { readContent, refresh, tip } from './branches.ts'
import { inRepository, NOT_FOUND, paged, refuse, type Operations } from './operation.ts'
import { botOf, isPull, type CheckRun, type Role } from './state.ts'

/** The older of the two words GitHub has for what somebody may do. */
const PERMISSION: Readonly<Record<Exclude<Role, 'broken'>, string>> = {
  admin: 'admin',
  maintain: 'write',
  write: 'write',
  triage: 'read',
  read: 'read',
  none: 'none',
}
const LINE = 60

/** As GitHub breaks base64 into lines. */
const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll(new RegExp(`.{1,${LINE}}`, 'g'), '$&\n')

export const repositoryOperations: Operations = {
  'repos/get': inRepository(['metadata', 'read'], ({ state, repository }) => ({
    status: 200,
    json: { ...repositoryShape(state, repository), network_count: 0, subscribers_count: 0 },
  })),

  'repos/get-content': inRepository(['contents', 'read'], async ({ state, repository, params, query, request }) => {
    const path = params['path'] ?? ''
    const ref = query.get('ref') ?? repository.defaultBranch
    const commit = await tip(repository, ref.replace(/^refs\/heads\//, ''))
    const found = commit === undefined ? undefined : await readContent(repository, commit, path)
    if (found === undefined) return NOT_FOUND
    if (/application\/vnd\.github\.(?:v3\.)?raw/.test(request.headers.accept ?? '')) return { status: 200, raw: found.bytes }
    const url = `${ofRepository(state, repository, `/contents/${path}`)}?ref=${encodeURIComponent(ref)}`
    const html = page(state, repository, `/blob/${ref}/${path}`)
    const git = ofRepository(state, repository, `/git/blobs/${found.sha}`)
    const json: Shape = {
      type: 'file',
      name: basename(path),
      path,
      sha: found.sha,
      size: found.bytes.length,
      encoding: 'base64',
      content: base64(found.bytes),
      url,
      html_url: html,
      git_url: git,
      download_url: html,
      _links: { self: url, html, git },
    }
    return { status: 200, json }
  }),

  'repos/get-collaborator-permission-level': inRepository(['metadata', 'read'], ({ state, params }) => {
    const login = params['username'] ?? ''
    const role = state.permissions.get(login)
    if (role === 'broken') return refuse(500, 'Server Error')
    if (role === undefined) return refuse(404, `${login} is not a user`)
    return { status: 200, json: { permission: PERMISSION[role], role_name: role, user: { ...user(state, login), role_name: role } } }
  }),

  'checks/list-for-ref': inRepository(['checks', 'read'], async (call) => {
    const { state, repository, params, query } = call
    const sha = await tip(repository, params['ref'] ?? '')
    if (sha === undefined) return refuse(422, `No commit found for SHA: ${params['ref']}`)
    await Promise.all(repository.issues.filter(isPull).map((pull) => refresh(repository, pull)))
    const fits = ({ name, status }: CheckRun): boolean => name === (query.get('check_name') ?? name) && status === (query.get('status') ?? status)
    const found = repository.checkRuns.filter((run) => run.sha === sha && fits(run))
    const newest = found.filter((run, at) => query.get('filter') === 'all' || found.findLastIndex(({ name }) => name === run.name) === at)
    const { items, headers } = paged(call, newest)
    return { status: 200, json: { total_count: newest.length, check_runs: items.map((run) => checkRun(state, repository, run)) }, headers }
  }),

  'users/get-by-username': ({ state, params, token }) => {
    const login = params['username'] ?? ''
    const known = state.permissions.has(login) || login === botOf(state.app) || state.logins.has(login)
    return token !== undefined && known ? { status: 200, json: publicUser(state, login) } : NOT_FOUND
  },
}
