import { gzipSync } from 'node:zlib'
import { createGateway } from '@postern/express'
import express from 'express'
import express4 from 'express4'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { frameworks } from '../support/hosts.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const JSON_TYPE = { 'content-type': 'application/json' }
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' }
const VALUE = { a: 1, b: ['caf\u00E9', null], c: { d: 'x' } }

describe.each(frameworks)('%s with a body parser above the gateway', (_, mount) => {
  it('sends the upstream the JSON that was read, with its true length and nothing else changed', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'json' })
    await send(url, '/', { method: 'POST', body: JSON.stringify(VALUE, null, 4), headers: JSON_TYPE })
    const { body, headers } = upstream.only()
    expect(JSON.parse(body.toString())).toEqual(VALUE)
    expect([headers['content-length'], headers['content-type'], headers['transfer-encoding']]).toEqual([
      String(body.length),
      'application/json',
      undefined,
    ])
  })

  it('sends the upstream the JSON of a chunked request', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'json' })
    await send(url, '/', {
      method: 'POST',
      body: JSON.stringify(VALUE),
      headers: { ...JSON_TYPE, 'transfer-encoding': 'chunked' },
    })
    expect(JSON.parse(upstream.only().body.toString())).toEqual(VALUE)
  })

  it('sends the upstream the form that was read', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'form' })
    const form = 'a=1&b=x+y&b=z%26&c=caf%C3%A9&d='
    await send(url, '/', { method: 'POST', body: form, headers: FORM_TYPE })
    const { body, headers } = upstream.only()
    expect([...new URLSearchParams(body.toString())]).toEqual([...new URLSearchParams(form)])
    expect(headers['content-length']).toBe(String(body.length))
  })

  it('sends what the parser inflated without the encoding it had', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'json' })
    await send(url, '/', {
      method: 'POST',
      body: gzipSync(JSON.stringify(VALUE)),
      headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    })
    const { body, headers } = upstream.only()
    expect([JSON.parse(body.toString()), headers['content-encoding'], headers['content-length']]).toEqual([
      VALUE,
      undefined,
      String(body.length),
    ])
  })

  it('sends text in the character set the request names', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'json' })
    const reply = await send(url, '/', {
      method: 'POST',
      body: Buffer.from(JSON.stringify({ a: 'caf\u00E9' }), 'utf16le'),
      headers: { 'content-type': 'application/json; charset=utf-16le' },
    })
    // A host whose parser does not read this encoding refuses it; one that does must not change what the header means.
    const [seen] = upstream.seen
    const charset = /charset=([\w-]+)/.exec(seen?.headers['content-type'] ?? '')?.[1] ?? 'utf-8'
    const decoded = seen === undefined ? `refused with ${reply.status}` : new TextDecoder(charset).decode(seen.body)
    expect(['{"a":"caf\u00E9"}', 'refused with 400', 'refused with 415']).toContain(decoded)
  })

  it('forwards a body the parser did not care for byte for byte', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'json' })
    const body = Buffer.from([0, 255, 13, 10, 128])
    await send(url, '/', { method: 'POST', body, headers: { 'content-type': 'application/octet-stream' } })
    await send(url, '/', { method: 'GET' })
    expect(upstream.seen.map((seen) => seen.body)).toEqual([body, Buffer.alloc(0)])
  })

  it('lets plugins read what the parser has read', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.headers['x-was']))
    const { url } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: { pre: [async (request) => request.headers.set('x-was', JSON.stringify(await request.json()))] },
      },
      { parser: 'json' },
    )
    const reply = await send(url, '/', { method: 'POST', body: '{ "a": 1 }', headers: JSON_TYPE })
    expect([reply.text, JSON.parse(upstream.only().body.toString())]).toEqual(['{"a":1}', { a: 1 }])
  })

  it('answers 500 without internals when the parser kept nothing that can be sent', async () => {
    const upstream = await startUpstream()
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url }, { parser: 'multipart' })
    const codes: string[] = []
    gateway.on('upstreamError', ({ error }) => codes.push(error.code))
    const reply = await send(url, '/', {
      method: 'POST',
      body: '--x\r\n\r\nv\r\n--x--',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    })
    expect([reply.status, reply.text]).toEqual([500, '{\n    "error": "There was a problem proxying the request"\n}'])
    expect([codes, upstream.seen]).toEqual([['PSTN_BODY_CONSUMED'], []])
  })

  it('leaves what the parser made of the request to the host behind the gateway', async () => {
    for (const parser of ['json', 'multipart'] as const) {
      const { url } = await mount(
        {
          name: 'a',
          hooks: {
            pre: [(request) => request.headers.set('x-pre', '1')],
            response: [(response) => response.headers.set('x-hook', '1')],
          },
        },
        { parser, route: (__, body) => ({ body: JSON.stringify(body) }) },
      )
      const reply = await send(url, '/', { method: 'POST', body: JSON.stringify(VALUE), headers: JSON_TYPE })
      expect([JSON.parse(reply.text), reply.headers['x-hook']]).toEqual([
        parser === 'json' ? VALUE : { field: 'value' },
        '1',
      ])
    }
  })

  it('shows the host behind the gateway the body a plugin put in place', async () => {
    const { url } = await mount(
      { name: 'a', hooks: { pre: [async (request) => request.setBody({ was: await request.json() })] } },
      { parser: 'json', route: (req, body) => ({ body: JSON.stringify([body, req.headers['content-length']]) }) },
    )
    const reply = await send(url, '/', { method: 'POST', body: '{"a":1}', headers: JSON_TYPE })
    expect(JSON.parse(reply.text)).toEqual([{ was: { a: 1 } }, '15'])
  })

  it('leaves a request the parser refuses to the host', async () => {
    let asked = 0
    const { url } = await mount(
      { name: 'a', hooks: { pre: [() => void (asked += 1)] } },
      { parser: 'json', route: () => ({ body: 'x' }) },
    )
    const reply = await send(url, '/', { method: 'POST', body: '{broken', headers: JSON_TYPE })
    expect([reply.status, asked]).toEqual([400, 0])
  })
})

describe.each([
  ['Express 4', express4 as unknown as typeof express],
  ['Express 5', express],
])('%s', (_, framework) => {
  it('has the bytes forwarded that express.raw and express.text have read', async () => {
    const upstream = await startUpstream()
    const app = framework()
    app.use(
      framework.raw({ type: 'application/octet-stream' }),
      framework.text(),
      createGateway({ name: 'a', upstream: upstream.url }),
    )
    const { url } = await listen(app)
    const bytes = Buffer.from([0, 255, 13, 10, 128])
    await send(url, '/', { method: 'POST', body: bytes, headers: { 'content-type': 'application/octet-stream' } })
    await send(url, '/', { method: 'POST', body: 'caf\u00E9', headers: { 'content-type': 'text/plain' } })
    expect(upstream.seen.map((seen) => seen.body)).toEqual([bytes, Buffer.from('caf\u00E9')])
  })

  it('has the very bytes forwarded where a parser keeps them as rawBody', async () => {
    const upstream = await startUpstream()
    const app = framework()
    const verify = (req: object, _res: unknown, rawBody: Buffer): void => void Object.assign(req, { rawBody })
    app.use(
      framework.json({ verify }),
      framework.urlencoded({ extended: true, verify }),
      createGateway({ name: 'a', upstream: upstream.url }),
    )
    const { url } = await listen(app)
    const texts = ['{ "b": 1.0, "a" : [ ] }', 'a[b][]=1&a[b][]=%7e&&']
    await send(url, '/', { method: 'POST', body: texts[0]!, headers: JSON_TYPE })
    await send(url, '/', { method: 'POST', body: texts[1]!, headers: FORM_TYPE })
    expect(upstream.seen.map((seen) => seen.body.toString())).toEqual(texts)
  })

  it('answers 500 rather than guess how a nested form was written', async () => {
    const upstream = await startUpstream()
    const app = framework()
    const gateway = createGateway({ name: 'a', upstream: upstream.url })
    gateway.on('upstreamError', () => undefined)
    app.use(framework.urlencoded({ extended: true }), gateway)
    const { url } = await listen(app)
    const reply = await send(url, '/', { method: 'POST', body: 'a[b]=1', headers: FORM_TYPE })
    expect([reply.status, upstream.seen]).toEqual([500, []])
  })

  it.each(['koi8-r', 'constructor', '__proto__'])(
    'answers 500 rather than guess how text of the character set %s was written',
    async (charset) => {
      const upstream = await startUpstream()
      const gateway = createGateway({ name: 'a', upstream: upstream.url })
      gateway.on('upstreamError', () => undefined)
      const parser: express.Handler = (req, __, next) => {
        req.setEncoding('latin1').once('data', (text: string) => {
          req.body = text
          next()
        })
      }
      const { url } = await listen(framework().use(parser, gateway))
      const headers = { 'content-type': `text/plain; charset=${charset}` }
      const reply = await send(url, '/', { method: 'POST', body: 'text', headers })
      expect([reply.status, upstream.seen]).toEqual([500, []])
    },
  )

  it('parses below the gateway what a plugin has read or put in place above', async () => {
    const app = framework()
    app.use(
      createGateway({
        name: 'a',
        hooks: {
          pre: [
            async (request) =>
              request.path === '/set' ? request.setBody({ set: true }) : void (await request.bytes()),
          ],
        },
      }),
    )
    app.use(framework.json(), (req, res) => void res.json(req.body))
    const { url } = await listen(app)
    const [read, set] = [
      await send(url, '/read', { method: 'POST', body: '{"a":1}', headers: JSON_TYPE }),
      await send(url, '/set', { method: 'POST', body: 'old', headers: { 'content-type': 'text/plain' } }),
    ]
    expect([read.text, set.text]).toEqual(['{"a":1}', '{"set":true}'])
  })
})
