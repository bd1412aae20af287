import { createHash } from 'node:crypto'
import {
  type ApiDefinitionInput,
  type GatewayError,
  type GatewayOptions,
  type KeyInput,
  memoryStore,
  type PolicyInput,
  type SessionView,
  type Store,
} from '@postern/core'
import { decodeSession } from '@postern/core/store'
import type { HttpGateway } from '@postern/http'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { signalled } from '../support/promises.ts'
import { warningsDuring } from '../support/warnings.ts'
import { connect, envelope, listenTo, run, settled, startUpstream, type Upstream, watchProcess } from './harness.ts'

/* `gateway.sessions`, and what becomes of a session while requests use it. */

const DISALLOWED = [403, envelope('Access to this API has been disallowed')]

let upstream: Upstream
let seenByProcess: readonly unknown[]
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.received.length = 0
  seenByProcess = watchProcess()
})

interface Api {
  readonly gateway: HttpGateway
  readonly port: number
  /** Status and body for a key. */
  readonly ask: (key: string, target?: string) => Promise<readonly [status: number, body: string]>
  /** The same, and waits until what the request left behind is stored. */
  readonly asked: (key: string, target?: string) => Promise<number>
}

async function api(definition: Partial<ApiDefinitionInput> = {}, options?: GatewayOptions): Promise<Api> {
  const { gateway, port } = await run(
    { name: 'orders', upstream: upstream.url, authentication: { token: true }, ...definition },
    options,
  )
  const connection = await connect(port)
  const ask: Api['ask'] = async (key, target = '/stock') => {
    const { status, body } = await connection.request('GET', target, [`Authorization: ${key}`])
    return [status, body]
  }
  return {
    gateway,
    port,
    ask,
    asked: async (key, target) => {
      const records = gateway.records.list().length
      const [status] = await ask(key, target)
      await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(records + 1))
      return status
    },
  }
}

const QUOTA = { quotaMax: 3, quotaRenewalRate: 3_600 } satisfies KeyInput

describe('create', () => {
  it('makes a key of 256 bits that nobody has seen before, and lets it in at once', async () => {
    const { gateway, ask } = await api()
    const made = await Promise.all(Array.from({ length: 50 }, () => gateway.sessions.create()))
    for (const { key } of made) expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(new Set(made.map(({ key }) => key)).size).toBe(50)
    expect((await ask(made[49]!.key))[0]).toBe(200)
  })

  it('tells what it stored: neither the id nor the mask gives the key away', async () => {
    const { gateway } = await api({ orgId: 'acme' })
    const before = Math.floor(Date.now() / 1_000)
    const { key, id, masked, session } = await gateway.sessions.create({ alias: 'Ann', metadata: { tier: 'gold' } })
    expect([id.includes(key), masked.includes(key), masked.includes(id)]).toEqual([false, false, false])
    expect([id, masked]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), `${id.slice(0, 12)}…`])
    expect(session).toMatchObject({
      alias: 'Ann',
      orgId: 'acme',
      metadata: { tier: 'gold' },
      isInactive: false,
      expires: 0,
    })
    expect(Number(session.lastUpdated)).toBeGreaterThanOrEqual(before)
    expect(Date.parse(session.dateCreated)).toBeGreaterThanOrEqual(before * 1_000)
    expect(await gateway.sessions.get(key)).toEqual({ id, masked, session })
    expect(Object.isFrozen(session) && Object.isFrozen(session.metadata)).toBe(true)
  })

  it('takes a key of yours', async () => {
    const { gateway, ask } = await api()
    const longest = '~'.repeat(4_096)
    expect((await gateway.sessions.create({}, { key: 'mine' })).key).toBe('mine')
    await gateway.sessions.create({}, { key: longest })
    expect([(await ask('mine'))[0], (await ask(longest))[0], (await ask('minf'))[0]]).toEqual([200, 200, 403])
  })

  it('keeps keys apart that differ in a byte, in case or at their end', async () => {
    const { gateway } = await api()
    for (const [i, key] of ['key-1', 'key-2', 'KEY-1', 'key-1.'].entries())
      await gateway.sessions.create({ alias: String(i) }, { key })
    const found = await Promise.all(['key-1', 'key-2', 'KEY-1', 'key-1.'].map((key) => gateway.sessions.get(key)))
    expect(found.map((info) => info?.session.alias)).toEqual(['0', '1', '2', '3'])
  })

  it('never takes the place of a key that exists', async () => {
    const { gateway } = await api()
    await gateway.sessions.create({ alias: 'Ann' }, { key: 'mine' })
    await expect(gateway.sessions.create({ alias: 'Bob' }, { key: 'mine' })).rejects.toMatchObject({
      code: 'PSTN_KEY_EXISTS',
      message: expect.stringMatching(/exists already; change it with update\(\)/) as string,
    })
    expect((await gateway.sessions.get('mine'))?.session.alias).toBe('Ann')
  })

  it('that is refused leaves what the existing key has used alone', async () => {
    const { gateway, ask } = await api()
    await gateway.sessions.create(QUOTA, { key: 'mine' })
    await ask('mine')
    await expect(gateway.sessions.create(QUOTA, { key: 'mine' })).rejects.toMatchObject({
      code: 'PSTN_KEY_EXISTS',
    })
    expect((await gateway.sessions.quotas('mine'))[0]?.remaining).toBe(2)
  })

  it.each<[string, unknown, string]>([
    ['too short', 'abc', 'a text of 3 characters'],
    ['empty', '', 'a text of 0 characters'],
    ['too long', 'k'.repeat(4_097), 'a text of 4097 characters'],
    ['with a space', 'my key', 'a text of 6 characters'],
    ['with a line break', 'my\nkey', 'a text of 6 characters'],
    ['with NUL', 'my\0key', 'a text of 6 characters'],
    ['beyond ASCII', 'schlüssel', 'a text of 9 characters'],
    ['no text', 12_345, '12345'],
    ['null', null, 'null'],
    ['an object', { text: 'mine' }, 'an object with text'],
  ])('refuses a key that is %s, and does not repeat it', async (_, key, found) => {
    const { gateway } = await api()
    await expect(gateway.sessions.create({}, { key: key as string })).rejects.toMatchObject({
      code: 'PSTN_SESSION_INVALID',
      message: `options.key is ${found}; expected 4 to 4096 characters, visible and ASCII.`,
    })
    expect((await gateway.sessions.list()).keys).toEqual([])
  })

  it.each<[string, unknown, RegExp]>([
    ['an unknown option', { keys: 'mine' }, /is an object with keys; expected \{ key \}/],
    ['one beside the key', { key: 'mine', expires: 5 }, /is an object with expires; expected \{ key \}/],
    ['the key by itself', 'mine', /is a string; expected \{ key \}/],
    ['a number', 5, /is a number; expected \{ key \}/],
    ['null', null, /expected \{ key \}/],
  ])('refuses a second argument that is or has %s, and makes no key', async (_, options, message) => {
    const { gateway } = await api()
    const refused = gateway.sessions.create({}, options as { readonly key?: string })
    await expect(refused).rejects.toMatchObject({ name: 'GatewayError', code: 'PSTN_SESSION_INVALID' })
    await expect(refused).rejects.toThrow(message)
    expect((await gateway.sessions.list()).keys).toEqual([])
  })

  it.each<[string, unknown, RegExp]>([
    ['an unknown field', { colour: 5 }, /has no field "colour"; known: alias, tags, rate, .*metadata/],
    ['a misspelt field', { rat: 5 }, /has no field "rat"; did you mean "rate"\?/],
    ['the name a field has elsewhere', { quota_max: 5 }, /has no field "quota_max"; did you mean "quotaMax"\?/],
    [
      'a misspelt field of a right',
      { accessRights: { orders: { allowed_urls: [] } } },
      /accessRights\.orders has no field "allowed_urls"; did you mean "allowedUrls"\?/,
    ],
    ...(['allowedUrls', 'endpoints'] as const).flatMap((list): [string, unknown, RegExp][] => {
      const field = list === 'endpoints' ? 'path' : 'url'
      const named = (names: readonly string[]): readonly unknown[] =>
        list === 'endpoints' ? names.map((name) => ({ name, limit: { rate: 1, per: 1 } })) : names
      const right = (path: string, names = ['GET']): unknown => ({
        accessRights: { orders: { [list]: [{ [field]: path, methods: named(names) }] } },
      })
      const where = String.raw`accessRights\.orders\.${list}\[0\]\.`
      return [
        [
          `a parameter in the way of routers in ${list}`,
          right('/stock/:sku/notes'),
          new RegExp(`${where}${field} has "/:sku", which is text here; write "/\\{sku\\}"`),
        ],
        [
          `a path that begins with a letter in ${list}`,
          right('stock'),
          new RegExp(`${where}${field} is "stock", which no path starts with; expected "/stock"`),
        ],
        [
          `a path that begins with a digit in ${list}`,
          right('1/stock'),
          new RegExp(`${where}${field} is "1/stock", which no path starts with; expected "/1/stock"`),
        ],
        [`an empty path in ${list}`, right(''), new RegExp(`${where}${field}: The path "" is empty`)],
        [`no methods in ${list}`, right('/stock', []), new RegExp(`${where}methods is empty`)],
        [
          `a method in small letters in ${list}`,
          right('/stock', ['GET', 'post']),
          new RegExp(`${where}methods has "post"; expected "POST"`),
        ],
      ]
    }),
    [
      'a threshold that is a share',
      { monitor: { triggerLimits: [80, 0.8] } },
      /triggerLimits has 0\.8; expected percent/,
    ],
    ['a threshold of nothing', { monitor: { triggerLimits: [0] } }, /triggerLimits has 0; expected percent/],
    ['a number as text', { rate: '5' }, /rate.*"5".*number/],
    ['a fraction of a request', { quotaMax: 1.5 }, /quotaMax.*1\.5/],
    ['a rate without per', { rate: 5 }, /rate is 5 without per; expected per, in seconds, above 0/],
    [
      'a rate without per for an API',
      { accessRights: { orders: { limit: { rate: 5 } } } },
      /accessRights\.orders\.limit\.rate/,
    ],
    [
      'a rate without per for an endpoint',
      { accessRights: { orders: { endpoints: [{ path: '/a', methods: [{ name: 'GET', limit: { rate: 5 } }] }] } } },
      /accessRights\.orders\.endpoints\[0\]\.rate/,
    ],
    ['milliseconds where seconds are meant', { expires: Date.now() }, /expires/],
    [
      'a path that is no pattern',
      { accessRights: { orders: { allowedUrls: [{ url: '(', methods: ['GET'] }] } } },
      /"\("/,
    ],
    [
      'a path that would be ruinous elsewhere',
      { accessRights: { orders: { allowedUrls: [{ url: '/(a+)+', methods: ['GET'] }] } } },
      /repeats what repeats already/,
    ],
    [
      'a policy nobody defined',
      { applyPolicies: ['gold'] },
      /names the policy "gold", which nobody defined; known: none/,
    ],
    ['one policy nobody defined', { applyPolicyId: 'gold' }, /"gold"/],
    ['metadata that is no data', { metadata: { f: () => 1 } }, /metadata\.f/],
    ['metadata that contains itself', { metadata: cyclic() }, /metadata\.self contains itself/],
    ['a bigint', { metadata: { n: 1n } }, /metadata\.n/],
    ['a list', [], /expected/],
    ['null', null, /expected|session/],
    ['text', 'ann', /expected|session/],
  ])('refuses %s', async (_, session, message) => {
    const { gateway } = await api()
    const refused = gateway.sessions.create(session as KeyInput)
    await expect(refused).rejects.toMatchObject({ name: 'GatewayError', code: 'PSTN_SESSION_INVALID' })
    await expect(refused).rejects.toThrow(message)
    expect((await gateway.sessions.list()).keys).toEqual([])
  })

  it('says all that is wrong at once, and does not make the key', async () => {
    const { gateway } = await api()
    const refused = gateway.sessions.create({
      rate: 5,
      accessRights: {
        orders: {
          allowedUrls: [
            { url: '/stock/:sku', methods: ['get'] },
            { url: '/(', methods: [] },
          ],
        },
        prices: { limit: { rate: 2 }, endpoints: [{ path: 'x', methods: [{ name: 'Get', limit: { rate: 1 } }] }] },
      },
    })
    const error = await refused.catch((reason: unknown) => reason as GatewayError)
    expect(error).toMatchObject({ code: 'PSTN_SESSION_INVALID' })
    const found = [...(error as GatewayError).message.matchAll(/The session's (\S+?):? /g)].map(([, path]) => path)
    expect(new Set(found)).toEqual(
      new Set([
        'accessRights.orders.allowedUrls[0].methods',
        'accessRights.orders.allowedUrls[0].url',
        'accessRights.orders.allowedUrls[1].methods',
        'accessRights.orders.allowedUrls[1].url',
        'accessRights.prices.endpoints[0].methods',
        'accessRights.prices.endpoints[0].path',
        'accessRights.prices.endpoints[0].rate',
        'accessRights.prices.limit.rate',
        'rate',
      ]),
    )
    expect((await gateway.sessions.list()).keys).toEqual([])
  })

  it('warns of rights for an API that is almost called like one of its own, and makes the key', async () => {
    const { gateway } = await api()
    let key = ''
    const warnings = await warningsDuring(async () => {
      ;({ key } = await gateway.sessions.create({ accessRights: { order: {}, somebodyElses: {} } }))
      await gateway.sessions.update(key, { accessRights: { ordres: {} } })
      await gateway.sessions.update(key, { accessRights: { orders: {}, orders2: {} } })
    })
    expect(warnings).toEqual([
      'The accessRights of a session name the API "order", which this gateway does not have; did you mean "orders"? (warned once)',
      'The accessRights of a session name the API "ordres", which this gateway does not have; did you mean "orders"? (warned once)',
    ])
    expect(await gateway.sessions.get(key)).toBeDefined()
  })

  it('takes patterns of every kind, and thresholds beyond the whole', async () => {
    const { gateway } = await api()
    const urls = ['/', '^/a$', '(?i)/a', '.*', '/{x}/*', '/urn:isbn:{x}', String.raw`\/a`, '/(?:a|b)']
    const { session } = await gateway.sessions.create({
      monitor: { triggerLimits: [1, 99.5, 120] },
      accessRights: { orders: { allowedUrls: urls.map((url) => ({ url, methods: ['GET', 'PROPFIND'] })) } },
    })
    expect(session.accessRights['orders']?.allowedUrls.map(({ url }) => url)).toEqual(urls)
  })

  it('pollutes nothing, whatever its fields are called', async () => {
    const { gateway } = await api()
    const metadata = JSON.parse('{"__proto__": {"polluted": true}}') as KeyInput['metadata']
    await expect(gateway.sessions.create({ metadata })).rejects.toThrow(/__proto__/)
    await gateway.sessions.create({ metadata: { constructor: { prototype: { polluted: true } } } })
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  })

  it('says which policies are known when one is not', async () => {
    const everything: PolicyInput = { accessRights: { orders: {} } }
    const { gateway } = await api({ policies: { gold: everything } }, { policies: { free: everything } })
    await expect(gateway.sessions.create({ applyPolicies: ['gold', 'golf'] })).rejects.toThrow(
      /"golf".*known: free, gold/,
    )
  })

  it('gives a key that begins anew its whole quota', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create(QUOTA, { key: 'mine' })
    await ask(key)
    await gateway.sessions.delete(key)
    await gateway.sessions.create(QUOTA, { key: 'mine' })
    expect((await gateway.sessions.quotas(key))[0]).toMatchObject({ max: 3, remaining: 3, renews: 0 })
  })
})

function cyclic(): Record<string, unknown> {
  const data: Record<string, unknown> = {}
  data['self'] = data
  return data
}

describe('a trial', () => {
  const trial = (keyExpiresIn: number): PolicyInput => ({ keyExpiresIn, accessRights: { orders: {} } })
  const policies = { day: trial(86_400), hour: trial(3_600), forever: trial(0) }

  it.each<[string, KeyInput, number]>([
    ['ends when its policy says', { applyPolicies: ['day'] }, 86_400],
    ['ends with the shortest of its policies', { applyPolicies: ['day', 'forever', 'hour'] }, 3_600],
    ['ends when its one policy says', { applyPolicyId: 'hour' }, 3_600],
  ])('%s', async (_, session, seconds) => {
    const { gateway } = await api({}, { policies })
    const before = Math.floor(Date.now() / 1_000)
    const made = await gateway.sessions.create(session)
    const after = Math.floor(Date.now() / 1_000)
    expect(made.session.expires).toBeGreaterThanOrEqual(before + seconds)
    expect(made.session.expires).toBeLessThanOrEqual(after + seconds)
  })

  it('that never ends is none', async () => {
    const { gateway } = await api({}, { policies })
    expect((await gateway.sessions.create({ applyPolicies: ['forever'] })).session.expires).toBe(0)
  })

  it('ends when the key itself says so, and is not begun anew by a change', async () => {
    const { gateway } = await api({}, { policies })
    const { key, session } = await gateway.sessions.create({ applyPolicies: ['hour'], expires: 4_000_000_000 })
    expect(session.expires).toBe(4_000_000_000)
    const changed = await gateway.sessions.update(key, { expires: 0 })
    expect(changed.session.expires).toBe(0)
  })
})

describe('get', () => {
  it('finds a key by itself and by the id it is stored under', async () => {
    const { gateway } = await api()
    const { key, id } = await gateway.sessions.create({ alias: 'Ann' })
    const byKey = await gateway.sessions.get(key)
    expect([byKey?.session.alias, await gateway.sessions.get({ id })]).toEqual(['Ann', byKey])
    // The id opens nothing.
    expect([await gateway.sessions.get(id), await gateway.sessions.get('nobody')]).toEqual([undefined, undefined])
  })

  it('shows the key as it is stored, without its policies', async () => {
    const { gateway, asked } = await api(
      {},
      { policies: { gold: { rate: 5, per: 1, tags: ['gold'], accessRights: { orders: {} } } } },
    )
    const { key } = await gateway.sessions.create({ applyPolicies: ['gold'] })
    expect(await asked(key)).toBe(200)
    const { session } = (await gateway.sessions.get(key))!
    expect([session.rate, session.tags, session.accessRights, session.applyPolicies]).toEqual([0, [], {}, ['gold']])
  })

  it.each([undefined, '', 5, {}, null, { id: 5 }])('refuses %o for the name of a key', async (ref) => {
    const { gateway } = await api()
    await expect(gateway.sessions.get(ref as never)).rejects.toMatchObject({ code: 'PSTN_SESSION_INVALID' })
  })
})

describe('update', () => {
  it('replaces the given fields and keeps the others, when the key was made among them', async () => {
    const { gateway } = await api()
    const { key, session } = await gateway.sessions.create({
      alias: 'Ann',
      tags: ['a'],
      metadata: { tier: 'gold', note: 1 },
      accessRights: { orders: {}, prices: {} },
    })
    await gateway.sessions.update(key, { tags: ['b'], metadata: { tier: 'free' }, accessRights: { prices: {} } })
    const now = (await gateway.sessions.get(key))!.session
    expect([now.alias, now.tags, now.metadata, Object.keys(now.accessRights)]).toEqual([
      'Ann',
      ['b'],
      { tier: 'free' },
      ['prices'],
    ])
    expect(now.dateCreated).toBe(session.dateCreated)
  })

  it('holds from the next request on', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create()
    const met: number[] = []
    for (const changes of [
      {},
      { expires: 1 },
      { expires: 0 },
      { accessRights: { prices: {} } },
      { accessRights: { orders: {} } },
    ]) {
      await gateway.sessions.update(key, changes)
      met.push((await ask(key))[0])
    }
    expect(met).toEqual([200, 401, 200, 403, 200])
  })

  it('lets the counters go on, and another limit hold at once', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create({ ...QUOTA, rate: 2, per: 3_600 })
    const met = [(await ask(key))[0], (await ask(key))[0], (await ask(key))[0]]
    await gateway.sessions.update(key, { rate: 5 })
    met.push((await ask(key))[0], (await ask(key))[0])
    await gateway.sessions.update(key, { quotaMax: 4 })
    met.push((await ask(key))[0], (await ask(key))[0])
    expect(met).toEqual([200, 200, 429, 200, 403, 200, 403])
  })

  it('of something at the same time loses nothing of either', async () => {
    const { gateway } = await api()
    const { key } = await gateway.sessions.create()
    await Promise.all([
      gateway.sessions.update(key, { alias: 'Ann' }),
      gateway.sessions.update(key, { tags: ['a'] }),
      gateway.sessions.update(key, { rate: 5, per: 1 }),
      gateway.sessions.revoke(key),
    ])
    expect((await gateway.sessions.get(key))?.session).toMatchObject({
      alias: 'Ann',
      tags: ['a'],
      rate: 5,
      per: 1,
      isInactive: true,
    })
  })

  it('while requests run changes none of them halfway', async () => {
    const seen: unknown[] = []
    const [arrived, changed] = [signalled(), signalled()]
    const { gateway, ask } = await api({
      hooks: {
        postAuth: [
          async (_request, { session }) => {
            seen.push(session.alias)
            arrived.signal()
            await changed.promise
          },
        ],
        post: [(_request, { session }) => void seen.push(session?.alias)],
      },
    })
    const { key } = await gateway.sessions.create({ alias: 'before' })
    const running = ask(key)
    await arrived.promise
    await gateway.sessions.update(key, { alias: 'after' })
    changed.signal()
    expect((await running)[0]).toBe(200)
    await ask(key)
    expect(seen).toEqual(['before', 'before', 'after', 'after'])
  })

  it('leaves what it is given as undefined as it is', async () => {
    const { gateway, ask } = await api()
    const before = { alias: 'Ann', rate: 5, per: 1, accessRights: { prices: {} }, metadata: { tier: 'gold' } }
    const { key, session } = await gateway.sessions.create(before)
    const changes: KeyInput = {
      alias: undefined,
      rate: undefined,
      per: undefined,
      accessRights: undefined,
      metadata: undefined,
      isInactive: undefined,
      tags: ['a'],
    }
    const { lastUpdated, ...after } = (await gateway.sessions.update(key, changes)).session
    expect({ ...after, lastUpdated: session.lastUpdated }).toEqual({ ...session, tags: ['a'] })
    expect([Number(lastUpdated) >= Number(session.lastUpdated), await ask(key)]).toEqual([true, DISALLOWED])
  })

  it('of what is in order goes on where something stored is not, and so does revoking', async () => {
    const store = memoryStore()
    const { gateway, ask } = await api({}, { store })
    const { key, id } = await gateway.sessions.create()
    const document = { rate: 5, access_rights: { orders: { allowed_urls: [{ url: '/:id', methods: [] }] } } }
    store.save(id, decodeSession(JSON.stringify(document)), Infinity, 'present')
    await gateway.sessions.update(key, { alias: 'Ann' })
    await expect(gateway.sessions.update(key, { per: 0 })).rejects.toMatchObject({ code: 'PSTN_SESSION_INVALID' })
    await gateway.sessions.revoke(key)
    expect((await gateway.sessions.get(key))?.session).toMatchObject({ alias: 'Ann', rate: 5, isInactive: true })
    await gateway.sessions.update(key, { per: 60, accessRights: {}, isInactive: false })
    expect((await ask(key))[0]).toBe(200)
  })

  it('refuses what no session may say, and changes nothing then', async () => {
    const { gateway } = await api()
    const { key } = await gateway.sessions.create({ alias: 'Ann' })
    for (const changes of [
      { rate: 5 },
      { applyPolicies: ['gold'] },
      { alias: 5 },
      { keyId: 'x' },
      { monitor: { triggerLimits: [0.5] } },
      { accessRights: { orders: { allowedUrls: [{ url: '/:id', methods: ['GET'] }] } } },
      { accessRights: { orders: { allowedUrls: [{ url: '/a', methods: [] }] } } },
      { accessRights: { orders: { limit: { rate: 5 } } } },
    ])
      await expect(gateway.sessions.update(key, { tags: ['b'], ...(changes as object) })).rejects.toMatchObject({
        code: 'PSTN_SESSION_INVALID',
      })
    expect((await gateway.sessions.get(key))?.session).toMatchObject({ alias: 'Ann', tags: [], rate: 0 })
  })
})

describe('a key nobody made', () => {
  it.each<[string, (gateway: HttpGateway) => Promise<unknown>]>([
    ['update', ({ sessions }) => sessions.update('nobody', {})],
    ['revoke', ({ sessions }) => sessions.revoke('nobody')],
    ['quotas', ({ sessions }) => sessions.quotas('nobody')],
    ['resetQuota', ({ sessions }) => sessions.resetQuota({ id: 'nobody' })],
  ])('is told to %s, without its text', async (_, act) => {
    const { gateway } = await api()
    await expect(act(gateway)).rejects.toMatchObject({
      code: 'PSTN_KEY_UNKNOWN',
      message: expect.stringMatching(/^There is no key [0-9a-f]{12}…\.$/) as string,
    })
  })

  it('is nothing to get or to delete', async () => {
    const { gateway } = await api()
    expect([await gateway.sessions.get('nobody'), await gateway.sessions.delete('nobody')]).toEqual([undefined, false])
  })
})

describe('a key that is taken back', () => {
  it('by revoke is inactive from the next request on, until it is let in again', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create({ metadata: { tier: 'gold' } })
    const first = (await ask(key))[0]
    await gateway.sessions.revoke(key)
    expect([first, await ask(key)]).toEqual([200, [403, envelope('Key is inactive, please renew')]])
    await gateway.sessions.update(key, { isInactive: false })
    expect((await ask(key))[0]).toBe(200)
    expect((await gateway.sessions.get(key))?.session.metadata['tier']).toBe('gold')
  })

  it('by delete is unknown from the next request on', async () => {
    const { gateway, ask } = await api()
    const { key, id } = await gateway.sessions.create()
    const first = (await ask(key))[0]
    expect([first, await gateway.sessions.delete({ id }), await gateway.sessions.delete(key)]).toEqual([
      200,
      true,
      false,
    ])
    expect([await ask(key), await gateway.sessions.get(key)]).toEqual([DISALLOWED, undefined])
  })

  it('while 200 requests use it lets none in that came after', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create()
    const late: number[] = []
    for (let i = 0; i < 200; i += 1) {
      if (i === 100) await gateway.sessions.delete(key)
      const [status] = await ask(key)
      if (i >= 100) late.push(status)
    }
    expect([late.length, new Set(late), upstream.received.length]).toEqual([100, new Set([403]), 100])
  })
})

describe('gateways that share a store', () => {
  it('see what the other one makes, changes and takes back', async () => {
    const store = memoryStore()
    const [one, other] = [await api({}, { store }), await api({}, { store })]
    const { key, id } = await one.gateway.sessions.create({ ...QUOTA, alias: 'Ann' })
    expect([(await one.ask(key))[0], (await other.ask(key))[0]]).toEqual([200, 200])
    expect((await one.gateway.sessions.quotas(key))[0]?.remaining).toBe(1)
    await other.gateway.sessions.update({ id }, { alias: 'Bob' })
    expect((await one.gateway.sessions.get(key))?.session.alias).toBe('Bob')
    await other.gateway.sessions.revoke(key)
    expect((await one.ask(key))[1]).toBe(envelope('Key is inactive, please renew'))
    await one.gateway.sessions.delete(key)
    expect(await other.ask(key)).toEqual(DISALLOWED)
  })

  it('keep it when one of them closes', async () => {
    let closed = 0
    const memory = memoryStore()
    const store: Store = { ...memory, close: () => void (closed += 1) }
    const [one, other] = [await api({}, { store }), await api({}, { store })]
    const { key } = await one.gateway.sessions.create()
    await one.gateway.close()
    await one.gateway.close()
    expect([(await other.ask(key))[0], closed]).toEqual([200, 0])
    await other.gateway.close()
    expect(closed).toBe(1)
  })

  it('know nothing of each other where each has its own', async () => {
    const [one, other] = [await api(), await api()]
    const { key } = await one.gateway.sessions.create()
    expect([(await one.ask(key))[0], (await other.ask(key))[0]]).toEqual([200, 403])
  })
})

describe('list', () => {
  async function pages(gateway: HttpGateway, limit?: number): Promise<readonly (readonly string[])[]> {
    const found: string[][] = []
    let cursor: string | undefined
    do {
      const page = await gateway.sessions.list({ cursor, limit })
      found.push(page.keys.map(({ session }) => session.alias))
      cursor = page.cursor
    } while (cursor !== undefined)
    return found
  }

  it('shows every key once, page by page', async () => {
    const { gateway } = await api()
    for (let i = 0; i < 25; i += 1) await gateway.sessions.create({ alias: String(i) })
    const found = await pages(gateway, 10)
    expect(found.map(({ length }) => length)).toEqual([10, 10, 5])
    expect(found.flat().toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 25 }, (_, i) => String(i)),
    )
  })

  it('has a hundred keys on a page unless told otherwise, and one empty page where there are none', async () => {
    const { gateway } = await api()
    expect(await pages(gateway)).toEqual([[]])
    for (let i = 0; i < 101; i += 1) await gateway.sessions.create()
    expect((await pages(gateway)).map(({ length }) => length)).toEqual([100, 1])
  })

  it.each<[string, unknown]>([
    ['0', 0],
    ['-1', -1],
    ['2.5', 2.5],
    ['NaN', Number.NaN],
    ['Infinity', Infinity],
    ['"5"', '5'],
  ])('refuses pages of %s keys', async (found, limit) => {
    const { gateway } = await api()
    await gateway.sessions.create()
    await expect(gateway.sessions.list({ limit: limit as number })).rejects.toMatchObject({
      code: 'PSTN_VALUE_INVALID',
      message: `limit is ${found}; expected an integer, 1 or more.`,
    })
    expect((await gateway.sessions.list({ limit: undefined })).keys).toHaveLength(1)
  })

  it('names keys by what they can be changed with, and shows none that is gone', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create({ alias: 'Ann' })
    await gateway.sessions.delete((await gateway.sessions.create({ alias: 'Bob' })).key)
    const { keys } = await gateway.sessions.list()
    expect(keys.map(({ session }) => session.alias)).toEqual(['Ann'])
    await gateway.sessions.revoke({ id: keys[0]!.id })
    expect((await ask(key))[0]).toBe(403)
  })

  it('shows no session that a plugin made: nobody holds a key to it', async () => {
    const { gateway, asked } = await api({
      authentication: undefined,
      hooks: { auth: (request) => ({ metadata: { token: request.headers.get('authorization') ?? '' } }) },
    })
    expect(await asked('ann')).toBe(200)
    expect((await gateway.sessions.list()).keys).toEqual([])
  })

  it('goes on while keys come and go', async () => {
    const { gateway } = await api()
    for (let i = 0; i < 30; i += 1) await gateway.sessions.create({ alias: 'old' }, { key: `key-${i}` })
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await gateway.sessions.list({ cursor, limit: 7 })
      seen.push(...page.keys.map(({ id }) => id))
      await gateway.sessions.create({ alias: 'new' })
      cursor = page.cursor
    } while (cursor !== undefined)
    const old = await Promise.all(
      Array.from({ length: 30 }, async (_, i) => (await gateway.sessions.get(`key-${i}`))!.id),
    )
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(expect.arrayContaining(old))
  })
})

describe('quotas', () => {
  it('stand where the requests left them, and are whole again after resetQuota', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create(QUOTA)
    expect(await gateway.sessions.quotas(key)).toEqual([{ apis: ['orders'], max: 3, remaining: 3, renews: 0 }])
    const before = Math.floor(Date.now() / 1_000)
    for (let i = 0; i < 3; i += 1) await ask(key)
    expect(await ask(key)).toEqual([403, envelope('Quota exceeded')])
    const [used] = await gateway.sessions.quotas(key)
    expect([used?.max, used?.remaining]).toEqual([3, 0])
    expect(used?.renews).toBeGreaterThanOrEqual(before + 3_600)
    expect(used?.renews).toBeLessThanOrEqual(Math.ceil(Date.now() / 1_000) + 3_600)
    await gateway.sessions.resetQuota(key)
    expect([(await gateway.sessions.quotas(key))[0]?.remaining, (await ask(key))[0]]).toEqual([3, 200])
  })

  it('are one for the APIs that share it, and one for each that has its own', async () => {
    const { gateway, port } = await run(
      ['orders', 'prices', 'invoices', 'secrets'].map((name) => ({
        name,
        listenPath: `/${name}`,
        upstream: upstream.url,
        authentication: { token: true },
      })),
    )
    const { key } = await gateway.sessions.create({
      ...QUOTA,
      accessRights: { orders: {}, prices: {}, invoices: { limit: { quotaMax: 9, quotaRenewalRate: 60 } } },
    })
    const connection = await connect(port)
    for (const path of ['/orders', '/prices', '/invoices', '/secrets'])
      await connection.request('GET', path, [`Authorization: ${key}`])
    const quotas = await gateway.sessions.quotas(key)
    expect(quotas.map(({ apis, max, remaining }) => ({ apis, max, remaining }))).toEqual([
      { apis: ['orders', 'prices'], max: 3, remaining: 1 },
      { apis: ['invoices'], max: 9, remaining: 8 },
    ])
    await gateway.sessions.resetQuota(key)
    expect((await gateway.sessions.quotas(key)).map(({ remaining }) => remaining)).toEqual([3, 9])
  })

  it('that never renew say so', async () => {
    const { gateway, ask } = await api()
    const { key } = await gateway.sessions.create({ quotaMax: 1 })
    await ask(key)
    expect(await gateway.sessions.quotas(key)).toEqual([{ apis: ['orders'], max: 1, remaining: 0, renews: 0 }])
  })

  it('of a key without any are none', async () => {
    const { gateway } = await api()
    const { key } = await gateway.sessions.create({ rate: 5, per: 1, quotaMax: -1 })
    expect(await gateway.sessions.quotas(key)).toEqual([])
  })

  it('are those of its policies', async () => {
    const { gateway, ask } = await api(
      {},
      { policies: { gold: { ...QUOTA, quotaMax: 7, accessRights: { orders: {} } } } },
    )
    const { key } = await gateway.sessions.create({ ...QUOTA, applyPolicies: ['gold'] })
    await ask(key)
    expect((await gateway.sessions.quotas(key)).map(({ max, remaining }) => [max, remaining])).toEqual([[7, 6]])
    await gateway.sessions.resetQuota(key)
    expect((await gateway.sessions.quotas(key))[0]?.remaining).toBe(7)
  })
})

describe('the session of a key', () => {
  it('is shown to every later hook, its key by name, and can be changed in its metadata only', async () => {
    const refused: unknown[] = []
    const seen: unknown[] = []
    const look =
      (hook: string) =>
      (_: unknown, { session }: { readonly session: SessionView | undefined }): void => {
        seen.push([hook, session?.keyId, session?.alias, session?.rate, session?.metadata['tier']])
        for (const write of [
          () => void ((session as { rate: number }).rate = 0),
          () => void ((session as { metadata: unknown }).metadata = {}),
          () => void (session!.tags as string[]).push('x'),
          () => void ((session!.accessRights as Record<string, unknown>)['prices'] = {}),
          () => void delete (session as { alias?: string }).alias,
        ])
          try {
            write()
            refused.push('written')
          } catch (error) {
            refused.push((error as Error).name)
          }
      }
    const { gateway, ask } = await api({
      hooks: { postAuth: [look('postAuth')], post: [look('post')], response: [look('response')] },
      endpoints: { 'GET /stock': [look('endpoint')] },
    })
    const input: KeyInput = {
      alias: 'Ann',
      rate: 5,
      per: 1,
      tags: ['a'],
      accessRights: { orders: {} },
      metadata: { tier: 'gold' },
    }
    const { key, session } = await gateway.sessions.create(input)
    expect((await ask(key))[0]).toBe(200)
    expect(seen).toEqual(['postAuth', 'endpoint', 'post', 'response'].map((hook) => [hook, key, 'Ann', 5, 'gold']))
    expect(new Set(refused)).toEqual(new Set(['TypeError']))
    expect((await gateway.sessions.get(key))?.session).toEqual(session)
  })

  it('says where the quota stands from the endpoint on', async () => {
    const seen: unknown[] = []
    const look = (_: unknown, { session }: { readonly session: SessionView | undefined }): void =>
      void seen.push(session?.quotaRemaining)
    const { gateway, ask } = await api({
      hooks: { post: [look], response: [look] },
      endpoints: { 'GET /stock': [look] },
    })
    const { key } = await gateway.sessions.create(QUOTA)
    await ask(key)
    await ask(key)
    expect(seen).toEqual([2, 2, 2, 1, 1, 1])
  })

  it('keeps what hooks noted, saved once after the answer', async () => {
    const memory = memoryStore()
    const saves: string[] = []
    const answered = signalled()
    const store: Store = {
      ...memory,
      save: (...args) => {
        saves.push(String(args[3] === 'absent' ? 'created' : args[1].metadata['trail']))
        return memory.save(...args)
      },
    }
    const note =
      (hook: string) =>
      (_: unknown, { session }: { readonly session: SessionView | undefined }): void => {
        session!.metadata['trail'] = [...((session!.metadata['trail'] as string[] | undefined) ?? []), hook]
      }
    const { gateway, asked } = await api(
      {
        hooks: {
          postAuth: [note('postAuth')],
          post: [note('post')],
          response: [note('response'), () => void (saves.length === 1 && answered.signal())],
        },
        endpoints: { 'GET /stock': [note('endpoint')] },
      },
      { store },
    )
    const { key } = await gateway.sessions.create()
    await asked(key)
    await answered.promise
    expect(saves).toEqual(['created', 'postAuth,endpoint,post,response'])
    expect((await gateway.sessions.get(key))?.session.metadata).toEqual({
      trail: ['postAuth', 'endpoint', 'post', 'response'],
    })
  })

  it('is not saved by requests that noted nothing', async () => {
    const memory = memoryStore()
    let saves = 0
    const store: Store = {
      ...memory,
      save: (...args) => {
        saves += 1
        return memory.save(...args)
      },
    }
    const { gateway, asked } = await api(
      { hooks: { post: [(_request, { session }) => void (session!.metadata['tier'] = 'gold')] } },
      { store },
    )
    const { key } = await gateway.sessions.create({ ...QUOTA, rate: 5, per: 1, metadata: { tier: 'gold' } })
    await asked(key)
    await asked(key)
    expect(saves).toBe(1)
  })

  it('loses what hooks took out of its metadata, deep down as well', async () => {
    const { gateway, asked } = await api({
      hooks: {
        post: [
          (_request, { session }) => {
            delete session!.metadata['first']
            ;(session!.metadata['deep'] as Record<string, unknown>)['inner'] = 2
          },
        ],
      },
    })
    const { key } = await gateway.sessions.create({ metadata: { first: 1, deep: { inner: 1, other: 1 } } })
    await asked(key)
    expect((await gateway.sessions.get(key))?.session.metadata).toEqual({ deep: { inner: 2, other: 1 } })
  })

  it('takes what was noted into what it is by then', async () => {
    const [arrived, changed] = [signalled(), signalled()]
    const { gateway, ask } = await api({
      hooks: {
        post: [
          async (_request, { session }) => {
            session!.metadata['visits'] = 1
            arrived.signal()
            await changed.promise
          },
        ],
      },
    })
    const { key } = await gateway.sessions.create({ alias: 'before', metadata: { tier: 'free' } })
    const running = ask(key)
    await arrived.promise
    await gateway.sessions.update(key, { alias: 'after', isInactive: true, metadata: { tier: 'gold', by: 'admin' } })
    changed.signal()
    expect((await running)[0]).toBe(200)
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    expect((await gateway.sessions.get(key))?.session).toMatchObject({
      alias: 'after',
      isInactive: true,
      metadata: { tier: 'gold', by: 'admin', visits: 1 },
    })
  })

  it('takes different notes of requests at the same time', async () => {
    const all = signalled()
    let under = 0
    const { gateway, port } = await api({
      hooks: {
        post: [
          async (request, { session }) => {
            session!.metadata[request.path.slice(1)] = true
            under += 1
            if (under === 10) all.signal()
            await all.promise
          },
        ],
      },
    })
    const { key } = await gateway.sessions.create()
    const connections = await Promise.all(Array.from({ length: 10 }, () => connect(port)))
    const answers = await Promise.all(
      connections.map((connection, i) => connection.request('GET', `/n${i}`, [`Authorization: ${key}`])),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(10))
    const { metadata } = (await gateway.sessions.get(key))!.session
    expect(Object.keys(metadata).toSorted()).toEqual(Array.from({ length: 10 }, (_, i) => `n${i}`))
  })

  it('does not come back by what was noted on it while it was deleted', async () => {
    const [arrived, deleted] = [signalled(), signalled()]
    const { gateway, ask } = await api({
      hooks: {
        post: [
          async (_request, { session }) => {
            session!.metadata['visits'] = 1
            arrived.signal()
            await deleted.promise
          },
        ],
      },
    })
    const { key } = await gateway.sessions.create()
    const running = ask(key)
    await arrived.promise
    await gateway.sessions.delete(key)
    deleted.signal()
    expect((await running)[0]).toBe(200)
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    expect([await gateway.sessions.get(key), await ask(key)]).toEqual([undefined, DISALLOWED])
  })

  it('never has its policies written into it, by notes neither', async () => {
    const policies = {
      gold: { rate: 5, per: 1, tags: ['gold'], metadata: { level: 'gold' }, accessRights: { orders: {} } },
    } satisfies Record<string, PolicyInput>
    const seen: unknown[] = []
    const { gateway, asked } = await api(
      {
        hooks: {
          post: [
            (_request, { session }) => {
              seen.push(session!.metadata['level'], session!.rate, session!.tags)
              session!.metadata['visits'] = 1
            },
          ],
        },
      },
      { policies },
    )
    const { key } = await gateway.sessions.create({ applyPolicies: ['gold'], metadata: { mine: 1 } })
    expect(await asked(key)).toBe(200)
    expect(seen).toEqual(['gold', 5, ['gold']])
    const { session } = (await gateway.sessions.get(key))!
    expect([session.metadata, session.rate, session.tags, session.accessRights]).toEqual([
      { mine: 1, visits: 1 },
      0,
      [],
      {},
    ])
  })

  it('stays as it was where what was noted is no data, and the request is answered all the same', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warnings.mockRestore())
    const { gateway, asked } = await api({
      hooks: {
        post: [
          (request, { session }) => {
            session!.metadata['visits'] = 1
            session!.metadata['bad'] = { '/f': () => 1, '/n': 1n, '/c': cyclic(), '/d': new Date() }[request.path]
          },
        ],
      },
    })
    const { key } = await gateway.sessions.create({ metadata: { tier: 'gold' } })
    for (const path of ['/f', '/n', '/c', '/d']) expect(await asked(key, path)).toBe(200)
    expect((await gateway.sessions.get(key))?.session.metadata).toEqual({ tier: 'gold' })
    expect(warnings.mock.calls.map(([text]) => String(text)).join()).toMatch(/metadata\.bad/)
    expect(seenByProcess).toEqual([])
  })

  it('is told to be unsaved where the store fails after the answer', async () => {
    const memory = memoryStore()
    let failing = false
    const store: Store = {
      ...memory,
      save: (...args) => {
        if (failing) throw new Error('the disk is full')
        return memory.save(...args)
      },
    }
    const { gateway, asked } = await api(
      { hooks: { post: [(_request, { session }) => void (session!.metadata['visits'] = 1)] } },
      { store },
    )
    const errors = listenTo(gateway, 'storeError')
    const { key } = await gateway.sessions.create()
    failing = true
    expect(await asked(key)).toBe(200)
    await settled()
    expect(errors.map(({ feature, outcome }) => [feature, outcome])).toEqual([['sessions', 'notSaved']])
    expect(seenByProcess).toEqual([])
  })
})

describe('what events call a caller', () => {
  it('is how the id of its session begins, by which its key is found again', async () => {
    const { gateway, ask } = await api()
    const heard = [listenTo(gateway, 'keyExpired'), listenTo(gateway, 'rateLimitExceeded')]
    const { key, masked } = await gateway.sessions.create({ alias: 'Ann', rate: 1, per: 3_600 })
    await gateway.sessions.create({ alias: 'Bob' })
    await ask(key)
    await ask(key)
    await gateway.sessions.revoke(key)
    await ask(key)
    const names = heard.map((events) => events.map((event) => event.key))
    expect(names).toEqual([[masked], [masked]])
    const { keys } = await gateway.sessions.list()
    const found = keys.filter(({ id }) => `${id.slice(0, 12)}…` === masked)
    expect(found.map(({ session }) => session.alias)).toEqual(['Ann'])
  })

  it('is the hash of its token where an auth plugin named it', async () => {
    const { gateway, ask } = await api({
      authentication: undefined,
      hooks: {
        auth: (request) => ({ rate: 1, per: 3_600, metadata: { token: request.headers.get('authorization') ?? '' } }),
      },
    })
    const events = listenTo(gateway, 'rateLimitExceeded')
    await ask('ann')
    await ask('ann')
    expect(events.map(({ key }) => key)).toEqual([`${createHash('sha256').update('ann').digest('hex').slice(0, 12)}…`])
  })
})
