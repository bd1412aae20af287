import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import http from 'node:http'
import { Transform } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  CompositePropagator,
  isTracingSuppressed,
  RPCType,
  setRPCMetadata,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { defineApi, deny, type PrePlugin, respond } from '@postern/core'
import { openTelemetry, type OpenTelemetryOptions } from '@postern/opentelemetry'
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { closeAll } from '../../support/cleanup.ts'
import { applications } from '../../support/hosts.ts'
import { Connection, run, upstreamOfTest } from '../harness.ts'

const exporter = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(
    new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }),
  )
  trace.setGlobalTracerProvider(tracerProvider)
})
afterEach(closeAll)

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const INCOMING = `00-${TRACE}-b7ad6b7169203331-01`

function instrumented(options?: OpenTelemetryOptions): void {
  exporter.reset()
  onTestFinished(openTelemetry(options))
}

/** Makes a span for each request, within what its client says of traces. */
function asInstrumentationDoes(server: http.Server): void {
  const tracer = tracerProvider.getTracer('of the server')
  const [listener] = server.listeners('request') as http.RequestListener[]
  server.removeAllListeners('request')
  server.on('request', (req, res) => {
    const parent = propagation.extract(context.active(), req.headers)
    tracer.startActiveSpan('outer', {}, parent, (span) => {
      res.once('close', () => span.end())
      listener!(req, res)
    })
  })
}

/** All spans, once the one of the client's own request has ended. */
async function spansAfter(requests = 1): Promise<ReadableSpan[]> {
  const own = (): number => exporter.getFinishedSpans().filter((span) => 'http.route' in span.attributes).length
  await expect.poll(own).toBe(requests)
  return exporter.getFinishedSpans()
}

function named(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  const found = spans.filter((span) => span.name === name)
  if (found.length !== 1)
    throw new Error(`There are ${found.length} spans "${name}" among ${spans.map((span) => span.name).join(', ')}.`)
  return found[0]!
}

/** Names from the outermost span to this one. */
function pathOf(span: ReadableSpan, spans: readonly ReadableSpan[]): string[] {
  const parent = spans.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)
  return [...(parent === undefined ? [] : pathOf(parent, spans)), span.name]
}

describe('the spans of a request', () => {
  it('are one for the server, and one for each hook, plugin and upstream call within', async () => {
    const upstream = await upstreamOfTest()
    const { url, port } = await run(
      defineApi({
        name: 'orders',
        listenPath: '/orders/',
        upstream: `${upstream.url}/v1`,
        hooks: {
          pre: [{ plugin: () => sleep(1), name: 'first' }],
          response: [{ plugin: () => undefined, name: 'stamp' }],
          analytics: [{ plugin: () => undefined, name: 'mask' }],
        },
        endpoints: { 'GET /stock/:sku': [{ plugin: () => undefined, name: 'look' }] },
      }),
    )
    instrumented()
    await fetch(`${url}/orders/stock/7?full=1`, { headers: { 'user-agent': 'test' } })
    await expect.poll(() => exporter.getFinishedSpans().length).toBe(10)
    const spans = exporter.getFinishedSpans()
    expect(spans.map((span) => pathOf(span, spans).join(' > ')).toSorted()).toEqual([
      'GET /orders/stock/:sku',
      'GET /orders/stock/:sku > GET',
      'GET /orders/stock/:sku > hook analytics',
      'GET /orders/stock/:sku > hook analytics > plugin mask',
      'GET /orders/stock/:sku > hook endpoint',
      'GET /orders/stock/:sku > hook endpoint > plugin look',
      'GET /orders/stock/:sku > hook pre',
      'GET /orders/stock/:sku > hook pre > plugin first',
      'GET /orders/stock/:sku > hook response',
      'GET /orders/stock/:sku > hook response > plugin stamp',
    ])
    const server = named(spans, 'GET /orders/stock/:sku')
    expect(server.kind).toBe(SpanKind.SERVER)
    expect(server.status.code).toBe(SpanStatusCode.UNSET)
    expect(server.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'http.route': '/orders/stock/:sku',
      'url.scheme': 'http',
      'url.path': '/orders/stock/7',
      'url.query': 'full=***',
      'server.address': '127.0.0.1',
      'server.port': port,
      'client.address': '127.0.0.1',
      'network.protocol.version': '1.1',
      'user_agent.original': 'test',
      'postern.api.id': 'orders',
      'postern.api.name': 'orders',
    })
    const client = named(spans, 'GET')
    expect(client.kind).toBe(SpanKind.CLIENT)
    expect(client.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(upstream.url).port),
      'url.full': `${upstream.url}/v1/stock/7?full=***`,
      'postern.api.id': 'orders',
      'postern.api.name': 'orders',
    })
    expect(named(spans, 'plugin first').attributes).toMatchObject({
      'postern.hook': 'pre',
      'postern.plugin': 'first',
      'postern.outcome': 'passed',
    })
    expect(named(spans, 'hook endpoint').attributes).toMatchObject({ 'postern.endpoint': 'GET /stock/:sku' })
  })

  it.each([
    ['request', ['GET', 'GET /']],
    ['hook', ['GET', 'GET /', 'hook pre']],
    ['plugin', ['GET', 'GET /', 'hook pre', 'plugin first']],
  ] as const)('go down to the %s', async (depth, names) => {
    const upstream = await upstreamOfTest()
    const { url } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: { pre: [{ plugin: () => undefined, name: 'first' }] },
    })
    instrumented({ depth })
    await fetch(url)
    const spans = await spansAfter()
    expect(spans.map(({ name }) => name).toSorted()).toEqual(names)
  })

  it('belong to the trace the client is in, and the upstream is told of it', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run({ name: 'orders', upstream: upstream.url })
    instrumented()
    await fetch(url, { headers: { traceparent: INCOMING, tracestate: 'a=1' } })
    const spans = await spansAfter()
    const server = named(spans, 'GET /')
    expect(server.spanContext().traceId).toBe(TRACE)
    expect(server.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331', isRemote: true })
    const [received] = upstream.received
    expect(received?.headers['traceparent']).toBe(`00-${TRACE}-${named(spans, 'GET').spanContext().spanId}-01`)
    expect(received?.headers['tracestate']).toBe('a=1')
    expect(received?.rawHeaders.filter((name) => name.toLowerCase() === 'traceparent')).toHaveLength(1)
  })

  it('pass on no tracestate that belongs to no trace', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run({ name: 'orders', upstream: upstream.url })
    instrumented()
    await fetch(url, { headers: { tracestate: 'a=1' } })
    await spansAfter()
    expect(upstream.received[0]?.headers).toHaveProperty('traceparent')
    expect(upstream.received[0]?.headers).not.toHaveProperty('tracestate')
  })

  it.each<[string, PrePlugin, string | undefined]>([
    ['nothing', () => undefined, 'user=ann;p=1,tier=gold'],
    ['away', ({ headers }) => headers.delete('baggage'), undefined],
    ['anew', ({ headers }) => headers.set('baggage', 'tier=free'), 'tier=free'],
  ])('leave baggage to plugins: of one that makes it %s', async (_case, plugin, expected) => {
    const upstream = await upstreamOfTest()
    const seen: (string | undefined)[] = []
    const look = (): void => void seen.push(propagation.getActiveBaggage()?.getEntry('user')?.value)
    const { url } = await run({ name: 'orders', upstream: upstream.url, hooks: { pre: [plugin, look] } })
    instrumented()
    await fetch(url, { headers: { baggage: 'user=ann;p=1,tier=gold' } })
    await spansAfter()
    expect(upstream.received[0]?.headers['baggage']).toBe(expected)
    expect(seen).toEqual(['ann'])
  })

  it('give the upstream the baggage of the application, where the client has none', async () => {
    const upstream = await upstreamOfTest()
    const { url, server } = await run({ name: 'orders', upstream: upstream.url })
    const own = propagation.createBaggage({ region: { value: 'eu' } })
    const [listener] = server.listeners('request') as http.RequestListener[]
    server.removeAllListeners('request')
    server.on('request', (req, res) =>
      context.with(propagation.setBaggage(context.active(), own), () => listener!(req, res)),
    )
    instrumented()
    await fetch(url)
    await spansAfter()
    expect(upstream.received[0]?.headers['baggage']).toBe('region=eu')
  })

  it('are linked to the trace of the client where that is not to be believed', async () => {
    const upstream = await upstreamOfTest()
    const seen: string[] = []
    const { url } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: { pre: [({ headers }) => void seen.push(...[...headers].map(([name]) => name))] },
    })
    instrumented({ clientTrace: 'link' })
    await fetch(url, { headers: { traceparent: INCOMING, tracestate: 'a=1', baggage: 'user=ann' } })
    const spans = await spansAfter()
    const server = named(spans, 'GET /')
    expect(server.kind).toBe(SpanKind.SERVER)
    expect(server.parentSpanContext).toBeUndefined()
    expect(server.links.map((link) => link.context.traceId)).toEqual([TRACE])
    expect(seen).toContain('user-agent')
    for (const name of ['traceparent', 'tracestate', 'baggage']) expect(seen).not.toContain(name)
    const headers = upstream.received[0]?.headers
    expect(headers?.['traceparent']).toContain(server.spanContext().traceId)
    expect(headers).not.toHaveProperty('tracestate')
    expect(headers).not.toHaveProperty('baggage')
  })

  it('hide what a client says that is not to be believed, also within the one of the server', async () => {
    const upstream = await upstreamOfTest()
    const seen: string[] = []
    const { url, server } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: { pre: [({ headers }) => void seen.push(...[...headers].map(([name]) => name))] },
    })
    asInstrumentationDoes(server)
    instrumented({ clientTrace: 'link' })
    await fetch(url, { headers: { traceparent: INCOMING, tracestate: 'a=1', baggage: 'user=ann' } })
    const spans = await spansAfter()
    expect(seen).toContain('user-agent')
    for (const name of ['traceparent', 'tracestate', 'baggage']) expect(seen).not.toContain(name)
    const headers = upstream.received[0]?.headers
    expect(headers?.['traceparent']).toContain(named(spans, 'GET /').spanContext().traceId)
    for (const name of ['tracestate', 'baggage']) expect(headers).not.toHaveProperty(name)
    expect(named(spans, 'GET /').parentSpanContext?.spanId).toBe(named(spans, 'outer').spanContext().spanId)
  })

  it('lie within the one of the server where its own instrumentation has made one', async () => {
    const { url, server } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    asInstrumentationDoes(server)
    instrumented()
    await fetch(url)
    await spansAfter()
    await expect.poll(() => exporter.getFinishedSpans().some(({ name }) => name === 'outer')).toBe(true)
    const spans = exporter.getFinishedSpans()
    expect(named(spans, 'GET /').kind).toBe(SpanKind.INTERNAL)
    expect(pathOf(named(spans, 'GET /'), spans)).toEqual(['outer', 'GET /'])
  })

  it.each([
    ['alone', '/orders/7', '/orders'],
    ['with an endpoint', '/orders/stock/7', '/orders/stock/:sku'],
  ])('tell the one of the server of their route: %s', async (_case, path, expected) => {
    const { url, server } = await run({
      name: 'orders',
      listenPath: '/orders/',
      endpoints: { 'GET /stock/:sku': [() => undefined] },
      hooks: { post: [() => respond(200, 'hello')] },
    })
    const metadata = { type: RPCType.HTTP as const, span: tracerProvider.getTracer('of the server').startSpan('outer') }
    const within = setRPCMetadata(trace.setSpan(context.active(), metadata.span), metadata)
    const [listener] = server.listeners('request') as http.RequestListener[]
    server.removeAllListeners('request')
    server.on('request', (req, res) => context.with(within, () => listener!(req, res)))
    instrumented()
    await fetch(url + path)
    await spansAfter()
    expect(metadata).toMatchObject({ route: expected })
  })

  it('are of the server where all that is around them has ended: the server was started in it', async () => {
    const { url, server } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    const boot = tracerProvider.getTracer('of the application').startSpan('boot')
    boot.end()
    const [listener] = server.listeners('request') as http.RequestListener[]
    server.removeAllListeners('request')
    server.on('request', (req, res) => context.with(trace.setSpan(context.active(), boot), () => listener!(req, res)))
    instrumented()
    await fetch(url)
    const span = named(await spansAfter(), 'GET /')
    expect(span.kind).toBe(SpanKind.SERVER)
    expect(span.parentSpanContext).toBeUndefined()
  })

  it('are of the server where what is around them is the client', async () => {
    const { url, server } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    const [listener] = server.listeners('request') as http.RequestListener[]
    server.removeAllListeners('request')
    server.on('request', (req, res) =>
      context.with(propagation.extract(context.active(), req.headers), () => listener!(req, res)),
    )
    instrumented()
    await fetch(url, { headers: { traceparent: INCOMING } })
    const span = named(await spansAfter(), 'GET /')
    expect(span.kind).toBe(SpanKind.SERVER)
    expect(span.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331' })
  })

  it('hold what plugins do, and the calls they make to other APIs', async () => {
    const { url } = await run([
      {
        name: 'outer',
        listenPath: '/outer/',
        hooks: {
          pre: [
            {
              name: 'ask',
              plugin: async (_request, { call }) => {
                await sleep(1)
                return tracerProvider.getTracer('mine').startActiveSpan('mine', async (span) => {
                  const response = await call('inner', '/')
                  span.end()
                  return response
                })
              },
            },
          ],
        },
      },
      { name: 'inner', listenPath: '/inner/', hooks: { pre: [{ plugin: () => respond(200, 'hello'), name: 'it' }] } },
    ])
    instrumented()
    await (await fetch(`${url}/outer/`)).text()
    const spans = await spansAfter(2)
    expect(pathOf(named(spans, 'plugin it'), spans)).toEqual([
      'GET /outer',
      'hook pre',
      'plugin ask',
      'mine',
      'GET /inner',
      'hook pre',
      'plugin it',
    ])
    expect(named(spans, 'GET /inner').kind).toBe(SpanKind.INTERNAL)
  })

  it('keep requests at the same time apart', async () => {
    const upstream = await upstreamOfTest((_req, res) => void setTimeout(() => res.end('ok'), 10))
    const { url } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: { pre: [() => sleep(Math.random() * 10)], response: [() => sleep(Math.random() * 10)] },
    })
    instrumented()
    const traces = Array.from({ length: 20 }, (_, i) => `${i + 10}`.padStart(32, 'a'))
    await Promise.all(traces.map((id) => fetch(url, { headers: { traceparent: `00-${id}-b7ad6b7169203331-01` } })))
    const spans = await spansAfter(20)
    for (const id of traces) expect(spans.filter((span) => span.spanContext().traceId === id)).toHaveLength(6)
  })
})

describe('what went wrong', () => {
  const failing = async (
    definition: object,
    send: (url: string) => Promise<unknown> = fetch,
  ): Promise<ReadableSpan[]> => {
    const { gateway, url } = await run({ name: 'orders', ...definition })
    for (const event of ['pluginError', 'upstreamError', 'authFailure'] as const) gateway.on(event, () => undefined)
    instrumented()
    await send(url)
    return spansAfter()
  }

  it('is an error of the server from 500 on, with the code of the gateway', async () => {
    const broken = new TypeError('SECRET')
    const spans = await failing({ hooks: { pre: [{ plugin: () => Promise.reject(broken), name: 'it' }] } })
    expect(named(spans, 'GET /')).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: {
        'error.type': 'PSTN_PLUGIN_THREW',
        'http.response.status_code': 500,
        'postern.code': 'PSTN_PLUGIN_THREW',
      },
    })
    expect(named(spans, 'plugin it')).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': 'TypeError', 'postern.outcome': 'failed' },
    })
    expect(named(spans, 'hook pre').status.code).toBe(SpanStatusCode.ERROR)
    expect(JSON.stringify(spans.map(({ attributes, events, status }) => [attributes, events, status]))).not.toContain(
      'SECRET',
    )
  })

  it('ends the span of a plugin also where what it threw cannot be looked at', async () => {
    const odd = Object.defineProperty(new Error('odd'), 'name', {
      get: () => {
        throw new Error('no')
      },
    })
    const spans = await failing({ hooks: { pre: [{ plugin: () => Promise.reject(odd), name: 'it' }] } })
    expect(named(spans, 'plugin it').attributes).toMatchObject({ 'error.type': '_OTHER', 'postern.outcome': 'failed' })
  })

  it('is none of the server below 500', async () => {
    const spans = await failing({ hooks: { pre: [() => deny(403, 'no')] } })
    const { status, attributes } = named(spans, 'GET /')
    expect(status.code).toBe(SpanStatusCode.UNSET)
    expect(attributes).not.toHaveProperty('error.type')
  })

  it('is one of the client from 400 on', async () => {
    const upstream = await upstreamOfTest((_req, res) => res.writeHead(404).end())
    const spans = await failing({ upstream: upstream.url })
    expect(named(spans, 'GET')).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': '404' },
    })
    expect(named(spans, 'GET /').status.code).toBe(SpanStatusCode.UNSET)
  })

  it('is the code of the network where there was no answer', async () => {
    const spans = await failing({ upstream: 'http://127.0.0.1:9' })
    expect(named(spans, 'GET').attributes).toMatchObject({
      'error.type': 'PSTN_UPSTREAM_UNREACHABLE',
      'server.port': 9,
    })
    expect(named(spans, 'GET /').attributes).toMatchObject({
      'error.type': 'PSTN_UPSTREAM_UNREACHABLE',
      'http.response.status_code': 502,
    })
  })

  it('is told of a client that hangs up, without a status nobody got', async () => {
    const spans = await failing({ hooks: { pre: [() => sleep(100)] } }, async (url) => {
      const connection = await Connection.open(Number(new URL(url).port))
      connection.write('GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n')
      await sleep(20)
      connection.hangUp()
    })
    const { status, attributes } = named(spans, 'GET /')
    expect(status.code).toBe(SpanStatusCode.ERROR)
    expect(attributes).toMatchObject({ 'error.type': 'PSTN_CLIENT_CLOSED' })
    expect(attributes).not.toHaveProperty('http.response.status_code')
  })

  it('is how often a request was sent', async () => {
    const upstream = await upstreamOfTest()
    const targets = [{ url: 'http://127.0.0.1:9' }, { url: upstream.url }]
    const { url } = await run({ name: 'orders', upstream: { targets, retries: 1 } })
    instrumented()
    await fetch(url)
    await fetch(url)
    const spans = await spansAfter(2)
    const resent = spans.filter((span) => 'http.request.resend_count' in span.attributes)
    expect(resent.map(({ attributes }) => attributes)).toMatchObject([
      { 'http.request.resend_count': 1, 'server.port': Number(new URL(upstream.url).port) },
    ])
  })
})

describe('secrets', () => {
  it('are in no attribute: values of a query are left out', async () => {
    const upstream = await upstreamOfTest()
    const definition = { name: 'orders', upstream: upstream.url, authentication: { token: { query: 'key' } } }
    const { gateway, url } = await run(definition)
    const { key } = await gateway.sessions.create({})
    instrumented()
    await fetch(`${url}/?key=${key}&password=CANARY`, { headers: { authorization: 'CANARY', cookie: 'CANARY' } })
    const spans = await spansAfter()
    const text = JSON.stringify(spans.map(({ name, attributes, events }) => [name, attributes, events]))
    expect(text).not.toContain(key)
    expect(text).not.toContain('CANARY')
    expect(named(spans, 'GET /').attributes['url.query']).toBe('key=***&password=***')
  })

  it('are in no attribute: what the client calls itself, where the definition says so', async () => {
    const { url } = await run({
      name: 'orders',
      hooks: { pre: [() => respond(200, 'hello')] },
      secrets: { headers: ['User-Agent'] },
    })
    instrumented()
    await fetch(url, { headers: { 'user-agent': 'CANARY' } })
    expect(JSON.stringify(named(await spansAfter(), 'GET /').attributes)).not.toContain('CANARY')
  })

  it('are left out as well where the other values are asked for', async () => {
    const upstream = await upstreamOfTest()
    const definition = { name: 'orders', upstream: upstream.url, authentication: { token: { query: 'key' } } }
    const { gateway, url } = await run(definition)
    const { key } = await gateway.sessions.create({})
    instrumented({ queryValues: true })
    await fetch(`${url}/?key=${key}&full=1`)
    const spans = await spansAfter()
    expect(named(spans, 'GET /').attributes['url.query']).toBe('key=***&full=1')
    expect(String(named(spans, 'GET').attributes['url.full'])).not.toContain(key)
  })
})

describe('what instrumentation of the client library would do', () => {
  it('is suppressed: there is one span and one traceparent for each upstream call', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run({ name: 'orders', upstream: upstream.url }, { engine: 'undici' })
    const suppressed: boolean[] = []
    const created = (): void => void suppressed.push(isTracingSuppressed(context.active()))
    subscribe('undici:request:create', created)
    onTestFinished(() => void unsubscribe('undici:request:create', created))
    instrumented()
    await run({ name: 'other' })
    await new Promise<void>((resolve) => http.get(url, (res) => res.resume().once('end', resolve)))
    expect(suppressed).toEqual([true])
  })

  it('goes on in plugins: their requests are within their span', async () => {
    const upstream = await upstreamOfTest()
    const seen: (string | undefined)[] = []
    const { url } = await run({
      name: 'orders',
      hooks: {
        pre: [
          {
            name: 'ask',
            plugin: async () => {
              await fetch(upstream.url)
              return respond(200, 'hello')
            },
          },
        ],
      },
    })
    const created = (): void => void seen.push(trace.getSpanContext(context.active())?.spanId)
    instrumented()
    subscribe('undici:request:create', created)
    onTestFinished(() => void unsubscribe('undici:request:create', created))
    await new Promise<void>((resolve) => http.get(url, (res) => res.resume().once('end', resolve)))
    const spans = await spansAfter()
    expect(seen).toEqual([named(spans, 'plugin ask').spanContext().spanId])
  })
})

describe('a connection to an upstream', () => {
  it('carries nothing of the request it was made for into those that follow', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: (string | undefined)[] = []
    const upstream = await upstreamOfTest((_req, res) => {
      res.write('hello ')
      setTimeout(() => res.end('world'), 20)
    })
    const { server, url } = await run({
      name: 'orders',
      upstream: upstream.url,
      hooks: {
        response: [
          (response) =>
            response.transform(
              new Transform({
                transform: (chunk, _encoding, done) => {
                  seen.push(storage.getStore())
                  done(null, chunk)
                },
              }),
            ),
        ],
      },
    })
    const [listener] = server.listeners('request') as http.RequestListener[]
    server.removeAllListeners('request')
    server.on('request', (req, res) => storage.run(req.url ?? '', () => listener!(req, res)))
    await (await fetch(`${url}/first`)).text()
    const ofFirst = seen.length
    await (await fetch(`${url}/second`)).text()
    expect(upstream.opened()).toBe(1)
    expect(seen.length).toBeGreaterThan(ofFirst)
    expect(seen.slice(ofFirst)).not.toContain('/first')
  })
})

describe.each(applications)('the host application behind the gateway, on %s', (_, mount) => {
  it.each([
    ['that answers by itself', []],
    ['whose answer is caught', [() => undefined]],
  ])('%s works within the request, without a span of its own', async (_case, response) => {
    instrumented()
    let active: string | undefined
    const { url } = await mount(
      { name: 'orders', hooks: { pre: [() => sleep(1)], response } },
      {
        route: () => {
          active = trace.getSpanContext(context.active())?.spanId
          return { body: 'hello' }
        },
      },
    )
    await (await fetch(`${url}/7`)).text()
    const spans = await spansAfter()
    expect(named(spans, 'GET /').spanContext().spanId).toBe(active)
    expect(spans.filter(({ kind }) => kind === SpanKind.CLIENT)).toEqual([])
  })
})

describe.each(applications)(
  'the host application behind the gateway, on %s, of a client not to be believed',
  (_, mount) => {
    it.each([
      ['behind plugins', { pre: [() => undefined] }],
      ['behind nothing', {}],
    ])('%s sees nothing of what that says of traces', async (_case, hooks) => {
      instrumented({ clientTrace: 'link' })
      let seen: Readonly<Record<string, unknown>> = {}
      const { url } = await mount(
        { name: 'orders', hooks },
        {
          route: ({ headers }) => {
            seen = headers
            return { body: 'hello' }
          },
        },
      )
      await (await fetch(`${url}/7`, { headers: { traceparent: INCOMING, 'x-other': '1' } })).text()
      await spansAfter()
      expect(seen).toMatchObject({ 'x-other': '1' })
      expect(seen).not.toHaveProperty('traceparent')
    })
  },
)

describe('the metrics of the convention', () => {
  it('are the durations of requests and of upstream calls, in its buckets', async () => {
    const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })
    const meterProvider = new MeterProvider({ readers: [reader] })
    onTestFinished(() => meterProvider.shutdown())
    const upstream = await upstreamOfTest()
    const { url } = await run({ name: 'orders', listenPath: '/orders/', upstream: upstream.url })
    instrumented({ meterProvider })
    await fetch(`${url}/orders/7`)
    await spansAfter()
    await reader.forceFlush()
    const [{ scopeMetrics } = { scopeMetrics: [] }] = metricExporter.getMetrics()
    const found = scopeMetrics.flatMap(({ metrics }) => metrics)
    expect(found.map(({ descriptor: { name, unit } }) => [name, unit])).toEqual([
      ['http.server.request.duration', 's'],
      ['http.client.request.duration', 's'],
    ])
    const [server, client] = found.map(({ dataPoints }) => dataPoints[0]!)
    expect(server?.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'http.route': '/orders',
      'network.protocol.version': '1.1',
      'url.scheme': 'http',
    })
    expect(client?.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(upstream.url).port),
    })
    expect(server?.value).toMatchObject({
      count: 1,
      buckets: { boundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
    })
  })
})

describe('openTelemetry', () => {
  it('stops when told to', async () => {
    const { url } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    exporter.reset()
    openTelemetry()()
    await fetch(url)
    expect(exporter.getFinishedSpans()).toEqual([])
  })

  it.each([{ depth: 'all' }, { clientTrace: 'parent' }, { spans: true }])('refuses %o', (options) => {
    expect(() => openTelemetry(options as OpenTelemetryOptions)).toThrow(
      expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID' }),
    )
  })
})
