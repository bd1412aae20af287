import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { bodyParser } from '@koa/bodyparser'
import { createGateway as createExpressGateway } from '@postern/express'
import { createGateway as createKoaGateway } from '@postern/koa'
import express from 'express'
import express4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'

/** What is written, in turn with what is waited for. */
type Script = readonly (string | { readonly until: string })[]

const CLOSE = 'Host: app.example\r\nConnection: close\r\n'

function get(target: string, ...headers: readonly string[]): Script {
  return [`GET ${target} HTTP/1.1\r\n${CLOSE}${headers.map((line) => `${line}\r\n`).join('')}\r\n`]
}

function post(target: string, type: string, body: string, ...headers: readonly string[]): Script {
  const lines = [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers]
  return [`POST ${target} HTTP/1.1\r\n${CLOSE}${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`]
}

const FORM = 'application/x-www-form-urlencoded'
const JSON_TYPE = 'application/json'

/** What is asked, and the status lines to come, so that two broken applications are not taken for equal ones. */
const BATTERY: readonly (readonly [what: string, statuses: readonly number[], script: Script])[] = [
  ['a plain request', [200], get('/echo')],
  [
    'odd headers',
    [200],
    get(
      '/echo',
      'X-DUP: 1',
      'x-dup: 2',
      'Cookie: a=1',
      'cookie: b=2',
      'X-Empty:',
      'X-Latin: caf\u00E9',
      'TE: trailers',
      'X-Forwarded-For: 1.2.3.4',
    ),
  ],
  ['query strings', [200], get('/echo?a=1&a=2&b[c]=%7e&d=x+y&&e&=f&g=%zz')],
  ['a question mark with nothing behind', [200], get('/echo?')],
  ['a percent-encoded path', [200], get('/items/caf%C3%A9%20%2Fx')],
  ['a trailing slash', [200], get('/echo/')],
  ['JSON', [200], post('/body', JSON_TYPE, '{"a":[1,"caf\u00E9"]}')],
  [
    'JSON in chunks',
    [200],
    [
      'POST /body HTTP/1.1\r\n',
      CLOSE,
      `Content-Type: ${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      '4\r\n{"a"\r\n',
      '3\r\n:1}\r\n',
      '0\r\n\r\n',
    ],
  ],
  ['broken JSON', [400], post('/body', JSON_TYPE, '{"a":')],
  ['a form', [200], post('/body', FORM, 'a=1&b=x+y&c=%26')],
  ['an empty body', [200], post('/body', JSON_TYPE, '')],
  ['an unknown path', [404], get('/nowhere')],
  ['an error that is thrown', [500], get('/throw')],
  ['an error with a status', [418], get('/teapot')],
  ['a redirect', [302], get('/redirect')],
  ['a file', [200], get('/file')],
  ['a range of a file', [206], get('/file', 'Range: bytes=5-9')],
  ['a file that has not changed', [304], get('/file', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT')],
  ['a stream', [200], get('/stream')],
  ['a stream to HTTP/1.0', [200], ['GET /stream HTTP/1.0\r\n\r\n']],
  ['HEAD', [200], [`HEAD /echo HTTP/1.1\r\n${CLOSE}\r\n`]],
  ['HEAD of a file', [200], [`HEAD /file HTTP/1.1\r\n${CLOSE}\r\n`]],
  ['HEAD of a stream', [200], [`HEAD /stream HTTP/1.1\r\n${CLOSE}\r\n`]],
  ['cookies', [200], get('/cookies', 'Cookie: a=1')],
  ['a conditional request', [304], get('/content', 'If-None-Match: *')],
  ['no content', [204], get('/empty')],
  ['a status text of its own', [299], get('/odd')],
  ['an unusual method', [200], [`PROPFIND /echo HTTP/1.1\r\n${CLOSE}\r\n`]],
  [
    'Expect: 100-continue',
    [100, 200],
    [
      `POST /upload HTTP/1.1\r\n${CLOSE}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
      { until: '100 Continue\r\n\r\n' },
      'hello',
    ],
  ],
  ['a large upload', [200], post('/upload', 'application/octet-stream', 'x'.repeat(3_000_000))],
  ['an upload nobody reads', [404], post('/nowhere', 'text/plain', 'x'.repeat(100_000))],
  [
    'pipelined requests on one connection',
    [200, 404, 200, 200],
    [
      `GET /echo?1 HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nPOST /body HTTP/1.1\r\nHost: a\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: 7\r\n\r\n{"a":1}`,
      `GET /echo?4 HTTP/1.1\r\n${CLOSE}\r\n`,
    ],
  ],
  [
    'one request after the other on one connection',
    [200, 200],
    ['GET /stream HTTP/1.1\r\nHost: a\r\n\r\n', { until: '0\r\n\r\n' }, `GET /echo HTTP/1.1\r\n${CLOSE}\r\n`],
  ],
  ['what is not HTTP', [400], ['GET / HTTP/1.1\r\nno header\r\n\r\n']],
]

/** Spellings a gateway refuses or changes where it has something to match; here there is nothing. */
const ODD_TARGETS = [
  '/items/caf%c3%a9',
  '/items/%7Euser',
  '/items/%zz',
  '/items/%ff',
  '/items/%00',
  '/items/a\\b',
  '/items/a/../b',
  '/../echo',
  '//echo',
  'http://other.example/echo?x',
  '/items/..%2fx',
]

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-'))
  await writeFile(join(folder, 'file.txt'), 'a file, 123456789\n'.repeat(50))
})
afterAll(() => rm(folder, { recursive: true }))

function expressApp(framework: typeof express, gateway: boolean): RequestListener {
  const app = framework()
  if (gateway) app.use(createExpressGateway({ name: 'nothing' }))
  app.use(framework.json(), framework.urlencoded({ extended: true }))
  const echo: express.RequestHandler = (req, res) => {
    const { method, url, originalUrl, baseUrl, path, query, params, headers, rawHeaders, ip, protocol, hostname } = req
    res.json({ method, url, originalUrl, baseUrl, path, query, params, headers, rawHeaders, ip, protocol, hostname })
  }
  app.all('/echo', echo)
  app.all('/items/:id', echo)
  app.post('/body', (req, res) => void res.json([req.body]))
  app.get('/throw', () => {
    throw new Error('thrown')
  })
  app.get('/teapot', (_req, _res, next) =>
    next(Object.assign(new Error('teapot'), { status: 418, headers: { 'x-tea': '1' } })),
  )
  app.get('/redirect', (_req, res) => res.redirect('/else?where'))
  app.get('/file', (_req, res) => res.sendFile('file.txt', { root: folder }))
  app.get('/stream', (_req, res) => void Readable.from(['one ', 'two ', 'three']).pipe(res))
  app.get(
    '/cookies',
    (req, res) => void res.cookie('a', '1').cookie('b', '2', { httpOnly: true }).send(req.get('cookie')),
  )
  app.all('/content', (_req, res) => void res.send('content'))
  app.get('/empty', (_req, res) => void res.status(204).end())
  app.get('/odd', (_req, res) => void res.writeHead(299, 'Odd One', ['X-B', '2', 'X-A', '1']).end('odd'))
  app.post('/upload', (req, res) => void countBytes(req).then((bytes) => res.json({ bytes })))
  return app
}

function koaApp(Framework: typeof Koa, gateway: boolean): RequestListener {
  const app = new Framework()
  app.silent = true
  if (gateway) app.use(createKoaGateway({ name: 'nothing' }))
  app.use(bodyParser() as Koa.Middleware)
  const echo = (ctx: Koa.Context): void => {
    const { method, url, originalUrl, path, querystring, query, headers, ip, protocol, host, href } = ctx
    ctx.body = {
      method,
      url,
      originalUrl,
      path,
      querystring,
      query,
      headers,
      ip,
      protocol,
      host,
      href,
      rawHeaders: ctx.req.rawHeaders,
    }
  }
  const routes: Readonly<Record<string, (ctx: Koa.Context) => unknown>> = {
    '/echo': echo,
    '/echo/': echo,
    '/body': (ctx) => (ctx.body = [(ctx.request as { body?: unknown }).body]),
    '/throw': () => {
      throw new Error('thrown')
    },
    '/teapot': (ctx) => ctx.throw(418, 'teapot', { headers: { 'x-tea': '1' } }),
    '/redirect': (ctx) => ctx.redirect('/else?where'),
    '/file': sendFile,
    '/stream': (ctx) => (ctx.body = Readable.from(['one ', 'two ', 'three'])),
    '/cookies': (ctx) => {
      ctx.cookies.set('a', '1')
      ctx.cookies.set('b', '2', { httpOnly: false })
      ctx.body = ctx.get('cookie')
    },
    '/content': (ctx) => {
      ctx.body = 'content'
      ctx.etag = 'content'
      if (ctx.fresh) ctx.status = 304
    },
    '/empty': (ctx) => (ctx.status = 204),
    '/odd': (ctx) => {
      ctx.respond = false
      ctx.res.writeHead(299, 'Odd One', ['X-B', '2', 'X-A', '1']).end('odd')
    },
    '/upload': async (ctx) => (ctx.body = { bytes: await countBytes(ctx.req) }),
  }
  app.use(async (ctx) => {
    const route = ctx.path.startsWith('/items/') ? echo : routes[ctx.path]
    await Promise.resolve(route?.(ctx))
  })
  const callback = app.callback()
  return (req, res) => void callback(req, res)
}

/** What a static-file middleware does, as far as the wire can tell. */
function sendFile(ctx: Koa.Context): void {
  const content = Buffer.from('a file, 123456789\n'.repeat(50))
  ctx.type = 'txt'
  ctx.lastModified = new Date('2020-01-01T00:00:00Z')
  ctx.body = content
  const range = /^bytes=(\d+)-(\d+)$/.exec(ctx.get('range'))
  if (range !== null) {
    ctx.status = 206
    ctx.set('content-range', `bytes ${range[1]}-${range[2]}/${content.length}`)
    ctx.body = content.subarray(Number(range[1]), Number(range[2]) + 1)
  } else if (ctx.fresh) ctx.status = 304
}

async function countBytes(stream: AsyncIterable<unknown>): Promise<number> {
  let bytes = 0
  for await (const chunk of stream) bytes += (chunk as Buffer).length
  return bytes
}

/** Everything that comes back until the server ends the connection, but for the dates. */
async function wire(port: number, script: Script): Promise<string> {
  const client = new RawClient(port)
  let received = ''
  for (const step of script) {
    if (typeof step === 'string') client.write(step)
    else received += await client.until(step.until)
  }
  await client.closed
  return (received + client.received).replaceAll(/^Date: .*$/gm, 'Date: then')
}

function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1]))
}

describe.each<readonly [string, (gateway: boolean) => RequestListener]>([
  ['Express 4', (gateway) => expressApp(express4 as unknown as typeof express, gateway)],
  ['Express 5', (gateway) => expressApp(express, gateway)],
  ['Koa 2', (gateway) => koaApp(Koa2 as unknown as typeof Koa, gateway)],
  ['Koa 3', (gateway) => koaApp(Koa, gateway)],
])('%s with a gateway that has nothing to do mounted first', (_, app) => {
  let [bare, gated] = [0, 0]
  beforeAll(async () => {
    bare = (await listen(app(false))).port
    gated = (await listen(app(true))).port
  })
  afterAll(closeAll)

  it.each(BATTERY)('answers %s on the wire as it does without', async (__, statuses, script) => {
    const expected = await wire(bare, script)
    expect(statusesOf(expected)).toEqual(statuses)
    expect(await wire(gated, script)).toBe(expected)
  })

  it.each(ODD_TARGETS)('leaves the judgement of the target %s to the application', async (target) => {
    const expected = await wire(bare, get(target))
    expect(statusesOf(expected)).toHaveLength(1)
    expect(await wire(gated, get(target))).toBe(expected)
  })

  it.each(['/body', '*'])('answers OPTIONS %s as it does without', async (target) => {
    const script = [`OPTIONS ${target} HTTP/1.1\r\n${CLOSE}\r\n`]
    const expected = await wire(bare, script)
    expect(statusesOf(expected)).toHaveLength(1)
    expect(await wire(gated, script)).toBe(expected)
  })

  it('may answer in the middle of an upload as it does without', async () => {
    const upload = `POST /content HTTP/1.1\r\n${CLOSE}Content-Type: text/plain\r\nContent-Length: 1000000\r\n\r\nonly a part`
    const answers = [await rawExchange(bare, upload), await rawExchange(gated, upload)]
    expect(answers.map(({ status, body }) => [status, body])).toEqual([
      [200, 'content'],
      [200, 'content'],
    ])
  })
})
