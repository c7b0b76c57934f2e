// The least that can take webhooks in on Cloudflare: each body becomes a row of one object, and is answered then; nothing is checked.
import { DurableObject } from 'cloudflare:workers'

export class Rows extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env)
    ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, body TEXT)')
  }

  async keep(id, body) {
    this.ctx.storage.sql.exec('INSERT INTO rows (id, body) VALUES (?, ?)', id, body)
  }
}

export default {
  async fetch(request, env) {
    await env.ROWS.getByName('rows').keep(request.headers.get('x-github-delivery'), await request.text())
    return new Response('taken', { status: 202 })
  },
}
