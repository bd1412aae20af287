/* What the compiler refuses and accepts of sessions, keys, policies, limits and authentication where they are written. */
import {
  type AccessRightInput,
  type AnalyticsRecord,
  type AuthenticationInput,
  type AuthPlugin,
  defineApi,
  type EndpointPlugin,
  type Gateway,
  type GatewayErrorCode,
  type GatewayEvents,
  type GatewayOptions,
  type IdExtractorInput,
  type KeyInput,
  type KeyInfo,
  type KeyQuota,
  type KnownSession,
  type LimitsInput,
  memoryStore,
  type NewKey,
  type PolicyInput,
  type PostAuthPlugin,
  type Session,
  type SessionFields,
  type SessionInput,
  type SessionMetadata,
  type SessionView,
  type Store,
  type StoreFeature,
  type TokenInput,
} from '@postern/core'
import { createGateway } from '@postern/http'
import { assertType, describe, expectTypeOf, test } from 'vitest'

declare const auth: AuthPlugin
declare const gateway: Gateway

describe('a session as its author writes it', () => {
  test('may leave out everything but the metadata, at every depth', () => {
    assertType<SessionInput>({ metadata: {} })
    assertType<SessionInput>({ metadata: { token: 'ann', anything: ['goes', 1] } })
    assertType<KeyInput>({})
    assertType<KeyInput>({ alias: undefined, metadata: undefined, accessRights: undefined })
    assertType<KeyInput>({
      alias: 'Ann',
      tags: ['a'],
      rate: 5,
      per: 10,
      throttleInterval: 0.5,
      throttleRetryLimit: 3,
      quotaMax: 1_000,
      quotaRenewalRate: 3_600,
      expires: 0,
      isInactive: false,
      applyPolicies: ['gold'],
      monitor: { triggerLimits: [80, 100] },
      postExpiryAction: 'delete',
      accessRights: {
        orders: {
          versions: ['v1'],
          allowedUrls: [{ url: '/{id}', methods: ['GET'] }],
          limit: { rate: 5, per: 10, quotaMax: 5 },
          endpoints: [{ path: '/{id}', methods: [{ name: 'GET', limit: { rate: 1, per: 1 } }] }],
        },
        prices: {},
      },
    })
  })

  test('has no unknown fields, at any depth', () => {
    // @ts-expect-error quotaMax
    assertType<KeyInput>({ quota: 5 })
    // @ts-expect-error quotaMax
    assertType<KeyInput>({ quota_max: 5 })
    // @ts-expect-error metadata
    assertType<KeyInput>({ meta_data: {} })
    // @ts-expect-error allowedUrls
    assertType<KeyInput>({ accessRights: { orders: { allowed_urls: [] } } })
    // @ts-expect-error limit
    assertType<KeyInput>({ accessRights: { orders: { rate: 5 } } })
    // @ts-expect-error limit.rate
    assertType<KeyInput>({ accessRights: { orders: { limit: { requests: 5 } } } })
    // @ts-expect-error triggerLimits
    assertType<KeyInput>({ monitor: { thresholds: [80] } })
  })

  test('offers nothing that is only read: what the real gateway knows besides', () => {
    // @ts-expect-error of stored sessions
    assertType<KeyInput>({ extra: { tomorrow: 1 } })
    // @ts-expect-error of stored policies
    assertType<PolicyInput>({ extra: { tomorrow: 1 } })
    // @ts-expect-error at any depth
    assertType<AccessRightInput>({ limit: { rate: 1, per: 1, extra: {} } })
    // @ts-expect-error in lists, too
    assertType<AccessRightInput>({ allowedUrls: [{ url: '/', methods: ['GET'], extra: {} }] })
    expectTypeOf<Session['extra']>().toEqualTypeOf<Readonly<Record<string, unknown>> | undefined>()
  })

  test('names its access rights by a type of their own', () => {
    expectTypeOf<NonNullable<KeyInput['accessRights']>>().toEqualTypeOf<Readonly<Record<string, AccessRightInput>>>()
    expectTypeOf<NonNullable<PolicyInput['accessRights']>>().toEqualTypeOf<Readonly<Record<string, AccessRightInput>>>()
    expectTypeOf<Session['accessRights'][string]>().toExtend<AccessRightInput>()
  })

  test('has values of the right kind', () => {
    // @ts-expect-error a session an auth plugin returns has metadata
    assertType<SessionInput>({ rate: 5 })
    // @ts-expect-error a rate is a number
    assertType<KeyInput>({ rate: '5' })
    // @ts-expect-error the end is unix seconds
    assertType<KeyInput>({ expires: new Date() })
    // @ts-expect-error tags are a list
    assertType<KeyInput>({ tags: 'a' })
    // @ts-expect-error rights are by API id
    assertType<KeyInput>({ accessRights: ['orders'] })
    // @ts-expect-error URLs are patterns with methods
    assertType<KeyInput>({ accessRights: { orders: { allowedUrls: ['/'] } } })
    // @ts-expect-error methods are a list
    assertType<KeyInput>({ accessRights: { orders: { allowedUrls: [{ url: '/', methods: 'GET' }] } } })
    // @ts-expect-error retain or delete
    assertType<KeyInput>({ postExpiryAction: 'keep' })
    // @ts-expect-error a token is text
    assertType<SessionInput>({ metadata: { token: 5 } })
    // @ts-expect-error what is left out says nothing: null does not
    assertType<KeyInput>({ alias: null })
  })

  test('may be one that was read before', () => {
    expectTypeOf<Session>().toExtend<KeyInput>()
    expectTypeOf<KnownSession>().toExtend<KeyInput>()
    expectTypeOf<Session>().toExtend<SessionFields>()
    assertType<AuthPlugin>((_request, { session }) => ({ ...session, metadata: { ...session?.metadata, token: 'a' } }))
  })
})

describe('a session as it is read', () => {
  test('has every field, none of which can be written', () => {
    assertType<PostAuthPlugin>((_request, { session }) => {
      expectTypeOf(session).toEqualTypeOf<SessionView>()
      expectTypeOf(session.rate).toBeNumber()
      expectTypeOf(session.keyId).toBeString()
      expectTypeOf(session.quotaRemaining).toBeNumber()
      expectTypeOf(session.accessRights['orders']?.limit?.rate).toEqualTypeOf<number | undefined>()
      expectTypeOf(session.metadata).toEqualTypeOf<SessionMetadata>()
      // @ts-expect-error limits are not for a plugin to lift
      session.quotaRemaining = 5
      // @ts-expect-error nor its rights
      session.accessRights['prices'] = session.accessRights['orders']!
      // @ts-expect-error to the last corner
      session.accessRights['orders']!.versions.push('v2')
      // @ts-expect-error nor its end
      session.expires = 0
      session.metadata['visits'] = 1
      delete session.metadata['visits']
    })
  })

  test('is perhaps there where an API may be keyless', () => {
    assertType<EndpointPlugin>((_request, { session }) => {
      expectTypeOf(session).toEqualTypeOf<SessionView | undefined>()
      // @ts-expect-error there may be none
      void session.keyId
    })
  })

  test('has metadata fields of one’s own, declared once and typed everywhere', () => {
    expectTypeOf<SessionMetadata['token']>().toEqualTypeOf<string | undefined>()
    // Declared by augmentation.test-d.ts.
    expectTypeOf<KnownSession['metadata']['plan']>().toEqualTypeOf<'trial' | 'paid' | undefined>()
    assertType<KeyInput>({ metadata: { plan: 'trial' } })
    // @ts-expect-error there are two plans
    assertType<KeyInput>({ metadata: { plan: 'gold' } })
    // @ts-expect-error for policies too
    assertType<PolicyInput>({ metadata: { plan: 'gold' } })
  })
})

describe('authentication', () => {
  test('is by token, by plugin, by extracted id, or by several', () => {
    assertType<AuthenticationInput>({ token: true })
    assertType<AuthenticationInput>({ token: false })
    assertType<AuthenticationInput>({ token: { header: 'x-api-key', query: 'key', cookie: 'session', strip: 'all' } })
    assertType<AuthenticationInput>({ token: { header: false, query: 'key' } })
    assertType<AuthenticationInput>({ token: true, baseIdentity: 'token' })
    assertType<AuthenticationInput>({ idExtractor: { source: 'header', header: 'authorization', mode: 'value' } })
    defineApi({ name: 'a', hooks: { auth }, authentication: { token: true, baseIdentity: 'plugin' } })
  })

  test('knows its own words only', () => {
    // @ts-expect-error a header has a name, or there is none
    assertType<TokenInput>({ header: true })
    // @ts-expect-error a parameter has a name
    assertType<TokenInput>({ query: true })
    // @ts-expect-error strip is one of three
    assertType<TokenInput>({ strip: 'header' })
    // @ts-expect-error header
    assertType<TokenInput>({ headerName: 'x-api-key' })
    // @ts-expect-error plugin or token
    assertType<AuthenticationInput>({ token: true, baseIdentity: 'auth' })
    // @ts-expect-error token
    assertType<AuthenticationInput>({ apiKey: true })
    // @ts-expect-error authentication
    defineApi({ name: 'a', auth: { token: true } })
  })
})

describe('an id extractor', () => {
  test('has what its source and its mode need', () => {
    assertType<IdExtractorInput>({ source: 'header', header: 'x-caller', mode: 'value' })
    assertType<IdExtractorInput>({ source: 'form', param: 'id', mode: 'value', proof: 'id' })
    assertType<IdExtractorInput>({ source: 'body', mode: 'regex', expression: '[0-9]+' })
    assertType<IdExtractorInput>({ source: 'body', mode: 'regex', expression: '[0-9]+', matchIndex: 1 })
    assertType<IdExtractorInput>({ source: 'body', mode: 'xpath', expression: '//id' })
  })

  test('lacks none of it', () => {
    // @ts-expect-error a header source names its header
    assertType<IdExtractorInput>({ source: 'header', mode: 'value' })
    // @ts-expect-error a form source names its field
    assertType<IdExtractorInput>({ source: 'form', mode: 'value' })
    // @ts-expect-error a field is no header
    assertType<IdExtractorInput>({ source: 'header', param: 'id', mode: 'value' })
    // @ts-expect-error an expression is needed
    assertType<IdExtractorInput>({ source: 'body', mode: 'regex' })
    // @ts-expect-error an expression is needed
    assertType<IdExtractorInput>({ source: 'body', mode: 'xpath' })
    // @ts-expect-error a mode is needed
    assertType<IdExtractorInput>({ source: 'header', header: 'x-caller' })
    // @ts-expect-error a source is needed
    assertType<IdExtractorInput>({ mode: 'value', header: 'x-caller' })
    // @ts-expect-error there is no such source
    assertType<IdExtractorInput>({ source: 'query', param: 'id', mode: 'value' })
    // @ts-expect-error there is no such mode
    assertType<IdExtractorInput>({ source: 'body', mode: 'jsonpath', expression: '$.id' })
    // @ts-expect-error an expression is text
    assertType<IdExtractorInput>({ source: 'body', mode: 'regex', expression: /[0-9]+/ })
    // @ts-expect-error source or id
    assertType<IdExtractorInput>({ source: 'body', mode: 'xpath', expression: '//id', proof: 'header' })
  })
})

describe('limits and policies', () => {
  test('are written where they belong', () => {
    assertType<LimitsInput>({})
    assertType<LimitsInput>({ rate: 1_000, per: 1, algorithm: 'gcra', headers: 'none' })
    assertType<LimitsInput>({ endpoints: { 'POST /export': { rate: 1, per: 60 } } })
    assertType<LimitsInput>({ rate: undefined, per: undefined, headers: 'ietf' })
    assertType<PolicyInput>({
      rate: 5,
      per: 1,
      quotaMax: -1,
      partitions: { quota: true },
      accessRights: { orders: {} },
    })
    defineApi({
      name: 'a',
      policies: { gold: { accessRights: { a: {} }, rate: 5, per: 1 } },
      version: 'v2',
      sessionLifetime: 60,
    })
    assertType<GatewayOptions>({
      policies: { gold: { accessRights: { a: {} } } },
      store: memoryStore(),
      onStoreError: { rateLimit: 'refuse' },
    })
    expectTypeOf(memoryStore()).toExtend<Store>()
  })

  test('know their own words only', () => {
    // @ts-expect-error there is no such algorithm
    assertType<LimitsInput>({ algorithm: 'leaky-bucket' })
    // @ts-expect-error there are no such headers
    assertType<LimitsInput>({ headers: 'all' })
    // @ts-expect-error an endpoint has a method
    assertType<LimitsInput>({ endpoints: { '/export': { rate: 1, per: 60 } } })
    // @ts-expect-error a rate has a period
    assertType<LimitsInput>({ rate: 1 })
    // @ts-expect-error a period has a rate
    assertType<LimitsInput>({ per: 60 })
    // @ts-expect-error a rate has a period
    assertType<LimitsInput>({ rate: 1, per: undefined })
    // @ts-expect-error a definition's as well
    defineApi({ name: 'a', limits: { rate: 1, endpoints: { 'POST /export': { rate: 1, per: 60 } } } })
    // @ts-expect-error a rate has a period
    assertType<LimitsInput>({ endpoints: { 'POST /export': { rate: 1 } } })
    // @ts-expect-error perApi
    assertType<PolicyInput>({ partitions: { per_api: true } })
    // @ts-expect-error its id is where it stands
    assertType<PolicyInput>({ id: 'gold' })
    // @ts-expect-error a policy has no end; keyExpiresIn has
    assertType<PolicyInput>({ expires: 5 })
    // @ts-expect-error refuse or pass
    assertType<GatewayOptions>({ onStoreError: { sessions: 'ignore' } })
    // @ts-expect-error quota
    assertType<GatewayOptions>({ onStoreError: { quotas: 'pass' } })
    // @ts-expect-error a store is more than a map
    assertType<GatewayOptions>({ store: new Map() })
  })
})

describe('gateway.sessions', () => {
  test('takes keys, or the ids they are stored under', async () => {
    const { sessions } = gateway
    expectTypeOf(sessions.create({ alias: 'Ann' }, { key: 'mine' })).resolves.toEqualTypeOf<NewKey>()
    expectTypeOf(sessions.create()).resolves.toEqualTypeOf<NewKey>()
    expectTypeOf(sessions.get('key')).resolves.toEqualTypeOf<KeyInfo | undefined>()
    expectTypeOf(sessions.update({ id: 'a' }, { rate: 5, per: 1 })).resolves.toEqualTypeOf<KeyInfo>()
    expectTypeOf(sessions.revoke('key')).resolves.toEqualTypeOf<KeyInfo>()
    expectTypeOf(sessions.delete({ id: 'a' })).resolves.toBeBoolean()
    expectTypeOf(sessions.quotas('key')).resolves.toEqualTypeOf<readonly KeyQuota[]>()
    expectTypeOf(sessions.resetQuota('key')).resolves.toBeVoid()
    expectTypeOf(sessions.forget('orders', 'ann')).resolves.toBeBoolean()
    const { keys, cursor } = await sessions.list({ cursor: undefined, limit: 5 })
    expectTypeOf(keys).toEqualTypeOf<readonly KeyInfo[]>()
    expectTypeOf(cursor).toEqualTypeOf<string | undefined>()
    expectTypeOf(createGateway({ name: 'a' }).sessions).toEqualTypeOf(sessions)
  })

  test('gives the key away once', async () => {
    const made = await gateway.sessions.create()
    expectTypeOf(made.key).toBeString()
    const found = await gateway.sessions.get(made.key)
    // @ts-expect-error what is stored does not give it back
    void found?.key
    // @ts-expect-error a stored session is read
    made.session.rate = 5
    // @ts-expect-error its metadata too
    made.session.metadata['a'] = 1
  })

  test('refuses what is no key and no session', () => {
    expectTypeOf<Parameters<Gateway['sessions']['get']>>().toEqualTypeOf<[string | { readonly id: string }]>()
    // @ts-expect-error a key is text, or { id }
    void gateway.sessions.get(5)
    // @ts-expect-error an id alone could be taken for a key
    void gateway.sessions.delete({ key: 'a' })
    // @ts-expect-error a session is an object
    void gateway.sessions.create('Ann')
    // @ts-expect-error quotaMax
    void gateway.sessions.update('key', { quota: 5 })
    // @ts-expect-error the API is named, too
    void gateway.sessions.forget('ann')
  })
})

describe('events of keys', () => {
  test('name them masked, and say what happened', () => {
    gateway.on('keyExpired', ({ key, reason }) => {
      expectTypeOf(key).toBeString()
      expectTypeOf(reason).toEqualTypeOf<'inactive' | 'expired'>()
    })
    gateway.on('rateLimitExceeded', ({ limit }) => expectTypeOf(limit).toEqualTypeOf<'key' | 'api'>())
    gateway.on('quotaThreshold', ({ percent }) => expectTypeOf(percent).toBeNumber())
    gateway.on('storeError', ({ outcome, feature, features }) => {
      expectTypeOf(outcome).toEqualTypeOf<'refused' | 'passed' | 'notSaved'>()
      expectTypeOf(feature).toEqualTypeOf<StoreFeature>()
      expectTypeOf(features).toEqualTypeOf<readonly StoreFeature[]>()
    })
    expectTypeOf<AnalyticsRecord['code']>().toEqualTypeOf<GatewayErrorCode | ''>()
    // @ts-expect-error an event carries no credential
    gateway.on('authFailure', ({ credential }) => void credential)
    expectTypeOf<GatewayEvents['quotaExceeded']['key']>().toBeString()
  })
})
