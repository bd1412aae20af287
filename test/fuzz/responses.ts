import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { hosts } from '../support/hosts.ts'
import { listenRaw } from '../support/server.ts'
import { canary, Connection } from './connection.ts'
import { allOf, type Attacked, type Fuzzer, found } from './fuzzer.ts'
import { type Played, several } from './make-responses.ts'
import { packets } from './raw-bytes.ts'
import { type ReadAnswer, readAnswers } from './read-answers.ts'
import { readUpstream, type Said } from './read-upstream.ts'

const BUDGET_MS = 6000

/** Connections the upstream leaves open in the middle of an answer are given up by then. */
export const UPSTREAM = { headersTimeoutMs: 300, bodyTimeoutMs: 300 }

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
export async function playingUpstream(): Promise<{ readonly url: string; plays: readonly Played[] }> {
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

async function play(socket: Socket, { text: all, cuts: at, ending }: Played): Promise<void> {
  for (const packet of packets(all, at)) {
    socket.write(packet, 'latin1')
    await nextTurn()
  }
  if (ending === 'ends') socket.end()
  else if (ending === 'resets') socket.resetAndDestroy()
}

async function checkAnswer(name: string, port: number, input: Played, number: number): Promise<void> {
  judge(name, await answerTo(name, port, input, number), input)
}

/** What the client gets; undefined: its connection was cut. */
export async function answerTo(
  name: string,
  port: number,
  { method }: Played,
  number: number,
): Promise<ReadAnswer | undefined> {
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
  return read.answers[0]
}

/** Whether the gateway has answered in the place of its upstream. */
export function isOwn({ status, body }: ReadAnswer, method: string): boolean {
  return (status === 502 || status === 504) && (method === 'HEAD' || body.includes('"error"'))
}

/** Holds what the client got against what the upstream has said. */
function judge(name: string, answer: ReadAnswer | undefined, { text: all, method, ending }: Played): void {
  const said = readUpstream(all, method, ending)
  const got = answer === undefined ? 'a cut connection' : { status: answer.status, body: answer.body.slice(0, 200) }
  if (answer !== undefined && isOwn(answer, method)) {
    if (said.kind === 'whole' && said.certain) found(`${name}: a good answer became an error`, { got })
    return
  }
  if (answer === undefined) {
    if (said.kind === 'whole' && said.certain) found(`${name}: a good answer was cut`, { got })
    return
  }
  if (said.kind !== 'whole') found(`${name}: a whole answer out of a broken one`, { got, why: said.why })
  else if (answer.status !== said.status || !isBodyOf(said, answer.body))
    found(`${name}: another answer`, { got, said: { status: said.status, body: said.body.slice(0, 200) } })
}

function isBodyOf({ body, mayEndEarly }: Said & { kind: 'whole' }, got: string): boolean {
  return mayEndEarly ? body.startsWith(got) : got === body
}
