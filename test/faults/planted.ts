import { execFile, execFileSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { commitAll } from '../support/repository.ts'
import { ATTRIBUTES, hostileConfig, hostileManifest, hostileNpmrc, hostileServers, hostileSettings, type Traps } from './traps.ts'

const exec = promisify(execFile)

/** A repository, not bare, with everything in it that somebody who runs plain git there would regret. */
export async function hostileRepository(traps: Traps, origin: string, elsewhere: string): Promise<string> {
  const tree = join(traps.folder, 'hostile')
  await exec('git', ['init', '-q', '-b', 'main', tree])
  const [claude, manifest] = [join(tree, '.claude'), { dependencies: { bad: `file:${await tarball(traps)}` }, scripts: { build: 'env > built.txt' } }]
  await mkdir(claude)
  const files: Readonly<Record<string, string>> = {
    '.gitattributes': ATTRIBUTES,
    '.gitmodules': '[submodule "linked"]\n\tpath = linked\n\turl = https://127.0.0.1:9/x\n\tfetchRecurseSubmodules = true\n',
    '.npmrc': await hostileNpmrc(traps, 'repository'),
    'package.json': await hostileManifest(traps, 'site', manifest),
    '.mcp.json': await hostileServers(traps, 'repository'),
    '.claude/settings.json': await hostileSettings(traps, 'repository'),
    '.claude/settings.local.json': await hostileSettings(traps, 'repository-local'),
    'CLAUDE.md': 'MEMORY-OF-THE-REPOSITORY\n',
    'raw.txt': 'one\r\n$Id$\n',
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(tree, name), content)
  await exec('sh', [await traps.script('tree.sh', TREE), traps.outside], { cwd: tree })
  // Until it is committed, its own attributes must not count here either.
  await writeFile(join(tree, '.git', 'info', 'attributes'), '* -filter -text -ident -working-tree-encoding\n')
  await commitAll(tree, 'Begin')
  await rm(join(tree, '.git', 'info', 'attributes'))
  const { stdout: commit } = await exec('git', ['-C', tree, 'rev-parse', 'HEAD'])
  await exec('git', ['-C', tree, 'update-index', '--add', '--cacheinfo', `160000,${commit.trim()},linked`])
  await exec('git', ['-C', tree, '-c', 'user.name=x', '-c', 'user.email=x', 'commit', '-qm', 'Link'])
  await exec('cp', ['-r', `${traps.hooks}/.`, join(tree, '.git', 'hooks')])
  await writeFile(join(tree, '.git', 'config'), await hostileConfig(traps, origin, elsewhere), { flag: 'a' })
  return tree
}
/** Links that lead out, and names that programs take for something else. */
const TREE = `
ln -s "$1/canary.txt" link-to-file; ln -s "$1" link-to-folder; ln -s "$1" node_modules; ln -s ../../../../../../.. up; ln -s loop loop; ln -s "$1/canary.txt" .gitignore
for name in -rf --output=x '*' "quote'" 'twin' 'TWIN' 'con' 'back\\slash' '$(id)' ';ls' "$(printf 'new\\nline')" "$(printf 'bad\\377\\376')" "$(printf '%0255d')"; do echo x > "./$name"; done
mkdir -p src "$(printf 'deep/%.0s' $(seq 200))"; echo x > "$(printf 'deep/%.0s' $(seq 200))x"; echo '<h1>Fresh bread</h1>' > src/index.astro
`

/** A package whose every lifecycle script is a trap. */
async function tarball(traps: Traps): Promise<string> {
  const [folder, file] = [join(traps.folder, 'package'), join(traps.folder, 'bad.tgz')]
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), await hostileManifest(traps, 'bad'))
  await writeFile(join(folder, '.npmrc'), await hostileNpmrc(traps, 'bad'))
  await exec('tar', ['-czf', file, '-C', traps.folder, 'package'])
  return file
}

/** A package in a repository of its own, with programs wherever npm takes one; `owner` is who may clone it, besides root. */
export async function packageInGit(traps: Traps, owner: number, name: string, more: object = {}): Promise<string> {
  const tree = join(traps.folder, name)
  await exec('git', ['init', '-q', '-b', 'main', tree])
  await writeFile(join(tree, 'package.json'), await hostileManifest(traps, name, more))
  await writeFile(join(tree, '.npmrc'), await hostileNpmrc(traps, name))
  await commitAll(tree, 'Begin')
  // git serves a repository only to the one who owns it.
  if (process.getuid?.() === 0) await exec('chown', ['-R', String(owner), tree])
  return tree
}

/** Mode, name and content of each entry, whether git would make such a tree or not. */
export type Tree = readonly (readonly [mode: string, name: string, content: string | Tree])[]

/** Makes `main` of a repository a commit with exactly this tree. */
export function commitRaw(gitDir: string, tree: Tree): void {
  const git = (args: readonly string[], input: string | Buffer = '') =>
    execFileSync('git', ['-C', gitDir, ...args], { input })
      .toString()
      .trim()
  const object = (type: string, content: string | Buffer): string => git(['hash-object', '-w', '-t', type, '--stdin', '--literally'], content)
  const made = (entries: Tree): string =>
    object(
      'tree',
      Buffer.concat(
        entries.flatMap(([mode, name, content]) => [
          Buffer.from(`${mode} ${name}\0`),
          Buffer.from(typeof content === 'string' ? object('blob', content) : made(content), 'hex'),
        ]),
      ),
    )
  git(['update-ref', 'refs/heads/main', git(['-c', 'user.name=x', '-c', 'user.email=x', 'commit-tree', made(tree), '-m', 'Begin'])])
}

/** A path of 6,000 bytes, which no call takes as a whole. */
export const DEEP = `node -e 'for (let n = 0; n < 30; n++) { fs.mkdirSync("d".repeat(200)); process.chdir("d".repeat(200)) }; fs.writeFileSync("x", "x")'`

/** What an agent leaves that steers plain git, or that cannot be saved; `$1` is the folder of the traps. */
export const PLANT = `
out="$1/outside"; hooks="$1/hooks"
cp -r "$1/given/." .; echo 'MEMORY-OF-THE-AGENT' > CLAUDE.md
quiet="-c core.hooksPath=/dev/null -c user.name=x -c user.email=x"
git init -q nested-empty; echo x > nested-empty/file
git init -q nested-full; echo x > nested-full/file; git -C nested-full add -A; git $quiet -C nested-full commit -qm x
mkdir nested-full/.GIT; echo x > nested-full/.GIT/config; mkdir .GIT git~1; echo x > .GIT/config; echo x > git~1/config
mkdir nested-file nested-link nested-out; echo 'gitdir: ../nested-full/.git' > nested-file/.git; ln -s ../nested-full/.git nested-link/.git; echo "gitdir: $out" > nested-out/.git
for name in nested-file nested-link nested-out; do echo x > $name/file; done
printf '[submodule "linked"]\\n\\tpath = linked\\n\\turl = --upload-pack=touch\\n\\tupdate = !touch\\n' > .gitmodules
git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),linked; mkdir linked; echo x > linked/file
rm -r src; ln -s "$out" src; ln -s "$out/canary.txt" link; ln -s "$out" folder; mkdir swapped; ln -s "$out/canary.txt" swapped/canary.txt
mkfifo pipe; node -e 'require("net").createServer().listen("socket", () => process.kill(process.pid, "SIGKILL"))' || true
for name in -rf --output=x twin TWIN "$(printf 'new\\nline')" "$(printf 'bad\\377\\376')" "$(printf '%0255d')" 'back\\slash' '$(id)'; do echo "x" > "./$name"; done
mkdir many; for n in $(seq 10000); do echo $((n % 100)) > many/$n; done
truncate -s 10G sparse.bin
mkdir -p .git/info; echo '*' > .git/info/exclude; echo '* filter=evil' > .git/info/attributes
for git in .git nested-full/.git; do mkdir -p $git/hooks; cp $hooks/* $git/hooks; cat "$1/hostile.config" >> $git/config; done
`

/** What the script takes from the folder of the traps. */
export async function give(traps: Traps, origin: string, elsewhere: string): Promise<void> {
  const given = join(traps.folder, 'given')
  await mkdir(join(given, '.claude'), { recursive: true })
  await writeFile(join(given, '.claude', 'settings.json'), await hostileSettings(traps, 'agent'))
  await writeFile(join(given, '.mcp.json'), await hostileServers(traps, 'agent'))
  await writeFile(join(given, '.npmrc'), await hostileNpmrc(traps, 'agent'))
  await writeFile(join(given, '.gitattributes'), ATTRIBUTES)
  await writeFile(join(traps.folder, 'hostile.config'), await hostileConfig(traps, origin, elsewhere))
}
