import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseTarget } from '../../packages/core/src/http/path.ts'
import { hosts } from '../support/hosts.ts'
import { type StrictUpstream, strictUpstream, type WireRequest } from '../support/strict-upstream.ts'
import { canary, Connection } from './connection.ts'
import { allOf, type Attacked, type Fuzzer, found } from './fuzzer.ts'
import { scripts, type Script } from './make-requests.ts'
import { packets } from './raw-bytes.ts'
import { readAnswers } from './read-answers.ts'
import { readRequests, type ReadStream } from './read-requests.ts'

/** Every connection ends by then, whatever was sent on it. */
const BUDGET_MS = 4000

const SERVER = { headersTimeoutMs: 250, requestTimeoutMs: 500, keepAliveTimeoutMs: 150 }
const DEFINITION = { bodyTimeoutMs: 200, requestTimeoutMs: 2000 }

/** Raw requests against every host: nobody else's request, nobody else's answer, and nothing hangs. */
export const requests: Fuzzer<readonly Script[]> = {
  input: scripts,
  count: (all) => all.length,
  show: (all) => JSON.stringify(all, null, 2),
  async start(): Promise<Attacked<readonly Script[]>> {
    const besieged = await Promise.all(
      hosts.map(async ([name, mount]) => {
        const upstream = await strictUpstream()
        const mounted = await mount(
          { name: 'a', upstream: upstream.url, ...DEFINITION },
          { safe: true, server: SERVER },
        )
        mounted.gateway.on('upstreamError', () => undefined)
        return new Besieged(name, upstream, mounted.port)
      }),
    )
    return {
      async check(all) {
        await allOf(besieged.map((host) => host.check(all)))
      },
    }
  },
}

class Besieged {
  readonly #name: string
  readonly #upstream: StrictUpstream
  readonly #port: number
  /** Of the last few times: who hangs up may still be heard of later. */
  #unseen: readonly Map<string, number>[] = []

  constructor(name: string, upstream: StrictUpstream, port: number) {
    this.#name = name
    this.#upstream = upstream
    this.#port = port
  }

  async check(all: readonly Script[]): Promise<void> {
    let seen: unknown
    try {
      await allOf(all.map((script) => checkConnection(this.#name, this.#port, script)))
      await canary(this.#name, this.#port, '/canary-1')
      await canary(this.#name, this.#port, '/canary-2')
    } finally {
      // What belongs to this check must not be held against the next.
      seen = this.#neverSent(all)
    }
    const violations = taken(this.#upstream.violations)
    if (violations.length > 0) found(`${this.#name}: a violation at the upstream`, { violations })
    if (seen !== undefined) found(`${this.#name}: a request nobody sent`, { seen })
  }

  /** The first the upstream has seen that was not sent as it was seen, or not as often. */
  #neverSent(all: readonly Script[]): WireRequest | undefined {
    const sent = new Map<string, number>()
    for (const { text } of all) {
      for (const { method, target, body } of readRequests(text).requests) {
        const one = [method, canonical(target), body].join('\n')
        sent.set(one, (sent.get(one) ?? 0) + 1)
      }
    }
    const known = [sent, ...this.#unseen].slice(0, 4)
    this.#unseen = known
    return taken(this.#upstream.seen).find(({ method, target, body }) => {
      const one = [method, target, body].join('\n')
      const from = known.find((some) => (some.get(one) ?? 0) > 0)
      from?.set(one, from.get(one)! - 1)
      return from === undefined && !target.startsWith('/canary-')
    })
  }
}

/** Takes what an upstream has noted: over millions of requests it would hold them all. */
function taken<T>(noted: readonly T[]): T[] {
  return (noted as T[]).splice(0)
}

async function checkConnection(name: string, port: number, script: Script): Promise<void> {
  const stream = readRequests(script.text)
  const client = new Connection(port)
  for (const packet of packets(script.text, script.cuts)) {
    client.write(packet)
    await nextTurn()
  }
  const received = await whatComes(client, stream, script)
  if (received === undefined) found(`${name}: the connection hangs`, { ...script, stream, received: client.received })
  checkAnswers(name, received, stream)
}

interface Received {
  readonly text: string
  /** The connection has ended. */
  readonly over: boolean
}

/** What the client gets until it has all it may wait for; undefined when it waits in vain. */
async function whatComes(client: Connection, stream: ReadStream, { ending }: Script): Promise<Received | undefined> {
  if (ending === 'hangs up') {
    client.socket.destroy()
    return { text: '', over: true }
  }
  if (ending === 'ends its side') client.socket.end()
  const methods = stream.requests.map(({ method }) => method)
  const deadline = performance.now() + BUDGET_MS
  while (!client.over) {
    if (performance.now() > deadline) {
      client.socket.destroy()
      return undefined
    }
    const { answers } = readAnswers(client.received, methods, false)
    const answered =
      stream.rest === 'nothing' && answers.length === methods.length && !answers.some(({ closes }) => closes)
    if (answered && ending === 'waits') break
    await client.more()
  }
  const { received: text } = client
  client.socket.destroy()
  return { text, over: client.over }
}

function checkAnswers(name: string, { text, over }: Received, stream: ReadStream): void {
  const methods = stream.requests.map(({ method }) => method)
  const { answers, rest, problem } = readAnswers(text, methods, over)
  if (rest === 'bad') found(`${name}: an answer that is no HTTP: ${problem}`, { text })
  if (rest === 'beginning' && over) found(`${name}: half an answer`, { text })
  if (answers.length > methods.length + (stream.rest === 'nothing' ? 0 : 1))
    found(`${name}: more answers than requests`, { text, stream })
  for (const [i, { status, body, closes }] of answers.entries()) {
    const asked = stream.requests[i]
    if (closes && i < answers.length - 1) found(`${name}: an answer behind the last`, { text })
    if (status >= 500 && status !== 501 && status !== 505) found(`${name}: a ${status}`, { text, stream })
    if (status !== 200) continue
    if (asked === undefined) found(`${name}: a request without one reading was answered with 200`, { text, stream })
    const expected = asked.method === 'HEAD' ? '' : `${asked.method} ${canonical(asked.target)}`
    if (body !== expected) found(`${name}: somebody else's answer`, { body, expected })
  }
}

/** Held to its own promises elsewhere. */
function canonical(target: string): string | undefined {
  const parsed = parseTarget(target)
  return parsed === undefined ? undefined : parsed.path + (parsed.search === '' ? '' : `?${parsed.search}`)
}
