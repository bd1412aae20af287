import type { Holdings } from '../hostile/process/gateway-process.ts'
import { startGateway } from '../hostile/process/start.ts'
import { type Kind, ORDER, Sender } from './mix.ts'
import { faultyUpstream } from './upstream.ts'

export interface SoakOptions {
  /** The bundle of `gateway-process.ts`. */
  readonly script: string
  readonly host: string
  readonly requests: number
  readonly onProgress?: (part: number, what: string) => void
}

export interface SoakResult {
  readonly sent: number
  /** Answers no request of its kind may get, by kind and status. */
  readonly unexpected: Readonly<Record<string, number>>
  /** After a tenth of the requests, when code and pools are warm, and at the end. */
  readonly early: Holdings
  readonly late: Holdings
  readonly stumbles: readonly string[]
}

const CONNECTIONS = 32

/** Heap may grow by so much: a part for what fills up with use, and room for what a collector leaves behind. */
const MAY_GROW = (early: number): number => early * 1.05 + 2 * 1024 * 1024

/** Sends mixed requests through a gateway in a process of its own, and weighs what it holds. */
export async function soak({ script, host, requests, onProgress }: SoakOptions): Promise<SoakResult> {
  const upstream = await faultyUpstream()
  const gateway = startGateway(script, ['--expose-gc'])
  const { port } = await gateway.do('begin', { host, scenario: 'soak', upstream })
  const keys = await Promise.all(
    Array.from({ length: 20 }, () =>
      gateway.do('key', { rate: 50, per: 1, quotaMax: 1_000_000_000, quotaRenewalRate: 3600 }),
    ),
  )
  const unexpected: Record<string, number> = {}
  let sent = 0
  const drive = async (until: number): Promise<void> => {
    const one = async (sender: Sender): Promise<void> => {
      while (sent < until) {
        const number = sent
        sent += 1
        const kind = kindOf(number)
        const status = await sender.send(kind.text(`/${number}`, keys[number % keys.length]!), kind.aborts ?? false)
        if (!kind.allowed.includes(status)) {
          const what = `${kind.name}: ${status}`
          unexpected[what] = (unexpected[what] ?? 0) + 1
        }
        if (number % 500 === 0) onProgress?.(number / requests, `${number} requests`)
      }
    }
    const senders = Array.from({ length: CONNECTIONS }, () => new Sender(port))
    await Promise.all(senders.map((sender) => one(sender)))
    for (const sender of senders) sender.close()
  }
  await drive(Math.ceil(requests / 10))
  const early = await gateway.do('holdings', undefined)
  await drive(requests)
  const late = await gateway.do('holdings', undefined)
  return { sent, unexpected, early, late, stumbles: await gateway.do('stumbles', undefined) }
}

/** Neighbours differ: 37 and 100 have no common divisor. */
function kindOf(number: number): Kind {
  return ORDER[(number * 37) % ORDER.length]!
}

/** What is wrong with what a soak has found; empty when nothing is. */
export function problemsOf({ unexpected, early, late, stumbles }: SoakResult): readonly string[] {
  const problems = Object.entries(unexpected).map(([what, count]) => `${count} of ${what}`)
  problems.push(...stumbles)
  if (late.heapBytes > MAY_GROW(early.heapBytes))
    problems.push(`the heap grew from ${early.heapBytes} to ${late.heapBytes} bytes`)
  if (late.listeners > early.listeners) problems.push(`listeners grew from ${early.listeners} to ${late.listeners}`)
  for (const [kind, count] of Object.entries(late.resources)) {
    // One more connection may be kept alive to the upstream at the one time than at the other.
    const room = kind === 'TCPSocketWrap' ? CONNECTIONS : 1
    if (count > (early.resources[kind] ?? 0) + room)
      problems.push(`${kind} grew from ${early.resources[kind] ?? 0} to ${count}`)
  }
  return problems
}
