import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { Transform } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ApiDefinitionInput, ResponsePlugin } from '@postern/core'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { applications, type Host, hosts, type Setup } from '../support/hosts.ts'
import { type Line, valuesOf } from '../support/lines.ts'
import { type RawAnswer, RawClient } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { type Hook, type RandomResponse, randomResponse } from './random-responses.ts'

afterEach(closeAll)

/*
 * Whatever an upstream answers and however it sends it: what no plugin edits arrives byte for byte, what one edits arrives
 * as edited, and the next answer on the connection is the next answer.
 */

/** An edit that can be told from everything else, and made to any part of a body. */
const flipped = (bytes: Uint8Array): Buffer => Buffer.from(bytes.map((byte) => byte ^ 1))

const EDITS: Readonly<Record<Hook, ResponsePlugin>> = {
  nothing: () => undefined,
  head(response) {
    response.headers.set('x-hook', String(response.status))
    response.headers.append('set-cookie', 'hook=1')
    response.headers.delete('x-gone')
  },
  read: async (response) => void (await response.bytes()),
  transform(response) {
    response.transform(new Transform({ transform: (chunk: Buffer, _, done) => done(null, flipped(chunk)) }))
  },
  'web transform'(response) {
    response.transform(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => controller.enqueue(flipped(chunk)),
      }),
    )
  },
  write: async (response) => response.setBody(flipped(await response.bytes())),
}

const hasBody = (method: string, status: number): boolean =>
  method !== 'HEAD' && status !== 204 && status !== 205 && status !== 304

/** What the tests do not look at: of the connection, of the framing, and what hosts add. */
const LEFT_OUT = new Set(['connection', 'keep-alive', 'date', 'x-powered-by', 'transfer-encoding', 'content-length'])

const DESCRIBING = new Set(['content-encoding', 'repr-digest', 'accept-ranges'])

interface Expected {
  readonly status: number
  readonly lines: readonly Line[]
  readonly body: Buffer
  /** Has to be this one, or none, where there is no body to be framed. */
  readonly length: string | undefined
  readonly framed: boolean
}

/** Undefined: the plugin has to fail. */
function expected(response: RandomResponse): Expected | undefined {
  const { method, status, lines, plain, body, hook, framing } = response
  const bodied = hasBody(method, status)
  const reads = hook === 'read' || hook === 'write'
  const edits = hook === 'write' || hook.endsWith('transform')
  if (edits && status === 206) return undefined
  // An empty body is read whatever it says of itself; an edit has to know before.
  if (plain === undefined && (hook.endsWith('transform') || (reads && bodied && body.length > 0))) return undefined
  const declared = framing === 'length' && status !== 204 && status !== 205 ? String(body.length) : undefined
  if (!edits) {
    const told = hook === 'head' ? lines.filter(([name]) => name !== 'X-Gone') : lines
    const added: Line[] =
      hook === 'head'
        ? [
            ['Set-Cookie', 'hook=1'],
            ['x-hook', String(status)],
          ]
        : []
    const length =
      status === 205 && method !== 'HEAD' ? '0' : status === 304 || method === 'HEAD' ? declared : undefined
    return { status, lines: [...told, ...added], body: bodied ? body : Buffer.alloc(0), length, framed: bodied }
  }
  const told = lines
    .filter(([name]) => !DESCRIBING.has(name.toLowerCase()))
    .map(([name, text]): Line => [name, name === 'ETag' && text.startsWith('"') ? `W/${text}` : text])
  const typed = lines.some(([name]) => name === 'Content-Type') || hook !== 'write' || status === 304
  if (!typed) told.push(['content-type', 'application/octet-stream'])
  const length = status === 205 && method !== 'HEAD' ? '0' : undefined
  return { status, lines: told, body: bodied ? flipped(plain ?? body) : Buffer.alloc(0), length, framed: bodied }
}

/** Per name, since repeated fields move together. */
function fieldsOf(lines: readonly Line[], leftOut: ReadonlySet<string>): Record<string, string[]> {
  const fields: Record<string, string[]> = {}
  for (const [name, text] of lines) if (!leftOut.has(name.toLowerCase())) (fields[name.toLowerCase()] ??= []).push(text)
  return fields
}

function judge(name: string, response: RandomResponse, answer: RawAnswer): void {
  const wanted = expected(response)
  const what = `${name}: ${fc.stringify(response)}`
  if (wanted === undefined) {
    expect([answer.status, valuesOf(answer.lines, 'x-dup')], `${what}: failure`).toEqual([500, []])
    return
  }
  const bytes = Buffer.from(answer.body, 'latin1')
  expect([answer.status, bytes.length, bytes.equals(wanted.body)], `${what}: body`).toEqual([
    wanted.status,
    wanted.body.length,
    true,
  ])
  // Koa takes the type off an answer that has no body, and the length off a 304, unless somebody wrote past it.
  const isKoa = name.startsWith('Koa')
  const stripped = isKoa && [204, 205, 304].includes(wanted.status) ? ['content-type'] : []
  const leftOut = new Set([...LEFT_OUT, ...stripped])
  expect(fieldsOf(answer.lines, leftOut), `${what}: fields`).toEqual(fieldsOf(wanted.lines, leftOut))
  const lengths = valuesOf(answer.lines, 'content-length')
  const codings = valuesOf(answer.lines, 'transfer-encoding')
  if (wanted.framed) expect(lengths.length + codings.length, `${what}: framings`).toBe(1)
  else {
    const length = isKoa && wanted.status === 304 ? lengths[0] : wanted.length
    expect([lengths, codings], `${what}: framing`).toEqual([length === undefined ? [] : [length], []])
  }
}

/** The pieces of a body, as often around as it takes. */
function* cut(body: Buffer, pieces: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < body.length; i += 1) {
    const size = Math.max(pieces[i % pieces.length]!, Math.ceil(body.length / 40))
    yield body.subarray(at, at + size)
    at += size
  }
}

/** Sends the answer to a request as bytes. */
async function play(socket: Socket, { method, status, lines, body, framing, pieces }: RandomResponse): Promise<void> {
  const bodied = hasBody(method, status)
  const closes = framing === 'close' && bodied
  const framed = status === 204 ? [] : status === 205 ? ['Content-Length: 0'] : framingLine(framing, body.length)
  const head = [`HTTP/1.1 ${status} x`, ...lines.map(([name, text]) => `${name}: ${text}`), ...framed]
  if (closes) head.push('Connection: close')
  socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1')
  if (bodied) {
    for (const piece of cut(body, pieces)) {
      if (framing === 'chunks') socket.write(`${piece.length.toString(16)}\r\n`)
      socket.write(piece)
      if (framing === 'chunks') socket.write('\r\n')
      await nextTurn()
    }
    if (framing === 'chunks') socket.write('0\r\n\r\n')
  }
  if (closes) socket.end()
}

function framingLine(framing: RandomResponse['framing'], length: number): string[] {
  if (framing === 'length') return [`Content-Length: ${length}`]
  return framing === 'chunks' ? ['Transfer-Encoding: chunked'] : []
}

const HEAD_END = '\r\n\r\n'

/** An upstream that answers `/<hook>/<number>` with the response of that number. */
async function playingUpstream(responses: readonly RandomResponse[]): Promise<string> {
  const { url } = await listenRaw((socket) => {
    let received = ''
    socket.setNoDelay().on('data', (chunk) => {
      received += chunk.toString('latin1')
      if (!received.includes(HEAD_END)) return
      const number = Number(/^\S+ \/\S*\/(\d+) /.exec(received)?.[1])
      received = ''
      void play(socket, responses[number]!)
    })
  })
  return url
}

/** A host application that answers the same. */
function playingApplication(responses: readonly RandomResponse[]): RequestListener {
  return (req, res) => {
    const { status, lines, body, framing, pieces, method } = responses[Number(req.url?.split('/').at(-1))]!
    res.statusCode = status
    for (const [name, text] of lines) res.appendHeader(name, text)
    if (framing === 'length' && status !== 204 && status !== 205) res.setHeader('Content-Length', body.length)
    if (!hasBody(method, status)) {
      res.end()
      return
    }
    void (async () => {
      if (framing === 'close') res.flushHeaders()
      for (const piece of cut(body, pieces)) {
        res.write(piece)
        await nextTurn()
      }
      res.end()
    })()
  }
}

/** What answers behind the gateway. */
type Behind = (responses: readonly RandomResponse[]) => Promise<readonly [Partial<ApiDefinitionInput>, Setup]>

/** One connection to each host, and every batch on each of them. */
async function passes(
  batches: { readonly count: number; readonly of: number },
  all: readonly Host[],
  behind: Behind,
): Promise<number> {
  let judged = 0
  const responses: RandomResponse[] = []
  const [definition, how] = await behind(responses)
  const plugin: ResponsePlugin = (response, context) =>
    EDITS[context.request.path.split('/')[1]!.replace('-', ' ') as Hook](response, context)
  const ends = await Promise.all(
    all.map(async ([name, mount]) => {
      const mounted = await mount({ name: 'a', ...definition, hooks: { response: [plugin] } }, how)
      mounted.gateway.on('pluginError', () => undefined)
      return { name, port: mounted.port, client: new RawClient(mounted.port) }
    }),
  )
  const one = async (end: (typeof ends)[number], number: number): Promise<void> => {
    const { method, hook } = responses[number]!
    end.client.write(
      `${method} /${hook.replace(' ', '-')}/${number} HTTP/1.1\r\nHost: a\r\n${method === 'POST' ? 'Content-Length: 0\r\n' : ''}\r\n`,
    )
    judge(end.name, responses[number]!, await end.client.answer(method))
    judged += 1
    expect(end.client.received, 'nothing follows an answer').toBe('')
  }
  await fc.assert(
    fc.asyncProperty(fc.array(randomResponse, { minLength: batches.of, maxLength: batches.of }), async (batch) => {
      responses.length = 0
      responses.push(...batch)
      const outcomes = await Promise.allSettled(
        ends.map(async (end) => {
          for (const number of batch.keys()) await one(end, number)
        }),
      )
      const failed = outcomes.find((outcome) => outcome.status === 'rejected')
      if (failed !== undefined) throw failed.reason
    }),
    { numRuns: batches.count, endOnFailure: true },
  )
  return judged
}

describe('random answers', () => {
  it('of an upstream, a thousand of them, arrive as they are, or exactly as edited, on every host', async () => {
    const upstream: Behind = async (responses) => [{ upstream: await playingUpstream(responses) }, {}]
    expect(await passes({ count: 20, of: 50 }, hosts, upstream)).toBe(1_000 * hosts.length)
  }, 60_000)

  it('of a host application arrive likewise', async () => {
    const application: Behind = async (responses) => [{}, { raw: playingApplication(responses) }]
    expect(await passes({ count: 8, of: 50 }, applications, application)).toBe(400 * applications.length)
  }, 60_000)
})
