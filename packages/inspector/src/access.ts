import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Says whether whoever sent this request may see what goes through the gateway. */
export type Access = (req: IncomingMessage) => boolean | Promise<boolean>

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** What a proxy adds: behind one every connection comes over loopback. */
const PROXIED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via']

/** Why the page may not be seen; undefined when it may. */
export async function mayLook(req: IncomingMessage, access: Access | undefined): Promise<string | undefined> {
  if (access !== undefined) {
    // An access check that breaks lets nobody in.
    const allowed: unknown = await Promise.resolve(req)
      .then(access)
      .catch(() => false)
    return allowed === true ? undefined : 'You may not see the inspector.'
  }
  if (!isLoopback(req.socket.remoteAddress ?? ''))
    return 'Without an access check the inspector is only shown over loopback: createInspector(gateway, { access }).'
  const proxied = PROXIED.find((name) => req.headers[name] !== undefined)
  if (proxied !== undefined)
    return `A proxy has passed this request on (${proxied}): the inspector needs createInspector(gateway, { access }).`
  // A page elsewhere may have its own name resolve to 127.0.0.1.
  if (!isLoopbackName(req.headers.host ?? ''))
    return 'Without an access check the inspector is only shown under localhost, 127.0.0.1 or [::1].'
  return undefined
}

function isLoopback(address: string): boolean {
  const family = isIP(address)
  if (family === 0) return false
  return LOOPBACK.check(address.replace(/^::ffff:(?=\d+\.)/i, ''), address.includes('.') ? 'ipv4' : 'ipv6')
}

function isLoopbackName(authority: string): boolean {
  const name = authority.toLowerCase().replace(/:\d{1,5}$/, '')
  return name === 'localhost' || (isIP(name) === 4 && isLoopback(name)) || name === '[::1]'
}
