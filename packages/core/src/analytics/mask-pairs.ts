// Escaped ones too, and escapes of escapes: an address may stand within an address.
const ESCAPED_START = String.raw`%(?:25)*(?:3[Ff]|26|3[Bb])`
const START = String.raw`(?:^|[?&;,\s"'<>()[\]{}]|${ESCAPED_START})`
const NAME = String.raw`(?:(?!${ESCAPED_START})[^?&;,\s"'<>()[\]{}=]){1,256}?`
const EQUALS = String.raw`(?:=|%(?:25)*3[Dd])`
const PAIR = new RegExp(String.raw`(?<=${START})(${NAME})(${EQUALS})`, 'g')

/** Where the value of a pair ends in a text of any kind, and where in a query or a form, which have nothing but pairs. */
const END_IN_TEXT = /[&\s"'<>]/g
const END_IN_QUERY = /&/g
const ESCAPED_END_IN_TEXT = /[&\s"'<>]|%(?:25)*26/g
const ESCAPED_END_IN_QUERY = /&|%(?:25)*26/g

/**
 * What the pairs stand in: a query or a form, where a value goes on until the next one; a text with addresses in it; or one
 * whose values may also be in quotes, as attributes are.
 */
type Pairs = 'query' | 'addresses' | 'attributes'

/** Puts `mask` in place of the values of `name=value` pairs, wherever they stand. Names are compared decoded and in lower case. */
export function maskPairs(text: string, names: ReadonlySet<string>, mask: string, pairs: Pairs): string {
  if (names.size === 0) return text
  let masked = ''
  let kept = 0
  PAIR.lastIndex = 0
  for (let found = PAIR.exec(text); found !== null; found = PAIR.exec(text)) {
    const [, name = '', equals = ''] = found
    if (!names.has(decoded(name))) continue
    const behind = found.index + name.length + equals.length
    const quote = text[behind]
    const quoted = pairs === 'attributes' && (quote === '"' || quote === "'")
    const start = quoted ? behind + 1 : behind
    const escaped = equals !== '='
    const inQuery = pairs === 'query'
    const end = inQuery ? (escaped ? ESCAPED_END_IN_QUERY : END_IN_QUERY) : escaped ? ESCAPED_END_IN_TEXT : END_IN_TEXT
    end.lastIndex = start
    const until = quoted ? text.indexOf(quote, start) : (end.exec(text)?.index ?? -1)
    masked += text.slice(kept, start) + mask
    kept = until === -1 ? text.length : until
    PAIR.lastIndex = kept
  }
  return kept === 0 ? text : masked + text.slice(kept)
}

/** A request target: nothing but the query is looked at. */
export function maskQuery(target: string, names: ReadonlySet<string>, mask: string): string {
  if (names.size === 0) return target
  const mark = target.indexOf('?')
  return mark === -1 ? target : target.slice(0, mark) + maskPairs(target.slice(mark), names, mask, 'query')
}

/** However often it is escaped: what it means to somebody further on is not known here. */
function decoded(name: string): string {
  let plain = name
  for (let i = 0; i < 3 && /[%+]/.test(plain); i += 1)
    plain = new URLSearchParams(`${plain.replaceAll('&', '%26')}=`).keys().next().value ?? ''
  return plain.toLowerCase()
}
