import { type AnswerHead, readHead } from './answer-head.ts'

/** Heads of as many lengths are kept, so that an upstream may say different things in turn. */
const KEPT = 8

/** Longer ones are seldom the same twice. */
const LONGEST_KEPT = 1_024

interface Known {
  /** With the empty line behind it. */
  readonly text: string
  readonly head: AnswerHead
}

/**
 * Reads the heads of one upstream's answers. Many are the same to the last byte, as the clock in them moves once a second:
 * these are read, checked and rid of the fields of their connection once.
 */
export class HeadReader {
  readonly #known: (Known | undefined)[] = Array.from({ length: KEPT }, () => undefined)

  /** The head in front of the empty line at `end`; `text` begins with it. Throws `PSTN_UPSTREAM_INVALID`. */
  read(text: string, end: number): AnswerHead {
    const length = end + 4
    const known = this.#known[length % KEPT]
    if (known !== undefined && known.text.length === length && text.startsWith(known.text)) return known.head
    if (length > LONGEST_KEPT) return readHead(text, end)
    // Apart from the body behind it, which would be kept as long.
    const alone = Buffer.from(text.slice(0, length), 'latin1').toString('latin1')
    const head = readHead(alone, end)
    this.#known[length % KEPT] = { text: alone, head }
    return head
  }
}
