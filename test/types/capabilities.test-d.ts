/* The table of the contract, section 2: for every "no" a line that must not compile, for every "yes" one that must. */
import {
  type AnalyticsPlugin,
  type AnalyticsRecord,
  type ApiInfo,
  type AuthPlugin,
  type Decision,
  deny,
  type EndpointPlugin,
  type GatewayErrorCode,
  type GatewayHeaders,
  type GatewayQuery,
  type KnownSession,
  type Log,
  type PathParams,
  type PluginContext,
  type PostAuthPlugin,
  type PostPlugin,
  type PrePlugin,
  type ReadonlyHeaders,
  type RequestState,
  respond,
  type ResponsePlugin,
  type ReturnOverrides,
  type SessionView,
} from '@postern/core'
import { assertType, describe, expectTypeOf, test } from 'vitest'

type ContextOf<P extends (...args: never[]) => unknown> = Parameters<P>[1]
type SubjectOf<P extends (...args: never[]) => unknown> = Parameters<P>[0]

describe('every hook', () => {
  test('reads the API, the config, the log, the state, the signal and the call', () => {
    expectTypeOf<ContextOf<PrePlugin>>().toEqualTypeOf<PluginContext>()
    expectTypeOf<ContextOf<AuthPlugin>>().toExtend<PluginContext>()
    expectTypeOf<ContextOf<PostAuthPlugin>>().toExtend<PluginContext>()
    expectTypeOf<ContextOf<EndpointPlugin>>().toExtend<PluginContext>()
    expectTypeOf<ContextOf<PostPlugin>>().toExtend<PluginContext>()
    expectTypeOf<ContextOf<ResponsePlugin>>().toExtend<PluginContext>()
    expectTypeOf<ContextOf<AnalyticsPlugin>>().toEqualTypeOf<PluginContext>()
    expectTypeOf<PluginContext['api']>().toEqualTypeOf<ApiInfo>()
    expectTypeOf<PluginContext['config']>().toEqualTypeOf<Readonly<Record<string, unknown>>>()
    expectTypeOf<PluginContext['log']>().toEqualTypeOf<Log>()
    expectTypeOf<PluginContext['state']>().toEqualTypeOf<RequestState>()
    expectTypeOf<PluginContext['signal']>().toEqualTypeOf<AbortSignal>()
    expectTypeOf<ReturnType<PluginContext['call']>>().resolves.toEqualTypeOf<Response>()
  })

  test('can change none of them', () => {
    assertType<PrePlugin>((_request, context) => {
      // @ts-expect-error the config is read-only
      context.config['a'] = 1
      // @ts-expect-error the API is read-only
      context.api.name = 'x'
      // @ts-expect-error the definition is read-only
      context.api.definition.listenPath = '/'
      // @ts-expect-error the definition is read-only to its last corner
      context.api.definition.hooks.pre.push({ plugin: () => undefined })
      // @ts-expect-error the state is a bag, not a place to put another one
      context.state = {}
      // @ts-expect-error the signal is the gateway's
      context.signal = new AbortController().signal
      // @ts-expect-error there is one log
      context.log = console
      context.state['mine'] = 1
    })
  })
})

describe('pre', () => {
  test('sees no session, no params, no response and no request in its context', () => {
    assertType<PrePlugin>((request, context) => {
      // @ts-expect-error nobody has been authenticated yet
      void context.session
      // @ts-expect-error params belong to endpoints
      void context.params
      // @ts-expect-error the request is the subject
      void context.request
      // @ts-expect-error there is no response yet
      void context.response
      // @ts-expect-error a request has no status
      request.status = 200
    })
  })

  test('returns nothing or a decision, now or later', () => {
    assertType<PrePlugin>(() => undefined)
    assertType<PrePlugin>(() => respond(200, 'x'))
    assertType<PrePlugin>(() => deny(401))
    assertType<PrePlugin>(() => ({ responseCode: 200 }))
    assertType<PrePlugin>(() => new Response('x'))
    assertType<PrePlugin>(() => Promise.resolve())
    assertType<PrePlugin>(() => Promise.resolve(respond(200)))
    assertType<PrePlugin>((request) => (request.method === 'GET' ? undefined : deny(405, 'GET only')))
  })

  test('returns no session and no nonsense', () => {
    // @ts-expect-error only an auth plugin makes sessions
    assertType<PrePlugin>(() => ({ metadata: { token: 'a' } }))
    // @ts-expect-error null is not nothing
    assertType<PrePlugin>(() => null)
    // @ts-expect-error false means something at analytics only
    assertType<PrePlugin>(() => false)
    // @ts-expect-error a status is no decision
    assertType<PrePlugin>(() => 200)
    // @ts-expect-error text is no decision
    assertType<PrePlugin>(() => 'no')
    // @ts-expect-error a decision has a responseCode
    assertType<PrePlugin>(() => ({ responseBody: 'x' }))
    // @ts-expect-error a code is a number
    assertType<PrePlugin>(() => ({ responseCode: '200' }))
    // @ts-expect-error a misspelt key is no override
    assertType<PrePlugin>((): ReturnOverrides => ({ responseCode: 200, responsebody: 'x' }))
    // @ts-expect-error later nonsense is nonsense
    assertType<PrePlugin>(() => Promise.resolve(5))
  })
})

describe('auth', () => {
  test('returns a session or a decision', () => {
    assertType<AuthPlugin>(() => ({ metadata: { token: 'a' } }))
    assertType<AuthPlugin>(() => ({ rate: 5, per: 10, alias: 'a', tags: ['b'], expires: 0, metadata: { token: 'a' } }))
    assertType<AuthPlugin>(() => Promise.resolve({ metadata: { token: 'a', tier: 'gold' } }))
    assertType<AuthPlugin>(() => deny(401))
    assertType<AuthPlugin>((_request, { session }) => (session === undefined ? deny(401) : { ...session }))
  })

  test('returns nothing else, and never nothing', () => {
    // @ts-expect-error returning nothing refuses everybody
    assertType<AuthPlugin>(() => undefined)
    // @ts-expect-error returning nothing refuses everybody
    assertType<AuthPlugin>(() => {})
    // @ts-expect-error returning nothing later does as well
    assertType<AuthPlugin>(async () => {})
    // @ts-expect-error on one way there is nothing
    assertType<AuthPlugin>((request) => (request.path === '/' ? { metadata: { token: 'a' } } : undefined))
    // @ts-expect-error a session has metadata
    assertType<AuthPlugin>(() => ({ rate: 5 }))
    // @ts-expect-error true is no session
    assertType<AuthPlugin>(() => true)
    // @ts-expect-error a rate is a number
    assertType<AuthPlugin>(() => ({ rate: '5', metadata: { token: 'a' } }))
    // @ts-expect-error a token is text
    assertType<AuthPlugin>(() => ({ metadata: { token: 5 } }))
  })

  test('sees what is known of the caller, and may not write it', () => {
    expectTypeOf<ContextOf<AuthPlugin>['session']>().toEqualTypeOf<KnownSession | undefined>()
    assertType<AuthPlugin>((_request, { session }) => {
      if (session !== undefined) {
        // @ts-expect-error what the store holds is read-only
        session.rate = 5
        // @ts-expect-error so is its metadata
        session.metadata['tier'] = 'gold'
        // @ts-expect-error and its tags
        session.tags.push('x')
      }
      return { metadata: { token: 'a' } }
    })
  })

  test('has no params', () => {
    // @ts-expect-error params belong to endpoints
    expectTypeOf<ContextOf<AuthPlugin>['params']>()
  })
})

describe('postAuth', () => {
  test('has a session for certain, and writes its metadata only', () => {
    expectTypeOf<ContextOf<PostAuthPlugin>['session']>().toEqualTypeOf<SessionView>()
    assertType<PostAuthPlugin>((_request, context) => {
      const { session } = context
      session.metadata['visits'] = 1
      // @ts-expect-error the session is read-only
      session.rate = 5
      // @ts-expect-error the session is read-only
      session.keyId = 'a'
      // @ts-expect-error its tags too
      session.tags.push('x')
      // @ts-expect-error metadata is written into, not replaced
      session.metadata = {}
      // @ts-expect-error nor is the session
      context.session = session
      // @ts-expect-error params belong to endpoints
      void context.params
    })
  })

  test('returns no session', () => {
    // @ts-expect-error only an auth plugin makes sessions
    assertType<PostAuthPlugin>(() => ({ metadata: { token: 'a' } }))
    assertType<PostAuthPlugin>(() => deny(403))
  })
})

describe('endpoint', () => {
  test('has params, read-only, and perhaps a session', () => {
    expectTypeOf<ContextOf<EndpointPlugin>['params']>().toEqualTypeOf<PathParams>()
    expectTypeOf<ContextOf<EndpointPlugin>['session']>().toEqualTypeOf<SessionView | undefined>()
    assertType<EndpointPlugin>((_request, { params, session }) => {
      expectTypeOf(params['sku']).toEqualTypeOf<string | undefined>()
      // @ts-expect-error params are read-only
      params['sku'] = 'x'
      // @ts-expect-error on a keyless API there is no session
      void session.metadata
    })
  })
})

describe('post', () => {
  test('has perhaps a session, and no params and no response', () => {
    expectTypeOf<ContextOf<PostPlugin>['session']>().toEqualTypeOf<SessionView | undefined>()
    assertType<PostPlugin>((_request, context) => {
      // @ts-expect-error params belong to endpoints
      void context.params
      // @ts-expect-error the response comes later
      void context.response
      // @ts-expect-error on a keyless API there is no session
      context.session.metadata['a'] = 1
    })
  })
})

describe('the request', () => {
  test('is read and written where it is the subject', () => {
    expectTypeOf<SubjectOf<PrePlugin>>().toEqualTypeOf<SubjectOf<PostPlugin>>()
    expectTypeOf<SubjectOf<AuthPlugin>>().toEqualTypeOf<SubjectOf<EndpointPlugin>>()
    assertType<PrePlugin>(async (request) => {
      request.method = 'PUT'
      request.path = '/x'
      request.query = 'a=1'
      request.query = new URLSearchParams()
      request.query.set('a', '1')
      request.upstream = 'http://a.test'
      request.upstream = new URL('http://a.test')
      request.headers.append('a', '1')
      request.setBody({ a: 1 })
      expectTypeOf(request.headers).toEqualTypeOf<GatewayHeaders>()
      expectTypeOf(request.query).toEqualTypeOf<GatewayQuery>()
      expectTypeOf(request.headers.get('a')).toEqualTypeOf<string | null>()
      expectTypeOf(request.headers.getAll('a')).toEqualTypeOf<string[]>()
      expectTypeOf(request.upstream).toEqualTypeOf<string | undefined>()
      expectTypeOf(request.scheme).toEqualTypeOf<'http' | 'https'>()
      expectTypeOf(request.text()).resolves.toBeString()
      expectTypeOf(request.bytes()).resolves.toExtend<Uint8Array>()
      expectTypeOf(request.json()).resolves.toBeUnknown()
      expectTypeOf(request.json<{ a: 1 }>()).resolves.toEqualTypeOf<{ a: 1 }>()
      // @ts-expect-error where the request came from is not for a plugin to say
      request.originalUrl = '/'
      // @ts-expect-error nor who sent it
      request.clientAddress = '127.0.0.1'
      // @ts-expect-error nor what it was sent to
      request.host = 'a.test'
      // @ts-expect-error nor how
      request.scheme = 'https'
      // @ts-expect-error headers are changed, not replaced
      request.headers = new Headers()
      request.headers.set('a', ['1', '2'])
      // @ts-expect-error a header is text
      request.headers.set('a', [1, 2])
      // @ts-expect-error one line at a time
      request.headers.append('a', ['1', '2'])
      // @ts-expect-error a body is no number
      request.setBody(5)
    })
  })
})

describe('response', () => {
  test('reads and writes the response', () => {
    assertType<ResponsePlugin>(async (response) => {
      response.status = 201
      response.headers.set('a', '1')
      response.setBody('x')
      response.transform(new TransformStream<Uint8Array, Uint8Array>())
      response.transform(new TextDecoderStream())
      expectTypeOf(response.hasBody).toBeBoolean()
      // @ts-expect-error whether there is a body the request and the status decide
      response.hasBody = true
      expectTypeOf(response.headers.getSetCookie()).toEqualTypeOf<string[]>()
      expectTypeOf(response.text()).resolves.toBeString()
      expectTypeOf(response.json<{ a: 1 }>()).resolves.toEqualTypeOf<{ a: 1 }>()
      // @ts-expect-error a status is a number
      response.status = '201'
      // @ts-expect-error a response has no path
      void response.path
      // @ts-expect-error headers are changed, not replaced
      response.headers = new Headers()
    })
  })

  test('only looks at the request', () => {
    assertType<ResponsePlugin>(async (_response, context) => {
      const { request } = context
      expectTypeOf(request.method).toBeString()
      expectTypeOf(request.headers).toEqualTypeOf<ReadonlyHeaders>()
      expectTypeOf(await request.text()).toBeString()
      expectTypeOf(request.query.get('a')).toEqualTypeOf<string | null>()
      // @ts-expect-error the request has been sent
      request.method = 'PUT'
      // @ts-expect-error the request has been sent
      request.path = '/x'
      // @ts-expect-error the request has been sent
      request.query = 'a=1'
      // @ts-expect-error the request has been sent
      request.upstream = 'http://a.test'
      // @ts-expect-error the request has been sent
      request.setBody('x')
      // @ts-expect-error the request has been sent
      request.headers.set('a', '1')
      // @ts-expect-error the request has been sent
      request.headers.append('a', '1')
      // @ts-expect-error the request has been sent
      request.headers.delete('a')
      // @ts-expect-error the request has been sent
      request.query.set('a', '1')
      // @ts-expect-error the request has been sent
      request.query.append('a', '1')
      // @ts-expect-error the request has been sent
      request.query.delete('a')
      // @ts-expect-error the request has been sent
      request.query.sort()
      // @ts-expect-error there is one request
      context.request = request
    })
  })

  test('learns who answered, and why', () => {
    expectTypeOf<ContextOf<ResponsePlugin>['origin']>().toEqualTypeOf<'upstream' | 'gateway'>()
    expectTypeOf<ContextOf<ResponsePlugin>['code']>().toEqualTypeOf<GatewayErrorCode | undefined>()
  })

  test('has perhaps a session, and no params', () => {
    expectTypeOf<ContextOf<ResponsePlugin>['session']>().toEqualTypeOf<SessionView | undefined>()
    // @ts-expect-error params belong to endpoints
    expectTypeOf<ContextOf<ResponsePlugin>['params']>()
  })

  test('replaces the answer with a decision, and with nothing else', () => {
    assertType<ResponsePlugin>(() => respond(502, 'later'))
    assertType<ResponsePlugin>((): Decision => new Response('x'))
    // @ts-expect-error the response is changed, not returned
    assertType<ResponsePlugin>((response) => response)
    // @ts-expect-error only an auth plugin makes sessions
    assertType<ResponsePlugin>(() => ({ metadata: { token: 'a' } }))
  })
})

describe('analytics', () => {
  test('writes the record', () => {
    expectTypeOf<SubjectOf<AnalyticsPlugin>>().toEqualTypeOf<AnalyticsRecord>()
    assertType<AnalyticsPlugin>((record) => {
      record.path = '***'
      record.tags.length = 0
    })
  })

  test('drops it with false', () => {
    assertType<AnalyticsPlugin>((record) => (record.path === '/health' ? false : undefined))
    assertType<AnalyticsPlugin>(() => Promise.resolve(false as const))
  })

  test('has no session, no params, no request and no response, and decides nothing', () => {
    assertType<AnalyticsPlugin>((_record, context) => {
      // @ts-expect-error what is known of the session is in the record
      void context.session
      // @ts-expect-error params belong to endpoints
      void context.params
      // @ts-expect-error the request is gone
      void context.request
      // @ts-expect-error the response is gone
      void context.response
    })
    // @ts-expect-error the answer is out
    assertType<AnalyticsPlugin>(() => respond(200))
    // @ts-expect-error the answer is out
    assertType<AnalyticsPlugin>(() => deny(401))
    // @ts-expect-error true is not false
    assertType<AnalyticsPlugin>(() => true)
  })
})
