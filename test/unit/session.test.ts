import { describe, expect, it } from 'vitest'
import { grantedSession } from '../../packages/core/src/session/granted.ts'
import { remainingLifetime } from '../../packages/core/src/session/lifetime.ts'
import {
  decodeSession,
  EMPTY_SESSION,
  encodeSession,
  parseSession,
  type Session,
} from '../../packages/core/src/session/session.ts'

const parse = (value: unknown): Session => parseSession(value, 'PSTN_SESSION_INVALID')

describe('what an auth plugin returns', () => {
  it('is filled up with what says nothing', () => {
    const { session, token } = grantedSession({ metadata: { token: 'a' } })
    expect([session, token]).toEqual([{ ...EMPTY_SESSION, metadata: { token: 'a' } }, 'a'])
  })

  it('keeps what the plugin said', () => {
    const said = {
      alias: 'Ann',
      tags: ['x'],
      rate: 5,
      per: 10,
      quotaMax: 100,
      quotaRenewalRate: 60,
      expires: 9,
      isInactive: true,
      accessRights: { orders: { limit: { rate: 0.5, per: 1 }, allowedUrls: [{ url: '/a', methods: ['GET'] }] } },
    }
    expect(grantedSession({ ...said, metadata: { token: 'a', tier: 'gold' } }).session).toMatchObject({
      ...said,
      metadata: { token: 'a', tier: 'gold' },
    })
  })

  it('may say undefined for what it leaves out', () => {
    const input = { rate: undefined, tags: undefined, alias: undefined, metadata: { token: 'a' } }
    expect(grantedSession(input).session).toMatchObject({ rate: 0, tags: [], alias: '' })
  })

  it('may have a rate of 0 or below it without a period', () => {
    expect(grantedSession({ rate: -1, accessRights: { a: { limit: { rate: 0 } } } }).session.rate).toBe(-1)
  })

  it('may be a session the store held', () => {
    const { session } = grantedSession({ rate: 3, per: 1, metadata: { token: 'a' } })
    expect(grantedSession({ ...session, keyId: 'a' }).session).toEqual(session)
  })

  it('shares nothing with what the plugin keeps, and is frozen', () => {
    const input = { tags: ['x'], metadata: { token: 'a', nested: { deep: 1 } } }
    const { session } = grantedSession(input)
    input.tags.push('y')
    input.metadata.nested.deep = 2
    expect([session.tags, session.metadata]).toEqual([['x'], { token: 'a', nested: { deep: 1 } }])
    const parts = [session, session.tags, session.metadata, session.metadata['nested']]
    expect(parts.map((part) => Object.isFrozen(part))).toEqual([true, true, true, true])
  })

  it.each([
    ['no metadata', {}],
    ['null for metadata', { metadata: null }],
    ['no token', { metadata: {} }],
    ['an empty token', { metadata: { token: '' } }],
    ['a token that is no text', { metadata: { token: 5 } }],
  ])('names nobody with %s', (_, value) => {
    expect(grantedSession(value).token).toBe('')
  })

  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic

  it.each<[string, unknown, string]>([
    ['text', 'a', 'An auth plugin returned a text of 1 characters'],
    ['a list', [], 'An auth plugin returned an array of 0'],
    ['a misspelt field', { Rate: 5 }, 'The session has no field "Rate"; did you mean "rate"?'],
    ['a field by another name', { quota_max: 5 }, 'The session has no field "quota_max"; did you mean "quotaMax"?'],
    ['an unknown field', { rate: 0, colour: 'red' }, 'The session has no field "colour"; known: alias, tags, rate'],
    [
      'a token beside metadata',
      { token: 'a' },
      'an object with token; expected a session, at least { metadata: { token } }',
    ],
    ['a decision by other names', { status: 403 }, 'an object with status; expected a session, at least'],
    ['a rate without per', { rate: 5 }, `The session's rate is 5 without per; expected per, in seconds, above 0.`],
    [
      'a rate without per for an API',
      { accessRights: { a: { limit: { rate: 5 } } } },
      `The session's accessRights.a.limit.rate is 5 without per; expected per, in seconds, above 0.`,
    ],
    [
      'a rate without per for an endpoint',
      { accessRights: { a: { endpoints: [{ path: '/x', methods: [{ name: 'GET', limit: { rate: 5 } }] }] } } },
      `The session's accessRights.a.endpoints[0].rate is 5 without per; expected per, in seconds, above 0.`,
    ],
    ['a rate that is text', { rate: '5' }, `The session's rate is "5"; expected a number.`],
    ['a rate that is null', { rate: null }, 'rate is null; expected a number'],
    ['a rate that is no number', { rate: Number.NaN }, 'rate is NaN; expected a number'],
    ['a rate without end', { rate: Infinity }, 'rate is Infinity; expected a number'],
    ['a fractional quota', { quotaMax: 1.5 }, 'quotaMax is 1.5; expected an integer'],
    ['an expires in milliseconds', { expires: Date.now() }, 'expected unix seconds (that looks like milliseconds)'],
    ['a deadline in milliseconds', { idExtractorDeadline: 1_507_268_142_958 }, 'that looks like milliseconds'],
    ['an isInactive that is a number', { isInactive: 1 }, 'isInactive is 1; expected true or false'],
    ['an alias that is a number', { alias: 1 }, 'alias is 1; expected text'],
    ['tags that are text', { tags: 'a' }, 'tags is "a"; expected an array of text'],
    ['tags of numbers', { tags: [1] }, 'tags[0] is 1; expected text'],
    [
      'a misspelt right',
      { accessRights: { a: { limits: {} } } },
      'accessRights.a has no field "limits"; did you mean "limit"?',
    ],
    ['a wrong limit', { accessRights: { a: { limit: { rate: '1' } } } }, 'accessRights.a.limit.rate is "1"'],
    ['metadata that is text', { metadata: 'a' }, 'metadata is "a"; expected an object'],
    ['metadata with a function', { metadata: { f: () => 1 } }, 'metadata.f is the function f; expected JSON data'],
    ['metadata with a bigint', { metadata: { list: [{ n: 1n }] } }, 'metadata.list[0].n is bigint; expected JSON data'],
    ['metadata with a date', { metadata: { at: new Date() } }, 'metadata.at is an instance of Date; expected JSON'],
    ['metadata that contains itself', { metadata: { cyclic } }, 'metadata.cyclic.self contains itself'],
    [
      'metadata with __proto__',
      JSON.parse('{"metadata":{"token":"a","__proto__":{"admin":true}}}'),
      'metadata has a field "__proto__"',
    ],
  ])('is refused with %s', (_, value, message) => {
    expect(() => grantedSession(value)).toThrow(
      expect.objectContaining({ code: 'PSTN_PLUGIN_BAD_RETURN', message: expect.stringContaining(message) }),
    )
  })
})

/** Every field of the real gateway's document, none of them at its zero value. */
const DOCUMENT = {
  last_check: 1,
  allowance: 2.5,
  rate: 5.5,
  per: 10,
  throttle_interval: 0.5,
  throttle_retry_limit: 3,
  max_query_depth: -1,
  date_created: '2026-01-02T03:04:05Z',
  expires: 1_900_000_000,
  quota_max: 100,
  quota_renews: 1_900_000_001,
  quota_remaining: 7,
  quota_renewal_rate: 3600,
  access_rights: {
    orders: {
      api_name: 'Orders',
      api_id: 'orders',
      versions: ['Default', 'v2'],
      allowed_urls: [{ url: '/a/{id}', methods: ['GET', 'POST'] }],
      restricted_types: [{ name: 'Query', fields: ['a'] }],
      allowed_types: [{ name: 'Query', fields: ['b'] }],
      limit: {
        rate: 1,
        per: 2,
        smoothing: { enabled: true, threshold: 1, trigger: 0.5, step: 2, delay: 30 },
        throttle_interval: 1,
        throttle_retry_limit: 1,
        max_query_depth: 4,
        quota_max: -1,
        quota_renews: 5,
        quota_remaining: 6,
        quota_renewal_rate: 7,
        someday: 'unknown',
      },
      field_access_rights: [{ type_name: 'Query', field_name: 'a', limits: { max_query_depth: 1 } }],
      disable_introspection: true,
      allowance_scope: 'gold',
      endpoints: [{ path: '/x', methods: [{ name: 'GET', limit: { rate: 1, per: 1 } }] }],
      json_rpc_methods: ['a'],
      json_rpc_methods_access_rights: { a: true },
      mcp_primitives: [{ type: 'tool' }],
      mcp_access_rights: { tools: { allowed: ['x'] } },
    },
  },
  org_id: 'default',
  oauth_client_id: 'client',
  oauth_keys: { a: 'b' },
  certificate: 'cert',
  mtls_static_certificate_bindings: ['binding'],
  basic_auth_data: { password: 'secret', hash_type: 'bcrypt' },
  jwt_data: { secret: 'secret' },
  hmac_enabled: true,
  hmac_string: 'hmac',
  enable_http_signature_validation: true,
  rsa_certificate_id: 'rsa',
  is_inactive: true,
  apply_policy_id: 'one',
  apply_policies: ['one', 'two'],
  data_expires: 3,
  monitor: { trigger_limits: [80, 60.5] },
  enable_detail_recording: true,
  enable_detailed_recording: true,
  meta_data: { token: 'a', nested: [{ x: null }], text: 'ü' },
  tags: ['a'],
  alias: 'Ann',
  last_updated: '1700000000',
  id_extractor_deadline: 1_900_000_000,
  session_lifetime: 60,
  post_expiry_action: 'retain',
  post_expiry_grace_period: -1,
  smoothing: { enabled: true, threshold: 1, trigger: 0.5, step: 2, delay: 30 },
  field_of_tomorrow: { kept: [1, null, { x: '__proto__' }] },
}

describe('the stored document', () => {
  it('of the real gateway comes back without loss, unknown fields included', () => {
    expect(JSON.parse(encodeSession(decodeSession(JSON.stringify(DOCUMENT))))).toEqual(DOCUMENT)
  })

  it('leaves out what says nothing', () => {
    expect([encodeSession(EMPTY_SESSION), encodeSession(parse({ rate: 0, tags: [], alias: '' }))]).toEqual(['{}', '{}'])
  })

  it('of an older gateway, with zeros and nulls, is the same session', () => {
    const old = {
      rate: 0,
      tags: null,
      access_rights: null,
      monitor: null,
      meta_data: null,
      is_inactive: false,
      alias: '',
    }
    expect(decodeSession(JSON.stringify(old))).toEqual(EMPTY_SESSION)
  })

  it('keeps names in camelCase', () => {
    const { accessRights, basicAuthData, mtlsStaticCertificateBindings, metadata } = decodeSession(
      JSON.stringify(DOCUMENT),
    )
    expect(accessRights['orders']!.limit!.quotaRenewalRate).toBe(7)
    expect(accessRights['orders']!.endpoints[0]!.methods[0]!.limit.rate).toBe(1)
    expect(basicAuthData!.hashType).toBe('bcrypt')
    expect(mtlsStaticCertificateBindings).toEqual(['binding'])
    expect(metadata['text']).toBe('ü')
  })

  it('keeps a rate below zero apart from none', () => {
    expect(JSON.parse(encodeSession(parse({ rate: -1, accessRights: { a: {} } })))).toEqual({
      rate: -1,
      access_rights: { a: {} },
    })
  })

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['text', '"a"'],
    ['a rate that is text', '{"rate":"5"}'],
    ['a fractional quota', '{"quota_max":1.5}'],
    ['a last_updated that is a number', '{"last_updated":1700000000}'],
    ['metadata with __proto__', '{"meta_data":{"__proto__":{"admin":true}}}'],
    ['tags that are an object', '{"tags":{}}'],
  ])('that is %s is no session', (_, document) => {
    expect(() => decodeSession(document)).toThrow(expect.objectContaining({ code: 'PSTN_SESSION_CORRUPT' }))
  })

  it('pollutes nothing, whatever its keys are called', () => {
    const hostile =
      '{"__proto__":{"polluted":1},"access_rights":{"__proto__":{},"constructor":{}},"constructor":{"prototype":{"polluted":1}}}'
    const session = decodeSession(hostile)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.keys(session.accessRights)).toEqual(['__proto__', 'constructor'])
    expect(encodeSession(session)).toContain('"polluted"')
  })
})

describe('how long a session is kept', () => {
  const now = 1_700_000_000_000
  const seconds = (session: object, byDefault = 0) =>
    remainingLifetime(parse(session), { sessionLifetime: byDefault, keepUntilExpiry: false }, now) / 1000

  it.each<[string, object, number, number]>([
    ['nothing says anything', {}, 0, Infinity],
    ['only the API does', {}, 60, 60],
    ['the session does', { sessionLifetime: 30 }, 60, 30],
    ['it is deleted once it has expired', { expires: 1_700_000_010, postExpiryAction: 'delete' }, 60, 10],
    ['it is to be deleted and has expired', { expires: 1_699_999_000, postExpiryAction: 'delete' }, 60, 1],
    ['it is to be deleted and never expires', { postExpiryAction: 'delete' }, 60, Infinity],
    [
      'it is retained for ever',
      { expires: 1_700_000_010, postExpiryAction: 'retain', postExpiryGracePeriod: -1 },
      60,
      Infinity,
    ],
    [
      'it is retained for a while',
      { expires: 1_700_000_010, postExpiryAction: 'retain', postExpiryGracePeriod: 5 },
      60,
      15,
    ],
    ['it is retained without a while', { expires: 1_700_000_010, postExpiryAction: 'retain' }, 60, 60],
    ['its extracted id vouches for longer', { sessionLifetime: 30, idExtractorDeadline: 1_700_000_100 }, 0, 100],
  ])('when %s', (_, session, byDefault, expected) => {
    expect(seconds(session, byDefault)).toBe(expected)
  })
})
