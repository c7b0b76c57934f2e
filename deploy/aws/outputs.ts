import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

// What a deployment has written down, as JSON: stack, output, value. It needs no package, so that `npm run image:push` reads it too.

/** The output of the registry's stack: where images are pushed to. */
export const REGISTRY_OUTPUT = 'RegistryUri'

const REGISTRY_END = '.registry.json'
const folderIn = (aws: string): string => join(aws, 'outputs')

/** Each `cdk deploy` writes its file anew, so the registry, which is made first, has one of its own. */
export const registryOutputsIn = (aws: string, name: string): string => join(folderIn(aws), `${name}${REGISTRY_END}`)
export const outputsIn = (aws: string, name: string): string => join(folderIn(aws), `${name}.json`)

/** The registry that such a file names. @throws Error where it names none */
export function registryUriOf(file: string): string {
  const outputs: unknown = JSON.parse(readFileSync(file, 'utf8'))
  const stacks: readonly unknown[] = typeof outputs === 'object' && outputs !== null ? Object.values(outputs) : []
  for (const stack of stacks) {
    const uri: unknown = typeof stack === 'object' && stack !== null ? Reflect.get(stack, REGISTRY_OUTPUT) : undefined
    if (typeof uri === 'string') return uri
  }
  throw new Error(`${file} does not say where the registry is`)
}

/** The registries of all installations that were made from here, by the names of the installations. */
export function registriesIn(aws: string): ReadonlyMap<string, string> {
  const folder = folderIn(aws)
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(REGISTRY_END)) : []
  return new Map(files.toSorted().map((file) => [file.slice(0, -REGISTRY_END.length), registryUriOf(join(folder, file))]))
}
