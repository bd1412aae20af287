import { constants, brotliCompressSync, deflateRawSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib'
import type { Socket } from 'node:net'
import { Transform } from 'node:stream'
import type { ResponsePlugin } from '@postern/core'
import { describe, expect, it } from 'vitest'
import type { Mount } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { type RawAnswer, RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope, type Siege } from './attack.ts'
import { headerSafety } from './catalogue/b.ts'

cleanUpAfterAttacks()

const TEXT = 'hello é'
const HELLO = Buffer.from(TEXT)

const DESCRIBING =
  'ETag: "strong"\r\nContent-MD5: abc\r\nDigest: sha-256=abc\r\nContent-Digest: sha-256=:abc:\r\nRepr-Digest: sha-256=:abc:\r\nAccept-Ranges: bytes\r\n'

interface Answered {
  readonly status?: string
  readonly fields?: string
  readonly body?: Buffer
}

/** An upstream that answers `/attack` so, and the canaries as ever; the response plugin meets the attack only. */
async function answered(
  mount: Mount,
  { status = '200 OK', fields = '', body = Buffer.alloc(0) }: Answered,
  plugin: ResponsePlugin,
  maxBufferedBytes = 1_048_576,
): Promise<Siege & { readonly failures: string[] }> {
  const length = status.startsWith('304') ? '' : `Content-Length: ${body.length}\r\n`
  const upstream = await strictUpstream(({ method, target }, socket: Socket) => {
    if (target !== '/attack') return wireAnswer(`${method} ${target}`)
    socket.write(`HTTP/1.1 ${status}\r\n${fields}${length}\r\n`, 'latin1')
    if (method !== 'HEAD') socket.write(body)
    return undefined
  })
  const culprit: ResponsePlugin = (response, context) =>
    context.request.path === '/attack' ? plugin(response, context) : undefined
  const siege = await besiege(
    mount,
    { maxBufferedBytes, hooks: { response: [{ name: 'culprit', plugin: culprit }] } },
    { upstream },
  )
  const failures: string[] = []
  siege.gateway.on('pluginError', (failure) => void failures.push(`${failure.plugin} ${failure.error.code}`))
  return { ...siege, failures }
}

const ask = (port: number, method = 'GET'): Promise<RawAnswer> =>
  rawExchange(port, `${method} /attack HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, br\r\n\r\n`, method)

const utf8 = ({ body }: RawAnswer): string => Buffer.from(body, 'latin1').toString()

const louder: ResponsePlugin = async (response) => response.setBody((await response.text()).toUpperCase())
const writing: ResponsePlugin = (response) => response.setBody('a body')
const looking: ResponsePlugin = ({ status, headers }) => void [status, headers.get('content-encoding')]

attack(headerSafety, 'B08', (mount) => {
  const KNOWN: readonly (readonly [coding: string, body: Buffer])[] = [
    ['gzip', gzipSync(HELLO)],
    ['X-GZIP', gzipSync(HELLO)],
    ['gzip', Buffer.concat([gzipSync(HELLO.subarray(0, 3)), gzipSync(HELLO.subarray(3))])],
    ['deflate', deflateSync(HELLO)],
    ['deflate', deflateRawSync(HELLO)],
    ['br', brotliCompressSync(HELLO)],
    ['identity', HELLO],
  ]

  it.each(KNOWN)(
    'under %s a plugin reads text, and the headers tell the truth about what it writes',
    async (coding, body) => {
      const fields = `Content-Type: text/plain\r\nContent-Encoding: ${coding}\r\n${DESCRIBING}`
      const { port, unharmed, failures } = await answered(mount, { fields, body }, louder)
      const answer = await ask(port)
      expect([answer.status, utf8(answer), failures]).toEqual([200, TEXT.toUpperCase(), []])
      const stale = ['content-encoding', 'content-md5', 'digest', 'content-digest', 'repr-digest', 'accept-ranges']
      expect(stale.flatMap((name) => valuesOf(answer.lines, name))).toEqual([])
      expect(valuesOf(answer.lines, 'content-length')).toEqual([String(Buffer.byteLength(TEXT))])
      expect(valuesOf(answer.lines, 'etag')).toEqual(['W/"strong"'])
      await unharmed()
    },
  )

  const UNKNOWN: readonly (readonly [coding: string, body: Buffer])[] = [
    ['gzip, gzip', gzipSync(gzipSync(HELLO))],
    ['gzip, br', brotliCompressSync(gzipSync(HELLO))],
    ['zstd', HELLO],
    ['compress', HELLO],
    ['__proto__', HELLO],
  ]

  it.each(UNKNOWN)('under %s reading is a failure, and nothing of the answer gets out', async (coding, body) => {
    const fields = `Content-Encoding: ${coding}\r\nX-Inside: 1\r\n`
    const { port, unharmed, failures } = await answered(mount, { fields, body }, louder)
    const answer = await ask(port)
    expect([answer.status, answer.body, failures]).toEqual([
      500,
      envelope('Middleware error'),
      ['culprit PSTN_RESPONSE_ENCODING'],
    ])
    expect(valuesOf(answer.lines, 'x-inside')).toEqual([])
    await unharmed()
  })

  it.each(['gzip', 'br', 'deflate'])('what says %s and is not is a failure', async (coding) => {
    const fields = `Content-Encoding: ${coding}\r\n`
    const { port, unharmed, failures } = await answered(mount, { fields, body: HELLO }, louder)
    expect([(await ask(port)).status, failures]).toEqual([500, ['culprit PSTN_RESPONSE_ENCODING']])
    await unharmed()
  })

  it.each([
    ...UNKNOWN.map(([coding, body]) => [coding, `Content-Encoding: ${coding}\r\n`, '200 OK', body] as const),
    ['no-transform', 'Cache-Control: no-transform\r\nContent-Encoding: gzip\r\n', '200 OK', gzipSync(HELLO)] as const,
    ['a part', 'Content-Range: bytes 0-7/99\r\nContent-Encoding: gzip\r\n', '206 Partial Content', HELLO] as const,
  ])('under %s a plugin that only looks changes nothing', async (_, own, status, body) => {
    const fields = own + DESCRIBING
    const { port, unharmed, failures } = await answered(mount, { fields, status, body }, looking)
    const answer = await ask(port)
    expect([answer.status, Buffer.from(answer.body, 'latin1'), failures]).toEqual([
      Number(status.slice(0, 3)),
      body,
      [],
    ])
    const kept = answer.lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    expect(kept).toContain(fields)
    await unharmed()
  })

  it.each([
    ['reads and writes', louder],
    ['transforms', (response: Parameters<ResponsePlugin>[0]) => response.transform(new Transform())],
  ])('a part is a failure of the plugin that %s it', async (_, plugin) => {
    const fields = `Content-Range: bytes 0-8/99\r\n${DESCRIBING}`
    const { port, unharmed, failures } = await answered(
      mount,
      { fields, status: '206 Partial Content', body: HELLO },
      plugin,
    )
    const answer = await ask(port)
    expect([answer.status, answer.body, failures]).toEqual([
      500,
      envelope('Middleware error'),
      ['culprit PSTN_RESPONSE_PARTIAL'],
    ])
    await unharmed()
  })

  it.each([
    ['looks', looking, ['"strong"']],
    ['writes', writing, ['W/"strong"']],
    ['reads and writes', louder, ['W/"strong"']],
  ])('HEAD and 304 have no body when a plugin %s', async (_, plugin, etag) => {
    const fields = `Content-Encoding: gzip\r\n${DESCRIBING}`
    const head = await answered(mount, { fields, body: gzipSync(HELLO) }, plugin)
    const client = new RawClient(head.port)
    // What followed the head would be taken for the next answer.
    client.write('HEAD /attack HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    const first = await client.answer('HEAD')
    const second = await client.answer()
    expect([first.status, valuesOf(first.lines, 'etag'), second.status, second.body]).toEqual([
      200,
      etag,
      200,
      'GET /next',
    ])
    await head.unharmed()
    const unchanged = await answered(mount, { fields, status: '304 Not Modified' }, plugin)
    const other = new RawClient(unchanged.port)
    other.write(
      'GET /attack HTTP/1.1\r\nHost: a\r\nIf-None-Match: "strong"\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n',
    )
    expect([(await other.answer()).status, (await other.answer()).body]).toEqual([304, 'GET /next'])
    await unchanged.unharmed()
  })
})

const MEBIBYTE = 1_048_576
const TEN = Buffer.alloc(10 * MEBIBYTE)
// A gzip body may be several in a row (RFC 1952 2.2): so a bomb of any size is made from one of 10 KB.
const members = (count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => gzipSync(TEN, { level: 9 })))

const BOMBS: readonly (readonly [what: string, coding: string, body: () => Buffer])[] = [
  ['10 MiB under gzip', 'gzip', () => members(1)],
  ['10 MiB under deflate', 'deflate', () => deflateSync(TEN)],
  ['10 MiB under br', 'br', () => brotliCompressSync(TEN, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })],
  ['1 GiB under gzip', 'gzip', () => repeated(102)],
  ['10 GiB under gzip', 'gzip', () => repeated(1_024)],
]

function repeated(count: number): Buffer {
  const one = members(1)
  return Buffer.concat(Array.from({ length: count }, () => one))
}

attack(headerSafety, 'B09', (mount) => {
  describe.each(BOMBS)('%s', (_, coding, make) => {
    it('is not decoded beyond maxBufferedBytes', async () => {
      const body = make()
      // The bomb itself has to be held to be read: the limit is a little above it, and far below what is in it.
      const limit = Math.max(MEBIBYTE, body.length + 1_024)
      const fields = `Content-Encoding: ${coding}\r\n`
      const { port, unharmed, failures } = await answered(mount, { fields, body }, louder, limit)
      const before = held()
      let most = 0
      const watch = setInterval(() => (most = Math.max(most, held() - before)), 1)
      const answer = await ask(port)
      clearInterval(watch)
      expect([answer.status, answer.body, failures]).toEqual([
        500,
        envelope('Middleware error'),
        ['culprit PSTN_RESPONSE_TOO_LARGE'],
      ])
      // The bomb, what came out of it, and what the test itself holds of both.
      expect(most).toBeLessThan(32 * MEBIBYTE + 4 * limit)
      await unharmed()
    })
  })

  it('streams through an edit by transform, and stops when the client has enough', async () => {
    let edited = 0
    const counting: ResponsePlugin = (response) =>
      response.transform(
        new Transform({
          transform(chunk: Buffer, __, done) {
            edited += chunk.length
            done(null, chunk)
          },
        }),
      )
    const { port, unharmed } = await answered(
      mount,
      { fields: 'Content-Encoding: gzip\r\n', body: repeated(102) },
      counting,
    )
    const client = new RawClient(port)
    client.write('GET /attack HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('\r\n\r\n')
    client.socket.pause()
    await expect
      .poll(async () => {
        const before = edited
        await new Promise((resolve) => setTimeout(resolve, 50))
        return edited === before
      })
      .toBe(true)
    client.socket.destroy()
    expect(edited).toBeLessThan(512 * MEBIBYTE)
    await unharmed()
  })

  it('is a bomb: what is refused above would be read where the limit allows it', () => {
    expect(gunzipSync(repeated(2))).toHaveLength(2 * TEN.length)
  })
})

function held(): number {
  return process.memoryUsage().arrayBuffers
}
