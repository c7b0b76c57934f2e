import { lookup } from 'node:dns/promises'
import { BlockList, isIPv6 } from 'node:net'

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
  const found = await lookup(host, { all: true })
  if (found.length === 0 || !found.every(({ address }) => isPublic(address))) throw new PrivateAddress(host)
  return found.map(({ address }) => address)
}
