import type { ApiInfo } from '@postern/core'

const MASK = '***'
const LONGEST = 300
/** No field is longer; a secret cut in half would not be found. */
const MOST_READ = 65_536
/** Shorter ones are words that stand elsewhere for something else. */
const SHORTEST_SECRET = 6
/** Of a request with more of them nothing is shown. */
const MOST_SECRETS = 1_000

const SUSPECT = /auth|cookie|key|token|secret|passw|session|credential|signature|jwt|otp|csrf|xsrf/i

/** Which of an API's fields are secret: those everybody knows, those it reads keys from, and those it declares. */
export class Masking {
  readonly #names: ReadonlySet<string>

  constructor({ definition }: ApiInfo) {
    const { token, credential, idExtractor } = definition.authentication
    const { headers, query } = definition.secrets
    const named = [token, credential].flatMap((place) => [place?.header, place?.query])
    named.push(...headers, ...query)
    if (idExtractor?.source === 'header') named.push(idExtractor.header)
    if (idExtractor?.source === 'form') named.push(idExtractor.param)
    this.#names = new Set(named.flatMap((name) => (name === undefined ? [] : [name.toLowerCase()])))
  }

  isSecret(name: string): boolean {
    return SUSPECT.test(name) || this.#names.has(name.toLowerCase())
  }
}

/** The secrets of one request, to be taken out wherever else they turn up. */
export class SecretTexts {
  readonly #texts = new Set<string>()
  #tooMany = false

  /** The value of a field, and each word in it: `Bearer <key>`, `a=<b>; c=<d>`. */
  add(value: string): void {
    for (const text of [value, ...value.split(/[\s;,=]+/)]) {
      if (text.length < SHORTEST_SECRET || this.#texts.has(text)) continue
      this.#tooMany ||= this.#texts.size >= MOST_SECRETS
      if (this.#tooMany) return
      this.#texts.add(text)
      this.#texts.add(escaped(text))
    }
  }

  /** Without secrets, without values of queries, and not too long. */
  show(text: string): string {
    if (this.#tooMany) return MASK
    let clean = text.slice(0, MOST_READ)
    for (const secret of [...this.#texts].toSorted((a, b) => b.length - a.length))
      clean = clean.replaceAll(secret, MASK)
    clean = maskQueries(clean)
    return clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean
  }
}

/** As it stands in an address; half characters, which no address can have, are replaced. */
export function escaped(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString())
}

/** Names of parameters stay, their values do not. */
export function maskQueries(text: string): string {
  return text.replaceAll(/([?&][^=&\s?#]{1,200}=)[^&\s"'<>]+/g, `$1${MASK}`)
}

/** An address without its user and password. */
export function withoutUser(url: string): string {
  return maskQueries(url.replace(/^([a-z][a-z\d+.-]*:\/\/)[^/?#]*@/i, `$1`))
}

export function masked(value: string | null): string | null {
  return value === null ? null : MASK
}
