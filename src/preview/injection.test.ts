import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { inject, tagFor } from './injection.ts'

const TAG = '<script src="/x.js"></script>'
/** A page that comes in these pieces. */
const passed = async (...pieces: readonly (string | Buffer)[]): Promise<string> =>
  (await buffer(Readable.from(pieces.map((piece) => Buffer.from(piece))).pipe(inject(TAG)))).toString('latin1')

it.each([
  ['<head>', '</head>'],
  ['<!doctype html>\n<html lang="en"><head>', '<meta charset="utf-8">'],
  ['<!DOCTYPE html><!-- <head> --><HTML><!--><HEAD\tclass="a>b" data-x=\'"\'>', '<title>x</title>'],
  ['\u00ef\u00bb\u00bf<?xml version="1.0"?>\r\n<html\n>\n<head\n>', ''],
  ['<!----><head/>', '<body>'],
  ["<html it's><head it's = '>'>", "<p>it's</p>"],
  ['<!doctype html>', '\n<title>No head is written</title>'],
  ['<!-- x --><HTML lang="en">', '<body><!-- <head> --><head></head>'],
  ['<!doctype html>', ' <!-- <head> -->text'],
])('puts the tag behind %j, in whichever pieces it comes', async (before, behind) => {
  const page = Buffer.from(`${before}${behind}<p>one</p>`, 'latin1')
  for (const length of [1, 2, 3, 7, 1000]) {
    const pieces = Array.from({ length: Math.ceil(page.length / length) }, (_, at) => page.subarray(at * length, (at + 1) * length))
    expect(await passed(...pieces)).toBe(`${before}${TAG}${behind}<p>one</p>`)
  }
})

it.each([
  '',
  '<',
  'plain',
  '<header>x</header>',
  '<p>Write <head> first</p>',
  '<script>"<head>"</script>',
  '<!-- <head>',
  '<head',
  '<head class="',
  '{"html":"<head>"}',
  `<!--${' '.repeat(70_000)}--><head>`,
  `<head data-x="${'x'.repeat(70_000)}">`,
])('leaves a page as it is that has no head to be found: %.20j', async (page) => {
  expect((await passed(page)) === page).toBe(true)
  expect((await passed(...page.split(''))) === page).toBe(true)
})

it('has no say over bytes of another encoding', async () => {
  const page = Buffer.from('<html><head></head>', 'utf16le')
  expect(await passed(page)).toBe(page.toString('latin1'))
})

it('holds back no more than the beginning', async () => {
  const stream = inject(TAG)
  stream.write('<html><head>')
  expect(String(stream.read())).toBe(`<html><head>${TAG}`)
  stream.write('first')
  expect(String(stream.read())).toBe('first')
})

it('names the folder of the site in any letters, without a way out of the tag', async () => {
  const tag = await tagFor(['http://localhost:1', 'https://a.example'], '/no such/"><script>/å&amp;')
  expect(tag).toBe(
    '<script src="/__branchline/in-page.js" data-consoles="http://localhost:1 https://a.example" data-root="/no such/&#34;&#62;&#60;script&#62;/&#229;&#38;amp&#59;"></script>',
  )
})
