import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPackages } from '../../deploy/aws/programs.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The packages of that folder are its own, and not installed with the others. */
export const setup = (): void => installPackages({ root, aws: join(root, 'deploy', 'aws') })
