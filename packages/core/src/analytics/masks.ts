import { maskFields } from './mask-fields.ts'
import { maskPairs, maskQuery } from './mask-pairs.ts'

/** What must not leave the gateway in a record or a log, by name; names are compared without regard to case. */
export interface Secrets {
  /** Lower case. */
  readonly headers: readonly string[]
  readonly query: readonly string[]
  /** Of JSON, XML and forms, wherever in the body they are. */
  readonly bodyFields: readonly string[]
}

export const MASK = '***'

/** Fields that are nothing but an address. */
const ADDRESSES: ReadonlySet<string> = new Set(['referer', 'location', 'content-location'])

/** The secrets of one API, ready to be looked for. */
export class Masks {
  readonly #headers: ReadonlySet<string>
  readonly #query: ReadonlySet<string>
  readonly #bodyFields: ReadonlySet<string>
  /** The body as a whole says who is calling. */
  readonly wholeBody: boolean

  constructor({ headers, query, bodyFields }: Secrets, wholeBody: boolean) {
    this.#headers = lowerCase(headers)
    this.#query = lowerCase(query)
    this.#bodyFields = lowerCase(bodyFields)
    this.wholeBody = wholeBody
  }

  get hasBodyFields(): boolean {
    return this.#bodyFields.size > 0
  }

  hides(lowerCaseHeader: string): boolean {
    return this.#headers.has(lowerCaseHeader)
  }

  /** The value of a field as it may be shown: addresses in it have their query masked. */
  header(name: string, value: string): string {
    const field = name.toLowerCase()
    if (this.hides(field)) return MASK
    return ADDRESSES.has(field) ? this.url(value) : maskPairs(value, this.#query, MASK, 'addresses')
  }

  /** A request target, or another address. */
  url(target: string): string {
    return maskQuery(target, this.#query, MASK)
  }

  /** A body, or as much of it as there is; one character is one byte (latin1). */
  body(text: string, contentType: string): string {
    return maskFields(maskPairs(text, this.#query, MASK, 'addresses'), contentType, this.#bodyFields, MASK)
  }
}

function lowerCase(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()))
}
