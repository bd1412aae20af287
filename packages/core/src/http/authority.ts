// RFC 3986 3.2.2: a name, an IPv4 address or an IPv6 one in brackets, and a port. Of what a name could have, only what
// names have: "a,b" and "u@h" mean one host to one server and another to the next.
const AUTHORITY = /^(?:[\w\-.~%]+|\[[\da-f:.]+\])(?::(\d{1,5}))?$/i

/** Whether a text is a host with or without a port, and nothing else. */
export function isAuthority(text: string): boolean {
  const match = AUTHORITY.exec(text)
  return match !== null && (match[1] === undefined || Number(match[1]) <= 65_535)
}
