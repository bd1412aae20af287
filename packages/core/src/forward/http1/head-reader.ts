import { type AnswerHead, readHead } from './answer-head.ts'

/** As many heads are kept, each in the place its length leads to: an upstream may say different things in turn. */
const KEPT = 8

/** After as many that were all different only one of as many is looked at. */
const PATIENCE = 64

/** Longer ones are seldom the same twice. */
const LONGEST_KEPT = 1_024

/**
 * Reads the heads of one upstream's answers. Many are the same to the last byte, as the clock in them moves once a second:
 * these are read, checked and rid of the fields of their connection once.
 */
export class HeadReader {
  /** With the empty line behind each. */
  readonly #texts: string[] = Array.from({ length: KEPT }, () => '')
  readonly #heads: (AnswerHead | undefined)[] = Array.from({ length: KEPT }, () => undefined)
  /** Since the last that was the same as another. */
  #different = 0

  /** The head in front of the empty line at `end`; `text` begins with it. Throws `PSTN_UPSTREAM_INVALID`. */
  read(text: string, end: number): AnswerHead {
    this.#different += 1
    if (this.#different > PATIENCE && this.#different % PATIENCE !== 0) return readHead(text, end)
    const length = end + 4
    const place = length % KEPT
    const known = this.#texts[place]!
    if (known.length === length && text.slice(0, length) === known) {
      this.#different = 0
      return this.#heads[place]!
    }
    const head = readHead(text, end)
    if (length <= LONGEST_KEPT) {
      this.#texts[place] = text.slice(0, length)
      this.#heads[place] = head
    }
    return head
  }
}
