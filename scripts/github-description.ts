// Writes the part of GitHub's OpenAPI description that tests use. By hand, with `package/generated/api.github.com.json` of @octokit/openapi:
// node scripts/github-description.ts PATH-TO-api.github.com.json
import { readFile, writeFile } from 'node:fs/promises'

type Json = null | boolean | number | string | readonly Json[] | JsonObject
interface JsonObject {
  readonly [key: string]: Json
}

const OPERATIONS = [
  'apps/get-authenticated',
  'apps/get-installation',
  'apps/get-repo-installation',
  'apps/create-installation-access-token',
  'apps/revoke-installation-access-token',
  'apps/list-webhook-deliveries',
  'apps/get-webhook-delivery',
  'apps/create-from-manifest',
  'repos/get',
  'repos/get-content',
  'repos/get-collaborator-permission-level',
  'issues/get',
  'issues/list-comments',
  'issues/create-comment',
  'issues/get-comment',
  'issues/update-comment',
  'reactions/create-for-issue',
  'reactions/create-for-issue-comment',
  'reactions/create-for-pull-request-review-comment',
  'pulls/list',
  'pulls/create',
  'pulls/get',
  'pulls/update',
  'pulls/list-review-comments',
  'pulls/create-reply-for-review-comment',
  'checks/list-for-ref',
  'users/get-by-username',
]
/** Nobody reads these in a test. */
const UNREAD = new Set(['description', 'summary', 'externalDocs', 'tags', 'x-github', 'x-octokit', 'x-github-breaking-changes'])
const NULL: JsonObject = { enum: [null] }

/** What a reference names in the whole description. */
function lookUp(whole: JsonObject, reference: string): Json {
  let found: Json = whole
  for (const key of reference.slice(2).split('/')) found = isObject(found) ? (found[key] ?? null) : null
  return found
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function references(value: Json): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(references)
  if (!isObject(value)) return []
  const own = typeof value['$ref'] === 'string' ? [value['$ref']] : []
  return [...own, ...Object.values(value).flatMap(references)]
}

/** Without texts for people; names of properties are never taken for such texts, and examples are left as they are. */
function withoutTexts(value: Json, names = false): Json {
  if (Array.isArray(value)) return value.map((item) => withoutTexts(item))
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(([key]) => names || !UNREAD.has(key))
  return Object.fromEntries(kept.map(([key, inner]) => [key, key === 'examples' ? inner : withoutTexts(inner, !names && key === 'properties')]))
}

/** The validator knows `nullable` only beside a type, does not allow null where values are enumerated, and complains about a format of GitHub's own. */
function withNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withNulls)
  if (!isObject(value)) return value
  const known = Object.entries(value).filter(([key, item]) => key !== 'format' || item !== 'repo.nwo')
  const inner: JsonObject = Object.fromEntries(known.map(([key, item]) => [key, key === 'examples' ? item : withNulls(item)]))
  if (inner['nullable'] !== true) return inner
  const { nullable: _, ...plain } = inner
  if (inner['type'] === undefined) return { anyOf: [plain, NULL] }
  const values = inner['enum']
  return Array.isArray(values) && !values.includes(null) ? { ...inner, enum: [...values, null] } : inner
}

/** The double's own errors are not checked. */
function good(responses: Json): Json {
  return Object.fromEntries(Object.entries(asObject(responses)).filter(([status]) => status.startsWith('2')))
}

/** The wanted operations and all that their references reach. */
function slice(whole: JsonObject): JsonObject {
  const paths: Record<string, Record<string, Json>> = {}
  const missing = new Set(OPERATIONS)
  const every = isObject(whole['paths']) ? Object.entries(whole['paths']) : []
  for (const [path, methods] of every)
    for (const [method, operation] of isObject(methods) ? Object.entries(methods) : [])
      if (isObject(operation) && typeof operation['operationId'] === 'string' && missing.delete(operation['operationId']))
        paths[path] = { ...paths[path], [method]: { ...operation, responses: good(operation['responses'] ?? {}) } }
  if (missing.size > 0) throw new Error(`the description has no ${[...missing].join(', ')}`)

  const components: Record<string, Record<string, Json>> = {}
  const waiting = [...references(paths)]
  for (let reference = waiting.pop(); reference !== undefined; reference = waiting.pop()) {
    const [kind = '', name = ''] = reference.split('/').slice(2)
    if (components[kind]?.[name] !== undefined) continue
    const component = lookUp(whole, reference)
    components[kind] = { ...components[kind], [name]: component }
    waiting.push(...references(component))
  }
  const { examples = {}, ...checked } = components
  const lean = { paths: withNulls(withoutTexts(paths, true)), components: { ...asObject(withNulls(withoutTexts(checked, true))), examples } }
  return { openapi: whole['openapi'] ?? '3.0.3', info: { title: 'GitHub', version: '1' }, ...lean }
}

function asObject(value: Json): JsonObject {
  return isObject(value) ? value : {}
}

const [path] = process.argv.slice(2)
if (path === undefined) throw new Error('give the path to api.github.com.json')
const whole: JsonObject = JSON.parse(await readFile(path, 'utf8'))
await writeFile(new URL('../test/support/github/description.json', import.meta.url), `${JSON.stringify(slice(whole))}\n`)
