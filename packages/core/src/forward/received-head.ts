import { GatewayError } from '../errors.ts'
import { GatewayHeaders, sameName } from '../http/headers.ts'
import { isFinalStatus } from '../http/response.ts'
import { endToEnd } from '../http/hop-by-hop.ts'

/** As many as a server of Node shows of a request. */
const MOST_FIELDS = 2_000

/**
 * The head of an upstream's answer, as it came; one may stand for many answers, so nobody changes it. The one place where it is
 * checked for what no client may get.
 */
export class ReceivedHead {
  readonly status: number
  /** Flat `[name, value, name, value, ...]`. */
  readonly lines: readonly string[]
  #endToEnd: readonly string[] | undefined

  constructor(status: number, lines: readonly string[]) {
    this.status = status
    this.lines = lines
  }

  /** Rid of what belongs to the upstream's connection. Throws `PSTN_UPSTREAM_INVALID`. */
  headers(): GatewayHeaders {
    this.#endToEnd ??= this.#checked()
    return new GatewayHeaders(this.#endToEnd)
  }

  #checked(): readonly string[] {
    const { status, lines } = this
    if (!isFinalStatus(status)) {
      const message = `The upstream answered with status ${status}; expected 200 to 599.`
      throw new GatewayError('PSTN_UPSTREAM_INVALID', message)
    }
    if (lines.length > 2 * MOST_FIELDS) {
      const message = `The upstream answered with ${lines.length / 2} header fields; expected at most ${MOST_FIELDS}.`
      throw new GatewayError('PSTN_UPSTREAM_INVALID', message)
    }
    checkCoding(lines)
    checkLength(lines)
    return endToEnd(lines)
  }
}

/** The parser counts bodies by it; where there is none, in answers to HEAD and in a 304, nobody has looked at it yet. */
function checkLength(lines: readonly string[]): void {
  let lengths = 0
  for (let i = 0; i < lines.length; i += 2) {
    if (!sameName(lines[i]!, 'content-length')) continue
    lengths += 1
    if (lengths === 1 && /^\d{1,15}$/.test(lines[i + 1]!.trim())) continue
    throw new GatewayError(
      'PSTN_UPSTREAM_INVALID',
      'The upstream answered with a Content-Length that is none, or with two.',
    )
  }
}

/** What the parser has undone is `chunked`; of any other transfer coding the client would get the bytes and not the name. */
function checkCoding(lines: readonly string[]): void {
  let codings = 0
  for (let i = 0; i < lines.length; i += 2) {
    if (!sameName(lines[i]!, 'transfer-encoding')) continue
    codings += 1
    // Not `trim`: with a tab behind it the parser of undici knows it no more, and the chunks would be the body.
    if (codings === 1 && /^[ \t]*chunked *$/i.test(lines[i + 1]!)) continue
    throw new GatewayError('PSTN_UPSTREAM_INVALID', 'The upstream answered with a transfer coding other than chunked.')
  }
}
