import { createServer, get, type IncomingMessage, request, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Transform } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiDefinitionInput, ResponsePlugin } from '@postern/core'
import { createGateway } from '@postern/http'

const EVENTS = 10
const PAUSE_MS = 5

/** What the first byte may lose behind a plugin that looks at the head. */
const MOST_MS = 20
const WARM_UP_ROUNDS = 5
const LOOKING = 'a plugin that looks at the head'

/** Milliseconds from the write of the upstream to the read of the client. */
interface Delays {
  /** Of the head, which is written before the first event. */
  readonly head: number[]
  /** Of the first event. */
  readonly first: number[]
  /** Of all others. */
  readonly later: number[]
}

interface Contestant {
  readonly name: string
  readonly port: number
  readonly close: () => unknown
}

/** How late server-sent events are behind a gateway, beside a proxy that only pipes and beside none. */
export async function benchEvents({ quick }: { readonly quick: boolean }): Promise<void> {
  const upstream = await listening(eventSource)
  const contestants: readonly Contestant[] = [
    { name: 'no proxy', port: upstream.port, close: () => undefined },
    await proxied('bare node:http', piping(upstream.port)),
    await gateway('no plugin', upstream.port, []),
    await gateway(LOOKING, upstream.port, [stamp]),
    await gateway('a transform', upstream.port, [edit]),
  ]
  let late = Number.POSITIVE_INFINITY
  for (const clients of [1, 50]) {
    const rounds = Math.ceil((quick ? 100 : 1_000) / clients)
    await measure(contestants, clients, WARM_UP_ROUNDS)
    const measured = await measure(contestants, clients, rounds)
    const rows = [...measured].map(([name, { head, first, later }]) =>
      [name].concat([head, first, later].flatMap(quantiles)),
    )
    print(`${clients} at a time, ${rounds * clients} streams of ${EVENTS} events, delays in ms`, rows)
    // Many at once wait for each other, in the one process of this bench.
    if (clients === 1) late = quantile(measured.get(LOOKING)!.head, 0.99)
  }
  for (const { close } of contestants) await close()
  upstream.server.close()
  const verdict = late <= MOST_MS ? 'within' : 'NOT within'
  console.log(`\nBehind a plugin that looks at the head 99 of 100 first bytes come ${verdict} ${MOST_MS} ms.`)
  if (late > MOST_MS) process.exitCode = 1
}

const stamp: ResponsePlugin = (response) => response.headers.set('x-tenant', response.headers.get('content-type') ?? '')
const edit: ResponsePlugin = (response) =>
  response.transform(new Transform({ transform: (chunk, _, done) => done(null, chunk) }))

/** Head, a pause, and then events that say when they were written. */
const eventSource: RequestListener = (_req, res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'x-written': performance.now() })
  res.flushHeaders()
  void (async () => {
    for (let i = 0; i < EVENTS; i += 1) {
      await wait(PAUSE_MS)
      res.write(`data: ${performance.now()}\n\n`)
    }
    res.end()
  })()
}

const piping =
  (port: number): RequestListener =>
  (req, res) => {
    const asking = request({ port, host: '127.0.0.1', path: req.url, method: req.method, agent: false }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      res.flushHeaders()
      answer.pipe(res)
    })
    req.pipe(asking)
  }

async function gateway(
  name: string,
  port: number,
  response: NonNullable<NonNullable<ApiDefinitionInput['hooks']>['response']>,
): Promise<Contestant> {
  const made = createGateway({ name: 'events', upstream: `http://127.0.0.1:${port}`, hooks: { response } })
  const contestant = await proxied(name, made)
  return { ...contestant, close: () => made.close({ timeoutMs: 1 }).then(contestant.close) }
}

async function proxied(name: string, listener: RequestListener): Promise<Contestant> {
  const { port, server } = await listening(listener)
  return { name, port, close: () => server.close() }
}

async function listening(listener: RequestListener): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, server }
}

/** In turn, so that what else the machine does meets all of them. */
async function measure(
  contestants: readonly Contestant[],
  clients: number,
  rounds: number,
): Promise<ReadonlyMap<string, Delays>> {
  const measured = new Map<string, Delays>()
  for (const { name } of contestants) measured.set(name, { head: [], first: [], later: [] })
  for (let i = 0; i < rounds; i += 1)
    for (const { name, port } of contestants)
      await Promise.all(Array.from({ length: clients }, () => readEvents(port, measured.get(name)!)))
  return measured
}

async function readEvents(port: number, delays: Delays): Promise<void> {
  const res = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject)
  })
  delays.head.push(performance.now() - Number(res.headers['x-written']))
  let seen = 0
  for await (const chunk of res) {
    const now = performance.now()
    for (const [, written] of String(chunk).matchAll(/data: (\S+)\n\n/g)) {
      const of = seen === 0 ? delays.first : delays.later
      of.push(now - Number(written))
      seen += 1
    }
  }
  if (seen !== EVENTS) throw new Error(`${seen} of ${EVENTS} events have arrived.`)
}

function quantiles(values: readonly number[]): string[] {
  return [quantile(values, 0.5), quantile(values, 0.99)].map((value) => value.toFixed(2))
}

function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * at) - 1]!
}

const HEAD = ['', 'head p50', 'p99', 'first event p50', 'p99', 'later p50', 'p99']

function print(title: string, rows: readonly (readonly string[])[]): void {
  const all = [HEAD, ...rows]
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  console.log(`\n${title}`)
  for (const [name, ...cells] of all)
    console.log(`  ${name!.padEnd(widths[0]!)}${cells.map((cell, i) => `  ${cell.padStart(widths[i + 1]!)}`).join('')}`)
}
