import { sameName } from './headers.ts'

/**
 * Fields that belong to one connection (RFC 9110 7.6.1), and the framing, which is always made anew from the body that
 * is really sent: never taken from either side.
 */
const CONNECTION_FIELDS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
])

/** Whether a field, by its lower-case name, must stay on its connection. `nominated` are those `Connection` names. */
export function isHopByHop(lowerCaseName: string, nominated: ReadonlySet<string> | undefined): boolean {
  return CONNECTION_FIELDS.has(lowerCaseName) || nominated?.has(lowerCaseName) === true
}

// A client could otherwise choose what the upstream takes the message for, or pass as nobody once its key has let it in.
const NEVER_NOMINATED = new Set(['', 'keep-alive', 'close', 'host', 'content-length', 'authorization', 'cookie'])

/** Most names are told apart by their length, without a copy in lower case. */
const LENGTHS: readonly boolean[] = Array.from({ length: 20 }, (_, length) =>
  [...CONNECTION_FIELDS].some((name) => name.length === length),
)

/** Whether a field, however it is spelt, may have to stay on its connection. */
function mayBeHopByHop({ length }: string): boolean {
  return LENGTHS[length] === true
}

/** The fields `Connection` nominates, over all its lines, whatever their case and whether or not they are quoted. */
export function nominatedFields(lines: readonly string[]): ReadonlySet<string> | undefined {
  let nominated: Set<string> | undefined
  for (let i = 0; i < lines.length; i += 2) {
    // Nearly all there is, and it nominates nothing.
    if (!sameName(lines[i]!, 'connection') || lines[i + 1] === 'keep-alive') continue
    for (const token of lines[i + 1]!.split(',')) {
      const name = token.replaceAll('"', '').trim().toLowerCase()
      if (NEVER_NOMINATED.has(name)) continue
      nominated ??= new Set()
      nominated.add(name)
    }
  }
  return nominated
}

/** The lines without what belongs to the connection they came on. */
export function endToEnd(lines: readonly string[]): string[] {
  const nominated = nominatedFields(lines)
  const kept: string[] = []
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!
    const stays = (nominated !== undefined || mayBeHopByHop(name)) && isHopByHop(name.toLowerCase(), nominated)
    if (!stays) kept.push(name, lines[i + 1]!)
  }
  return kept
}
