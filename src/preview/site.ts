/** How the site of a work tree is served while it is being edited. */
export type Site =
  | { readonly kind: 'astro' }
  /** The project's own `dev` script; which of the known programs it starts decides how it is told its port. */
  | { readonly kind: 'script'; readonly script: string }
  /** The last good build, out of a folder. */
  | { readonly kind: 'built'; readonly folder: string }

/** How dev servers are told where to listen; others have `PORT` and `HOST` in their environment. */
const TOLD_BY_ARGUMENTS: readonly (readonly [script: RegExp, args: (port: string) => readonly string[]])[] = [
  [/\bnext\b/, (port) => ['--port', port, '--hostname', '127.0.0.1']],
  [/\b(nuxi?|astro)\b/, (port) => ['--port', port, '--host', '127.0.0.1']],
  [/\b(vite|vinxi|svelte-kit|react-router|remix|slidev|vitepress)\b/, (port) => ['--port', port, '--strictPort', '--host', '127.0.0.1']],
]

/** Arguments behind the `dev` script's own. */
export function portArguments(script: string, port: number): readonly string[] {
  return TOLD_BY_ARGUMENTS.find(([known]) => known.test(script))?.[1](String(port)) ?? []
}
