import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net'
import { describe, GatewayError } from '../errors.ts'
import { isAuthority } from './authority.ts'
import { joinedValues } from './headers.ts'

/** The other end of the connection, as the host's server sees it. */
export interface Peer {
  readonly address: string
  readonly encrypted: boolean
}

/** Whether an address belongs to a proxy whose `X-Forwarded-*` may be believed. */
export type Trust = (address: string) => boolean

const trustNobody: Trust = () => false

/** Compiles addresses and CIDR ranges; anything else throws `PSTN_VALUE_INVALID`. */
export function compileTrust(ranges: readonly string[]): Trust {
  if (ranges.length === 0) return trustNobody
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits, ...rest] = range.split('/')
    const family = isIP(address)
    const widest = family === 6 ? 128 : 32
    const prefix = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
    if (family === 0 || rest.length > 0 || prefix < 0 || prefix > widest) {
      throw new GatewayError(
        'PSTN_VALUE_INVALID',
        `${describe(range)} is no IP address or CIDR range such as "10.0.0.0/8".`,
      )
    }
    list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** Who is calling and how: from the socket, and from forwarded headers only behind trusted proxies. Worked out on first use. */
export class Client {
  readonly #peer: Peer
  /** The lines as they came: what plugins change is not what the client said. */
  readonly #lines: readonly string[]
  readonly #trust: Trust
  #peerAddress: string | undefined
  #address: string | undefined
  #trusted: boolean | undefined

  constructor(peer: Peer, lines: readonly string[], trust: Trust) {
    this.#peer = peer
    this.#lines = lines
    this.#trust = trust
  }

  get peerAddress(): string {
    this.#peerAddress ??= plainAddress(this.#peer.address) ?? this.#peer.address
    return this.#peerAddress
  }

  get trusted(): boolean {
    this.#trusted ??= this.#trust(this.peerAddress)
    return this.#trusted
  }

  /** The nearest address that is not a trusted proxy, read from the right: further left is the client's own claim. */
  get address(): string {
    this.#address ??= this.#resolve()
    return this.#address
  }

  get scheme(): 'http' | 'https' {
    const forwarded = this.trusted ? lastOf(this.#get('x-forwarded-proto'))?.toLowerCase() : undefined
    return forwarded === 'http' || forwarded === 'https' ? forwarded : this.peerScheme
  }

  /** Of the connection itself. */
  get peerScheme(): 'http' | 'https' {
    return this.#peer.encrypted ? 'https' : 'http'
  }

  get host(): string {
    const forwarded = this.trusted ? lastOf(this.#get('x-forwarded-host')) : undefined
    // What a proxy passes on of its client's may be anything, and this becomes a Host.
    return forwarded !== undefined && isAuthority(forwarded) ? forwarded : this.peerHost
  }

  /** What this very request asks for. */
  get peerHost(): string {
    return this.#get('host') ?? ''
  }

  #get(name: string): string | null {
    return joinedValues(this.#lines, name)
  }

  #resolve(): string {
    let address = this.peerAddress
    if (!this.trusted) return address
    const hops = (this.#get('x-forwarded-for') ?? '').split(',')
    for (let i = hops.length - 1; i >= 0; i -= 1) {
      const hop = plainAddress(hops[i]!.trim())
      if (hop === undefined) return address
      address = hop
      if (!this.#trust(hop)) return address
    }
    return address
  }
}

function lastOf(list: string | null): string | undefined {
  const last = list?.split(',').at(-1)?.trim()
  return last === '' ? undefined : last
}

const BRACKETS_OR_PORT = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/

/**
 * One client keeps one identity, however it is written: without brackets, port and zone, IPv6 in its shortest form, and
 * `::ffff:192.0.2.1`, an IPv4 client on a dual-stack socket, as 192.0.2.1. Undefined for what is no address.
 */
function plainAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  const match = BRACKETS_OR_PORT.exec(text)
  const bare = match?.[1] ?? match?.[2] ?? text
  if (isIPv4(bare)) return bare
  const [address = ''] = bare.split('%', 1)
  if (!isIPv6(address)) return undefined
  const shortest = new SocketAddress({ address, family: 'ipv6' }).address
  return shortest.startsWith('::ffff:') && isIPv4(shortest.slice(7)) ? shortest.slice(7) : shortest
}
