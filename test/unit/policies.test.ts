import { describe, expect, it } from 'vitest'
import { applyPolicies } from '../../packages/core/src/session/apply-policies.ts'
import { type EffectiveLimits, limitsOf } from '../../packages/core/src/session/effective-limits.ts'
import { parsePolicies, POLICY, type Policy, type PolicyInput } from '../../packages/core/src/session/policy.ts'
import { decodeSession, type KeyInput, parseSession, type Session } from '../../packages/core/src/session/session.ts'

const only = (
  ...parts: ('acl' | 'quota' | 'rateLimit' | 'complexity' | 'perApi')[]
): { partitions: PolicyInput['partitions'] } => ({
  partitions: Object.fromEntries(parts.map((part) => [part, true])),
})
const get = (path: string, rate: number, per: number, name = 'GET'): object => ({
  path,
  methods: [{ name, limit: { rate, per } }],
})
const own = { rate: 20, per: 1, quotaMax: 1000, quotaRenewalRate: 3600 }

const POLICIES = {
  forA: { accessRights: { a: {} } },
  forB: { accessRights: { b: {} } },
  forAB: { accessRights: { a: {}, b: {} } },
  aclA: { ...only('acl'), accessRights: { a: {} } },
  aclB: { ...only('acl'), accessRights: { b: {} } },
  aclAB: { ...only('acl'), accessRights: { a: {}, b: {} } },
  quota2: { ...only('quota'), quotaMax: 2, quotaRenewalRate: 60 },
  quota3: { ...only('quota'), quotaMax: 3, quotaRenewalRate: 60 },
  quota3B: { ...only('quota'), quotaMax: 3, quotaRenewalRate: 60, accessRights: { b: {} } },
  quota4A: { ...only('quota'), quotaMax: 4, quotaRenewalRate: 60, accessRights: { a: {} } },
  noQuota: { ...only('quota'), quotaMax: -1, accessRights: { a: {} } },
  hourly1000: { ...only('quota'), quotaMax: 1000, quotaRenewalRate: 3600 },
  daily1000: { ...only('quota'), quotaMax: 1000, quotaRenewalRate: 86_400 },
  daily100: { ...only('quota'), quotaMax: 100, quotaRenewalRate: 86_400 },
  ever1000: { ...only('quota'), quotaMax: 1000 },
  rate1000: { ...only('rateLimit'), rate: 1000, per: 3600 },
  rate5000: { ...only('rateLimit'), rate: 5000, per: 3600 },
  rate5per10: { ...only('rateLimit'), rate: 5, per: 10 },
  rate30per60: { ...only('rateLimit'), rate: 30, per: 60 },
  rate4A: { ...only('rateLimit'), rate: 4, per: 1, accessRights: { a: {} } },
  rate2B: { ...only('rateLimit'), rate: 2, per: 1, accessRights: { b: {} } },
  rate4AB: { ...only('rateLimit'), rate: 4, per: 1, accessRights: { a: {}, b: {} } },
  noRate: { ...only('rateLimit'), rate: -1, accessRights: { a: {} } },
  rateForgotten: { ...only('rateLimit'), rate: 0, per: 1 },
  full12: { rate: 12, per: 1, accessRights: { a: {} } },
  full10A: { rate: 10, per: 1, quotaMax: 10, quotaRenewalRate: 60, accessRights: { a: {} } },
  full5B: { rate: 5, per: 1, quotaMax: 20, quotaRenewalRate: 60, accessRights: { b: {} } },
  full: { rate: 8, per: 1, quotaMax: 10, quotaRenewalRate: 60 },
  throttleLong: { throttleInterval: 9, throttleRetryLimit: 2, accessRights: { a: {} } },
  throttleOften: { throttleInterval: 1, throttleRetryLimit: 99, accessRights: { a: {} } },
  aloneCD: {
    ...only('perApi'),
    accessRights: { c: { limit: { rate: 2000, per: 60, quotaMax: -1 } }, d: { limit: own } },
  },
  aloneD: {
    ...only('perApi'),
    accessRights: { d: { limit: { rate: 200, per: 10, quotaMax: 5000, quotaRenewalRate: 3600 } } },
  },
  aloneC: {
    ...only('perApi'),
    accessRights: { c: { limit: { rate: 3000, per: 10, quotaMax: 6000, quotaRenewalRate: 3600 } } },
  },
  aloneDE: {
    ...only('perApi'),
    rate: 300,
    per: 1,
    quotaMax: -1,
    accessRights: { d: { limit: { rate: 200, per: 10, quotaMax: 5000, quotaRenewalRate: 3600 } }, e: {} },
  },
  aloneEndpoints: {
    ...only('perApi'),
    rate: 500,
    per: 1,
    quotaMax: -1,
    accessRights: {
      d: { limit: { rate: 100, per: 10 }, endpoints: [get('/get', -1, 0), get('/post', 300, 10, 'POST')] },
      e: { endpoints: [get('/get', -1, 0), get('/post', 300, 10, 'POST')] },
    },
  },
  aloneQuota: {
    ...only('perApi'),
    rate: 7,
    per: 1,
    accessRights: { e: { limit: { quotaMax: 5, quotaRenewalRate: 60 } } },
  },
  aloneRate: { ...only('perApi'), accessRights: { e: { limit: { rate: 7, per: 1 } } } },
  aloneAndMore: { ...only('perApi', 'quota', 'rateLimit', 'acl'), accessRights: { d: {} } },
  endpointsNoRate: { ...only('acl'), accessRights: { a: { endpoints: [get('/get', 5, 1)] } } },
  endpoints10: {
    accessRights: { a: { endpoints: [get('/{x}', 10, 60), get('/urn:isbn:{x}', 1, 60), get('/a', 1, 1, 'PUT')] } },
  },
  endpoints20: {
    accessRights: { a: { endpoints: [get('/new', 1, 1), get('/{x}', 20, 60, 'get'), get('/urn:isbn:{x}', 0, 0)] } },
  },
  endpoints5: { accessRights: { a: { endpoints: [get('/{x}', 60, 360)] } } },
  urls1: {
    accessRights: {
      a: { allowedUrls: [{ url: '/user', methods: ['GET', 'POST'] }], versions: ['v1'] },
      b: { allowedUrls: [{ url: '/', methods: ['PUT'] }] },
    },
  },
  urls2: {
    accessRights: {
      a: {
        allowedUrls: [
          { url: '/user', methods: ['GET'] },
          { url: '/firms', methods: ['GET'] },
        ],
        versions: ['v2', 'v1'],
      },
    },
  },
  aloneUrls1: {
    ...only('perApi'),
    accessRights: { a: { allowedUrls: [{ url: '/user', methods: ['GET'] }], versions: ['v1'] } },
  },
  aloneUrls2: {
    ...only('perApi'),
    accessRights: { a: { allowedUrls: [{ url: '/firms', methods: ['GET'] }], versions: ['v2'] } },
  },
  tagsX: {
    ...only('acl'),
    tags: ['x', 'shared'],
    accessRights: { a: {} },
    metadata: { tier: 'gold', region: 'eu' },
    lastUpdated: '200',
  },
  tagsY: { ...only('quota'), tags: ['y', 'x'], metadata: { tier: 'free' }, lastUpdated: '100' },
  inactive: { isInactive: true, accessRights: { a: {} } },
  notActive: { active: false, accessRights: { a: {} } },
  impostor: { accessRights: { a: {} }, metadata: { token: 'somebody else', kind: 'robot' } },
  expiry: { accessRights: { a: {} }, postExpiryAction: 'retain', postExpiryGracePeriod: 30 },
  signed: { ...only('quota'), hmacEnabled: true, enableHttpSignatureValidation: true },
  depth2: { ...only('complexity'), maxQueryDepth: 2, accessRights: { a: {} } },
  depth3: { ...only('complexity'), maxQueryDepth: 3 },
  noDepth: { ...only('complexity'), maxQueryDepth: -1 },
  ours: { orgId: 'acme', accessRights: { a: {} } },
  theirs: { orgId: 'evil', accessRights: { a: {} } },
} satisfies Record<string, PolicyInput>

type Name = keyof typeof POLICIES | 'missing' | 'gone'

/** Policies as documents may hold them: what nobody may write in TypeScript among them. */
const finder = (input: Readonly<Record<string, PolicyInput>>): ((id: string) => Policy | undefined) => {
  const byId = new Map(Object.entries(input).map(([id, policy]) => [id, { ...POLICY.parse(policy, id), id }]))
  return (id) => byId.get(id)
}
const find = finder(POLICIES)
const key = (input: KeyInput): Session => parseSession(input, 'PSTN_SESSION_INVALID')
const under = (names: readonly Name[], input: KeyInput = {}): Session =>
  applyPolicies(key({ ...input, applyPolicies: names }), find, '')
const limits = (session: Session, apiId = 'a'): EffectiveLimits => limitsOf(session, apiId, 'GET', '/')
const reversed = <T>(list: readonly T[]): readonly T[] => list.toReversed()
const rate = (value: number, per: number, scope = ''): object => ({ rate: value, per, scope, endpoint: '' })
const quota = (max: number, renewalSeconds: number, scope = ''): object => ({ max, renewalSeconds, scope })

describe('a session', () => {
  it('that names no policy stays the same object', () => {
    const session = key({ rate: 5, accessRights: { a: { limit: { rate: 1 } } }, metadata: { policies: 'none' } })
    expect(applyPolicies(session, () => undefined, 'acme')).toBe(session)
  })

  it('is left as it is, and the one in effect is frozen', () => {
    const session = key({
      applyPolicies: ['tagsX', 'full5B'],
      tags: ['own'],
      metadata: { a: { b: 1 } },
      rate: 99,
      per: 1,
    })
    const before = structuredClone(session)
    const effective = applyPolicies(session, find, '')
    expect(session).toEqual(before)
    expect(effective).not.toEqual(before)
    const { accessRights, tags, metadata } = effective
    const parts = [
      effective,
      accessRights,
      accessRights['b'],
      accessRights['b']?.allowedUrls,
      tags,
      metadata,
      metadata['a'],
    ]
    expect(parts.filter((part) => !Object.isFrozen(part))).toEqual([])
  })

  it('is the same under the same policies, however often they are applied', () => {
    const session = key({
      applyPolicies: ['urls1', 'urls2', 'tagsX', 'tagsY', 'endpoints10', 'endpoints20'],
      tags: ['own'],
    })
    const apply = (one: Session): Session => applyPolicies(one, find, '')
    const once = apply(session)
    expect(apply(session)).toEqual(once)
    expect(apply(once)).toEqual(once)
  })

  it('has the one policy of applyPolicyId only where applyPolicies is empty', () => {
    const apis = (input: KeyInput): readonly string[] => Object.keys(applyPolicies(key(input), find, '').accessRights)
    expect(apis({ applyPolicyId: 'forB' })).toEqual(['b'])
    expect(apis({ applyPolicyId: 'forB', applyPolicies: ['forA'] })).toEqual(['a'])
  })
})

describe('access under policies', () => {
  it.each<[string, readonly Name[], readonly string[]]>([
    ['one policy', ['forA'], ['a']],
    ['several', ['forA', 'forB'], ['a', 'b']],
    ['several, one of them unknown', ['forA', 'missing', 'forB'], ['a', 'b']],
    ['access policies', ['aclA', 'aclB'], ['a', 'b']],
    ['limits for an API to which none gives access', ['aclA', 'rate4AB'], ['a']],
    ['limits before access', ['rate4AB', 'aclB'], ['b']],
    ['a policy of its organisation', ['ours'], ['a']],
    ['perApi', ['aloneCD', 'aloneDE'], ['c', 'd', 'e']],
    ['perApi and one without partitions', ['aloneD', 'forA'], ['d', 'a']],
    ['the same policy twice', ['forA', 'forA'], ['a']],
  ])('%s', (_, names, apis) => {
    const session = key({ applyPolicies: names, accessRights: { z: {} } })
    expect(Object.keys(applyPolicies(session, find, 'acme').accessRights)).toEqual(apis)
  })

  it('joins allowed URLs and versions in the order of first appearance', () => {
    expect(under(['urls2', 'urls1']).accessRights).toMatchObject({
      a: {
        allowedUrls: [
          { url: '/user', methods: ['GET', 'POST'] },
          { url: '/firms', methods: ['GET'] },
        ],
        versions: ['v2', 'v1'],
      },
      b: { allowedUrls: [{ url: '/', methods: ['PUT'] }] },
    })
  })

  it('joins allowed URLs and versions of perApi policies as well', () => {
    expect(under(['aloneUrls1', 'aloneUrls2']).accessRights['a']).toMatchObject({
      allowedUrls: [
        { url: '/user', methods: ['GET'] },
        { url: '/firms', methods: ['GET'] },
      ],
      versions: ['v1', 'v2'],
    })
  })

  it.each<[readonly Name[]]>([[['urls1', 'forA']], [['forA', 'urls1']], [['urls1', 'forA', 'urls2']]])(
    'is unrestricted as soon as one policy is: %s',
    (names) => {
      expect(under(names).accessRights['a']).toMatchObject({ allowedUrls: [], versions: [] })
    },
  )

  it('is not widened by a policy for limits only', () => {
    expect(under(['urls1', 'rate4A']).accessRights['a']?.allowedUrls).toEqual([
      { url: '/user', methods: ['GET', 'POST'] },
    ])
  })

  it('joins what is kept for the real gateway', () => {
    const type = (name: string, ...fields: string[]): object => ({ name, fields })
    const field = (name: string, depth: number): object => ({
      type_name: 'Query',
      field_name: name,
      limits: { max_query_depth: depth },
    })
    const other = finder({
      one: {
        accessRights: {
          a: {
            restrictedTypes: [type('Country', 'code', 'name'), type('Dog', 'name')],
            fieldAccessRights: [field('people', 4), field('putPerson', 3), field('left', 1)],
            disableIntrospection: true,
            mcpPrimitives: ['tools'],
          },
        },
      },
      other: {
        accessRights: {
          a: {
            restrictedTypes: [type('Country', 'code', 'phone')],
            allowedTypes: [type('Cat', 'name')],
            fieldAccessRights: [field('people', 2), field('putPerson', -1), field('right', 2)],
            mcpPrimitives: ['prompts', 'tools'],
          },
        },
      },
    })
    const session = applyPolicies(key({ applyPolicies: ['one', 'other'] }), other, '')
    expect(session.accessRights['a']).toMatchObject({
      restrictedTypes: [type('Country', 'code', 'name', 'phone'), type('Dog', 'name')],
      allowedTypes: [type('Cat', 'name')],
      fieldAccessRights: [field('people', 4), field('putPerson', -1), field('left', 1), field('right', 2)],
      disableIntrospection: true,
      mcpPrimitives: ['tools', 'prompts'],
    })
  })
})

describe('limits under policies', () => {
  it.each<[string, readonly Name[], object]>([
    ['none', ['forA'], {}],
    ['a quota for all', ['aclA', 'quota2'], { quota: quota(2, 60) }],
    ['the larger quota', ['aclA', 'quota2', 'quota3'], { quota: quota(3, 60) }],
    ['a quota of a policy for the API', ['aclA', 'quota4A', 'quota3B'], { quota: quota(4, 60) }],
    ['a quota of a policy for another API', ['forA', 'quota3B'], { quota: quota(3, 60) }],
    ['no quota', ['aclA', 'quota3', 'noQuota'], {}],
    ['a quota that somebody wrote', ['aclA', 'hourly1000', 'daily100'], { quota: quota(1000, 3600) }],
    ['of equal quotas the one that renews first', ['aclA', 'daily1000', 'hourly1000'], { quota: quota(1000, 3600) }],
    ['of equal quotas the one that renews', ['aclA', 'ever1000', 'daily1000'], { quota: quota(1000, 86_400) }],
    ['the higher rate', ['aclA', 'rate1000', 'rate5000'], { rate: rate(5000, 3600) }],
    ['of equal rates the larger', ['aclA', 'rate5per10', 'rate30per60'], { rate: rate(30, 60) }],
    ['no rate', ['aclA', 'rate5000', 'noRate'], {}],
    [
      'a rate despite a policy that says nothing of it',
      ['aclA', 'rate5000', 'rateForgotten'],
      { rate: rate(5000, 3600) },
    ],
    [
      'quota and rate of different policies',
      ['aclA', 'quota2', 'rate1000'],
      { quota: quota(2, 60), rate: rate(1000, 3600) },
    ],
    ['a policy without partitions', ['full12'], { rate: rate(12, 1) }],
    ['one without access rights', ['aclA', 'full'], { rate: rate(8, 1), quota: quota(10, 60) }],
    ['the longer throttle', ['throttleLong', 'throttleOften'], { throttle: { intervalMs: 9000, retries: 99 } }],
  ])('%s, in any order', (_, names, expected) => {
    const nothing = { rate: undefined, quota: undefined, throttle: undefined }
    expect(limits(under(names))).toEqual({ ...nothing, ...expected })
    expect(limits(under(reversed(names)))).toEqual({ ...nothing, ...expected })
  })

  it.each<[string, readonly Name[], object]>([
    ['replace those of which they speak', ['full12'], { rate: rate(12, 1) }],
    ['replace several of them', ['full10A'], { rate: rate(10, 1), quota: quota(10, 60) }],
    ['replace the throttle', ['throttleLong'], { throttle: { intervalMs: 9000, retries: 2 } }],
    ['lift the rate', ['noRate', 'aclA'], { rate: undefined }],
    ['lift the quota', ['noQuota', 'aclA'], { quota: undefined }],
    ['leave those of which they say nothing', ['forA'], {}],
    ['leave those of which none of several says anything', ['aclAB', 'rateForgotten'], {}],
    ['leave those they do not decide', ['aclA', 'quota2'], { quota: quota(2, 60) }],
    ['leave all of them', ['aclA'], {}],
  ])('%s of the key', (_, names, expected) => {
    const session = {
      rate: 20,
      per: 1,
      quotaMax: 500,
      quotaRenewalRate: 60,
      throttleInterval: 2,
      throttleRetryLimit: 2,
    }
    expect(limits(under(names, session))).toEqual({
      rate: rate(20, 1),
      quota: quota(500, 60),
      throttle: { intervalMs: 2000, retries: 2 },
      ...expected,
    })
  })

  it.each<[readonly Name[]]>([[['forAB']], [['forA', 'forB']], [['aclA', 'aclB']]])(
    'leave those of the key counted over all its APIs: %s',
    (names) => {
      const session = under(names, { rate: 20, per: 1, quotaMax: 500, quotaRenewalRate: 60 })
      for (const apiId of ['a', 'b'])
        expect(limits(session, apiId)).toMatchObject({ rate: rate(20, 1), quota: quota(500, 60) })
    },
  )

  it('of one API leave those of the key to it for what they do not say', () => {
    const session = under(['full12', 'forB'], { quotaMax: 500, quotaRenewalRate: 60 })
    expect(limits(session, 'a')).toMatchObject({ rate: rate(12, 1, 'full12'), quota: quota(500, 60) })
  })

  it('never fall back to those of an access right of the key', () => {
    const session = { accessRights: { a: { limit: { rate: 1000, per: 1, quotaRenews: 77 } } } }
    expect(limits(under(['forA'], session)).rate).toBeUndefined()
  })

  it('keep showing when the quota of an API renews', () => {
    const session = { accessRights: { d: { limit: { quotaMax: 1, quotaRenews: 77, quotaRemaining: 3 } } } }
    expect(under(['aloneD'], session).accessRights['d']?.limit).toMatchObject({
      quotaMax: 5000,
      quotaRenews: 77,
      quotaRemaining: 3,
    })
  })

  it('are shared by the APIs of a policy', () => {
    const session = under(['aclAB', 'rate4AB'])
    expect([limits(session, 'a').rate, limits(session, 'b').rate]).toEqual([rate(4, 1), rate(4, 1)])
  })

  it('differ by API where the policies do', () => {
    const session = under(['aclAB', 'rate4A', 'rate2B'])
    expect([limits(session, 'a').rate, limits(session, 'b').rate]).toEqual([rate(4, 1), rate(2, 1, 'b')])
  })

  it('are counted for each policy where several give access', () => {
    const session = under(['full10A', 'full5B'])
    expect([limits(session, 'a'), limits(session, 'b')]).toMatchObject([
      { rate: rate(10, 1, 'full10A'), quota: quota(10, 60, 'full10A') },
      { rate: rate(5, 1, 'full5B'), quota: quota(20, 60, 'full5B') },
    ])
    const { a, b } = under(['forA', 'forB']).accessRights
    expect([a?.limit, a?.allowanceScope, b?.allowanceScope]).toEqual([undefined, 'forA', 'forB'])
  })

  it.each<[readonly Name[], number]>([
    [['depth2', 'aclA'], 2],
    [['depth2', 'depth3', 'aclA'], 3],
    [['depth3', 'noDepth', 'depth2', 'aclA'], -1],
  ])('keep the depth of %s', (names, depth) => {
    expect(under(names, { maxQueryDepth: 9 }).maxQueryDepth).toBe(depth)
  })
})

describe('perApi policies', () => {
  const ofD = { rate: rate(200, 10, 'd'), quota: quota(5000, 3600, 'd') }

  it.each<[string, readonly Name[], apiId: string, object]>([
    ['limit each API by itself', ['aloneCD'], 'd', { rate: rate(20, 1, 'd'), quota: quota(1000, 3600, 'd') }],
    ['lift a quota', ['aloneCD'], 'c', { rate: rate(2000, 60, 'c'), quota: undefined }],
    ['give the larger quota', ['aloneCD', 'aloneD'], 'd', { quota: quota(5000, 3600, 'd') }],
    ['give the higher rate', ['aloneCD', 'aloneC'], 'c', { rate: rate(3000, 10, 'c'), quota: undefined }],
    [
      'share the limits of the policy where an API has none',
      ['aloneDE'],
      'e',
      { rate: rate(300, 1, 'aloneDE'), quota: undefined },
    ],
    ['do not share them with an API that has its own', ['aloneDE'], 'd', ofD],
    [
      'count for the policy whose limits are higher',
      ['aloneDE', 'aloneEndpoints'],
      'e',
      { rate: rate(500, 1, 'aloneEndpoints') },
    ],
    ['complete the limits of one API from several policies', ['aloneDE', 'aloneEndpoints'], 'd', ofD],
    [
      'take a rate from the policy where the API has a quota only',
      ['aloneQuota'],
      'e',
      { rate: rate(7, 1, 'e'), quota: quota(5, 60, 'e') },
    ],
    ['go with a policy without partitions', ['aloneD', 'full12'], 'd', ofD],
  ])('%s, in any order', (_, names, apiId, expected) => {
    expect(limits(under(names, { rate: 1, per: 1, quotaMax: 1 }), apiId)).toMatchObject(expected)
    expect(limits(under(reversed(names), { rate: 1, per: 1, quotaMax: 1 }), apiId)).toMatchObject(expected)
  })

  it('leave the limits of the key where neither they nor their access right say any', () => {
    const session = under(['aloneUrls1'], { rate: 20, per: 1, quotaMax: 500, quotaRenewalRate: 60 })
    expect(limits(session)).toMatchObject({ rate: rate(20, 1), quota: quota(500, 60) })
  })

  it('leave the quota of the key where the access right speaks of the rate alone', () => {
    const session = under(['aloneRate'], { rate: 20, per: 1, quotaMax: 500, quotaRenewalRate: 60 })
    expect(limits(session, 'e')).toMatchObject({ rate: rate(7, 1, 'e'), quota: quota(500, 60) })
  })

  it('give the same session in any order', () => {
    expect(under(['aloneCD', 'aloneD'])).toEqual({
      ...under(['aloneD', 'aloneCD']),
      applyPolicies: ['aloneCD', 'aloneD'],
    })
  })
})

describe('endpoint limits under policies', () => {
  const endpoints = (...names: readonly Name[]): object =>
    Object.fromEntries(
      (under(names).accessRights['a']?.endpoints ?? []).flatMap(({ path, methods }) =>
        methods.map(({ name, limit }) => [`${name} ${path}`, [limit.rate, limit.per]]),
      ),
    )

  it('are those of one policy, in its order', () => {
    expect(Object.entries(endpoints('endpoints10'))).toEqual([
      ['GET /{x}', [10, 60]],
      ['GET /urn:isbn:{x}', [1, 60]],
      ['PUT /a', [1, 1]],
    ])
  })

  it('are joined, the higher rate winning, 0 being none', () => {
    expect(endpoints('endpoints10', 'endpoints20')).toEqual({
      'get /{x}': [20, 60],
      'GET /urn:isbn:{x}': [0, 0],
      'PUT /a': [1, 1],
      'GET /new': [1, 1],
    })
    expect(endpoints('endpoints20', 'endpoints10')).toEqual(endpoints('endpoints10', 'endpoints20'))
  })

  it('have the larger rate where two are equal', () => {
    expect(endpoints('endpoints10', 'endpoints5')).toMatchObject({ 'GET /{x}': [60, 360] })
    expect(endpoints('endpoints5', 'endpoints10')).toMatchObject({ 'GET /{x}': [60, 360] })
  })

  it('belong to policies that decide the rate', () => {
    expect(endpoints('endpointsNoRate')).toEqual({})
    expect(endpoints('endpoints10', 'endpointsNoRate')).toEqual(endpoints('endpoints10'))
  })
})

describe('what else policies say', () => {
  it('tags: first those of the key, then theirs, in order and once', () => {
    expect(under(['tagsX', 'tagsY'], { tags: ['own', 'y'] }).tags).toEqual(['own', 'y', 'x', 'shared'])
  })

  it('metadata: the later policy wins, over the key too', () => {
    const session = under(['tagsX', 'tagsY'], { metadata: { tier: 'own', name: 'Ann', token: 't' } })
    expect(session.metadata).toEqual({ tier: 'free', region: 'eu', name: 'Ann', token: 't' })
  })

  it('metadata, but never who is calling', () => {
    expect(under(['impostor'], { metadata: { token: 'mine' } }).metadata).toEqual({ token: 'mine', kind: 'robot' })
    expect(under(['impostor']).metadata).toEqual({ kind: 'robot' })
  })

  it.each<[string, readonly Name[], own: boolean, inactive: boolean]>([
    ['by one of several policies', ['forB', 'inactive'], false, true],
    ['by itself', ['forA', 'forB'], true, true],
    ['not at all', ['forA', 'notActive'], false, false],
  ])('inactive: %s', (_, names, isInactive, expected) => {
    expect(under(names, { isInactive }).isInactive).toBe(expected)
  })

  it.each([
    ['150', '200'],
    ['300', '300'],
  ])('the latest change: of %s and theirs %s', (lastUpdated, latest) => {
    expect(under(['tagsX', 'tagsY'], { lastUpdated }).lastUpdated).toBe(latest)
  })

  it('what becomes of the key after it expired', () => {
    const session = { postExpiryAction: 'delete', postExpiryGracePeriod: 5 } as const
    expect(under(['expiry', 'forB'], session)).toMatchObject({ postExpiryAction: 'retain', postExpiryGracePeriod: 30 })
    expect(under(['forB'], session)).toMatchObject({ postExpiryAction: 'delete', postExpiryGracePeriod: 5 })
  })

  it('that requests are signed', () => {
    expect(under(['forA', 'signed'])).toMatchObject({ hmacEnabled: true, enableHttpSignatureValidation: true })
    expect(under(['forA'])).toMatchObject({ hmacEnabled: false, enableHttpSignatureValidation: false })
  })
})

describe('policies written out in the metadata', () => {
  const custom = (list: unknown, rest: object = {}): Session =>
    applyPolicies(decodeSession(JSON.stringify({ meta_data: { policies: list }, ...rest })), find, 'acme')
  const rates = { id: 'rates', partitions: { rate_limit: true }, rate: 8, per: 1, access_rights: { a: {} } }
  const urls = {
    id: 'urls',
    partitions: { acl: true },
    rate: 10,
    per: 1,
    access_rights: { a: { allowed_urls: [{ url: '/user', methods: ['GET'] }] } },
  }

  it.each([[[rates, urls]], [[urls, rates]]])('are documents, used in place of the named ones', (...list) => {
    const session = custom(list.flat(), { apply_policies: ['forB'], rate: 999, per: 1 })
    expect(Object.keys(session.accessRights)).toEqual(['a'])
    expect(session.accessRights['a']?.allowedUrls).toEqual([{ url: '/user', methods: ['GET'] }])
    expect(limits(session).rate).toEqual(rate(8, 1))
  })

  it('do not free a key from the named ones by being none', () => {
    expect(Object.keys(custom([], { apply_policies: ['forB'] }).accessRights)).toEqual(['b'])
  })

  it.each([[['gold', 'free']], ['gold'], [{ gold: {} }], [5]])('are not %j: that field is somebody else’s', (list) => {
    expect(Object.keys(custom(list, { apply_policies: ['forB'] }).accessRights)).toEqual(['b'])
    const session = decodeSession(JSON.stringify({ meta_data: { policies: list } }))
    expect(applyPolicies(session, find, 'acme')).toBe(session)
  })

  it('need no ids to be told apart', () => {
    const session = custom([
      { rate: 1, per: 1, access_rights: { a: {} } },
      { rate: 2, per: 1, access_rights: { b: {} } },
    ])
    expect([limits(session, 'a').rate, limits(session, 'b').rate]).toEqual([
      rate(1, 1, 'metadata.policies[0]'),
      rate(2, 1, 'metadata.policies[1]'),
    ])
  })

  it.each<[string, unknown, string]>([
    ['broken in a field', [{ rate: [] }], 'metadata.policies[0].rate is an array of 0; expected a number'],
    ['broken', [rates, { ...urls, rate: '10' }], 'metadata.policies[1].rate is "10"; expected a number'],
    [
      'of another organisation',
      [{ ...urls, org_id: 'evil' }],
      '"urls" belongs to the organisation "evil"; expected "acme"',
    ],
  ])('are refused when one is %s', (_, list, message) => {
    expect(() => custom(list)).toThrow(
      expect.objectContaining({ code: 'PSTN_POLICY_INVALID', message: expect.stringContaining(message) as string }),
    )
  })
})

describe('policies that cannot be applied', () => {
  it.each<[string, readonly Name[], string]>([
    ['the only one is unknown', ['missing'], 'policies that do not exist: "missing"'],
    ['all are unknown', ['missing', 'gone'], 'policies that do not exist: "missing", "gone"'],
    ['one is of another organisation', ['forA', 'theirs'], '"theirs" belongs to the organisation "evil"'],
    [
      'one has perApi and other partitions',
      ['aloneAndMore'],
      '"aloneAndMore" has perApi together with other partitions',
    ],
    ['one has perApi and one other partitions', ['aloneD', 'quota2'], '"aloneD" has perApi and the policy "quota2"'],
    ['the same in another order', ['rate1000', 'aloneD'], '"aloneD" has perApi and the policy "rate1000"'],
    ['the same with one between them', ['aclA', 'forA', 'aloneD'], '"aloneD" has perApi and the policy "aclA"'],
    ['none gives access', ['quota2', 'rate4A'], 'None of the policies "quota2", "rate4A" gives access to an API'],
    ['those that give access are unknown', ['quota2', 'missing'], 'None of the policies "quota2" gives access'],
  ])('are refused: %s', (_, names, message) => {
    expect(() => under(names, { accessRights: { a: {} } })).toThrow(
      expect.objectContaining({ code: 'PSTN_POLICY_INVALID', message: expect.stringContaining(message) as string }),
    )
  })

  it('are reported when they are skipped', () => {
    const skipped: string[] = []
    const session = key({ applyPolicies: ['missing', 'forA', 'gone', 'gone'] })
    applyPolicies(session, find, '', (id) => void skipped.push(id))
    expect(skipped).toEqual(['missing', 'gone'])
  })
})

describe('a policy that is written', () => {
  const right = { orders: {} }
  const url = (path: string, methods: readonly string[] = ['GET']): PolicyInput => ({
    accessRights: { orders: { allowedUrls: [{ url: path, methods }] } },
  })

  it.each<[string, PolicyInput, string]>([
    ['a field by another name', { quota_max: 5 } as PolicyInput, ' has no field "quota_max"; did you mean "quotaMax"?'],
    ['an unknown field', { colour: 5 } as PolicyInput, ' has no field "colour"; known: '],
    ['a rate that is text', { rate: '5' } as never, `'s rate is "5"; expected a number.`],
    [
      'a rate without per',
      { rate: 5, accessRights: right },
      `'s rate is 5 without per; expected per, in seconds, above 0.`,
    ],
    [
      'a rate without per for an API',
      { ...only('perApi'), accessRights: { orders: { limit: { rate: 5 } } } },
      `'s accessRights.orders.limit.rate is 5 without per; expected per, in seconds, above 0.`,
    ],
    [
      'a rate without per for an endpoint',
      { accessRights: { orders: { endpoints: [{ path: '/x', methods: [{ name: 'GET', limit: { rate: 5 } }] }] } } },
      `'s accessRights.orders.endpoints[0].rate is 5 without per; expected per, in seconds, above 0.`,
    ],
    [
      'a parameter in the way of routers',
      url('/stock/:sku'),
      `'s accessRights.orders.allowedUrls[0].url has "/:sku", which is text here; write "/{sku}".`,
    ],
    [
      'a URL that no path starts with',
      url('stock'),
      `'s accessRights.orders.allowedUrls[0].url is "stock", which no path starts with; expected "/stock".`,
    ],
    ['a URL that is no pattern', url('/('), `'s accessRights.orders.allowedUrls[0].url: `],
    ['a URL that would be ruinous elsewhere', url('/(a+)+'), 'repeats what repeats already'],
    ['no methods', url('/stock', []), `'s accessRights.orders.allowedUrls[0].methods is empty`],
    [
      'methods in small letters',
      url('/stock', ['GET', 'post']),
      `'s accessRights.orders.allowedUrls[0].methods has "post"; expected "POST".`,
    ],
    [
      'an endpoint without methods',
      { accessRights: { orders: { endpoints: [{ path: '/x', methods: [] }] } } },
      `'s accessRights.orders.endpoints[0].methods is empty`,
    ],
    [
      'an endpoint whose method is in small letters',
      { accessRights: { orders: { endpoints: [get('/x', 1, 1, 'get')] } } },
      `'s accessRights.orders.endpoints[0].methods has "get"; expected "GET".`,
    ],
    [
      'an endpoint that is no path',
      { accessRights: { orders: { endpoints: [get('x', 1, 1)] } } },
      `'s accessRights.orders.endpoints[0].path is "x", which no path starts with; expected "/x".`,
    ],
    [
      'perApi beside another partition',
      { ...only('perApi', 'quota'), accessRights: right },
      ' has perApi together with other partitions; expected perApi alone.',
    ],
    ['no access rights', { rate: 5, per: 1 }, ' gives access to no API; expected accessRights such as '],
    ['access rights for no API', { ...only('acl'), accessRights: {} }, ' gives access to no API; '],
    ['perApi for no API', only('perApi'), ' gives access to no API; '],
    ['nothing', {}, ' gives access to no API; '],
    [
      'a limit for an API without perApi',
      { accessRights: { orders: { limit: { rate: 5, per: 1 } } } },
      ' has accessRights.orders.limit, which counts with partitions.perApi only; ',
    ],
    [
      'a limit for an API beside other partitions',
      { ...only('acl', 'quota'), accessRights: { orders: { limit: { quotaMax: 5 } } } },
      ' has accessRights.orders.limit, which counts with partitions.perApi only; ',
    ],
  ])('is refused with %s', (_, policy, message) => {
    expect(() => parsePolicies({ gold: policy })).toThrow(
      expect.objectContaining({
        code: 'PSTN_OPTIONS_INVALID',
        message: expect.stringContaining(message) as string,
      }),
    )
    expect(() => parsePolicies({ gold: policy })).toThrow(/^The policy "gold"/)
  })

  it('is refused with all that could never mean anything, at once', () => {
    const policy = { rate: 5, ...url('stock', []) }
    expect(() => parsePolicies({ gold: policy })).toThrow(
      `The policy "gold"'s rate is 5 without per; expected per, in seconds, above 0. ` +
        `The policy "gold"'s accessRights.orders.allowedUrls[0].url is "stock", which no path starts with; expected "/stock". ` +
        `The policy "gold"'s accessRights.orders.allowedUrls[0].methods is empty`,
    )
  })

  it.each<[string, PolicyInput]>([
    ['access alone', { accessRights: right }],
    ['partitions of limits, and access to nothing', { ...only('quota', 'rateLimit'), quotaMax: 5, rate: 1, per: 1 }],
    ['perApi with limits of its own and of an API', { ...POLICIES.aloneDE }],
    ['a rate below 0 without per', { rate: -1, accessRights: right }],
    ['per without a rate', { per: 10, accessRights: right }],
    [
      'patterns of every kind',
      { accessRights: { orders: { allowedUrls: allOf('/', '^/a$', '(?i)/a', '.*', '/{x}/*') } } },
    ],
    ['a colon that begins no parameter', url('/urn:isbn:{x}')],
  ])('may have %s', (_, policy) => {
    expect(parsePolicies({ gold: policy })['gold']).toMatchObject({ ...policy, id: 'gold' })
  })

  function allOf(...urls: readonly string[]): readonly { readonly url: string; readonly methods: readonly string[] }[] {
    return urls.map((path) => ({ url: path, methods: ['GET', 'PROPFIND'] }))
  }
})
