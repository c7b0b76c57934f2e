import { lookup } from 'node:dns/promises'
import { networkInterfaces } from 'node:os'
import { BlockList, isIPv4, isIPv6, SocketAddress } from 'node:net'

/** A host that others named leads into a private network. */
export class PrivateAddress extends Error {
  constructor(host: string) {
    super(`${host} leads to a private address; repositories that requests name must be on public hosts`)
    this.name = 'PrivateAddress'
  }
}

/** Addresses that are not for the public internet (IANA's special-purpose registries). */
const SPECIAL = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  SPECIAL.addSubnet(net, bits, 'ipv4')
/** Of IPv6 only the global unicast range is public, without what maps or tunnels IPv4 and without documentation. */
const GLOBAL = new BlockList()
GLOBAL.addSubnet('2000::', 3, 'ipv6')
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
] as const)
  SPECIAL.addSubnet(net, bits, 'ipv6')

export function isPublic(address: string): boolean {
  if (!isIPv6(address)) return !SPECIAL.check(address, 'ipv4')
  return GLOBAL.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6')
}

/**
 * The addresses of a host, all of them public. Whoever connects must connect to these, because a name may lead elsewhere
 * the next time it is looked up.
 *
 * @throws PrivateAddress; the error of a name that is not known
 */
export async function publicAddresses(host: string): Promise<readonly string[]> {
  return checkedAddresses(host, isPublic)
}

/** The same of a host that may stand in a private network, but not on this machine or beside it, where clouds keep their credentials. */
export async function routableAddresses(host: string): Promise<readonly string[]> {
  return checkedAddresses(host, (address) => isPublic(address) || !isNear(address))
}

async function checkedAddresses(host: string, fits: (address: string) => boolean): Promise<readonly string[]> {
  const found = await lookup(host, { all: true })
  if (found.length === 0 || !found.every(({ address }) => fits(address))) throw new PrivateAddress(host)
  return found.map(({ address }) => address)
}

/** Unspecified, loopback, link-local and multicast addresses, and IPv4 within IPv6. */
const NEAR = new BlockList()
/** A list of its own: of one that holds `::/8`, every address of IPv4 would be a member. */
const NEAR_6 = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
] as const)
  NEAR.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of [
  ['::', 8],
  ['64:ff9b::', 32],
  ['2002::', 16],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  NEAR_6.addSubnet(net, bits, 'ipv6')
/** Where machines of Amazon and of Alibaba find their credentials, among the private addresses. */
NEAR_6.addAddress('fd00:ec2::254', 'ipv6')
NEAR.addAddress('100.100.100.200', 'ipv4')

export const isNear = (address: string): boolean => (isIPv6(address) ? NEAR_6.check(address, 'ipv6') : NEAR.check(address, 'ipv4'))

/** Whether an address is one of this machine's own. */
export function isOwn(address: string): boolean {
  const one = plainAddress(address)
  if (one === '::1' || one.startsWith('127.')) return true
  return Object.values(networkInterfaces()).some((addresses = []) => addresses.some((own) => plainAddress(own.address) === one))
}

/** One spelling for each address; IPv4 within IPv6 is IPv4. */
export function plainAddress(address: string): string {
  const bare = address.replace(/%.*$/, '')
  if (isIPv4(bare)) return bare
  const { address: canonical } = new SocketAddress({ address: bare, family: 'ipv6' })
  return canonical.replace(/^::ffff:(?=\d+\.)/, '')
}
