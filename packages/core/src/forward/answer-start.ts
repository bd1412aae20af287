import { GatewayError } from '../errors.ts'

const LONGEST_STATUS_LINE = 8_192
const LONGEST_INTERIM = 65_536
const MOST_INTERIM = 100
const INTERIM = /^HTTP\/1\.[01] 1\d\d[ \r]/
const STATUS_LINE = /^HTTP\/1\.[01] /
/** As many bytes tell an interim answer from any other. */
const TELLING = 'HTTP/1.1 1'.length
const NOTHING = Buffer.alloc(0)
const CLOSE = Buffer.from('Connection: close\r\n')

/**
 * Reads how each answer of an upstream begins, before the parser does: interim answers are taken out, because the client
 * library takes an unasked 100 for the end of the connection, and nothing bounds them or a status line otherwise.
 */
export class AnswerStart {
  /** Whether the next bytes begin an answer. */
  expected = false
  #held: Buffer = NOTHING
  #lineBytes = 0
  #interim = 0

  /** Something has come, and nothing of it was for the parser. */
  get interrupted(): boolean {
    return this.expected && (this.#interim > 0 || this.#held.length > 0)
  }

  /** A request leaves. */
  expect(): void {
    this.expected = true
    this.#held = NOTHING
    this.#lineBytes = 0
    this.#interim = 0
  }

  /**
   * What the parser is to see of it; undefined: nothing yet. Throws `PSTN_UPSTREAM_INVALID`. `early`: the request is not
   * through, so that the parser is told that the connection ends with this answer.
   */
  take(chunk: Buffer, early: boolean): Buffer | undefined {
    let data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = NOTHING
    for (;;) {
      if (this.#lineBytes > 0 || !mayBeInterim(data)) return this.#statusLine(data, early)
      const rest = this.#afterInterim(data)
      if (rest === undefined || rest.length === 0) {
        this.#held = rest ?? data
        return undefined
      }
      data = rest
    }
  }

  #statusLine(data: Buffer, early: boolean): Buffer {
    // The parser would skip empty lines, and what stands behind them may be what somebody made the upstream repeat.
    if (this.#lineBytes === 0 && !STATUS_LINE.test(data.toString('latin1', 0, TELLING)))
      throw invalid('an answer that begins neither with HTTP/1.1 nor with HTTP/1.0')
    const end = data.indexOf(0x0a)
    this.#lineBytes += end === -1 ? data.length : end
    if (this.#lineBytes > LONGEST_STATUS_LINE) throw invalid(`a status line of more than ${LONGEST_STATUS_LINE} bytes`)
    if (end === -1) return data
    this.expected = false
    return early ? Buffer.concat([data.subarray(0, end + 1), CLOSE, data.subarray(end + 1)]) : data
  }

  /** What comes behind the interim answer; undefined while it is not whole. */
  #afterInterim(data: Buffer): Buffer | undefined {
    const line = data.indexOf(0x0a)
    if (line === -1 || !INTERIM.test(data.toString('latin1', 0, TELLING + 3))) {
      if (data.length > LONGEST_STATUS_LINE || line !== -1) throw invalid('a status that is none')
      return undefined
    }
    if (data.toString('latin1', TELLING - 1, TELLING + 2) === '101') throw invalid('101, and nobody had asked for it')
    const end = data.indexOf('\r\n\r\n')
    if ((end === -1 ? data.length : end) > LONGEST_INTERIM)
      throw invalid(`an interim answer of more than ${LONGEST_INTERIM} bytes`)
    if (end === -1) return undefined
    // Its lines end as those of answers have to: else what the parser holds for the end would be another one.
    if (/[^\r]\n|\r[^\n]|\0/.test(data.toString('latin1', 0, end))) throw invalid('an interim answer that is no HTTP')
    this.#interim += 1
    if (this.#interim > MOST_INTERIM) throw invalid(`more than ${MOST_INTERIM} interim answers`)
    return data.subarray(end + 4)
  }
}

/** True also while too few bytes are here to tell. */
function mayBeInterim(data: Buffer): boolean {
  const start = data.toString('latin1', 0, TELLING)
  return start === 'HTTP/1.1 1'.slice(0, start.length) || start === 'HTTP/1.0 1'.slice(0, start.length)
}

function invalid(what: string): GatewayError {
  return new GatewayError('PSTN_UPSTREAM_INVALID', `The upstream sent ${what}.`)
}
