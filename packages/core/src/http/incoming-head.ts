import type { GatewayErrorCode } from '../errors.ts'
import { isAuthority } from './authority.ts'
import { sameName } from './headers.ts'

/** The head of a request as the host's server has parsed it. */
export interface IncomingHead {
  readonly method: string
  /** `1.1` */
  readonly httpVersion: string
  /** Flat `[name, value, ...]`, as Node has it. */
  readonly rawHeaders: readonly string[]
}

const MOST_NOMINATIONS = 100

/** Nearly every request names the host the one before named. */
let knownHost = ''

/**
 * The one place a request head is judged, whatever server has parsed it: what two servers could read in two ways is
 * refused before anything is decided by it (RFC 9112 3.2, 6.1, 6.3; RFC 9110 8.6, 10.1.1). Undefined when it has one
 * reading.
 */
export function headProblem({ method, httpVersion, rawHeaders }: IncomingHead): GatewayErrorCode | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'PSTN_VERSION_UNSUPPORTED'
  // What TRACE would send back is what the client was not to see (RFC 9110 9.3.8).
  if (method === 'TRACE' || method === 'CONNECT') return 'PSTN_METHOD_REFUSED'
  let hosts = 0
  let length: string | undefined
  let coding: string | undefined
  let nominations = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    switch (name.length) {
      case 4: {
        if (!sameName(name, 'host')) break
        hosts += 1
        if (value === knownHost) break
        if (value !== '' && !isAuthority(value)) return 'PSTN_HEAD_INVALID'
        knownHost = value
        break
      }
      case 6: {
        if (sameName(name, 'expect') && value.toLowerCase() !== '100-continue') return 'PSTN_EXPECTATION_FAILED'
        break
      }
      case 10: {
        // Of a short list one need not know how many names it has.
        if (sameName(name, 'connection')) nominations += value.length < 12 ? 1 : value.split(',').length
        break
      }
      case 14: {
        if (!sameName(name, 'content-length')) break
        if (!/^\d{1,15}$/.test(value) || (length ?? value) !== value) return 'PSTN_HEAD_INVALID'
        length = value
        break
      }
      case 17: {
        if (!sameName(name, 'transfer-encoding')) break
        if (coding !== undefined) return 'PSTN_HEAD_INVALID'
        coding = value.trim().toLowerCase()
        break
      }
      default:
    }
  }
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1') || nominations > MOST_NOMINATIONS) return 'PSTN_HEAD_INVALID'
  if (coding === undefined) return undefined
  if (length !== undefined || httpVersion === '1.0' || coding === '') return 'PSTN_HEAD_INVALID'
  return coding === 'chunked' ? undefined : 'PSTN_CODING_UNSUPPORTED'
}

/**
 * The lines anybody sees: without twins (`x_user` is `x-user` to many servers) and without `X-Tyk-*`, which a gateway
 * says to its upstream and never hears from a client. The same array where there is nothing to drop.
 */
export function visibleLines(rawHeaders: readonly string[], underscore: 'drop' | 'keep'): readonly string[] {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (isHidden(rawHeaders[i]!, underscore)) return withoutHidden(rawHeaders, underscore)
  }
  return rawHeaders
}

function withoutHidden(rawHeaders: readonly string[], underscore: 'drop' | 'keep'): readonly string[] {
  return rawHeaders.filter((_, i) => !isHidden(rawHeaders[i - (i % 2)]!, underscore))
}

function isHidden(name: string, underscore: 'drop' | 'keep'): boolean {
  if (underscore === 'drop' && name.includes('_')) return true
  const first = name.charCodeAt(0)
  return (first === 0x78 || first === 0x58) && /^x[-_]tyk[-_]/i.test(name)
}
