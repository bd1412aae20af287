/* What `defineApi` and `createGateway` refuse where it is written. */
import {
  type AnalyticsPlugin,
  type ApiDefinitionInput,
  type DefinitionInput,
  type AuthPlugin,
  defineApi,
  deny,
  type EndpointPlugin,
  type ForwardedPolicy,
  type GatewayErrorCode,
  type GatewayEvents,
  isGatewayError,
  type PostAuthPlugin,
  type PostPlugin,
  type PrePlugin,
  respond,
  type ResponsePlugin,
  type ReturnOverrides,
} from '@postern/core'
import { createGateway as createExpress } from '@postern/express'
import { createGateway as createHttp, createServer, stopOnSignals } from '@postern/http'
import { createGateway as createKoa } from '@postern/koa'
import { assertType, describe, expectTypeOf, test } from 'vitest'

declare const pre: PrePlugin
declare const auth: AuthPlugin
declare const postAuth: PostAuthPlugin
declare const endpoint: EndpointPlugin
declare const post: PostPlugin
declare const response: ResponsePlugin
declare const analytics: AnalyticsPlugin

describe('defineApi', () => {
  test('takes every plugin at its hook', () => {
    const definition = defineApi({
      name: 'orders',
      id: 'orders-v1',
      orgId: 'acme',
      listenPath: '/orders/',
      stripListenPath: false,
      upstream: { url: 'http://127.0.0.1:9000', forwarded: 'set', verifyTls: false },
      hooks: {
        pre: [pre, { plugin: pre, name: 'again', timeoutMs: 100 }],
        auth: { plugin: auth, timeoutMs: 100 },
        postAuth: [postAuth],
        post: [post],
        response: [response],
        analytics: [analytics],
      },
      endpoints: { 'GET /stock/:sku': [endpoint, { plugin: endpoint, name: 'second' }], '* /*rest': [] },
      ignoreCase: true,
      config: { anything: ['goes', 1] },
      pluginTimeoutMs: 1_000,
      maxBufferedBytes: 1,
      maxBodyBytes: 1,
      trustedProxies: ['10.0.0.0/8'],
      records: false,
    })
    expectTypeOf(definition).toEqualTypeOf<ApiDefinitionInput>()
  })

  test('types a plugin that is written in place', () => {
    defineApi({
      name: 'orders',
      hooks: {
        pre: [
          (request) => {
            expectTypeOf(request.path).toBeString()
          },
        ],
        auth: (request, { session }) =>
          session === undefined ? deny(401) : { metadata: { token: request.headers.get('authorization') ?? '' } },
        response: [
          (answer) => {
            expectTypeOf(answer.status).toBeNumber()
          },
        ],
      },
      endpoints: {
        'GET /:id': [(_request, { params }) => respond(200, params['id'])],
      },
    })
  })

  test('refuses a plugin at the wrong hook', () => {
    expectTypeOf(defineApi).parameters.toEqualTypeOf<[ApiDefinitionInput]>()
    // @ts-expect-error an auth plugin returns sessions
    defineApi({ name: 'a', hooks: { pre: [auth] } })
    // @ts-expect-error a pre plugin makes no session
    defineApi({ name: 'a', hooks: { auth: pre } })
    // @ts-expect-error a response plugin changes responses
    defineApi({ name: 'a', hooks: { pre: [response] } })
    // @ts-expect-error a request plugin changes requests
    defineApi({ name: 'a', hooks: { response: [post] } })
    // @ts-expect-error a record is no request
    defineApi({ name: 'a', hooks: { post: [analytics] } })
    // @ts-expect-error a request is no record
    defineApi({ name: 'a', hooks: { analytics: [pre] } })
    // @ts-expect-error an endpoint plugin needs params
    defineApi({ name: 'a', hooks: { post: [endpoint] } })
    // @ts-expect-error a postAuth plugin needs a session for certain
    defineApi({ name: 'a', hooks: { post: [postAuth] } })
    // @ts-expect-error a response plugin is no endpoint plugin
    defineApi({ name: 'a', endpoints: { 'GET /': [response] } })
    // @ts-expect-error a named plugin is at the wrong hook as well
    defineApi({ name: 'a', hooks: { pre: [{ plugin: response }] } })
  })

  test('takes a plugin that asks for less than its hook has', () => {
    expectTypeOf(defineApi).parameters.toEqualTypeOf<[ApiDefinitionInput]>()
    defineApi({ name: 'a', hooks: { auth, postAuth: [pre, post], post: [pre] }, endpoints: { 'GET /': [pre, post] } })
  })

  test('refuses misspelt keys, at every depth', () => {
    expectTypeOf(defineApi).parameters.toEqualTypeOf<[ApiDefinitionInput]>()
    // @ts-expect-error listenPath
    defineApi({ name: 'a', listenpath: '/' })
    // @ts-expect-error listenPath
    defineApi({ name: 'a', listen_path: '/' })
    // @ts-expect-error hooks.postAuth
    defineApi({ name: 'a', hooks: { post_auth: [] } })
    // @ts-expect-error hooks have no endpoint: those stand under endpoints
    defineApi({ name: 'a', hooks: { endpoint: [endpoint] } })
    defineApi({ name: 'a', upstream: { targets: ['http://a', { url: 'http://b', weight: 2 }], circuitBreaker: true } })
    // @ts-expect-error either url or targets
    defineApi({ name: 'a', upstream: { url: 'http://a', targets: ['http://b'] } })
    // @ts-expect-error url or targets
    defineApi({ name: 'a', upstream: { retries: 0 } })
    // @ts-expect-error upstream.connectTimeoutMs
    defineApi({ name: 'a', upstream: { url: 'http://a', connectTimeout: 5 } })
    // @ts-expect-error timeoutMs
    defineApi({ name: 'a', hooks: { pre: [{ plugin: pre, timeout: 5 }] } })
  })

  test('refuses wrong values', () => {
    // @ts-expect-error a definition has a name
    defineApi({})
    // @ts-expect-error one auth plugin, not a list
    defineApi({ name: 'a', hooks: { auth: [auth] } })
    // @ts-expect-error a list of pre plugins
    defineApi({ name: 'a', hooks: { pre } })
    // @ts-expect-error a plugin by name is not loaded here
    defineApi({ name: 'a', hooks: { pre: ['stamp'] } })
    // @ts-expect-error an endpoint has a method
    defineApi({ name: 'a', endpoints: { '/x': [endpoint] } })
    // @ts-expect-error an endpoint path starts with a slash
    defineApi({ name: 'a', endpoints: { 'GET x': [endpoint] } })
    // @ts-expect-error an endpoint has a list of plugins
    defineApi({ name: 'a', endpoints: { 'GET /x': endpoint } })
    // @ts-expect-error a policy is one of four
    defineApi({ name: 'a', upstream: { url: 'http://a', forwarded: 'add' } })
    // @ts-expect-error milliseconds are a number
    defineApi({ name: 'a', pluginTimeoutMs: '5s' })
    expectTypeOf<ForwardedPolicy>().toEqualTypeOf<'append' | 'set' | 'remove' | 'off'>()
  })
})

describe('createGateway', () => {
  test('takes one definition or several, and refuses unknown options, on every host', () => {
    const definition = defineApi({ name: 'a' })
    expectTypeOf(createHttp).parameter(0).toEqualTypeOf<DefinitionInput | readonly DefinitionInput[]>()
    createHttp(definition)
    createExpress([definition], { recordCapacity: 5, log: console })
    createKoa([definition], {})
    // @ts-expect-error there is no such option
    createHttp(definition, { logger: console })
    // @ts-expect-error there is no such option
    createExpress(definition, { records: 5 })
    // @ts-expect-error a definition is no text
    createKoa('orders')
  })

  test('types its events', () => {
    const gateway = createHttp({ name: 'a' })
    const off = gateway.on('authFailure', (event) => {
      expectTypeOf(event).toEqualTypeOf<GatewayEvents['authFailure']>()
      expectTypeOf(event.status).toBeNumber()
    })
    expectTypeOf(off).toEqualTypeOf<() => void>()
    gateway.on('pluginError', ({ error }) => expectTypeOf(error.code).toEqualTypeOf<GatewayErrorCode>())
    // @ts-expect-error there is no such event
    gateway.on('authfailure', () => undefined)
    // @ts-expect-error records are read
    gateway.records.drop()
  })

  test('stops one or several', () => {
    const server = createServer(createHttp({ name: 'a' }))
    const several = [createHttp({ name: 'a' }), createKoa({ name: 'b' })] as const
    expectTypeOf(stopOnSignals(server, several)).toEqualTypeOf<() => void>()
    expectTypeOf(stopOnSignals(server, createExpress({ name: 'a' }), { graceMs: 1_000 })).toEqualTypeOf<() => void>()
    // @ts-expect-error a definition is no gateway
    stopOnSignals(server, { name: 'a' })
  })

  test('explains with types', () => {
    const explanation = createHttp({ name: 'a' }).explain('GET', '/')
    expectTypeOf(explanation.path).toEqualTypeOf<string | undefined>()
    expectTypeOf(explanation.endpoint?.key).toEqualTypeOf<string | undefined>()
    // @ts-expect-error an explanation is for reading
    explanation.method = 'PUT'
  })
})

describe('decisions and errors', () => {
  test('are made of the documented parts', () => {
    expectTypeOf(respond).returns.toEqualTypeOf<ReturnOverrides>()
    expectTypeOf(deny).returns.toEqualTypeOf<ReturnOverrides>()
    assertType<ReturnOverrides>({ responseCode: 200, responseHeaders: { 'set-cookie': ['a', 'b'] } })
    // @ts-expect-error a header is text
    respond(200, '', { a: 1 })
    // @ts-expect-error a message is text
    deny(401, { error: 'x' })
    // @ts-expect-error a status comes first
    respond('x')
    // @ts-expect-error overrideError is true or false
    assertType<ReturnOverrides>({ responseCode: 400, overrideError: 'yes' })
  })

  test('are told apart from anything', () => {
    const error: unknown = undefined
    if (isGatewayError(error)) {
      expectTypeOf(error.code).toEqualTypeOf<GatewayErrorCode>()
      expectTypeOf(error.status).toEqualTypeOf<number | null>()
      expectTypeOf(error.expose).toBeBoolean()
      // @ts-expect-error there is no such code
      void (error.code === 'PSTN_NOPE')
    }
  })
})
