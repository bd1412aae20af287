import { describe } from '../errors.ts'
import { isAuthority } from './authority.ts'

// What may stand in a path as it is: pchar and "/" of RFC 3986 3.3, without a leading "//" and without any "/.".
const PLAIN = /^\/(?!\/)[\w\-.~!$&'()*+,;=:@/]*$/
const UNRESERVED = /[\w\-.~]/
// Browsers send these raw although RFC 3986 has no place for them in a path: one spelling, the escaped one.
const ESCAPED = /["<>[\]^`{|}]/g
const REFUSED_IN_QUERY = /[^\u0021-\u007E]|#/
const REFUSED = /[^\u0021-\u007E]|[\\#?]/

/**
 * The one spelling of a path, used for matching, authorising, recording and forwarding alike; undefined when there is
 * none (a broken escape, NUL, a backslash, invalid UTF-8, dot segments above the root or hidden behind `%2F`).
 *
 * Escapes of unreserved characters are undone, the others upper-cased (RFC 3986 6.2.2), dot segments resolved, leading
 * slashes collapsed. Nothing is decoded twice: `%2561` stays, so the result is its own canonical form.
 */
export function canonicalPath(path: string): string | undefined {
  if (PLAIN.test(path) && !path.includes('/.')) return path
  if (!path.startsWith('/') || REFUSED.test(path)) return undefined
  const segments: string[] = []
  const parts = path.split('/')
  for (let i = 1; i < parts.length; i += 1) {
    const segment = canonicalSegment(parts[i]!)
    if (segment === undefined) return undefined
    const last = i === parts.length - 1
    if (segment === '.' || segment === '..') {
      if (segment === '..' && segments.pop() === undefined) return undefined
      if (last) segments.push('')
    } else {
      segments.push(segment)
    }
  }
  return `/${segments.join('/').replace(/^\/+/, '')}`
}

function canonicalSegment(segment: string): string | undefined {
  const escaped = segment.replace(ESCAPED, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  if (!escaped.includes('%')) return isDisguisedDot(escaped) ? undefined : escaped
  let result = ''
  for (let i = 0; i < escaped.length; i += 1) {
    const character = escaped[i]!
    if (character !== '%') {
      result += character
      continue
    }
    const hex = escaped.slice(i + 1, i + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex) || hex === '00') return undefined
    const decoded = String.fromCharCode(Number.parseInt(hex, 16))
    result += UNRESERVED.test(decoded) && decoded < '\u0080' ? decoded : `%${hex.toUpperCase()}`
    i += 2
  }
  return isDisguisedDot(result) || !isUtf8(result) ? undefined : result
}

/** `..%2F`, `..%5C` and `..;x` are dot segments to the next server that decodes them or drops path parameters. */
function isDisguisedDot(segment: string): boolean {
  if (!segment.includes('.') || segment === '.' || segment === '..') return false
  return segment.split(/%2F|%5C/).some((part) => /^\.\.?(;|$)/.test(part))
}

function isUtf8(escaped: string): boolean {
  try {
    // Compared with something: bundlers hold the call to be pure, and would drop one whose result nobody uses.
    return decodeURIComponent(escaped) !== ''
  } catch {
    // URIError is how the platform says "not UTF-8"; the caller turns it into a 400.
    return false
  }
}

// The sub-delims of RFC 3986 2.2, ":" and "@": what a segment may have raw as well as escaped.
const EITHER_WAY = /%(?:2[146-9A-C]|3[ABD]|40)/g

/**
 * The form of a canonical path that endpoints are compared in: what a segment may have either way is there as it is, so
 * that `/orders/7%3Acancel` is not led past what guards `/orders/7:cancel`. For comparing only: what is forwarded stays
 * escaped, because to the upstream `a%3Bb` is a name, and `a;b` a name with a path parameter.
 */
export function matchForm(path: string): string {
  return path.includes('%') ? path.replaceAll(EITHER_WAY, decodeURIComponent) : path
}

/** The path as the real gateway compares it, decoded; an escaped slash is data and stays. */
export function decodedForm(path: string): string {
  return path.includes('%') ? path.split('%2F').map(decodedText).join('%2F') : path
}

/** Canonical paths are valid UTF-8; only an expression can cut an escape in two, and then has what it cut. */
export function decodedText(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Every form in which somebody may have written a path down; just one where nothing is escaped in it. */
export function formsOf(path: string): readonly string[] {
  return path.includes('%') ? [...new Set([matchForm(path), decodedForm(path), path])] : [path]
}

/** Percent-encodes what a plugin or a definition may write plainly (spaces, letters beyond ASCII). */
export function encodePath(path: string): string {
  return path.replaceAll(/[^\u0021-\u007E]+/g, (text) => encodeURIComponent(Buffer.from(text).toString()))
}

/** What was given for a path, for a message: a query may have secrets in it. */
export function describePath(value: unknown): string {
  return describe(typeof value === 'string' ? value.replace(/\?.+$/s, '?...') : value)
}

/** A request target in its parts. The authority of an absolute-form target is dropped: it never chooses an upstream. */
export interface RequestTarget {
  readonly path: string
  /** Without the question mark; empty when there is none. */
  readonly search: string
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)/i

/** A target without the scheme and the host an absolute-form one (RFC 9112 3.2.2) begins with. */
export function withoutAuthority(target: string): string {
  return target.startsWith('/') ? target : target.replace(ABSOLUTE, '')
}

/** A target with a mount path in front of its own, behind the host an absolute-form one names. */
export function withBasePath(basePath: string, target: string): string {
  const path = withoutAuthority(target)
  return target.slice(0, target.length - path.length) + basePath + path
}

/** Whether an absolute-form target names something that is no host. */
export function namesBrokenHost(target: string): boolean {
  if (target.startsWith('/')) return false
  const authority = ABSOLUTE.exec(target)?.[1]
  return authority !== undefined && !isAuthority(authority)
}

/** Splits a request target (RFC 9112 3.2); undefined when it has no path, no canonical spelling or no proper authority. */
export function parseTarget(target: string): RequestTarget | undefined {
  if (namesBrokenHost(target)) return undefined
  const origin = withoutAuthority(target)
  const rooted = origin.startsWith('?') || origin === '' ? `/${origin}` : origin
  const mark = rooted.indexOf('?')
  const path = canonicalPath(mark === -1 ? rooted : rooted.slice(0, mark))
  const search = mark === -1 ? '' : rooted.slice(mark + 1)
  return path === undefined || REFUSED_IN_QUERY.test(search) ? undefined : { path, search }
}

/**
 * What is left of a canonical path below a prefix, canonical again: leading slashes are one here too. Undefined when the
 * prefix does not end at a segment's end (`/ab` is not below `/a`).
 */
export function below(prefix: string, path: string): string | undefined {
  if (prefix === '' || prefix === '/') return path
  if (!path.startsWith(prefix)) return undefined
  return path.length === prefix.length || path[prefix.length] === '/' ? restOf(path, prefix.length) : undefined
}

/** The path from there on, with exactly one leading slash. */
export function restOf(path: string, from: number): string {
  return `/${path.slice(from).replace(/^\/+/, '')}`
}
