import { createServer as createSecureServer } from 'node:https'
import { Agent, get, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AnalyticsRecord, ApiDefinitionInput } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { hosts } from '../support/hosts.ts'
import { listen } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'

afterEach(closeAll)

/* Answers are read into the same memory again and again: no client may ever get a byte of what another one asked for. */

const SIZES = [1, 900, 15_000, 16_384, 16_500, 40_000, 65_300, 65_536, 102_400, 131_072, 300_000, 1_000_000]
const FRAMINGS = ['length', 'chunks', 'close'] as const
const READERS = ['at once', 'slowly', 'late'] as const
/** More than the sockets on the way may hold, so that it has to wait in the gateway. */
const LARGE = 16_000_000

/** Bytes that say whose they are and where they stand. */
function bodyOf(seed: number, bytes: number): Buffer {
  const body = Buffer.alloc(bytes + 8)
  for (let at = 0; at < bytes; at += 8) body.writeUInt32LE(at, body.writeUInt32LE(seed, at))
  return body.subarray(0, bytes)
}

/** Sends the body the target names, some at once and some in pieces. */
const answering: RequestListener = (req, res) => void answer(req, res)

async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const [seed = 0, bytes = 0, framing = 0] = req.url!.slice(1).split('/').map(Number)
  const body = bodyOf(seed, bytes)
  if (FRAMINGS[framing] === 'length') res.setHeader('Content-Length', bytes)
  if (FRAMINGS[framing] === 'close') res.removeHeader('Transfer-Encoding')
  // No buffer on the way is of that size.
  const piece = 20_000 + ((seed * 7_919) % 90_000)
  for (let at = 0; at < bytes; at += piece) {
    if (!res.write(body.subarray(at, at + piece))) await new Promise((resolve) => res.once('drain', resolve))
    if (seed % 3 === 0) await sleep(1)
  }
  res.end()
}

async function read(url: string, how: (typeof READERS)[number], agent: Agent | false): Promise<Buffer> {
  const res = await new Promise<IncomingMessage>((resolve, reject) => get(url, { agent }, resolve).on('error', reject))
  if (how === 'late') await sleep(100)
  const pieces: Buffer[] = []
  for await (const piece of res) {
    pieces.push(piece as Buffer)
    if (how === 'slowly') await sleep(2)
  }
  return Buffer.concat(pieces)
}

/** What is asked for: every size in every framing, read in every way, and a large one that is read late. */
const ASKED = [
  ...SIZES.flatMap((bytes) => FRAMINGS.flatMap((_, framing) => READERS.map((reader) => ({ bytes, framing, reader })))),
  { bytes: LARGE, framing: 0, reader: 'late' as const },
]

/** Asks for all of it, eighteen at a time; tells which bodies were not what was asked for. */
async function wrongAnswers(url: string, agent: Agent | false = false): Promise<string[]> {
  const wrong: string[] = []
  let next = 0
  const client = async (): Promise<void> => {
    while (next < ASKED.length) {
      const seed = (next += 1)
      const { bytes, framing, reader } = ASKED[(seed * 31) % ASKED.length]!
      const body = await read(`${url}/${seed}/${bytes}/${framing}`, reader, agent)
      if (!body.equals(bodyOf(seed, bytes))) wrong.push(`${bytes} bytes by ${FRAMINGS[framing]}, read ${reader}`)
    }
  }
  await Promise.all(Array.from({ length: 18 }, client))
  return wrong
}

/** Where the answer was recorded: whether it is the one that was asked for, as far as it is kept. */
function wrongRecord({ originalPath, rawResponse }: AnalyticsRecord): string[] {
  const raw = Buffer.from(rawResponse, 'base64')
  const body = raw.subarray(raw.indexOf('\r\n\r\n') + 4)
  const [seed = 0, bytes = 0] = originalPath.slice(1).split('/').map(Number)
  return rawResponse === '' || bodyOf(seed, bytes).subarray(0, body.length).equals(body) ? [] : [originalPath]
}

const ways: readonly (readonly [string, Partial<ApiDefinitionInput>])[] = [
  ['as they come', {}],
  ['behind a plugin that waits', { hooks: { response: [() => sleep(5)] } }],
  ['read by a plugin', { hooks: { response: [async (response) => void (await response.bytes())] } }],
  ['recorded word for word', { records: { detailed: true } }],
]

describe.each(hosts)('%s', (_, mount) => {
  it.each(ways)('every client gets its own bytes, %s', async (__, more) => {
    const upstream = await listen(answering)
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url, maxBufferedBytes: LARGE, ...more })
    expect(await wrongAnswers(url)).toEqual([])
    expect(gateway.records.list().flatMap(wrongRecord)).toEqual([])
  })

  it('every client gets its own bytes, where somebody delays what is written', async () => {
    const upstream = await listen(answering)
    const { url, server } = await mount({ name: 'a', upstream: upstream.url })
    server.on('connection', (socket: Socket) => {
      const write = socket.write.bind(socket) as (...given: unknown[]) => boolean
      socket.write = (...given: unknown[]) => {
        setTimeout(() => write(...given), 5)
        return true
      }
    })
    const agent = new Agent({ keepAlive: true })
    closeLater(() => agent.destroy())
    expect(await wrongAnswers(url, agent)).toEqual([])
  })

  it('every client gets its own bytes, of an upstream that speaks TLS', async () => {
    const upstream = await listen(createSecureServer(SELF_SIGNED, answering))
    const { url } = await mount({ name: 'a', upstream: { url: upstream.url, verifyTls: false } })
    expect(await wrongAnswers(url)).toEqual([])
  })
})
