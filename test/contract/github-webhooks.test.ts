import { createAppAuth } from '@octokit/auth-app'
import { Octokit } from '@octokit/core'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { startGitHub } from '../support/github/github.ts'
import { startReceiver } from '../support/github/receiver.ts'
import { commitAll } from '../support/repository.ts'

const exec = promisify(execFile)

it('tells of everything that people do, and of what the app does itself where it is wished', async () => {
  await using own = await startGitHub({ echo: true })
  await using receiver = await startReceiver()
  const { heard } = receiver
  own.sendTo(receiver.url)
  const issue = await own.openIssue({ title: 'One', body: 'two' })
  await own.editIssue(issue.number, { title: 'Two' })
  const comment = await own.comment(issue.number, { body: 'one', by: 'bob', at: '2026-01-31T12:00:00Z' })
  await own.editComment(comment.id, { body: 'two', by: 'bob' })
  await own.deleteComment(comment.id)
  await own.closeIssue(issue.number)
  const tree = await mkdtemp(join(tmpdir(), 'branchline-test-double-'))
  await exec('git', ['clone', '-q', own.repository('acme', 'site'), tree])
  await writeFile(join(tree, 'own.txt'), 'own')
  await commitAll(tree, 'Own')
  await exec('git', ['-C', tree, 'push', '-q', own.repository('acme', 'site'), 'HEAD:own'], { env: { ...process.env, GITHUB_WORKFLOWS: 'write' } })
  await rm(tree, { recursive: true, force: true })
  const pull = await own.openPull({ title: 'Own', head: 'own', by: 'bob' })
  await own.label(pull.number, 'agent')
  await own.synchronize(pull.number)
  await own.review(pull.number, { body: 'Hm', state: 'changes_requested' })
  await own.reviewComment(pull.number, { body: 'why?', path: 'own.txt', line: 1 })
  await own.checkRun('own', { name: 'build', status: 'queued' })
  await own.closePull(pull.number, { merged: true })
  const auth = { appId: own.app.id, privateKey: own.app.privateKey, installationId: own.app.installationId }
  const octokit = new Octokit({ authStrategy: createAppAuth, auth, baseUrl: own.url })
  await octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { owner: 'acme', repo: 'site', issue_number: issue.number, body: 'mine' })
  const told = () => heard.map(({ headers, body }) => `${String(headers['x-github-event'])} ${JSON.parse(body).action} ${JSON.parse(body).sender.login}`)
  await expect
    .poll(told)
    .toEqual([
      'issues opened alice',
      'issues edited alice',
      'issue_comment created bob',
      'issue_comment edited bob',
      'issue_comment deleted alice',
      'issues closed alice',
      'pull_request opened bob',
      'pull_request labeled alice',
      'pull_request synchronize alice',
      'pull_request_review submitted alice',
      'pull_request_review_comment created alice',
      'check_run created alice',
      'pull_request closed alice',
      `issue_comment created ${own.app.slug}[bot]`,
    ])
  expect(heard.filter(({ body }) => JSON.parse(body).installation.id !== own.app.installationId)).toEqual([])
})
