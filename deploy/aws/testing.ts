import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseInstallation, type Installation } from './installation.ts'
import { stacksOf } from './stacks.ts'

// What tests look at: the templates of the examples, and parts of them.

export interface Resource {
  readonly Type: string
  readonly Properties: Readonly<Record<string, any>> // oxlint-disable-line typescript/no-explicit-any -- templates have no types; tests look into them
  readonly DeletionPolicy?: string
}
export interface SynthesisedTemplate {
  readonly Resources: Readonly<Record<string, Resource>>
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown }>>
}
type Templates = ReadonlyMap<string, SynthesisedTemplate>

const EXAMPLES = { one: 'installation.example.json', three: 'three-users.example.json' } as const
export type Example = keyof typeof EXAMPLES

export function exampleOf(example: Example): Installation {
  const file = EXAMPLES[example]
  return { ...parseInstallation(readFileSync(join(import.meta.dirname, file), 'utf8'), file), imageTag: 'TAG' }
}

/** The templates of an installation by the names of their stacks, as they would be deployed. Throws what cdk-nag finds. */
export function synthesised(installation: Installation): Templates {
  const outdir = mkdtempSync(join(tmpdir(), 'branchline-cdk-'))
  try {
    const assembly = stacksOf(installation, outdir).app.synth()
    if (assembly.manifest.missing !== undefined) throw new Error(`something would be looked up: ${JSON.stringify(assembly.manifest.missing)}`)
    const templates: readonly (readonly [string, SynthesisedTemplate])[] = assembly.stacks.map(({ stackName, template }) => [stackName, template])
    return new Map(templates)
  } finally {
    rmSync(outdir, { recursive: true, force: true })
  }
}

/** Both examples take seconds, so each is made once for all tests. */
const made = new Map<Example, Templates>()
export function templatesOf(example: Example): Templates {
  const templates = made.get(example) ?? synthesised(exampleOf(example))
  made.set(example, templates)
  return templates
}

export function stackOf(example: Example, name: string): SynthesisedTemplate {
  const found = templatesOf(example).get(name)
  if (found === undefined) throw new Error(`there is no stack ${name}, but ${[...templatesOf(example).keys()].join(', ')}`)
  return found
}

/** The user of the example with a domain. */
export const anna = (): SynthesisedTemplate => stackOf('one', 'branchline-acme-site-anna')
/** Another one, of the example without: always on, with dots and dashes in the ids. */
export const KIM = 'agents-north-west-docs-v2-kim-a672a9c8'
export const everyStack = () => [...templatesOf('one'), ...templatesOf('three')]
export const users = () => everyStack().filter(([name]) => !/-(?:registry|foundation)$/.test(name))
export const foundations = () => everyStack().filter(([name]) => name.endsWith('-foundation'))

export const ofType = ({ Resources }: SynthesisedTemplate, type: string): readonly Resource[] => Object.values(Resources).filter(({ Type }) => Type === type)

/** The one resource of this type. */
export function onlyOne(template: SynthesisedTemplate, type: string): Resource {
  const [only, another] = ofType(template, type)
  if (only === undefined || another !== undefined) throw new Error(`there is ${only === undefined ? 'no' : 'more than one'} ${type}`)
  return only
}

export interface Statement {
  readonly Sid?: string
  readonly Effect: string
  readonly Action: string | readonly string[]
  readonly Resource: unknown
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** Every statement by which something of ours is allowed something, with the name of the resource that holds it. */
export function statementsOf(template: SynthesisedTemplate): readonly (readonly [resource: string, Statement])[] {
  return Object.entries(template.Resources).flatMap(([id, { Type, Properties }]) => {
    const inline: readonly { readonly PolicyDocument: { readonly Statement: readonly Statement[] } }[] =
      Type === 'AWS::IAM::Role' ? (Properties['Policies'] ?? []) : []
    const own: readonly Statement[] = Type === 'AWS::IAM::Policy' || Type === 'AWS::IAM::ManagedPolicy' ? Properties['PolicyDocument'].Statement : []
    return [...inline.flatMap(({ PolicyDocument }) => PolicyDocument.Statement), ...own].map((statement) => [id, statement] as const)
  })
}
