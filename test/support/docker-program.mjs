// The `docker` command of test/support/docker.ts, for shells: hands what it is told to the test, by the socket that is its first argument.
import { request } from 'node:http'

const [socketPath, ...args] = process.argv.slice(2)
const asked = request({ socketPath, method: 'POST' }, (response) => {
  let text = ''
  response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
  response.on('end', () => {
    const { code, out = '', error = '' } = JSON.parse(text)
    process.stdout.write(out)
    process.stderr.write(error)
    process.exitCode = code
  })
})
asked.end(JSON.stringify({ args, cwd: process.cwd(), env: process.env }))
