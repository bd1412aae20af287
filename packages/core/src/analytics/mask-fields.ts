import { maskPairs } from './mask-pairs.ts'

/**
 * Masks the values of fields in a body, or in as much of it as there is: what was cut off, escaped or nested does not let a
 * value through. JSON, XML, forms and multipart forms are looked for in every text, whatever it says it is. One character
 * is one byte (latin1).
 */
export function maskFields(text: string, contentType: string, names: ReadonlySet<string>, mask: string): string {
  if (names.size === 0) return text
  const isForm = /^\s*application\/x-www-form-urlencoded\b/i.test(contentType)
  const parts = maskParts(text, contentType, names, mask)
  return maskPairs(maskXml(maskJson(parts, names, mask), names, mask), names, mask, isForm ? 'query' : 'attributes')
}

/** Names are texts, a body is bytes. */
function isNamed(bytes: string, names: ReadonlySet<string>): boolean {
  return names.has(Buffer.from(bytes, 'latin1').toString().toLowerCase())
}

// ---- JSON, and JSON written as a text within JSON, at any depth

const KEY = /(\\*)"/g
const COLON = /\s*:\s*/y
const SLASHES = /\\*/y

function maskJson(text: string, names: ReadonlySet<string>, mask: string): string {
  const longest = 6 * Math.max(...[...names].map((name) => Buffer.byteLength(name)))
  let masked = ''
  let kept = 0
  KEY.lastIndex = 0
  for (let found = KEY.exec(text); found !== null; found = KEY.exec(text)) {
    const slashes = found[1]!.length
    const start = KEY.lastIndex
    const end = endOfString(text, start, slashes, start + longest * (slashes + 1) + slashes + 1)
    if (end === undefined || !isNamed(unescaped(text.slice(start, end.inside)), names)) {
      KEY.lastIndex = start
      continue
    }
    COLON.lastIndex = end.behind
    if (!COLON.test(text)) {
      KEY.lastIndex = start
      continue
    }
    const value = COLON.lastIndex
    const quote = `${'\\'.repeat(slashes)}"`
    masked += `${text.slice(kept, value)}${quote}${mask}${quote}`
    kept = endOfValue(text, value)
    KEY.lastIndex = kept
  }
  return kept === 0 ? text : masked + text.slice(kept)
}

/**
 * Where a string ends whose quotes have that many backslashes before them: where an escape of theirs is no escape of it. Undefined
 * where it does not end before `limit`.
 */
function endOfString(
  text: string,
  from: number,
  slashes: number,
  limit = text.length,
): { readonly inside: number; readonly behind: number } | undefined {
  const level = 2 * (slashes + 1)
  let run = 0
  for (let i = from; i < text.length && i <= limit; i += 1) {
    const character = text[i]
    if (character === '\\') {
      run += 1
      continue
    }
    if (character === '"' && run % level === slashes) return { inside: i - slashes, behind: i + 1 }
    run = 0
  }
  return undefined
}

/** The bytes of a name some of whose characters are escaped. */
function unescaped(text: string): string {
  return text
    .replaceAll(/(?:\\+u[0-9A-Fa-f]{4})+/g, (run) => {
      const units = run.split(/\\+u/).slice(1)
      return Buffer.from(String.fromCharCode(...units.map((hex) => Number.parseInt(hex, 16)))).toString('latin1')
    })
    .replaceAll('\\', '')
}

/** Behind a value: its closing quote, its closing bracket, or what comes after a number. The end of the text where it is cut off. */
function endOfValue(text: string, from: number): number {
  let depth = 0
  let i = from
  while (i < text.length) {
    const character = text[i]!
    if (character === '"' || character === '\\') {
      SLASHES.lastIndex = i
      SLASHES.test(text)
      const quote = SLASHES.lastIndex
      if (text[quote] !== '"') {
        i = quote + 1
        continue
      }
      i = endOfString(text, quote + 1, quote - i)?.behind ?? text.length
    } else if (character === '{' || character === '[') {
      depth += 1
      i += 1
    } else if (character === '}' || character === ']') {
      if (depth === 0) return i
      depth -= 1
      i += 1
    } else if (depth === 0 && (character === ',' || /\s/.test(character))) return i
    else {
      i += 1
      continue
    }
    if (depth === 0) return i
  }
  return text.length
}

// ---- XML

function maskXml(text: string, names: ReadonlySet<string>, mask: string): string {
  return text.includes('<') ? maskAttributes(maskElements(text, names, mask), names, mask) : text
}

const ASIDE = String.raw`<!\[CDATA\[[^]*?(?:\]\]>|$)|<!--[^]*?(?:-->|$)`
const TAG = new RegExp(
  String.raw`${ASIDE}|<(\/?)(?:[^\s<>/:="']+:)?([^\s<>/:="']+)((?:[^<>"']|"[^"<]*"|'[^'<]*')*)>`,
  'g',
)

/** From the first tag of that name to the one that closes it; what is never closed is masked to its end. */
function maskElements(text: string, names: ReadonlySet<string>, mask: string): string {
  let masked = ''
  let kept = 0
  let open = ''
  let depth = 0
  for (const { 0: tag, 1: slash, 2: name = '', 3: rest = '', index } of text.matchAll(TAG)) {
    if (slash === undefined) continue
    if (depth > 0) {
      if (name !== open || rest.endsWith('/')) continue
      depth += slash === '/' ? -1 : 1
      if (depth === 0) kept = index
    } else if (slash === '' && !rest.endsWith('/') && isNamed(name, names)) {
      masked += text.slice(kept, index + tag.length) + mask
      kept = index + tag.length
      open = name
      depth = 1
    }
  }
  return depth > 0 ? masked : masked + text.slice(kept)
}

const ATTRIBUTE = /(?<=[\s:"'])([^\s<>/:="']+)(\s*=\s*)("[^"]*(?:"|$)|'[^']*(?:'|$))/g

function maskAttributes(text: string, names: ReadonlySet<string>, mask: string): string {
  return text.replaceAll(ATTRIBUTE, (all, name: string, equals: string, value: string) =>
    isNamed(name, names) ? `${name}${equals}${value[0]!}${mask}${value[0]!}` : all,
  )
}

// ---- multipart/form-data

const DISPOSITION = /content-disposition\s*:(?:[^\r\n]|\r?\n[ \t])*/gi

function maskParts(text: string, contentType: string, names: ReadonlySet<string>, mask: string): string {
  const boundary = /\bboundary="?([^";\s]+)/i.exec(contentType)?.[1]
  const isMultipart = /^\s*multipart\//i.test(contentType)
  if (!isMultipart && boundary === undefined) return text
  let masked = ''
  let kept = 0
  DISPOSITION.lastIndex = 0
  for (let found = DISPOSITION.exec(text); found !== null; found = DISPOSITION.exec(text)) {
    if (!namesOf(found[0]).some((name) => isNamed(name, names))) continue
    const head = /\r?\n\r?\n/g
    head.lastIndex = found.index
    const start = head.exec(text) === null ? text.length : head.lastIndex
    const next = boundary === undefined ? -1 : text.indexOf(`\n--${boundary}`, start - 1)
    const end = next === -1 ? text.length : text[next - 1] === '\r' ? next - 1 : next
    masked += text.slice(kept, start) + (start < text.length ? mask : '')
    kept = Math.max(end, start)
    DISPOSITION.lastIndex = kept
  }
  return kept === 0 ? text : masked + text.slice(kept)
}

/** `name="password"`, `name=password`, `name*=utf-8''pass%77ord`. */
function namesOf(line: string): string[] {
  return [...line.matchAll(/[;\s]name(\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/gi)].map(
    ([, extended, quoted, bare = '']) => {
      if (quoted !== undefined) return quoted.replaceAll(/\\(.)/g, '$1')
      if (extended !== '*') return bare
      return bare
        .replace(/^[^']*'[^']*'/, '')
        .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    },
  )
}
