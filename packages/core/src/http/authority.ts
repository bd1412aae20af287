import { isIPv6 } from 'node:net'

// RFC 3986 3.2.2: a name, an IPv4 address or an IPv6 one in brackets, and a port. Of what a name could have, only what
// names have: "a,b" and "u@h" mean one host to one server and another to the next.
const AUTHORITY = /^(?:[\w\-.~%]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** Whether a text is a host with or without a port, and nothing else. */
export function isAuthority(text: string): boolean {
  // Only five digits can be too many; of an address in brackets they are no number.
  if (!AUTHORITY.test(text) || (text.at(-6) === ':' && Number(text.slice(-5)) > 65_535)) return false
  return text[0] !== '[' || isIPv6(text.slice(1, text.indexOf(']')))
}
