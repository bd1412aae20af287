import {
  type ApiDefinitionInput,
  type AuthPlugin,
  type GatewayEvents,
  type GatewayOptions,
  isGatewayError,
  type KeyInput,
  type StoreFeature,
} from '@postern/core'
import { GatewayError, type Store } from '@postern/core/store'
import { describe, expect, it } from 'vitest'
import { envelope, fields, listenTo, settled, watchProcess, type WireResponse } from './harness.ts'
import { type Ask, type Limited, limitFields, remaining, runLimited, times, told } from './limits-harness.ts'
import {
  copying,
  type CopyingStore,
  COUNTING,
  EVERYTHING,
  type Failing,
  fragile,
  type FragileStore,
  NOTHING,
  remote,
  SAVING,
} from '../support/stores.ts'

const UNAVAILABLE = envelope('Session store unavailable')
const DISALLOWED = envelope('Access to this API has been disallowed')

const RATE: KeyInput = { rate: 100, per: 60 }
const QUOTA: KeyInput = { quotaMax: 100, quotaRenewalRate: 60 }

/** Whoever names himself is let in. */
const named: AuthPlugin = (request) => ({
  ...RATE,
  ...QUOTA,
  metadata: { token: request.headers.get('authorization') ?? '' },
})

const EXTRACTED: ApiDefinitionInput['authentication'] = {
  idExtractor: { source: 'header', header: 'authorization', mode: 'value' },
}

function atItsName(api: ApiDefinitionInput): ApiDefinitionInput {
  return { ...api, listenPath: `/${api.name}/` }
}

/** Every kind of API there is to ask, side by side. */
const APIS: readonly ApiDefinitionInput[] = [
  { name: 'keyless' },
  { name: 'limited', limits: { rate: 100, per: 60 } },
  { name: 'keys', authentication: { token: true } },
  { name: 'keysLimited', authentication: { token: true }, limits: { rate: 100, per: 60 } },
  { name: 'plugin', hooks: { auth: named } },
  { name: 'extracted', hooks: { auth: named }, authentication: EXTRACTED },
  { name: 'seen', authentication: { token: true }, hooks: { postAuth: [() => undefined] } },
  { name: 'both', authentication: { token: true }, hooks: { auth: named } },
].map(atItsName)

interface Fragile extends Limited {
  readonly store: FragileStore
}

async function runFragile(
  definition: ApiDefinitionInput | readonly ApiDefinitionInput[],
  options: Omit<GatewayOptions, 'store'> = {},
): Promise<Fragile> {
  const stores: FragileStore[] = []
  const limited = await runLimited(definition, {
    ...options,
    store(memory) {
      stores.push(fragile(memory))
      return stores[0]!
    },
  })
  limited.gateway.on('storeError', () => undefined)
  return { ...limited, store: stores[0]! }
}

async function newKey({ gateway }: Limited, session: KeyInput): Promise<string> {
  return (await gateway.sessions.create(session)).key
}

/** The answer in short: the status where the request passed, what it was told where it did not. */
function outcome({ status, body }: WireResponse): number | string {
  return status === 200 ? 200 : `${status} ${body}`
}

/** An event in short: what decided, among what was asked, and how. */
function inShort(event: GatewayEvents['storeError']): readonly [StoreFeature, readonly StoreFeature[], string] {
  return [event.feature, event.features, event.outcome]
}

const POLICIES = (['refuse', 'pass'] as const).flatMap((sessions) =>
  (['refuse', 'pass'] as const).flatMap((quota) =>
    (['refuse', 'pass'] as const).map((rateLimit) => ({ sessions, quota, rateLimit })),
  ),
)

describe.each(POLICIES)('sessions $sessions, quota $quota, rateLimit $rateLimit', (policy) => {
  /** One `refuse` among what was asked refuses; nobody is let in whom nobody knows. */
  function expected(asked: readonly StoreFeature[]): number | string {
    return asked.some((feature) => policy[feature] === 'refuse') ? `503 ${UNAVAILABLE}` : 200
  }

  /** The first that refuses decides; where all pass, the first that was asked. */
  function announced(asked: readonly StoreFeature[]): ReturnType<typeof inShort> {
    const refusing = asked.find((feature) => policy[feature] === 'refuse')
    return [refusing ?? asked[0]!, asked, refusing === undefined ? 'passed' : 'refused']
  }

  it.each<[string, KeyInput, readonly StoreFeature[]]>([
    ['/keyless/', {}, []],
    ['/limited/', {}, ['rateLimit']],
    ['/keys/', {}, []],
    ['/keys/', RATE, ['rateLimit']],
    ['/keys/', QUOTA, ['quota']],
    ['/keys/', { ...RATE, ...QUOTA }, ['quota', 'rateLimit']],
    ['/keysLimited/', {}, ['rateLimit']],
    ['/keysLimited/', QUOTA, ['quota', 'rateLimit']],
    ['/plugin/', {}, ['quota', 'rateLimit']],
  ])('while only counting fails, %s by %j is decided by %j', async (path, session, asked) => {
    const problems = watchProcess()
    const limited = await runFragile(APIS, { onStoreError: policy })
    const events = listenTo(limited.gateway, 'storeError')
    const key = await newKey(limited, session)
    limited.store.down = COUNTING
    const answer = await limited.ask({ path, key })
    const passes = asked.every((feature) => policy[feature] === 'pass')
    expect([outcome(answer), limitFields(answer), limited.reached.length]).toEqual([
      expected(asked),
      {},
      passes ? 1 : 0,
    ])
    expect(events.map(inShort)).toEqual(asked.length === 0 ? [] : [announced(asked)])
    for (const { api, error } of events) expect([`/${api.id}/`, error.code]).toEqual([path, 'PSTN_STORE_UNAVAILABLE'])
    await settled()
    expect(problems).toEqual([])
  })

  it('while everything fails, a key nobody has seen is refused whatever the policy says', async () => {
    const limited = await runFragile(APIS, { onStoreError: policy })
    const events = listenTo(limited.gateway, 'storeError')
    const key = await newKey(limited, RATE)
    limited.store.down = EVERYTHING
    for (const path of ['/keys/', '/seen/', '/both/']) {
      events.length = 0
      expect(outcome(await limited.ask({ path, key }))).toBe(`503 ${UNAVAILABLE}`)
      // At `both` the plugin is asked as well, and has nothing to look at.
      const plugin = path === '/both/' && policy.sessions === 'pass' ? [['sessions', ['sessions'], 'passed']] : []
      // What it noted cannot be saved either, which may be heard of by now.
      const deciding = events.filter((event) => event.outcome !== 'notSaved')
      expect(deciding.map(inShort)).toEqual([...plugin, ['sessions', ['sessions'], 'refused']])
    }
    expect(limited.reached).toEqual([])
  })

  it.each(['/plugin/', '/extracted/'])(
    'while everything fails, %s asks its plugin where sessions pass',
    async (path) => {
      const problems = watchProcess()
      const limited = await runFragile(APIS, { onStoreError: policy })
      const events = listenTo(limited.gateway, 'storeError')
      limited.store.down = EVERYTHING
      const answer = await limited.ask({ path, key: 'ann' })
      expect(outcome(answer)).toBe(expected(['sessions', 'quota', 'rateLimit']))
      const deciding = events.filter((event) => event.outcome !== 'notSaved')
      expect(deciding.map(inShort)).toEqual([
        announced(['sessions']),
        ...(policy.sessions === 'pass' ? [announced(['quota', 'rateLimit'])] : []),
      ])
      await settled()
      expect(problems).toEqual([])
    },
  )

  it('a session that cannot be saved loses what was noted, and nothing else', async () => {
    const limited = await runFragile(APIS, { onStoreError: policy })
    const events = listenTo(limited.gateway, 'storeError')
    limited.store.down = SAVING
    expect(outcome(await limited.ask({ path: '/plugin/', key: 'ann' }))).toBe(200)
    await expect.poll(() => events.map(inShort)).toEqual([['sessions', ['sessions'], 'notSaved']])
  })
})

describe('without onStoreError', () => {
  it('protected APIs answer 503, and keyless ones go on without their limits', async () => {
    const limited = await runFragile(APIS)
    const events = listenTo(limited.gateway, 'storeError')
    const key = await newKey(limited, RATE)
    limited.store.down = EVERYTHING
    const seen: (number | string)[] = []
    for (const { name } of APIS) seen.push(outcome(await limited.ask({ path: `/${name}/`, key })))
    expect(seen).toEqual([200, 200, ...Array.from({ length: 6 }, () => `503 ${UNAVAILABLE}`)])
    expect(events.map((event) => [event.api.id, event.feature, event.outcome])).toEqual([
      ['limited', 'rateLimit', 'passed'],
      ...['keys', 'keysLimited', 'plugin', 'extracted', 'seen', 'both'].map((id) => [id, 'sessions', 'refused']),
    ])
  })

  it('quotas refuse and rates pass', async () => {
    const limited = await runFragile(APIS)
    const [rate, quota] = [await newKey(limited, RATE), await newKey(limited, QUOTA)]
    limited.store.down = COUNTING
    expect(outcome(await limited.ask({ path: '/keys/', key: rate }))).toBe(200)
    expect(outcome(await limited.ask({ path: '/keys/', key: quota }))).toBe(`503 ${UNAVAILABLE}`)
  })

  it('a request of XML is told in XML', async () => {
    const limited = await runFragile(APIS)
    limited.store.down = EVERYTHING
    const answer = await limited.ask({ path: '/keys/', key: 'a', headers: ['Content-Type: text/xml'] })
    expect([answer.status, fields(answer, 'content-type'), answer.body]).toEqual([
      503,
      ['text/xml'],
      expect.stringContaining('<error>Session store unavailable</error>'),
    ])
  })
})

describe.each<Failing>(['at once', 'later', 'after hanging', 'by throwing'])('a store that fails %s', (failing) => {
  it('is answered for, and everything is as it was when it is back', async () => {
    const problems = watchProcess()
    const limited = await runFragile(APIS)
    const events = listenTo(limited.gateway, 'storeError')
    const key = await newKey(limited, { ...RATE, ...QUOTA })
    const asks: readonly Ask[] = APIS.map(({ name }) => ({ path: `/${name}/`, key }))
    const all = async (): Promise<number[]> => (await Promise.all(asks.map((ask) => limited.atOnce(3, ask)))).flat()
    // What the plugins let in has to agree with the keys at `both`.
    expect(await all()).toEqual(times(24, 200))
    expect(events).toEqual([])
    Object.assign(limited.store, { down: EVERYTHING, failing })
    expect(await all()).toEqual([...times(6, 200), ...times(18, 503)])
    expect(events.length).toBeGreaterThanOrEqual(21)
    expect(events.every(({ error }) => isGatewayError(error))).toBe(true)
    limited.store.down = NOTHING
    expect(await all()).toEqual(times(24, 200))
    const answer = await limited.ask({ path: '/keys/', key })
    // keys, keysLimited and seen share the key's own limits: nothing was counted while the store was away.
    expect(remaining(answer)).toEqual({ key: 81, quota: 81 })
    await settled()
    expect(problems).toEqual([])
  })

  it('makes gateway.sessions and ready() reject', async () => {
    const { gateway, store } = await runFragile(APIS)
    Object.assign(store, { down: EVERYTHING, failing })
    for (const work of [
      () => gateway.sessions.create({}),
      () => gateway.sessions.get('key'),
      () => gateway.sessions.update('key', {}),
    ])
      await expect(work()).rejects.toMatchObject({ code: 'PSTN_STORE_UNAVAILABLE' })
    store.ready = () => Promise.reject(new GatewayError('PSTN_STORE_UNAVAILABLE', 'There is none.'))
    await expect(gateway.ready()).rejects.toMatchObject({ code: 'PSTN_STORE_UNAVAILABLE' })
  })
})

describe('what else may come of a store', () => {
  it('a session nobody can read is 403 for its key alone, whatever passes otherwise', async () => {
    const broken = new Set<string>()
    const limited = await runLimited(APIS, {
      onStoreError: { sessions: 'pass', quota: 'pass', rateLimit: 'pass' },
      store: (memory) => ({
        ...memory,
        local: false,
        load(id, freshness) {
          if (broken.has(id)) return Promise.reject(new GatewayError('PSTN_SESSION_CORRUPT', 'It is no JSON.'))
          return memory.load(id, freshness)
        },
      }),
    })
    const events = listenTo(limited.gateway, 'storeError')
    const [bad, good] = [await limited.gateway.sessions.create(RATE), await limited.gateway.sessions.create(RATE)]
    broken.add(bad.id)
    const answer = await limited.ask({ path: '/keys/', key: bad.key })
    expect([answer.status, answer.body]).toEqual([403, DISALLOWED])
    expect(await limited.statuses(1, { path: '/keys/', key: good.key })).toEqual([200])
    expect(events.map(({ api, feature, outcome: became, error }) => [api.id, feature, became, error.code])).toEqual([
      ['keys', 'sessions', 'refused', 'PSTN_SESSION_CORRUPT'],
    ])
    expect(JSON.stringify(events)).not.toContain(bad.key)
  })

  it.each([
    ['an ordinary error', new TypeError('a bug')],
    ['something that is no error', 'a bug'],
  ])('%s lets nobody in, and leaves the process alone', async (_, reason) => {
    const problems = watchProcess()
    const limited = await runLimited(APIS, {
      onStoreError: { sessions: 'pass', quota: 'pass', rateLimit: 'pass' },
      store: (memory) => ({
        ...memory,
        local: false,
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whatever a store of somebody else's rejects with
        load: () => Promise.reject(reason),
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the same
        take: () => Promise.reject(reason),
      }),
    })
    for (const path of ['/keys/', '/extracted/', '/plugin/', '/limited/'])
      expect([path, await limited.atOnce(1, { path, key: 'ann' })]).toEqual([path, [500]])
    await settled()
    expect([limited.reached, problems]).toEqual([[], []])
  })

  it('one warning is printed where nobody listens, and it names the store', async () => {
    const warnings: string[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', onWarning)
    const limited = await runLimited(
      { name: 'only-here', authentication: { token: true } },
      { store: (memory) => Object.assign(fragile(memory), { down: EVERYTHING }) },
    )
    await limited.statuses(3, { key: 'ann' })
    await settled()
    process.off('warning', onWarning)
    const ours = warnings.filter((text) => text.includes('only-here'))
    expect(ours).toEqual([expect.stringContaining('[PSTN_STORE_UNAVAILABLE] the store (sessions, refused)')])
  })
})

interface Copied extends Limited {
  readonly store: CopyingStore & FragileStore
  readonly ran: string[]
  readonly sessions: unknown[]
}

/** APIs that note which plugins ran, and what sessions they were shown. */
async function runCopied(
  definition: Partial<ApiDefinitionInput> = {},
  options: Omit<GatewayOptions, 'store'> = {},
): Promise<Copied> {
  const ran: string[] = []
  const sessions: unknown[] = []
  const note =
    (name: string) => (_: unknown, context: { readonly session?: { readonly alias: string } | undefined }) => {
      ran.push(name)
      sessions.push(context.session?.alias)
    }
  let store: (CopyingStore & FragileStore) | undefined
  const limited = await runLimited(
    {
      name: 'orders',
      authentication: { token: true },
      ...definition,
      hooks: { ...definition.hooks, post: [note('post')], response: [note('response')] },
      endpoints: { 'GET /': [note('endpoint')] },
    },
    {
      ...options,
      store(memory) {
        const failing = fragile(memory)
        // One object with what both can be told: copies are served while the store behind is away.
        store = Object.defineProperties(copying(failing), {
          down: {
            get: () => failing.down,
            set(down: FragileStore['down']) {
              failing.down = down
            },
          },
          asked: { get: () => failing.asked },
        }) as CopyingStore & FragileStore
        return store
      },
    },
  )
  limited.gateway.on('storeError', () => undefined)
  return { ...limited, store: store!, ran, sessions }
}

describe('a copy that the store has not confirmed', () => {
  /** A key, and a copy of its session as it was made. */
  async function copied(limited: Copied, session: KeyInput): Promise<{ readonly key: string; readonly id: string }> {
    const made = await limited.gateway.sessions.create({ alias: 'as it was', ...session })
    await limited.store.copy(made.id)
    limited.store.confirmed.length = 0
    return made
  }

  it('is confirmed by the question that counts: the store is asked once', async () => {
    const limited = await runCopied()
    for (const session of [{}, RATE, { ...RATE, ...QUOTA }]) {
      const { key, id } = await copied(limited, session)
      const takes = limited.store.takes
      expect(await limited.statuses(1, { key })).toEqual([200])
      expect([limited.store.takes - takes, limited.store.confirmed.filter((asked) => asked === id)]).toEqual([1, []])
    }
  })

  it.each<[string, (limited: Copied, key: string) => Promise<unknown>, number, string]>([
    ['revoked', ({ gateway }, key) => gateway.sessions.revoke(key), 403, 'Key is inactive, please renew'],
    [
      'expired',
      ({ gateway }, key) => gateway.sessions.update(key, { expires: 1 }),
      401,
      'Key has expired, please renew',
    ],
    ['deleted', ({ gateway }, key) => gateway.sessions.delete(key), 403, 'Access to this API has been disallowed'],
    [
      'moved to another API',
      ({ gateway }, key) => gateway.sessions.update(key, { accessRights: { other: {} } }),
      403,
      'Access to this API has been disallowed',
    ],
    [
      'kept from this path',
      ({ gateway }, key) =>
        gateway.sessions.update(key, {
          accessRights: { orders: { allowedUrls: [{ url: '/other', methods: ['GET'] }] } },
        }),
      403,
      'Access to this resource has been disallowed',
    ],
  ])(
    'lets nobody in whose key was %s meanwhile, and no plugin sees the request',
    async (_, change, status, message) => {
      for (const session of [{}, { ...RATE, ...QUOTA }]) {
        const limited = await runCopied({ limits: { rate: 50, per: 60 } })
        const { key } = await copied(limited, session)
        await change(limited, key)
        const answer = await limited.ask({ key })
        expect([answer.status, answer.body, limited.ran, limited.reached]).toEqual([status, envelope(message), [], []])
        const fresh = await newKey(limited, {})
        expect(remaining(await limited.ask({ key: fresh }))).toEqual({ api: 49 })
      }
    },
  )

  it.each<[string, KeyInput, KeyInput]>([
    ['was expired', { expires: 1 }, { expires: 0 }],
    ['was revoked', { isInactive: true }, { isInactive: false }],
    ['had no access to the API', { accessRights: { other: {} } }, { accessRights: { orders: {} } }],
    [
      'had no access to the path',
      { accessRights: { orders: { allowedUrls: [{ url: '/other', methods: ['GET'] }] } } },
      { accessRights: {} },
    ],
  ])('keeps nobody out whose key %s when it was copied, and is not now', async (_, before, now) => {
    const limited = await runCopied()
    const events = listenTo(limited.gateway, 'keyExpired')
    const { key } = await copied(limited, { ...before, ...RATE })
    await limited.gateway.sessions.update(key, { ...now, alias: 'as it is' })
    const answer = await limited.ask({ key })
    expect([answer.status, remaining(answer), events]).toEqual([200, { key: 99 }, []])
    expect(limited.sessions).toEqual(['as it is', 'as it is', 'as it is'])
  })

  it('is not what plugins are shown, once it has changed', async () => {
    const limited = await runCopied({ hooks: { postAuth: [] } })
    const { key } = await copied(limited, RATE)
    await limited.gateway.sessions.update(key, { alias: 'as it is' })
    expect(await limited.statuses(1, { key })).toEqual([200])
    expect([limited.ran, limited.sessions]).toEqual([
      ['endpoint', 'post', 'response'],
      ['as it is', 'as it is', 'as it is'],
    ])
  })

  it('is not what postAuth plugins are shown', async () => {
    const aliases: string[] = []
    const limited = await runCopied({ hooks: { postAuth: [(_, { session }) => void aliases.push(session.alias)] } })
    const { key } = await copied(limited, RATE)
    await limited.gateway.sessions.update(key, { alias: 'as it is' })
    expect([await limited.statuses(1, { key }), aliases]).toEqual([[200], ['as it is']])
  })

  it('does not limit anybody: what the store holds does, and counts each request once', async () => {
    const limited = await runCopied()
    const { key } = await copied(limited, { rate: 100, per: 60 })
    await limited.gateway.sessions.update(key, { rate: 2, quotaMax: 5, quotaRenewalRate: 60 })
    const first = await limited.ask({ key })
    expect(told(first)).toEqual({ key: { q: 2, w: 60, r: 1, t: 60 }, quota: { q: 5, w: 60, r: 4, t: 60 } })
    expect(await limited.statuses(2, { key })).toEqual([200, 429])
    await limited.gateway.sessions.update(key, { rate: 0, quotaMax: 0 })
    expect(limitFields(await limited.ask({ key }))).toEqual({})
  })

  it('refused by its own limits, though, is asked about as well', async () => {
    const limited = await runCopied()
    const { key } = await copied(limited, { rate: 1, per: 60 })
    expect(await limited.statuses(2, { key })).toEqual([200, 429])
    await limited.gateway.sessions.update(key, { rate: 3 })
    expect(await limited.statuses(3, { key })).toEqual([200, 200, 429])
  })

  it('ends its waiting when the key is revoked', async () => {
    const limited = await runCopied()
    const { key } = await copied(limited, { rate: 1, per: 60, throttleInterval: 0.005, throttleRetryLimit: 100_000 })
    await limited.statuses(1, { key })
    const waiting = limited.ask({ key })
    await expect.poll(() => limited.store.takes).toBeGreaterThan(3)
    await limited.gateway.sessions.revoke(key)
    expect((await waiting).status).toBe(403)
  })

  it('lets its key in while the store is away, where sessions pass', async () => {
    const limited = await runCopied({}, { onStoreError: { sessions: 'pass', quota: 'pass' } })
    const events = listenTo(limited.gateway, 'storeError')
    const { key } = await copied(limited, { ...RATE, ...QUOTA })
    limited.store.down = EVERYTHING
    expect(await limited.statuses(1, { key })).toEqual([200])
    expect(events.map(inShort)).toEqual([['sessions', ['sessions', 'quota', 'rateLimit'], 'passed']])
  })

  it('lets nobody in whose quota cannot be counted, and says it was that', async () => {
    const limited = await runCopied({}, { onStoreError: { sessions: 'pass', rateLimit: 'refuse' } })
    const events = listenTo(limited.gateway, 'storeError')
    const { key } = await copied(limited, { ...RATE, ...QUOTA })
    limited.store.down = EVERYTHING
    expect(outcome(await limited.ask({ key }))).toBe(`503 ${UNAVAILABLE}`)
    expect(events.map(inShort)).toEqual([['quota', ['sessions', 'quota', 'rateLimit'], 'refused']])
  })

  it('lets nobody in while the store is away, where sessions refuse', async () => {
    const limited = await runCopied({}, { onStoreError: { quota: 'pass' } })
    const events = listenTo(limited.gateway, 'storeError')
    const keys = [await copied(limited, RATE), await copied(limited, {})]
    limited.store.down = EVERYTHING
    for (const { key } of keys) expect(outcome(await limited.ask({ key }))).toBe(`503 ${UNAVAILABLE}`)
    expect([limited.ran, events.map(inShort)]).toEqual([
      [],
      [
        ['sessions', ['sessions', 'rateLimit'], 'refused'],
        ['sessions', ['sessions'], 'refused'],
      ],
    ])
  })

  it('that would refuse its key does so while the store is away, or the store is said to be', async () => {
    for (const sessions of ['refuse', 'pass'] as const) {
      const limited = await runCopied({}, { onStoreError: { sessions } })
      const { key } = await copied(limited, { isInactive: true })
      limited.store.down = EVERYTHING
      const { status } = await limited.ask({ key })
      expect([403, 503]).toContain(status)
      expect(limited.reached).toEqual([])
    }
  })

  it('of a session an extracted id names does not outlive what was forgotten', async () => {
    let calls = 0
    const auth: AuthPlugin = () => {
      calls += 1
      return {
        ...RATE,
        alias: `call ${calls}`,
        metadata: {},
        idExtractorDeadline: Math.floor(Date.now() / 1000) + 3600,
      }
    }
    const limited = await runCopied({ authentication: EXTRACTED, hooks: { auth } })
    await limited.statuses(1, { key: 'ann' })
    const id = limited.store.confirmed.find((asked) => asked.includes(':id:'))!
    await limited.store.copy(id)
    expect([await limited.statuses(2, { key: 'ann' }), calls]).toEqual([[200, 200], 1])
    await limited.gateway.sessions.forget('orders', 'ann')
    limited.sessions.length = 0
    expect([await limited.statuses(1, { key: 'ann' }), calls]).toEqual([[200], 2])
    expect(limited.sessions).toEqual(['call 2', 'call 2', 'call 2'])
  })

  it('is not what an auth plugin is shown of a session the store holds', async () => {
    const seen: unknown[] = []
    const auth: AuthPlugin = (request, { session }) => {
      seen.push(session?.metadata['note'])
      return session ?? { ...RATE, metadata: { token: request.headers.get('authorization') ?? '', note: 'first' } }
    }
    const limited = await runCopied({ authentication: undefined, hooks: { auth } })
    await limited.statuses(1, { key: 'ann' })
    const [id] = limited.store.confirmed
    await expect.poll(() => limited.store.load(id!, 'confirmed')).toBeDefined()
    await limited.store.copy(id!)
    const stored = (await limited.store.load(id!, 'confirmed'))!
    const changed = { ...stored.session, metadata: { ...stored.session.metadata, note: 'changed' } }
    await limited.store.save(id!, changed, Infinity, 'present')
    await limited.statuses(1, { key: 'ann' })
    expect(seen).toEqual([undefined, 'changed'])
  })

  it('that vouches for nobody any more is not what an auth plugin is shown beside an extracted id', async () => {
    const seen: unknown[] = []
    const auth: AuthPlugin = (_, { session }) => {
      seen.push(session?.alias)
      return { alias: `call ${seen.length}`, metadata: {} }
    }
    const limited = await runCopied({ authentication: EXTRACTED, hooks: { auth } })
    await limited.statuses(1, { key: 'ann' })
    await limited.store.copy(limited.store.confirmed.find((asked) => asked.includes(':id:'))!)
    await limited.statuses(2, { key: 'ann' })
    expect(seen).toEqual([undefined, 'call 1', 'call 2'])
  })
})

describe('every kind of store gives the same answers', () => {
  function limited(api: ApiDefinitionInput): ApiDefinitionInput {
    return { ...api, limits: { rate: 6, per: 10, endpoints: { 'GET /slow/:id': { rate: 1, per: 20 } } } }
  }

  const definitions: readonly ApiDefinitionInput[] = [
    ...APIS.map(limited),
    {
      name: 'noting',
      listenPath: '/noting/',
      authentication: { token: true },
      hooks: {
        post: [
          (request, { session }) => {
            const before = session!.metadata['visits']
            session!.metadata['visits'] = typeof before === 'number' ? before + 1 : 1
            request.headers.set('x-visits', String(session!.metadata['visits']))
          },
        ],
      },
    },
  ]

  /** What a script of requests is answered: everything but the time of day. */
  async function transcript(store: (memory: Store) => Store): Promise<readonly unknown[]> {
    const problems = watchProcess()
    const running = await runLimited(definitions, {
      store,
      policies: {
        pair: { rate: 3, per: 30, quotaMax: 5, quotaRenewalRate: 40, accessRights: { keys: {}, both: {}, seen: {} } },
      },
    })
    const { gateway, clock } = running
    const seen: unknown[] = []
    const note = (event: string) => (data: { readonly api: { readonly id: string } }) =>
      void seen.push([event, data.api.id])
    gateway.on('rateLimitExceeded', note('rate'))
    gateway.on('quotaExceeded', note('quota'))
    gateway.on('quotaThreshold', note('threshold'))
    gateway.on('keyExpired', note('expired'))
    gateway.on('authFailure', note('auth'))
    gateway.on('storeError', note('store'))
    gateway.on('pluginError', note('plugin'))
    const { key: ann } = await gateway.sessions.create(
      { ...RATE, rate: 4, quotaMax: 9, quotaRenewalRate: 25, monitor: { triggerLimits: [50] } },
      { key: 'key-of-ann' },
    )
    const { key: bob } = await gateway.sessions.create({ applyPolicies: ['pair'] }, { key: 'key-of-bob' })
    const { key: old } = await gateway.sessions.create({ expires: 1 }, { key: 'key-of-old' })
    const keys = [ann, bob, old, 'nobody', undefined]
    let turn = 0
    for (let round = 0; round < 5; round += 1) {
      for (const { listenPath } of definitions) {
        for (const path of [listenPath!, `${listenPath}slow/${round}`]) {
          for (const key of keys) {
            turn += 1
            clock.now += (turn * 7919) % 900
            const answer = await running.ask({ path, ...(key === undefined ? {} : { key }) })
            const { 'x-ratelimit-reset': _, ...headers } = limitFields(answer)
            seen.push([path, key, answer.status, answer.body, headers])
          }
        }
      }
      // What is saved after the answer is there before the script goes on.
      await expect.poll(() => gateway.records.list().length).toBe(turn)
      seen.push(
        await gateway.sessions.quotas(ann).then((quotas) => quotas.map(({ max, remaining: left }) => [max, left])),
      )
      if (round === 1) await gateway.sessions.update(ann, { rate: 2, quotaMax: 12 })
      if (round === 2) await gateway.sessions.revoke(bob)
      if (round === 3) await gateway.sessions.update(bob, { isInactive: false })
    }
    seen.push((await gateway.sessions.get(ann))?.session.metadata)
    expect(problems).toEqual([])
    return seen
  }

  /** Copies everything it hands out, and never hears of a change. */
  function neverForgetting(memory: Store): Store {
    const store = copying(memory)
    return {
      ...store,
      async load(id, freshness) {
        const stored = await store.load(id, freshness)
        if (stored?.confirmed === true) await store.copy(id)
        return stored
      },
    }
  }

  it.each<[string, (memory: Store) => Store]>([
    ['one far away', remote],
    ['one that can fail, and does not', (memory) => fragile(memory)],
    ['one that keeps copies for ever', neverForgetting],
    ['one far away that keeps copies for ever', (memory) => neverForgetting(remote(memory))],
  ])('%s, and memory', async (_, store) => {
    const [here, there] = [await transcript((memory) => memory), await transcript(store)]
    const statuses = new Set(
      here.flatMap((line) => (Array.isArray(line) && typeof line[2] === 'number' ? [line[2]] : [])),
    )
    expect([...statuses].toSorted((a, b) => a - b)).toEqual([200, 400, 401, 403, 429])
    expect(there).toEqual(here)
  })
})
