// Says what the image is made of, while it is built: `bom.cdx.json` (CycloneDX), npm packages and Debian's, each with its licence.
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = '/usr/share/branchline'

/** SPDX's short names, as far as a Debian copyright file in its machine-readable form has them. */
function licencesOf(name: string): readonly string[] {
  try {
    const copyright = readFileSync(`/usr/share/doc/${name}/copyright`, 'utf8')
    return [...new Set([...copyright.matchAll(/^License: *(\S.*)$/gm)].flatMap(([, licence]) => licence?.trim() ?? []))]
  } catch {
    return [] // some share the file of another package
  }
}

const listed = execFileSync('dpkg-query', ['-W', '-f', '${binary:Package}\t${Version}\t${Architecture}\n'], { encoding: 'utf8' })
const debian = listed
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => {
    const [binary = '', version = '', arch = ''] = line.split('\t')
    const name = binary.replace(/:.*$/, '')
    return {
      type: 'library',
      name,
      version,
      purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${arch}`,
      licenses: licencesOf(name).map((licence) => ({ license: { name: licence } })),
    }
  })
const bom = JSON.parse(readFileSync(join(FOLDER, 'packages.cdx.json'), 'utf8'))
const node = {
  type: 'application',
  name: 'node',
  version: process.versions.node,
  purl: `pkg:generic/node@${process.versions.node}`,
  licenses: [{ license: { id: 'MIT' } }],
}
writeFileSync(join(FOLDER, 'bom.cdx.json'), JSON.stringify({ ...bom, components: [...bom.components, node, ...debian] }))
for (const name of ['packages.cdx.json', 'sbom.ts']) rmSync(join(FOLDER, name))
