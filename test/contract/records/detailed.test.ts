import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { type AnalyticsRecord, type ApiDefinitionInput, deny, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { connect, run, settled, upstreamOfTest } from '../harness.ts'

/** The wire form of a message, taken apart. */
interface Raw {
  readonly start: string
  /** `name: value`, in order. */
  readonly fields: readonly string[]
  readonly body: Buffer
}

function rawOf(base64: string): Raw {
  const bytes = Buffer.from(base64, 'base64')
  const end = bytes.indexOf('\r\n\r\n')
  const [start = '', ...fields] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  return { start, fields, body: bytes.subarray(end + 4) }
}

const noteOf = ({ fields }: Raw): string | undefined => fields.find((line) => line.startsWith('Postern-Note'))

interface Sent {
  readonly method?: string
  readonly target?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

/** The only record of one request, and what the client got. */
async function exchange(
  definition: ApiDefinitionInput,
  { method = 'POST', target = '/', headers = {}, body }: Sent = {},
): Promise<{ readonly record: AnalyticsRecord; readonly request: Raw; readonly response: Raw; readonly got: Buffer }> {
  const { gateway, url } = await run(definition)
  const sent = body === undefined ? {} : { body: new Uint8Array(Buffer.from(body)) }
  const answer = await fetch(url + target, { method, headers, ...sent })
  const got = Buffer.from(await answer.arrayBuffer())
  await expect.poll(() => gateway.records.list()).toHaveLength(1)
  const record = gateway.records.list()[0]!
  return { record, request: rawOf(record.rawRequest), response: rawOf(record.rawResponse), got }
}

const DETAILED = { name: 'a', records: { detailed: true } }

describe('a record of the whole exchange', () => {
  it('has the request as the client sent it and the answer as the client got it', async () => {
    const upstream = await upstreamOfTest((_req, res) => {
      res.writeHead(201, ['X-Up', 'one', 'X-Up', 'two', 'Content-Type', 'text/plain', 'Content-Length', '5'])
      res.end('hello')
    })
    const { gateway, port } = await run({
      ...DETAILED,
      listenPath: '/shop/',
      upstream: upstream.url,
      hooks: {
        pre: [
          (request) => {
            request.headers.set('x-one', 'changed')
            request.path = '/changed'
            request.setBody('changed')
          },
        ],
        response: [
          async (response) => {
            response.headers.set('x-plugin', 'set')
            response.setBody(`${await response.text()} world`)
          },
        ],
      },
    })
    await (await connect(port)).request('POST', '/shop/%7Ea?x=1', ['X-One: 1', 'x-one: 2'], 'body')
    await settled()
    const [{ rawRequest, rawResponse } = { rawRequest: '', rawResponse: '' }] = gateway.records.list()
    expect(Buffer.from(rawRequest, 'base64').toString()).toBe(
      'POST /shop/%7Ea?x=1 HTTP/1.1\r\nHost: gateway.test\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 4\r\n\r\nbody',
    )
    const response = rawOf(rawResponse)
    expect([response.start, String(response.body)]).toEqual(['HTTP/1.1 201 Created', 'hello world'])
    expect(response.fields).toEqual(
      expect.arrayContaining([
        'X-Up: one',
        'X-Up: two',
        'Content-Type: text/plain',
        'x-plugin: set',
        'Content-Length: 11',
      ]),
    )
  })

  it('has every byte', async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const upstream = await upstreamOfTest((_req, res) => {
      res.setHeader('content-type', 'application/octet-stream')
      res.end(all)
    })
    const { request, response, got } = await exchange(
      { ...DETAILED, upstream: upstream.url },
      { body: all, headers: { 'content-type': 'application/octet-stream' } },
    )
    expect([request.body, response.body, got]).toEqual([all, all, all])
  })

  it('is empty unless the API asks for it', async () => {
    const { record } = await exchange({ name: 'a', hooks: { pre: [() => respond(200, 'x')] } }, { body: 'y' })
    expect([record.rawRequest, record.rawResponse]).toEqual(['', ''])
  })

  it('is made where the session asks for it', async () => {
    const upstream = await upstreamOfTest((_req, res) => res.end('hello'))
    const definition = (enableDetailedRecording: boolean): ApiDefinitionInput => ({
      name: 'a',
      upstream: upstream.url,
      hooks: { auth: () => ({ metadata: { token: 't' }, enableDetailedRecording }) },
    })
    const { request, response } = await exchange(definition(true), { body: 'sent' })
    expect([String(request.body), String(response.body)]).toEqual(['sent', 'hello'])
    const { record } = await exchange(definition(false), { body: 'sent' })
    expect([record.rawRequest, record.rawResponse]).toEqual(['', ''])
  })

  it('has what a plugin before the session has read', async () => {
    const upstream = await upstreamOfTest((_req, res) => res.end('hello'))
    const { request } = await exchange(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: {
          pre: [async (message) => void (await message.text())],
          auth: () => ({ metadata: { token: 't' }, enableDetailedRecording: true }),
        },
      },
      { body: 'read before' },
    )
    expect(String(request.body)).toBe('read before')
  })

  it('has nothing for the client’s body that a plugin has put there', async () => {
    const { request } = await exchange(
      {
        name: 'a',
        hooks: {
          pre: [(message) => message.setBody('of a plugin')],
          auth: () => ({ metadata: { token: 't' }, enableDetailedRecording: true }),
          post: [() => respond(200)],
        },
      },
      { body: 'of the client' },
    )
    expect([String(request.body), noteOf(request)]).toEqual(['', 'Postern-Note: the first 0 of 13 bytes of the body'])
  })

  it('has the answers of plugins and of the gateway', async () => {
    const denied = await exchange({ ...DETAILED, hooks: { pre: [() => deny(403, 'no')] } }, { body: 'unread' })
    expect([denied.response.start, String(denied.response.body)]).toEqual([
      'HTTP/1.1 403 Forbidden',
      '{\n    "error": "no"\n}',
    ])
    expect([String(denied.request.body), noteOf(denied.request)]).toEqual([
      '',
      'Postern-Note: the first 0 of 6 bytes of the body',
    ])
    const missing = await exchange({ ...DETAILED }, { method: 'GET' })
    expect([missing.request.start, missing.response.start]).toEqual(['GET / HTTP/1.1', 'HTTP/1.1 404 Not Found'])
    expect(noteOf(missing.request)).toBeUndefined()
  })

  it('says of an answer without a body what it says of itself', async () => {
    const upstream = await upstreamOfTest((_req, res) => {
      res.setHeader('content-length', '1234')
      res.end()
    })
    const { response } = await exchange({ ...DETAILED, upstream: upstream.url }, { method: 'HEAD' })
    expect([response.fields.filter((line) => /^content-length/i.test(line)), String(response.body)]).toEqual([
      ['content-length: 1234'],
      '',
    ])
  })

  it('is made for calls too', async () => {
    const { gateway, url } = await run([
      { name: 'a', listenPath: '/a', hooks: { pre: [(_, { call }) => call('b', '/x', { body: 'called' })] } },
      { ...DETAILED, name: 'b', listenPath: '/b', hooks: { pre: [() => respond(200, 'answered')] } },
    ])
    await (await fetch(`${url}/a`)).text()
    await expect.poll(() => gateway.records.list()).toHaveLength(2)
    const [{ rawRequest, rawResponse } = { rawRequest: '', rawResponse: '' }] = gateway.records.list()
    expect([rawOf(rawRequest).start, String(rawOf(rawResponse).body)]).toEqual(['POST /x HTTP/1.1', 'answered'])
  })
})

describe('a long body', () => {
  const LIMITED = { name: 'a', records: { detailed: true, maxDetailedBytes: 10 } }
  const LONG = Buffer.from('0123456789abcdefghij'.repeat(20_000))

  it('is recorded from its beginning, and the record says so', async () => {
    const upstream = await upstreamOfTest((_req, res) => res.end(LONG))
    const { request, response, got, record } = await exchange({ ...LIMITED, upstream: upstream.url }, { body: LONG })
    const note = `Postern-Note: the first 10 of ${LONG.length} bytes of the body`
    for (const raw of [request, response]) {
      expect([String(raw.body), noteOf(raw)]).toEqual(['0123456789', note])
      expect(raw.fields).toContain('Content-Length: 10')
    }
    expect([got.equals(LONG), record.network]).toEqual([true, { bytesIn: LONG.length, bytesOut: LONG.length }])
  })

  it('is not waited for: the client has the first part before the upstream sends the second', async () => {
    let sendRest: () => void = () => undefined
    const upstream = await upstreamOfTest((_req, res) => {
      res.write('first')
      sendRest = () => res.end('second')
    })
    const { gateway, url } = await run({ ...DETAILED, upstream: upstream.url })
    const answer = await fetch(url)
    const reader = answer.body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('first')
    sendRest()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('second')
    await reader.read()
    await expect.poll(() => gateway.records.list()).toHaveLength(1)
    expect(String(rawOf(gateway.records.list()[0]!.rawResponse).body)).toBe('firstsecond')
  })

  it('that was cut says how much of it there was', async () => {
    const upstream = await upstreamOfTest((_req, res) => {
      res.write('first')
      setTimeout(() => res.destroy(), 20)
    })
    const { gateway, url } = await run({ ...DETAILED, upstream: upstream.url })
    gateway.on('upstreamError', () => undefined)
    await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow('terminated')
    await expect.poll(() => gateway.records.list()).toHaveLength(1)
    const [record] = gateway.records.list()
    const response = rawOf(record!.rawResponse)
    expect([record!.code, String(response.body), noteOf(response)]).toEqual([
      'PSTN_UPSTREAM_BROKE',
      'first',
      'Postern-Note: the first 5 bytes of the body',
    ])
  })
})

describe('a compressed body', () => {
  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('in %s is recorded without its encoding, and reaches the client with it', async (coding, compress) => {
    const plain = 'hello '.repeat(100)
    const compressed = compress(plain)
    const upstream = await upstreamOfTest((_req, res) => {
      res.setHeader('content-encoding', coding)
      res.end(compressed)
    })
    const { request, response, got } = await exchange(
      { ...DETAILED, upstream: upstream.url },
      { body: compressed, headers: { 'content-encoding': coding, 'content-type': 'text/plain' } },
    )
    expect([String(request.body), String(response.body), String(got)]).toEqual([plain, plain, plain])
    for (const { fields } of [request, response]) {
      expect(fields.filter((line) => /^content-(?:encoding|length)/i.test(line))).toEqual([
        `Content-Length: ${plain.length}`,
      ])
    }
  })

  it('is cut after it was decoded: a small one can hold gigabytes', async () => {
    const compressed = gzipSync(Buffer.alloc(20_000_000))
    const upstream = await upstreamOfTest((_req, res) => {
      res.setHeader('content-encoding', 'gzip')
      res.end(compressed)
    })
    const { response } = await exchange({ ...DETAILED, upstream: upstream.url }, { method: 'GET' })
    expect([response.body.length, noteOf(response)]).toEqual([
      65_536,
      'Postern-Note: the first 65536 bytes of the body',
    ])
  })

  it('of which only the beginning was kept is decoded as far as that goes', async () => {
    const compressed = gzipSync(Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * i * 7919) % 251)), {
      level: 0,
    })
    const upstream = await upstreamOfTest((_req, res) => {
      res.setHeader('content-encoding', 'gzip')
      res.end(compressed)
    })
    const { response } = await exchange(
      { name: 'a', records: { detailed: true, maxDetailedBytes: 1_000 }, upstream: upstream.url },
      { method: 'GET' },
    )
    expect(response.body.length).toBeGreaterThan(500)
    expect(noteOf(response)).toBe(`Postern-Note: the first ${response.body.length} bytes of the body`)
  })

  it.each([
    ['snappy', 'x', 'its content-encoding is unknown'],
    ['gzip', 'no gzip at all', 'it is not what its content-encoding says'],
  ])('that says %s and cannot be decoded is left out', async (coding, body, why) => {
    const { request } = await exchange(
      { ...DETAILED, hooks: { pre: [async (message) => respond(200, await message.bytes())] } },
      { body, headers: { 'content-encoding': coding } },
    )
    expect([String(request.body), noteOf(request)]).toEqual(['', `Postern-Note: the body is left out: ${why}`])
  })
})
