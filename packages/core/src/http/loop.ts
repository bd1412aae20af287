import { randomBytes } from 'node:crypto'
import { sameName } from './headers.ts'

/** This process among all gateways a request may pass (RFC 8586). Made anew at each start: a name would repeat in copies. */
const GATEWAY_ID = `postern-${randomBytes(6).toString('hex')}`

const FIRST_PASS = `${GATEWAY_ID}; hops=1`

const MOST_PASSES = 10

const FIELD = 'cdn-loop'

/** Whether a request has been here so often that it goes in circles. */
export function goesInCircles(lines: readonly string[]): boolean {
  for (let i = 0; i < lines.length; i += 2) {
    if (sameName(lines[i]!, FIELD) && passesIn(lines[i + 1]!) >= MOST_PASSES) return true
  }
  return false
}

/**
 * The value of `CDN-Loop` a request leaves with: what other gateways say in `current`, and this one's own count, which is
 * read from what came in: nobody on the way through can set it back.
 */
export function loopValue(received: readonly string[], current: readonly string[]): string {
  let passes = 0
  for (let i = 0; i < received.length; i += 2) {
    if (sameName(received[i]!, FIELD)) passes = Math.max(passes, passesIn(received[i + 1]!))
  }
  let others = ''
  for (let i = 0; i < current.length; i += 2) {
    if (!sameName(current[i]!, FIELD)) continue
    const foreign = entriesOf(current[i + 1]!).filter((entry) => !isOurs(entry))
    if (foreign.length > 0) others += `${foreign.join(', ')}, `
  }
  return passes === 0 && others === '' ? FIRST_PASS : `${others}${GATEWAY_ID}; hops=${passes + 1}`
}

function passesIn(value: string): number {
  const counts = entriesOf(value)
    .filter(isOurs)
    .map((entry) => Number(/; *hops=(\d{1,4})$/.exec(entry)?.[1] ?? 1))
  return Math.max(0, ...counts)
}

function entriesOf(value: string): string[] {
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

function isOurs(entry: string): boolean {
  return entry === GATEWAY_ID || entry.startsWith(`${GATEWAY_ID};`)
}
