import * as z from 'zod'
import { RunEvent } from '../../command/event.ts'
import { ProblemAnswer } from './answers.ts'
import type { Route } from './route.ts'

const reference = (id: string): string => `#/components/schemas/${id}`

/** The OpenAPI 3.1 document, made from the table of routes and the schemas that check every request. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  void RunEvent // registers its schema
  const [inputs, outputs] = [components('input'), components('output')]
  const used = new Set(routes.flatMap(({ body }) => idOf(body) ?? []))
  const schemas = Object.fromEntries(Object.keys(outputs).map((id) => [id, used.has(id) || id === 'Attachment' ? inputs[id] : outputs[id]]))
  const paths: Record<string, Record<string, unknown>> = {}
  for (const each of routes) paths[each.url] = { ...paths[each.url], [each.method.toLowerCase()]: operation(each) }
  return {
    openapi: '3.1.0',
    info: { title: 'Branchline', version, description: 'Messages become git changes.', license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, {}],
    paths,
    components: { schemas, securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Not needed on loopback without API_TOKEN.' } } },
  }
}

function components(io: 'input' | 'output'): Record<string, Record<string, unknown>> {
  const { schemas } = z.toJSONSchema(z.globalRegistry, { uri: reference, io, unrepresentable: 'any' })
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id'))]),
  )
}

const idOf = (schema: z.ZodType | undefined): string | undefined => (schema === undefined ? undefined : z.globalRegistry.get(schema)?.id)

function inline(schema: z.ZodType, io: 'input' | 'output'): object {
  const id = idOf(schema)
  if (id !== undefined) return { $ref: reference(id) }
  const { $schema: _, ...shape } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return shape
}

function operation({ operationId, summary, role, path, query, body, headers, answers }: Route): object {
  const answered = Object.entries(answers).map(([status, { about, schema, contentType = 'application/json' }]) => [
    status,
    {
      description: about,
      content: {
        [contentType]: {
          schema: schema === undefined ? (contentType === 'text/event-stream' ? { $ref: reference('RunEvent') } : {}) : inline(schema, 'output'),
        },
      },
    },
  ])
  return {
    operationId,
    summary,
    ...(role === undefined ? { security: [] } : {}),
    parameters: [
      ...parameters(path, 'path'),
      ...parameters(query, 'query'),
      ...headers.map((name) => ({ name, in: 'header', required: false, schema: { type: 'string' } })),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: operationId === 'execute' || operationId === 'restore', content: { 'application/json': { schema: inline(body, 'input') } } },
        }),
    responses: {
      ...Object.fromEntries(answered),
      '4XX': {
        description: 'Not accepted: names what is wrong and what would be right.',
        content: { 'application/problem+json': { schema: inline(ProblemAnswer, 'output') } },
      },
    },
  }
}

function parameters(schema: z.ZodType, where: 'path' | 'query'): readonly object[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.entries(properties).map(([name, shape]) => ({ name, in: where, required: where === 'path' || required.includes(name), schema: shape }))
}
