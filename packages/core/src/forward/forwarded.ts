import type { ForwardedPolicy } from '../api-input.ts'
import type { Client } from '../http/client.ts'
import { firstValue } from '../http/headers.ts'

// With "_" for "-" as well: many servers read `x_forwarded_for` as the same variable.
const FAMILY = /^(?:forwarded|x[-_]forwarded[-_].+|x[-_]real[-_]ip|x[-_]forwarded)$/

/** Whether a field of that lower-case name claims something about the client's connection. */
export function isForwardedField(lowerCaseName: string): boolean {
  const first = lowerCaseName.charCodeAt(0)
  return (first === 0x78 || first === 0x66) && FAMILY.test(lowerCaseName)
}

/** Whether what the sender claims about itself is dropped before anything of ours is added. */
export function dropsClaims(policy: ForwardedPolicy, client: Client): boolean {
  return policy === 'set' || policy === 'remove' || (policy === 'append' && !client.trusted)
}

/**
 * Adds what the upstream is told about the client, under a policy that has already removed what it should not believe.
 * A field a plugin set (`ours`) is the plugin's word and stays as it is.
 */
export function addForwarded(
  lines: string[],
  policy: ForwardedPolicy,
  client: Client,
  ours: ReadonlySet<string> | undefined,
): void {
  if (policy === 'remove' || policy === 'off') return
  // A unix socket has no address to tell.
  if (ours?.has('x-forwarded-for') !== true && client.peerAddress !== '') {
    const before = policy === 'append' && client.trusted ? takeOut(lines, 'x-forwarded-for') : ''
    lines.push('X-Forwarded-For', before === '' ? client.peerAddress : `${before}, ${client.peerAddress}`)
  }
  const host = policy === 'set' ? client.peerHost : client.host
  if (ours?.has('x-forwarded-host') !== true && host !== '') {
    takeOut(lines, 'x-forwarded-host')
    lines.push('X-Forwarded-Host', host)
  }
  if (ours?.has('x-forwarded-proto') !== true) {
    takeOut(lines, 'x-forwarded-proto')
    lines.push('X-Forwarded-Proto', policy === 'set' ? client.peerScheme : client.scheme)
  }
}

/** Removes a field and gives its values as one list: its successor is one line. */
function takeOut(lines: string[], name: string): string {
  if (firstValue(lines, name) === undefined) return ''
  let values = ''
  let kept = 0
  for (let i = 0; i < lines.length; i += 2) {
    const value = lines[i + 1]!
    if (lines[i]!.toLowerCase() === name) values = values === '' ? value : `${values}, ${value}`
    else {
      lines[kept] = lines[i]!
      lines[kept + 1] = value
      kept += 2
    }
  }
  lines.length = kept
  return values
}
