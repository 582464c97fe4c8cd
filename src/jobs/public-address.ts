import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { readDeliveryConfig } from './delivery-config.ts'

/** Networks that a tenant's webhook must not reach: this machine, its neighbours, cloud metadata, and what is not unicast. */
const PRIVATE_V4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const

/** Of version 6 only global unicast is let through, less what maps or tunnels to version 4 and documentation. */
const PRIVATE_V6 = [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
] as const

// Two lists: a single one compares version 4 as ::ffff:…, which the rules of version 6 refuse as a whole.
const refusedV4 = new BlockList()
for (const [network, prefix] of PRIVATE_V4) refusedV4.addSubnet(network, prefix, 'ipv4')
const refusedV6 = new BlockList()
for (const [network, prefix] of PRIVATE_V6) refusedV6.addSubnet(network, prefix, 'ipv6')

/** The target is, or resolves to, an address that must not be reached. */
export class PrivateAddressError extends Error {
  override name = 'PrivateAddressError'
}

export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !refusedV4.check(address, 'ipv4')
  return family === 6 && !refusedV6.check(address, 'ipv6')
}

/** The one address to connect to, so that a second look-up cannot give another. @throws PrivateAddressError where any of the host's addresses is private */
export async function vettedAddress(hostname: string, allowPrivate: boolean): Promise<{ address: string; family: number }> {
  const host = hostname.replace(/^\[|\]$/g, '')
  const addresses = await lookup(host, { all: true, verbatim: true })
  if (!allowPrivate && !addresses.every(({ address }) => isPublicAddress(address))) {
    throw new PrivateAddressError(`${host} is an address of a private network`)
  }
  return addresses[0]!
}

/** Whether a URL's host may be reached as far as can be said without looking its name up. */
export function isReachable(hostname: string, allowPrivate = readDeliveryConfig().WEBHOOK_ALLOW_PRIVATE): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return allowPrivate || (isIP(host) === 0 ? !/(^|\.)localhost\.?$/i.test(host) : isPublicAddress(host))
}
