import { describe, GatewayError } from '../errors.ts'

/** Where a request is sent: scheme and authority, and a path every forwarded path is put behind. */
export interface UpstreamUrl {
  readonly href: string
  /** `http://127.0.0.1:9000` */
  readonly origin: string
  /** `127.0.0.1:9000`, the Host header's value. */
  readonly host: string
  /** What its certificate is for; undefined without TLS. */
  readonly serverName: string | undefined
  /** Without a trailing slash; empty at the root. */
  readonly basePath: string
  /** As it was written, for a request with nothing to put behind it. */
  readonly ownPath: string
}

/** The path of a request that is sent there, `behind` what is put in front of it. */
export function pathAt({ basePath, ownPath }: UpstreamUrl, behind: string): string {
  return behind === '' ? ownPath : basePath + behind
}

// URL drops line breaks and reads a backslash as a slash: "http://a\n.evil" would be another host than what was written.
const REREAD = /[^\u0021-\u005B\u005D-\uFFFF]/

/** Accepts `http:` and `https:` without credentials, query or fragment; anything else throws `PSTN_VALUE_INVALID`. */
export function parseUpstreamUrl(input: string | URL): UpstreamUrl {
  const readable = !REREAD.test(String(input)) && URL.canParse(String(input))
  const url = readable ? new URL(input) : undefined
  const clean = url?.username === '' && url.password === '' && url.search === '' && url.hash === '' && url.port !== '0'
  if (url === undefined || !clean || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `${describe(redacted(String(input)))} is no upstream; expected an http: or https: URL without credentials, query or fragment, such as "http://127.0.0.1:9000".`,
    )
  }
  const basePath = url.pathname.replace(/\/+$/, '')
  const serverName = url.protocol === 'https:' ? url.hostname : undefined
  const { origin, host, pathname: ownPath } = url
  return { href: origin + (basePath === '' ? '' : ownPath), origin, host, serverName, basePath, ownPath }
}

/** A password in a mistyped URL must not reach the log. */
function redacted(input: string): string {
  return input.replace(/\/\/[^/@]*@/, '//***@')
}
