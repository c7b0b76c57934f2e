// Started as a program of its own, as the preview's user: serves a folder of built pages.
import { serve } from '@hono/node-server'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'

const [folder = '', port = ''] = process.argv.slice(2)
const app = new Hono()
app.use('*', serveStatic({ root: folder }))
// Built sites bring a page for what is not there.
app.notFound(async (c) => (await serveStatic({ root: folder, path: '404.html' })(c, async () => {})) ?? c.text('There is no such page.', 404))
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(port) })
