import { expect, it } from 'vitest'
import { isNear, isPublic, PrivateAddress, publicAddresses } from './public-address.ts'

it.each(['140.82.121.4', '8.8.8.8', '2606:4700::1111', '2a00:1450:4001::8a'])('%s is public', (address) => expect(isPublic(address)).toBe(true))

const PRIVATE_4 = ['127.0.0.1', '10.1.2.3', '192.168.1.1', '172.20.0.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255']
const PRIVATE_6 = ['::1', '::', 'fe80::1', 'fc00::1', 'fd00::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2001:db8::1', '2002:7f00:1::', 'ff02::1']
it.each([...PRIVATE_4, ...PRIVATE_6])('%s is not', (address) => expect(isPublic(address)).toBe(false))

it('a name that leads to a private address is refused', async () => {
  await expect(publicAddresses('localhost')).rejects.toThrow(PrivateAddress)
})

it('a private address is another machine, or this one and what is beside it', () => {
  for (const address of ['10.1.2.3', '192.168.1.1', '203.0.113.80', 'fd12:3456::1', '8.8.8.8']) expect(isNear(address), address).toBe(false)
  const near = [
    '127.0.0.1',
    '0.0.0.0',
    '169.254.169.254',
    '100.100.100.200',
    '::',
    '::1',
    'fe80::1',
    '::ffff:127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fd00:ec2::254',
  ]
  for (const address of near) expect(isNear(address), address).toBe(true)
})
