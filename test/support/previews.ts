import { readdirSync, readFileSync } from 'node:fs'
import type { Client } from './client.ts'
import type { Service } from './service.ts'

/** Environment of a service whose tests look at previews: free ports, so that several may run. */
export const showing = { ASTRO_PORT: '0', HMR_PORT: '0', PREVIEWS_KEPT: '4' } as const

/** Where the previews of a service are: `http://{label}.localhost:{port}/`. */
export function previewUrl(service: Pick<Service, 'output'>, label: string): string {
  const port = /^ {2}previews {3}http:\/\/thread-\{id\}\.localhost:(\d+)\/$/m.exec(service.output())?.[1]
  return `http://${label}.localhost:${port}/`
}

/** Asks as a program on this machine does, which may not know `*.localhost` by itself. */
export async function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const { host, port, pathname, search } = new URL(url)
  const { get } = await import('node:http')
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: `${pathname}${search}`, headers: { host, ...headers } }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () =>
        resolve(
          new Response(Buffer.concat(chunks), {
            status: answer.statusCode ?? 0,
            headers: Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((each): [string, string] => [name, String(each)])),
          }),
        ),
      )
      answer.on('error', reject)
    }).on('error', reject)
  })
}

/** Waits until the preview of a thread answers; the result of the command. */
export const shown = (client: Client, thread: string) => client.run(thread, '', { type: 'preview' })

/** The dev servers of Astro whose work trees lie below a folder. */
export function devServersBelow(folder: string): readonly { readonly pid: number; readonly workTree: string }[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const [, script = '', launch = '{}'] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (!script.endsWith('launch-astro.ts') || !launch.includes(`${folder}/`)) return []
      return [{ pid: Number(pid), workTree: JSON.parse(launch).root }]
    } catch {
      return [] // no process, or it has ended
    }
  })
}
