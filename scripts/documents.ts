// Holds the documents against the code: the table of variables in the README is made from their schema, and every link and
// every file named in a document exists. With --fix the table is written anew.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { VARIABLES } from '../src/variables.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const fix = process.argv.includes('--fix')
const BEGIN = '<!-- variables: made by `npm run check -- --fix` -->'
const END = '<!-- /variables -->'

function table(): string {
  const rows = Object.entries(VARIABLES).map(([name, variable]) => {
    const secret = 'secret' in variable ? ' May be given as a file: `' + name + '_FILE`.' : ''
    const standard: string = variable.default
    return `| ${variable.group} | \`${name}\` | ${standard === '' ? '' : standard} | ${variable.about}${secret} |`
  })
  return ['| | variable | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

const problems: string[] = []
const readme = join(root, 'README.md')
const text = readFileSync(readme, 'utf8')
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
if (from === -1 || to === -1) problems.push('README.md has no place for the table of variables')
else {
  const wanted = `${text.slice(0, from)}${BEGIN}\n${table()}\n${text.slice(to)}`
  if (fix) writeFileSync(readme, wanted)
  else if (wanted !== text) problems.push('the table of variables in README.md is not what the schema says; run: npm run check -- --fix')
}

const documents = [...readdirSync(root), ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) => name.endsWith('.md'))
for (const name of documents) {
  const content = readFileSync(join(root, name), 'utf8')
  const links = [...content.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => join(dirname(join(root, name)), target ?? ''))
  const named = [...content.matchAll(/`((?:src|test|scripts|bench|examples|docs)\/[\w./-]+\.(?:ts|js|md|json))`/g)].map(([, target]) =>
    join(root, target ?? ''),
  )
  for (const target of [...links, ...named]) if (!existsSync(target)) problems.push(`${name} names ${target.slice(root.length + 1)}, which does not exist`)
}
for (const problem of problems) process.stderr.write(`${problem}\n`)
process.exitCode = problems.length === 0 ? 0 : 1
