import { Agent, request } from 'node:http'
import { ask } from '../test/support/previews.ts'
import { showThread, startShowing } from './preview-site.ts'
import { inTurns, median, p95, timed, type Subject } from './support.ts'

const SWITCHES = 40
const BLOCKS = 5
const BLOCK_MS = 2000
const CONNECTIONS = 8
const FILE = 'src/styles/site.css'

interface Block {
  readonly perSecond: number
  readonly median: number
  readonly p95: number
}

/** What the gateway costs where dev servers run: another thread's page, and many small files. */
export const previewGateway: Subject<'switch' | 'alone' | 'perSecond' | 'median' | 'p95'> = {
  figures: {
    switch: { name: 'preview: switch to another thread whose server runs, against that dev server itself', unit: 'ms' },
    alone: { name: 'preview: a small file by one connection, against its dev server itself', unit: 'ms' },
    perSecond: {
      name: `preview: a small file by ${CONNECTIONS} connections, against its dev server itself (more is better)`,
      unit: 'requests/s',
      moreIsBetter: true,
    },
    median: { name: 'preview: latency of the same, p50', unit: 'ms' },
    p95: { name: 'preview: latency of the same, p95', unit: 'ms' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const service = parts.use(await startShowing())
    const [a, b] = [await showThread(service, 'a'), await showThread(service, 'b')]
    const looked = async (at: string): Promise<number> => {
      const { hostname, port } = new URL(at)
      let status = 0
      const time = await timed(async () => ({ status } = await ask(at, { accept: 'text/html' })))
      if (status !== 200) throw new Error(`${hostname}:${port} answered ${status}`)
      return time
    }
    const switches = await inTurns(SWITCHES, {
      toA: () => looked(a.url),
      toADirect: () => looked(a.direct),
      toB: () => looked(b.url),
      toBDirect: () => looked(b.direct),
    })
    const small = (at: string, connections: number) => (): Promise<Block> => load(`${at}${FILE}`, connections)
    const alone = await inTurns(BLOCKS, { ours: small(a.url, 1), direct: small(a.direct, 1) })
    const many = await inTurns(BLOCKS, { ours: small(a.url, CONNECTIONS), direct: small(a.direct, CONNECTIONS) })
    const of = (what: keyof Block) => ({ ours: many.ours.map((each) => each[what]), baseline: many.direct.map((each) => each[what]) })
    return {
      switch: { ours: [...switches.toA, ...switches.toB], baseline: [...switches.toADirect, ...switches.toBDirect] },
      alone: { ours: alone.ours.map((each) => each.median), baseline: alone.direct.map((each) => each.median) },
      perSecond: of('perSecond'),
      median: of('median'),
      p95: of('p95'),
    }
  },
}

/** As many requests as so many connections can carry, one after the other on each. */
async function load(url: string, connections: number): Promise<Block> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const times: number[] = []
  const began = performance.now()
  const connection = async (): Promise<void> => {
    while (performance.now() - began < BLOCK_MS) times.push(await timed(() => fetchWhole(url, agent)))
  }
  try {
    await Promise.all(Array.from({ length: connections }, connection))
    return { perSecond: (times.length / (performance.now() - began)) * 1000, median: median(times), p95: p95(times) }
  } finally {
    agent.destroy()
  }
}

function fetchWhole(url: string, agent: Agent): Promise<void> {
  const { host, port, pathname } = new URL(url)
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: pathname, headers: { host, accept: 'text/css' }, agent }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`${url} answered ${answer.statusCode}`))
      answer.on('end', resolve).on('error', reject).resume()
    })
      .on('error', reject)
      .end()
  })
}
