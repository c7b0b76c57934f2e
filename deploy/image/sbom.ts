// Says what the image is made of, while it is built: `bom.cdx.json` (CycloneDX 1.5), Node, npm's packages and Debian's, each with its licence.
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const APP = '/app'

interface Component {
  readonly type: 'application' | 'library'
  readonly name: string
  readonly version: string
  /** https://github.com/package-url/purl-spec */
  readonly purl: string
  readonly licenses: readonly { readonly license: { readonly name: string } }[]
}

const licences = (names: readonly string[]): Component['licenses'] => names.map((name) => ({ license: { name } }))

/** What is installed, and not what a lockfile would install somewhere else. */
function npmPackages(): readonly Component[] {
  const folders = globSync(['node_modules/*', 'node_modules/@*/*', 'node_modules/**/node_modules/*', 'node_modules/**/node_modules/@*/*'], { cwd: APP })
  return folders.flatMap((folder) => {
    try {
      const { name, version, license } = JSON.parse(readFileSync(join(APP, folder, 'package.json'), 'utf8'))
      if (typeof name !== 'string' || typeof version !== 'string') return []
      const named = typeof license === 'string' ? [license] : []
      return [{ type: 'library', name, version, purl: `pkg:npm/${name.replace('@', '%40')}@${version}`, licenses: licences(named) }]
    } catch {
      return [] // a folder of a scope, or no package
    }
  })
}

/** The short names in a copyright file of Debian's machine-readable form. */
function debianLicences(name: string): readonly string[] {
  try {
    const copyright = readFileSync(`/usr/share/doc/${name}/copyright`, 'utf8')
    return [...new Set([...copyright.matchAll(/^License: *(\S.*)$/gm)].flatMap(([, licence]) => licence?.trim() ?? []))]
  } catch {
    return [] // some share the file of another package
  }
}

function debianPackages(): readonly Component[] {
  const listed = execFileSync('dpkg-query', ['-W', '-f', '${binary:Package}\t${Version}\t${Architecture}\n'], { encoding: 'utf8' })
  return listed.split('\n').flatMap((line) => {
    const [binary = '', version = '', architecture = ''] = line.split('\t')
    const name = binary.replace(/:.*$/, '')
    const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`
    return name === '' ? [] : [{ type: 'library', name, version, purl, licenses: licences(debianLicences(name)) }]
  })
}

const { node } = process.versions
const components: readonly Component[] = [
  { type: 'application', name: 'node', version: node, purl: `pkg:generic/node@${node}`, licenses: licences(['MIT']) },
  ...npmPackages(),
  ...debianPackages(),
]
writeFileSync('/usr/share/branchline/bom.cdx.json', JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1, components }))
