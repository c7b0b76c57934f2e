import { expect, it } from 'vitest'
import { BadEgressRule, hostName, parseEgressRules, ruleFor, ruleForUrl } from './egress-rules.ts'

const allows = (list: string, host: string, port = 443): boolean => ruleFor(parseEgressRules(list), host, port) !== undefined

it('a host is allowed at the usual ports, or at the one that is named', () => {
  expect([443, 80, 8443].map((port) => allows('example.com', 'example.com', port))).toEqual([true, true, false])
  expect([443, 80, 8443].map((port) => allows('Example.com.:8443', 'example.com', port))).toEqual([false, false, true])
})

it('a star stands for hosts below, at any depth, and for nothing that only looks alike', () => {
  const list = '*.example.com'
  expect(['a.example.com', 'a.b.example.com'].map((host) => allows(list, host))).toEqual([true, true])
  expect(['example.com', 'notexample.com', 'example.com.evil.org', 'a.example.comm'].map((host) => allows(list, host))).toEqual([false, false, false, false])
})

it.each(['', ' ', ',', ' , ,'])('%j allows nothing', (list) => expect(allows(list, 'example.com')).toBe(false))

const BAD = ['*', '*.', '*.com', 'com', 'localhost', 'https://example.com', 'example.com/path', 'user@example.com', 'example.com:0', 'example.com:65536']
const ADDRESSES = [
  '127.0.0.1',
  '10.0.0.1:80',
  '[::1]',
  '::1',
  '0x7f000001',
  'a.0x7f',
  '1.2.3',
  'exa mple.com',
  'exämple.com',
  'a..com',
  '-a.com',
  'a.*.com',
  '**.a.com',
]
it.each([...BAD, ...ADDRESSES])('%j is no entry', (entry) => expect(() => parseEgressRules(`example.com,${entry}`)).toThrow(BadEgressRule))

it('a host name is compared in one spelling', () => {
  expect(hostName('EXAMPLE.com.')).toBe('example.com')
  for (const text of ['', '.', 'a..b', '127.1', '2130706433', '0x7f000001', '127.0.0.1.', 'a b', 'a\0b', '[::1]', 'a'.repeat(64)])
    expect(hostName(text), text).toBeUndefined()
})

it('a URL stands for its own host and port', () => {
  expect(ruleForUrl('https://npm.example.com/some/path')).toEqual([{ host: 'npm.example.com', below: false, ports: [443, 80], inside: true }])
  expect(ruleForUrl('http://npm.example.com:4873/')).toEqual([{ host: 'npm.example.com', below: false, ports: [4873], inside: true }])
  for (const text of ['/a/folder', 'file:///a', 'nonsense', 'http://127.0.0.1:1/']) expect(ruleForUrl(text)).toEqual([])
})
