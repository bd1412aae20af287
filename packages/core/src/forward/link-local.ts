import dns, { type LookupAddress } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { GatewayError } from '../errors.ts'

/** Where clouds keep what a machine may know about itself, credentials included. Mapped IPv4 addresses are met as well. */
const linkLocal = new BlockList()
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4')
linkLocal.addSubnet('fe80::', 10, 'ipv6')
// The same IPv4 addresses as translators and tunnels write them (RFC 6052, 2765, 4291, 3056).
linkLocal.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6')
linkLocal.addSubnet('::ffff:0:a9fe:0', 112, 'ipv6')
linkLocal.addSubnet('::a9fe:0', 112, 'ipv6')
linkLocal.addSubnet('2002:a9fe::', 32, 'ipv6')
// Not link-local, but where one cloud keeps the same over IPv6.
linkLocal.addAddress('fd00:ec2::254', 'ipv6')

/** Whether an address is link-local; false for what is no address. */
export function isLinkLocal(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && linkLocal.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

export function forbidden(host: string): GatewayError {
  return new GatewayError(
    'PSTN_UPSTREAM_FORBIDDEN',
    `A plugin routed a request to ${host}, which is link-local or a cloud's own; only a definition may name such an upstream.`,
  )
}

/** Resolves names, but none that leads to a link-local address. What is checked is what is connected to. */
export const guardedLookup: LookupFunction = (hostname, options, done) => {
  dns.lookup(hostname, options, (error: NodeJS.ErrnoException | null, found: string | LookupAddress[], family) => {
    const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address)
    if (error === null && addresses.some(isLinkLocal)) done(forbidden(hostname), '', 0)
    else done(error, found, family)
  })
}
