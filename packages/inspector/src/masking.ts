import type { ApiInfo } from '@postern/core'

const MASK = '***'
const LONGEST = 300
/** Shorter ones are words that stand elsewhere for something else. */
const SHORTEST_SECRET = 6
const MOST_SECRETS = 64

const SUSPECT = /auth|cookie|key|token|secret|passw|session|credential|signature|jwt|otp|csrf|xsrf/i

/** Which of an API's fields are secret: those everybody knows, those it reads keys from, and those it declares. */
export class Masking {
  readonly #headers: ReadonlySet<string>

  constructor({ definition }: ApiInfo) {
    const { token, credential, idExtractor } = definition.authentication
    const { secrets } = definition as { readonly secrets?: { readonly headers?: readonly string[] } }
    const named = [token?.header, credential.header, ...(secrets?.headers ?? [])]
    if (idExtractor?.source === 'header') named.push(idExtractor.header)
    this.#headers = new Set(named.flatMap((name) => (name === undefined ? [] : [name.toLowerCase()])))
  }

  isSecret(header: string): boolean {
    return SUSPECT.test(header) || this.#headers.has(header.toLowerCase())
  }
}

/** The secrets of one request, to be taken out wherever else they turn up. */
export class SecretTexts {
  readonly #texts = new Set<string>()

  /** The value of a field, and each word in it: `Bearer <key>`, `a=<b>; c=<d>`. */
  add(value: string): void {
    for (const text of [value, ...value.split(/[\s;,=]+/)]) {
      if (text.length < SHORTEST_SECRET || this.#texts.size >= MOST_SECRETS) continue
      this.#texts.add(text)
      this.#texts.add(escaped(text))
    }
  }

  /** Without secrets, without values of queries, and not too long. */
  show(text: string): string {
    let clean = text.slice(0, LONGEST * 4)
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
