import { fileURLToPath } from 'node:url'
import { installCdk } from '../../scripts/folder-packages.ts'

/** The packages of that folder are its own, and not installed with the others. */
export const setup = (): void => installCdk(fileURLToPath(new URL('../..', import.meta.url)))
