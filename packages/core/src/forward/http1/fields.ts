import { GatewayError } from '../../errors.ts'

/** Characters of a field's name (RFC 9110 5.6.2), by their code. */
const TOKEN = new Uint8Array(256)
for (const one of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[one.charCodeAt(0)] = 1

const TAB = 0x09
const SPACE = 0x20
const COLON = 0x3a
const DELETE = 0x7f

export function invalid(what: string): GatewayError {
  return new GatewayError('PSTN_UPSTREAM_INVALID', `The upstream sent ${what}.`)
}

/** Whether a character may stand in a value, or behind the number of a status. */
export function isText(code: number): boolean {
  return (code >= SPACE && code !== DELETE) || code === TAB
}

/**
 * Reads one field line from `from` to `end`, and puts its name and value behind `lines`. No line is folded, and nothing
 * stands between a name and its colon (RFC 9112 5.1, 5.2). Throws `PSTN_UPSTREAM_INVALID`.
 */
export function readField(text: string, from: number, end: number, lines: string[]): readonly string[] {
  let colon = from
  while (colon < end && TOKEN[text.charCodeAt(colon)] === 1) colon += 1
  if (colon === from || colon === end || text.charCodeAt(colon) !== COLON)
    throw invalid('a header field without a name')
  let start = colon + 1
  while (start < end && isBlank(text.charCodeAt(start))) start += 1
  for (let at = start; at < end; at += 1)
    if (!isText(text.charCodeAt(at))) throw invalid('a header field no message can carry')
  let last = end
  // A tab stays: readers differ about it, and `chunked` with one is no coding anybody knows.
  while (last > start && text.charCodeAt(last - 1) === SPACE) last -= 1
  lines.push(text.slice(from, colon), text.slice(start, last))
  return lines
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
