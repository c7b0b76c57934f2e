import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { nodeForAll, noSeparateUsers } from '../support/separate.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

const why = noSeparateUsers()

describe.skipIf(why !== undefined)(`agents as users of their own${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let [model, service, client, folder]: [Model, Service, Client, string] = [undefined!, undefined!, undefined!, '']

  beforeAll(async () => {
    folder = await temporaryFolder()
    const node = await nodeForAll(folder)
    model = await startModel()
    service = await startService({
      node,
      example: true,
      env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', ISOLATION: 'require' },
    })
    client = clientOf(service)
  })
  afterAll(async () => {
    await service[Symbol.asyncDispose]()
    await model[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  it('edit, and their files are theirs', async () => {
    const result = await client.run('own', 'replace Fresh with Warm in src/pages/index.astro then write mine.txt: mine then run id -u; git status --short')
    expect(result.filesChanged).toEqual(['mine.txt', 'src/pages/index.astro'])
    expect(result.summary).toMatch(/Ran id[^\n]*\n30\d\d\d/)
    const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'own' })
    expect((await stat(join(body.workspace.projectPath, 'mine.txt'))).uid).toBeGreaterThanOrEqual(30_000)
  })

  it('can go on editing what an undo brought back', async () => {
    await client.run('undone', 'write a.txt: one')
    await client.run('undone', 'write a.txt: two')
    await client.call('POST', client.thread('undone', 'undo'), {})
    expect(await client.run('undone', 'run echo more >> a.txt; cat a.txt')).toMatchObject({ success: true, filesChanged: ['a.txt'] })
    expect(await client.git('show', 'thread-undone:a.txt')).toBe('onemore')
  })

  it('reach neither the journal, nor conversations, nor other threads, nor the service itself', async () => {
    await client.run('victim', 'write secret.txt: nobody else')
    const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'victim' })
    const { projectPath, claudePath } = body.workspace
    const targets = [
      join(service.workspace, '.branchline', 'journal.sqlite'),
      join(service.workspace, '.branchline', 'indexes'),
      claudePath,
      projectPath,
      `${projectPath}.agent`,
      `/proc/${service.pid}/environ`,
    ]
    for (const target of targets) {
      const { summary } = await client.run('thief', `run ls -la ${target} && cat ${target}; echo "exit $?"`)
      expect(summary, target).toMatch(/exit [12]/)
      expect(summary).not.toContain('nobody else')
      expect(summary).not.toContain('CANARY')
    }
    const hunt = await client.run(
      'thief',
      `run cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -c CANARY; env | grep -c CANARY; cat /proc/$PPID/fd/3 2>&1 | head -c 100`,
    )
    expect(hunt.summary).toMatch(/\n0\n0\n/)
  })

  it('cannot write into the one repository, nor make the service run what they configure', async () => {
    const marker = join(folder, 'marker')
    await client.run(
      'evil',
      `run git config core.fsmonitor "touch ${marker}"; git config core.hooksPath .; printf "#!/bin/sh\\ntouch ${marker}\\n" > pre-commit; chmod +x pre-commit; touch ${client.repository}/evil; git commit -qm mine --allow-empty; git branch -f main HEAD`,
    )
    await expect(readFile(marker)).rejects.toThrow('ENOENT')
    expect(await readdir(client.repository)).not.toContain('evil')
    expect(await client.git('log', '-1', '--format=%s', 'main')).toBe('Begin with the example site')
    expect(await client.run('evil', 'run git log -1 --format=%s')).toMatchObject({ success: true })
  })

  it('cannot have folders of the service given to them through links', async () => {
    const own = join(service.workspace, '.branchline')
    await client.run('linker', `run mv "$HOME" "$HOME.old"; ln -s ${own} "$HOME"; mv "$TMPDIR" "$TMPDIR.old"; ln -s ${own} "$TMPDIR"; echo linked`)
    await client.run('linker', 'write package.json: {"scripts":{"build":"ls"}}')
    await client.run('linker', '', { type: 'build' })
    expect((await stat(own)).uid).toBe(0)
  })

  it('cannot leave anything behind by hooks of their own git', async () => {
    await client.run(
      'hooker',
      'run mkdir -p .git/hooks; printf "#!/bin/sh\\nsetsid sleep 322 &\\n" > .git/hooks/reference-transaction; cp .git/hooks/reference-transaction .git/hooks/post-index-change; chmod +x .git/hooks/*; echo x > x.txt',
    )
    await client.run('hooker', 'write y.txt: y')
    await client.run('hooker', '', { type: 'commit', instruction: 'a commit' })
    const lines = await Promise.all(
      (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
    )
    expect(lines.filter((line) => line.split('\0').includes('322'))).toEqual([]) // the ids of conversations are arguments too, and end in anything
  })

  it('lose everything they left running, however it hid', async () => {
    await client.run('hider', `run setsid sh -c "while :; do sleep 0.3; done" & (setsid env -i /bin/sleep 321 &) ; echo hidden`)
    const lines = await Promise.all(
      (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
    )
    expect(lines.filter((line) => line.split('\0').includes('321') || line.includes('sleep 0.3'))).toEqual([])
  })

  it('build with dependencies that another user has installed, which they cannot change for others', async () => {
    expect(await client.run('maker', '', { type: 'build' })).toMatchObject({ success: true })
    const tried = await client.run('maker', 'run echo spoiled >> node_modules/astro/package.json; echo "exit $?"; rm -rf node_modules/preact && echo removed')
    expect(tried.summary).toContain('exit 1')
    expect(tried.summary).toContain('removed')
    const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'maker' })
    expect(await readFile(join(body.workspace.projectPath, 'node_modules/astro/package.json'), 'utf8')).not.toContain('spoiled')
    expect(await client.run('maker-2', '', { type: 'build' })).toMatchObject({ success: true })
  })
})
