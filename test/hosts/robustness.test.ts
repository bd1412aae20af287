import { createReadStream } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { PassThrough, Readable, Transform } from 'node:stream'
import { inspect } from 'node:util'
import { type ApiDefinitionInput, type BodyInput, deny, type GatewayEvents } from '@postern/core'
import { createGateway } from '@postern/http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { open, type Reply, send } from '../support/client.ts'
import { hosts, type Mounted } from '../support/hosts.ts'
import { settled, watchProcess } from '../support/process.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

/*
 * Whatever plugins, upstreams and clients do, it stays their own request's affair: the process notices nothing, the next
 * request is answered, and the gateway can be closed.
 */

const MIDDLEWARE_ERROR = '{\n    "error": "Middleware error"\n}'
const MISSING_FILE = new URL('no-such-file', import.meta.url)
const ENDLESS = { timeoutMs: Number.POSITIVE_INFINITY }

let seenByProcess: readonly unknown[]
beforeEach(() => {
  seenByProcess = watchProcess()
})
afterEach(async () => {
  await closeAll()
  await settled()
  if (seenByProcess.length > 0) throw new Error(`The process noticed: ${inspect(seenByProcess)}`)
})

/** Several turns of the event loop. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await settled()
}

/** The answer, or undefined when the connection was cut before its head. */
function answered(reply: Promise<Reply>): Promise<Reply | undefined> {
  return reply.catch(() => undefined)
}

function pluginErrors({ gateway }: Mounted): GatewayEvents['pluginError'][] {
  const seen: GatewayEvents['pluginError'][] = []
  gateway.on('pluginError', (data) => void seen.push(data))
  gateway.on('upstreamError', () => undefined)
  return seen
}

/** True to whoever asks whether it has something, and throws when it is asked for it. */
function hostile(): object {
  return new Proxy(
    {},
    {
      has: () => true,
      get: () => {
        throw new Error('SECRET')
      },
    },
  )
}

const session = { metadata: { token: 'caller' } }

/** Hooks with that one plugin at `hook`, and a session where one is needed. */
function at(hook: string, plugin: () => never): Partial<ApiDefinitionInput> {
  if (hook === 'endpoint') return { endpoints: { 'GET /': [plugin] } }
  const auth = hook === 'postAuth' ? { auth: () => session } : {}
  return { hooks: { ...auth, [hook]: hook === 'auth' ? plugin : [plugin] } }
}

describe.each(hosts)('%s', (_, mount) => {
  it.each([
    ['that waits', (text: () => Promise<string>, broken: Promise<unknown>) => broken.then(() => text)],
    ['that reads the body', (text: () => Promise<string>, broken: Promise<unknown>) => broken.then(() => text())],
    ['that reads the body at once', (text: () => Promise<string>) => text()],
  ])('survives the upstream of a fetch forwarder breaking off before a response plugin %s', async (__, look) => {
    const breaks = signalled()
    const upstream = await listen((req, res) => {
      if (req.url === '/whole') {
        res.end('whole')
        return
      }
      res.writeHead(200, { 'content-length': '1000' }).write('half')
      void turns().then(() => {
        res.destroy()
        breaks.signal()
      })
    })
    const { url } = await mount(
      {
        name: 'a',
        hooks: {
          response: [
            async (response) => {
              if (response.headers.get('content-length') === '5') return
              await look(() => response.text(), breaks.promise.then(turns))
            },
          ],
        },
      },
      { options: { forward: (request) => fetch(upstream.url + request.path) } },
    )
    const reply = await answered(send(url, '/half'))
    expect(reply?.status === 200 && reply.complete).toBe(false)
  })

  it('survives a client that leaves in the middle of an answer a fetch forwarder brings', async () => {
    const left = signalled()
    const upstream = await listen((__, res) => {
      res.on('close', left.signal)
      res.write('endless')
    })
    const { url, gateway } = await mount(
      { name: 'a', hooks: { response: [async () => settled()] } },
      { options: { forward: () => fetch(upstream.url) } },
    )
    const res = await open(url)
    await new Promise((resolve) => res.once('data', resolve))
    res.destroy()
    await left.promise
    await gateway.close(ENDLESS)
    expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499])
  })

  it('survives a client that leaves while a response plugin looks at an answer of fetch', async () => {
    const [looking, left] = [signalled(), signalled()]
    const upstream = await listen((__, res) => {
      res.on('close', left.signal)
      res.write('endless')
    })
    const { port, gateway } = await mount(
      {
        name: 'a',
        hooks: {
          response: [
            async (__, { signal }) => {
              looking.signal()
              await new Promise((resolve) => signal.addEventListener('abort', resolve))
            },
          ],
        },
      },
      { options: { forward: () => fetch(upstream.url) } },
    )
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await looking.promise
    client.socket.destroy()
    await left.promise
    await gateway.close(ENDLESS)
    expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499])
  })

  it('survives a request body from a file that is not there', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [(request) => request.setBody(createReadStream(MISSING_FILE))], post: [() => turns()] },
    })
    const reply = await send(url, '/', { method: 'POST', body: 'x' })
    expect([reply.status >= 400, reply.text.includes('no-such-file'), upstream.seen]).toEqual([true, false, []])
  })

  it.each([
    ['an upstream', true],
    ['the application', false],
  ])('survives a response body from a file that is not there, before %s', async (__, withUpstream) => {
    const upstream = await startUpstream()
    const { url } = await mount(
      {
        name: 'a',
        ...(withUpstream && { upstream: upstream.url }),
        hooks: { response: [(response) => response.setBody(createReadStream(MISSING_FILE)), () => turns()] },
      },
      { route: () => ({ body: 'the host' }) },
    )
    const reply = await answered(send(url))
    expect([reply?.status === 200 && reply.complete, reply?.text.includes('no-such-file') ?? false]).toEqual([
      false,
      false,
    ])
  })

  it('survives a body stream of objects, in both directions', async () => {
    const upstream = await startUpstream()
    const objects = (): BodyInput => Readable.from([{ secret: 1 }])
    const toUpstream = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [(request) => request.setBody(objects())] },
    })
    const toClient = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { response: [(response) => response.setBody(objects())] },
    })
    const up = await answered(send(toUpstream.url, '/', { method: 'POST', body: 'x' }))
    const down = await answered(send(toClient.url))
    expect(up?.status).toBe(500)
    expect([down?.status === 200 && down.complete, down?.text.includes('secret') ?? false]).toEqual([false, false])
  })

  it('takes text out of a stream in object mode', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.body))
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        pre: [(request) => request.setBody(Readable.from(['one ', 'two']))],
        response: [(response) => response.setBody(Readable.from([`\u00E9 `, Buffer.from('three')]))],
      },
    })
    expect((await send(url, '/', { method: 'POST' })).text).toBe('\u00E9 three')
    expect(upstream.only().body.toString()).toBe('one two')
  })

  it('survives a transform that makes objects of the body', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        response: [
          (response) =>
            response.transform(
              new Transform({
                readableObjectMode: true,
                transform: (chunk, __, done) => done(null, { secret: String(chunk) }),
              }),
            ),
        ],
      },
    })
    const reply = await answered(send(url))
    expect([reply?.status === 200 && reply.complete, reply?.text.includes('secret') ?? false]).toEqual([false, false])
  })

  it.each(['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response'])(
    'survives a proxy that is thrown at %s and throws itself',
    async (hook) => {
      const upstream = await startUpstream()
      for (const plugin of [
        () => {
          // oxlint-disable-next-line typescript/only-throw-error -- that is the point
          throw hostile()
        },
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- that is the point
        () => Promise.reject(hostile()) as never,
      ]) {
        const mounted = await mount({ name: 'a', upstream: upstream.url, ...at(hook, plugin) })
        const errors = pluginErrors(mounted)
        const reply = await send(mounted.url)
        expect([reply.status, errors.map(({ error }) => error.code)]).toEqual([
          hook === 'auth' ? 403 : 500,
          ['PSTN_PLUGIN_THREW'],
        ])
        expect(reply.text).not.toContain('SECRET')
      }
    },
  )

  it('survives event listeners that reject', async () => {
    const { url, gateway } = await mount({
      name: 'a',
      hooks: {
        pre: [
          (request) => {
            if (request.path === '/deny') return deny(401, 'no')
            throw new Error('broken')
          },
        ],
        analytics: [
          () => {
            throw new Error('broken')
          },
        ],
      },
    })
    let calls = 0
    for (const event of ['pluginError', 'authFailure', 'recordDropped'] as const)
      gateway.on(event, async () => {
        calls += 1
        await settled()
        throw new Error(`from the listener of ${event}`)
      })
    const statuses = [(await send(url, '/')).status, (await send(url, '/deny')).status]
    await expect.poll(() => calls).toBe(4)
    await turns()
    expect(statuses).toEqual([500, 401])
  })

  it.each<[string, ApiDefinitionInput['hooks']]>([
    ['request headers null', { pre: [(request) => void Object.assign(request, { headers: null })] }],
    ['response headers a Map', { response: [(response) => void Object.assign(response, { headers: new Map() })] }],
    [
      'an answer that only looks like a Response',
      {
        pre: [
          () =>
            ({
              [Symbol.toStringTag]: 'Response',
              arrayBuffer: () => undefined,
              status: 200,
              headers: null,
              body: null,
            }) as never,
        ],
      },
    ],
    [
      'an answer that looks like a Response and has no text in its headers',
      {
        response: [
          () =>
            ({
              [Symbol.toStringTag]: 'Response',
              arrayBuffer: () => undefined,
              status: 200,
              headers: [['x-a', { a: 1 }], 5],
              body: null,
            }) as never,
        ],
      },
    ],
  ])('answers 500 to %s', async (__, hooks) => {
    const upstream = await startUpstream((res) => res.end('SECRET'))
    const mounted = await mount({ name: 'a', upstream: upstream.url, ...(hooks && { hooks }) })
    const errors = pluginErrors(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, reply.text, errors.length]).toEqual([500, MIDDLEWARE_ERROR, 1])
  })

  it('records each pipelined request of a client that leaves once, and closes', async () => {
    const asked = signalled()
    let count = 0
    const upstream = await listen(() => {
      count += 1
      if (count === 3) asked.signal()
    })
    const { port, gateway } = await mount({ name: 'a', upstream: upstream.url })
    gateway.on('upstreamError', () => undefined)
    const client = new RawClient(port)
    client.write(['/1', '/2', '/3'].map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    await asked.promise
    client.socket.destroy()
    await gateway.close(ENDLESS)
    expect(
      gateway.records
        .list()
        .map(({ path, responseCode }) => `${path} ${responseCode}`)
        .toSorted(),
    ).toEqual(['/1 499', '/2 499', '/3 499'])
  })

  it('closes although the answer of a call was never read by a plugin that took too long', async () => {
    const called = signalled()
    const upstream = await listen((__, res) => {
      res.write('endless')
    })
    const never = new Promise<never>(() => undefined)
    const { url, gateway } = await mount([
      {
        name: 'a',
        listenPath: '/a',
        hooks: {
          pre: [
            {
              timeoutMs: 50,
              plugin: async (__, context) => {
                await context.call('b', '/')
                called.signal()
                return never
              },
            },
          ],
        },
      },
      { name: 'b', listenPath: '/b', upstream: upstream.url },
    ])
    gateway.on('pluginError', () => undefined)
    gateway.on('upstreamError', () => undefined)
    const reply = await send(url, '/a')
    await called.promise
    await gateway.close(ENDLESS)
    expect(reply.status).toBe(500)
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) =>
        upstream.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      )
    await expect.poll(connections).toBe(0)
  })

  it('has the records of analytics plugins that take their time when it is closed', async () => {
    const { url, gateway } = await mount({
      name: 'a',
      hooks: {
        pre: [() => deny(401, 'no')],
        analytics: [async (record) => turns().then(() => void (record.alias = 'late'))],
      },
    })
    await Promise.all([send(url), send(url)])
    await gateway.close()
    expect(gateway.records.list().map(({ alias }) => alias)).toEqual(['late', 'late'])
  })

  it('brings a streamed answer whole through calls within calls', async () => {
    const piece = 'x'.repeat(64 * 1024)
    const upstream = await listen((__, res) => {
      Readable.from(Array.from({ length: 32 }, () => piece)).pipe(res)
    })
    const api = (name: string, next: string): ApiDefinitionInput => ({
      name,
      listenPath: `/${name}`,
      hooks: { pre: [(__, { call }) => call(next, '/')] },
    })
    const { url, gateway } = await mount([
      api('a', 'b'),
      api('b', 'c'),
      { name: 'c', listenPath: '/c', upstream: upstream.url },
    ])
    const reply = await send(url, '/a')
    expect([reply.status, reply.complete, reply.body.length]).toEqual([200, true, 32 * piece.length])
    await gateway.close(ENDLESS)
    expect(
      gateway.records
        .list()
        .map(({ apiName, responseCode }) => `${apiName} ${responseCode}`)
        .toSorted(),
    ).toEqual(['a 200', 'b 200', 'c 200'])
  })

  it('waits for what is running when it is closed without a limit', async () => {
    const asked = signalled<ServerResponse>()
    const upstream = await listen((__, res) => asked.signal(res))
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url })
    const running = send(url)
    const res = await asked.promise
    let closed = false
    const closing = gateway.close(ENDLESS).then(() => (closed = true))
    // Longer than the one millisecond to which a timer falls back that cannot be set that far ahead.
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(closed).toBe(false)
    res.end('at last')
    expect((await running).text).toBe('at last')
    await closing
  })

  it.each<[string, NonNullable<ApiDefinitionInput['hooks']>, string]>([
    [
      'request.url',
      { pre: [(request) => void Object.assign(request, { url: '/x' })] },
      'A request has no property "url" to set; use request.path and request.query.',
    ],
    [
      'request.body',
      { post: [(request) => void Object.assign(request, { body: 'x' })] },
      'A request has no property "body" to set; use request.setBody(body).',
    ],
    [
      'request.headers["x"]',
      { pre: [(request) => void Object.assign(request.headers, { x: '1' })] },
      'Headers has no property "x" to set; use headers.set(name, value).',
    ],
    [
      'response.statusCode',
      { response: [(response) => void Object.assign(response, { statusCode: 201 })] },
      'A response has no property "statusCode" to set; use response.status.',
    ],
    [
      'response.body',
      { response: [(response) => void Object.assign(response, { body: 'x' })] },
      'A response has no property "body" to set; use response.setBody(body).',
    ],
    [
      'response.headers["x"]',
      { response: [(response) => void Object.assign(response.headers, { x: '1' })] },
      'Headers has no property "x" to set; use headers.set(name, value).',
    ],
  ])('tells a plugin that assigns %s what to use instead', async (__, hooks, message) => {
    const upstream = await startUpstream((res) => res.end('SECRET'))
    const mounted = await mount({ name: 'a', upstream: upstream.url, hooks })
    const errors = pluginErrors(mounted)
    const reply = await send(mounted.url)
    expect([reply.status, reply.text]).toEqual([500, MIDDLEWARE_ERROR])
    expect(errors.map(({ error }) => [error.code, error.message])).toEqual([['PSTN_VALUE_INVALID', message]])
  })

  it('cancels a stream that a plugin puts in place of another', async () => {
    const upstream = await startUpstream()
    const first = new PassThrough()
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: { pre: [(request) => request.setBody(first), (request) => request.setBody('second')] },
    })
    await send(url, '/', { method: 'POST', body: 'x' })
    expect([upstream.only().body.toString(), first.destroyed]).toEqual(['second', true])
  })
})

it('records pipelined requests that reach the gateway when their client has left', async () => {
  const gateway = createGateway({ name: 'a' })
  const [arrived, met] = [signalled(), signalled()]
  let waiting = 0
  const { port } = await listen((req, res) => {
    waiting += 1
    if (waiting === 2) arrived.signal()
    req.socket.once('close', () =>
      setImmediate(() => {
        gateway(req, res)
        waiting -= 1
        if (waiting === 0) met.signal()
      }),
    )
  })
  const client = new RawClient(port)
  client.write(['/1', '/2'].map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  await arrived.promise
  client.socket.destroy()
  await met.promise
  await gateway.close(ENDLESS)
  expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499, 499])
})

it('answers a request that a middleware kept back while a later one on its connection was refused', async () => {
  const gateway = createGateway({ name: 'a', hooks: { pre: [() => undefined] } })
  const refused = signalled()
  const { port } = await listen((req, res) => {
    const meet = (): void => gateway(req, res, () => res.end(req.url))
    if (req.url === '/1') void refused.promise.then(meet)
    else meet()
    if (req.url === '/%00') refused.signal()
  })
  const client = new RawClient(port)
  client.write(['/1', '/%00', '/3'].map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  expect((await client.answer()).body).toBe('/1')
  expect((await client.answer()).status).toBe(400)
  await client.closed
  expect([client.received, gateway.records.list().map(({ path }) => path)]).toEqual(['', ['/1']])
  await gateway.close(ENDLESS)
})
