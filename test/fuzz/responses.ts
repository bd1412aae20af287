import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { hosts } from '../support/hosts.ts'
import { listenRaw } from '../support/server.ts'
import { canary, Connection } from './connection.ts'
import { allOf, type Attacked, type Fuzzer, found } from './fuzzer.ts'
import { changed, changes, cuts, packets } from './raw-bytes.ts'
import { type ReadAnswer, readAnswers } from './read-answers.ts'
import { readUpstream } from './read-upstream.ts'

/** What is asked, and what the upstream sends then. */
interface Played {
  readonly method: 'GET' | 'POST' | 'HEAD'
  readonly text: string
  readonly cuts: readonly number[]
  readonly then: 'stays' | 'ends' | 'resets'
}

const BUDGET_MS = 6000

/** Connections the upstream leaves open in the middle of an answer are given up by then. */
const UPSTREAM = { headersTimeoutMs: 300, bodyTimeoutMs: 300 }

const often = <T>(usual: T, ...rare: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: fc.constantFrom(usual, ...rare) })

const statusLine = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 200 OK',
      'HTTP/1.1 404 Not Found',
      'HTTP/1.1 204 No Content',
      'HTTP/1.1 304 Not Modified',
      'HTTP/1.1 503 x',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 200',
      'HTTP/1.1 200 ',
      'HTTP/1.0 200 OK',
      'HTTP/1.1 099 x',
      'HTTP/1.1 101 Switching Protocols',
      'HTTP/1.1 600 x',
      'HTTP/1.1 2000 x',
      'HTTP/1.1 000 x',
      'HTTP/2 200',
      'ICY 200 OK',
      'HTTP/1.1 200 \u00FF\u00E9',
      'SSH-2.0-x',
      '',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 999 x',
    ),
  },
)
const interim = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      'HTTP/1.1 102 x\r\nContent-Length: 5\r\n\r\n',
    ),
  },
)
const LINES = [
  'Connection: close',
  'Connection: keep-alive',
  'Connection: content-length',
  'Content-Type: text/plain',
  'Set-Cookie: a=b',
  'Set-Cookie: c=d',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: chunked, chunked',
  'Content-Length: 3',
  'Content-Length: -1',
  'Content-Length: 3, 3',
  'Content-Length: 99999999999999999999',
  'Content-Encoding: gzip',
  'Trailer: X',
  'Keep-Alive: timeout=1',
  'Upgrade: h2c',
  'X: a\rb',
  'X: a\0b',
  'X: a\r\n folded',
  'X : a',
  ': a',
  'X',
  `X: ${'y'.repeat(9000)}`,
  '__proto__: x',
  'X: \u00FF',
]
const lines = fc.oneof(
  { weight: 4, arbitrary: fc.constant([]) },
  { weight: 3, arbitrary: fc.array(fc.constantFrom(...LINES), { maxLength: 3 }) },
)
const content = fc.constantFrom(
  '',
  'abc',
  'hello world',
  'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged',
  'x'.repeat(3000),
  'x'.repeat(70_000),
)
const framing = fc.oneof(
  { weight: 4, arbitrary: fc.constant('length' as const) },
  { weight: 4, arbitrary: fc.constant('chunks' as const) },
  { weight: 2, arbitrary: fc.constant('end' as const) },
  { weight: 1, arbitrary: fc.record({ off: fc.constantFrom(-2, -1, 1, 50) }) },
)
const ending = often(
  '0\r\n\r\n',
  '0\r\nX-Trailer: 1\r\n\r\n',
  '0\r\nContent-Length: 1\r\n\r\n',
  '',
  '0\r\n',
  '00;x=y\r\n\r\n',
  '0\r\nbroken\r\n\r\n',
)
const behind = often('', 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged', 'x', '\r\n')

const text = fc
  .record({
    interim,
    statusLine,
    lines,
    content,
    framing,
    ending,
    behind,
    size: fc.integer({ min: 1, max: 5000 }),
    changes,
  })
  .map(
    ({
      interim: first,
      statusLine: status,
      lines: all,
      content: body,
      framing: framed,
      ending: last,
      behind: rest,
      size,
      changes: made,
    }) => {
      const head = [status, ...all]
      let sent = body
      if (framed === 'length') head.push(`Content-Length: ${body.length}`)
      else if (framed === 'chunks') {
        head.push('Transfer-Encoding: chunked')
        sent = ''
        for (let from = 0; from < body.length; from += size) {
          const piece = body.slice(from, from + size)
          sent += `${piece.length.toString(16)}\r\n${piece}\r\n`
        }
        sent += last
      } else if (framed !== 'end') head.push(`Content-Length: ${Math.max(0, body.length + framed.off)}`)
      return changed(`${first}${head.join('\r\n')}\r\n\r\n${sent}${rest}`, made)
    },
  )

const one: fc.Arbitrary<Played> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD'),
  text,
  cuts,
  then: fc.oneof(
    { weight: 4, arbitrary: fc.constant('ends' as const) },
    { weight: 3, arbitrary: fc.constant('resets' as const) },
    { weight: 3, arbitrary: fc.constant('stays' as const) },
  ),
})

/** Several at the same time: some wait for a deadline. */
const several = fc.array(one, { minLength: 1, maxLength: 30, size: 'max' })

/** Whatever an upstream sends: its answer, an error of the gateway, or a cut connection; never a clean end of half an answer. */
export const responses: Fuzzer<readonly Played[]> = {
  input: several,
  count: (all) => all.length,
  show: (all) => JSON.stringify(all, null, 2),
  async start(): Promise<Attacked<readonly Played[]>> {
    const besieged = await Promise.all(
      hosts.map(async ([name, mount]) => {
        const upstream = await playingUpstream()
        const mounted = await mount({ name: 'a', upstream: { url: upstream.url, ...UPSTREAM } }, { safe: true })
        mounted.gateway.on('upstreamError', () => undefined)
        return { name, upstream, port: mounted.port }
      }),
    )
    return {
      async check(all) {
        await allOf(
          besieged.map(async ({ name, upstream, port }) => {
            upstream.plays = all
            await allOf(all.map((played, i) => checkAnswer(name, port, played, i)))
            await canary(name, port, '/canary-1')
            await canary(name, port, '/canary-2')
          }),
        )
      },
    }
  },
}

/** Plays what it is told to whoever asks for `/played/` and a number, and answers everybody else. */
async function playingUpstream(): Promise<{ readonly url: string; plays: readonly Played[] }> {
  const { url } = await listenRaw((socket) => {
    let received = ''
    socket.setNoDelay().on('data', (chunk) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      if (end === -1 || received.length < end + 4 + (received.startsWith('POST') ? 4 : 0)) return
      const [, target = ''] = received.split(' ', 2)
      received = ''
      const number = /^\/played\/(\d+)$/.exec(target)?.[1]
      if (number !== undefined) void play(socket, state.plays[Number(number)]!)
      else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length + 4}\r\n\r\nGET ${target}`)
    })
  })
  const state = { url, plays: [] as readonly Played[] }
  return state
}

async function play(socket: Socket, { text: all, cuts: at, then }: Played): Promise<void> {
  for (const packet of packets(all, at)) {
    socket.write(packet, 'latin1')
    await nextTurn()
  }
  if (then === 'ends') socket.end()
  else if (then === 'resets') socket.resetAndDestroy()
}

async function checkAnswer(name: string, port: number, input: Played, number: number): Promise<void> {
  const { method } = input
  const client = new Connection(port)
  client.write(
    `${method} /played/${number} HTTP/1.1\r\nHost: a\r\n${method === 'POST' ? 'Content-Length: 4\r\n\r\nbody' : '\r\n'}`,
  )
  const deadline = performance.now() + BUDGET_MS
  let read = readAnswers('', [method], false)
  while (read.answers.length === 0 && !client.over) {
    if (performance.now() > deadline)
      found(`${name}: the connection hangs`, { received: client.received.slice(0, 500) })
    await client.more()
    read = readAnswers(client.received, [method], client.over)
  }
  client.socket.destroy()
  if (read.rest === 'bad')
    found(`${name}: an answer that is no HTTP: ${read.problem}`, { received: client.received.slice(0, 500) })
  judge(name, read.answers[0], input)
}

const OWN = new Set([502, 504])

/** Holds what the client got against what the upstream has said. */
function judge(name: string, answer: ReadAnswer | undefined, { text: all, method, then }: Played): void {
  const said = readUpstream(all, method, then)
  const got = answer === undefined ? 'a cut connection' : { status: answer.status, body: answer.body.slice(0, 200) }
  if (answer !== undefined && OWN.has(answer.status) && (method === 'HEAD' || answer.body.includes('"error"'))) {
    if (said.kind === 'whole' && said.certain) found(`${name}: a good answer became an error`, { got })
    return
  }
  if (answer === undefined) {
    if (said.kind === 'whole' && said.certain) found(`${name}: a good answer was cut`, { got })
    return
  }
  if (said.kind !== 'whole') found(`${name}: a whole answer out of a broken one`, { got, why: said.why })
  else if (answer.status !== said.status || answer.body !== said.body)
    found(`${name}: another answer`, { got, said: { status: said.status, body: said.body.slice(0, 200) } })
}
