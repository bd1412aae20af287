import type { ApiDefinitionInput, KeyInput } from '@postern/core'
import type { Store } from '@postern/core/store'
import { describe, expect, it } from 'vitest'
import { connect, envelope, fields, listenTo, settled, watchProcess } from './harness.ts'
import { type Limited, remaining, runLimited, times, type LimitedOptions } from './limits-harness.ts'
import { COUNTING, fragile, type FragileStore } from '../support/stores.ts'

const WITH_KEYS: ApiDefinitionInput = { name: 'orders', authentication: { token: true } }

/** Seconds that pass at once for a test, and seconds none of them lives to see: more than a timer of Node can hold. */
const [SHORT, FOR_EVER] = [0.005, 3_000_000]

interface Watched extends Limited {
  readonly store: FragileStore
}

/** `onTry` is told the number of each question to the store before it is decided. */
async function runWatched(
  definition: ApiDefinitionInput,
  onTry: (tries: number, limited: Limited) => void = () => undefined,
  options: LimitedOptions = {},
): Promise<Watched> {
  let store: FragileStore | undefined
  let limited: Limited | undefined
  const watching = (memory: Store): Store => {
    store = fragile({
      ...memory,
      take: (charges, expected) => {
        if (limited !== undefined) onTry(store!.asked.take, limited)
        return memory.take(charges, expected)
      },
    })
    return store
  }
  limited = await runLimited(definition, { ...options, store: watching })
  return { ...limited, store: store! }
}

async function newKey({ gateway }: Limited, session: KeyInput): Promise<string> {
  return (await gateway.sessions.create(session)).key
}

const THROTTLED: KeyInput = { rate: 1, per: 10, throttleInterval: SHORT, throttleRetryLimit: 3 }

describe('a request that meets the rate of its key', () => {
  it('waits, passes as soon as there is room, and is charged once', async () => {
    const limited = await runWatched(WITH_KEYS, (tries, { clock }) => {
      // The second request is tried for the third time when its turn has come.
      if (tries === 4) clock.pass(10)
    })
    const events = listenTo(limited.gateway, 'rateLimitExceeded')
    const key = await newKey(limited, { ...THROTTLED, quotaMax: 10, quotaRenewalRate: 3600 })
    await limited.statuses(1, { key })
    const answer = await limited.ask({ key })
    expect([answer.status, limited.store.asked.take, remaining(answer)]).toEqual([200, 4, { key: 0, quota: 8 }])
    expect([events, fields(answer, 'retry-after'), limited.reached.length]).toEqual([[], [], 2])
  })

  it('is refused after so many tries more, and uses nothing up', async () => {
    const limited = await runWatched(WITH_KEYS)
    const events = listenTo(limited.gateway, 'rateLimitExceeded')
    const key = await newKey(limited, { ...THROTTLED, quotaMax: 10, quotaRenewalRate: 3600 })
    await limited.statuses(1, { key })
    limited.store.asked.take = 0
    const refused = await limited.ask({ key })
    expect([refused.status, refused.body, remaining(refused)]).toEqual([
      429,
      envelope('Rate Limit Exceeded'),
      { key: 0, quota: 9 },
    ])
    expect([limited.store.asked.take, fields(refused, 'retry-after'), events.map(({ limit }) => limit)]).toEqual([
      4,
      ['10'],
      ['key'],
    ])
    limited.clock.pass(10)
    expect(remaining(await limited.ask({ key }))).toEqual({ key: 0, quota: 8 })
  })

  it.each([
    ['the number of tries is 0', { throttleInterval: FOR_EVER, throttleRetryLimit: 0 }],
    ['nothing is said of throttling', {}],
    ['the interval is 0', { throttleInterval: 0, throttleRetryLimit: 3 }],
    ['the interval is below 0', { throttleInterval: -1, throttleRetryLimit: 3 }],
  ])('is refused at once where %s', async (_, throttle) => {
    const limited = await runWatched(WITH_KEYS)
    const key = await newKey(limited, { rate: 1, per: 10, ...throttle })
    expect(await limited.statuses(2, { key })).toEqual([200, 429])
    expect(limited.store.asked.take).toBe(2)
  })

  it('never gets more through than the rate, with many waiting', async () => {
    const passed: number[] = []
    const limited = await runWatched(
      { ...WITH_KEYS, hooks: { post: [() => void passed.push(limited.clock.now)] } },
      (tries, { clock }) => {
        if (tries % 20 === 0) clock.pass(2)
      },
    )
    const key = await newKey(limited, {
      rate: 3,
      per: 10,
      throttleInterval: SHORT,
      throttleRetryLimit: 200,
      quotaMax: 12,
      quotaRenewalRate: 86_400,
    })
    expect(await limited.atOnce(12, { key })).toEqual(times(12, 200))
    const inWindow = passed.map((end) => passed.filter((at) => at > end - 10_000 && at <= end).length)
    expect(Math.max(...inWindow)).toBeLessThanOrEqual(3)
    expect((await limited.gateway.sessions.quotas(key))[0]?.remaining).toBe(0)
  })

  it('passes when its turn comes, however often it was tried', async () => {
    const limited = await runWatched(WITH_KEYS)
    const key = await newKey(limited, { ...THROTTLED, throttleRetryLimit: 10_000 })
    await limited.statuses(1, { key })
    const waiting = limited.ask({ key })
    await expect.poll(() => limited.store.asked.take).toBeGreaterThan(3)
    limited.clock.pass(10)
    expect((await waiting).status).toBe(200)
  })
})

describe('throttling', () => {
  it('is that of the access right where it says something, else that of the key', async () => {
    const limited = await runWatched(WITH_KEYS)
    const limit = { rate: 1, per: 10 }
    const own = await newKey(limited, {
      throttleInterval: FOR_EVER,
      throttleRetryLimit: 9,
      accessRights: { orders: { limit: { ...limit, throttleInterval: SHORT, throttleRetryLimit: 2 } } },
    })
    const inherited = await newKey(limited, {
      throttleInterval: SHORT,
      throttleRetryLimit: 4,
      accessRights: { orders: { limit } },
    })
    for (const [key, tries] of [
      [own, 3],
      [inherited, 5],
    ] as const) {
      await limited.statuses(1, { key })
      limited.store.asked.take = 0
      expect([await limited.statuses(1, { key }), limited.store.asked.take]).toEqual([[429], tries])
    }
  })

  it('holds at endpoints of the key, and for policies', async () => {
    const limited = await runWatched(WITH_KEYS, () => undefined, {
      policies: {
        patient: {
          throttleInterval: SHORT,
          throttleRetryLimit: 2,
          rate: 1,
          per: 10,
          accessRights: {
            orders: { endpoints: [{ path: '/slow', methods: [{ name: 'GET', limit: { rate: 1, per: 10 } }] }] },
          },
        },
      },
    })
    const key = await newKey(limited, { applyPolicies: ['patient'] })
    for (const path of ['/slow', '/other']) {
      await limited.statuses(1, { key, path })
      limited.store.asked.take = 0
      expect([await limited.statuses(1, { key, path }), limited.store.asked.take]).toEqual([[429], 3])
    }
  })

  it('holds for sessions an auth plugin makes', async () => {
    const limited = await runWatched({
      name: 'a',
      hooks: { auth: () => ({ ...THROTTLED, metadata: { token: 'ann' } }) },
    })
    expect(await limited.statuses(2)).toEqual([200, 429])
    expect(limited.store.asked.take).toBe(5)
  })

  it('does not hold up what the API or the quota refuses', async () => {
    const limited = await runWatched({ ...WITH_KEYS, limits: { endpoints: { 'GET /api': { rate: 1, per: 10 } } } })
    const waiting = { throttleInterval: FOR_EVER, throttleRetryLimit: 3 }
    const key = await newKey(limited, { ...waiting, rate: 100, per: 10, quotaMax: 2, quotaRenewalRate: 60 })
    expect(await limited.statuses(2, { key, path: '/api' })).toEqual([200, 429])
    expect(await limited.statuses(2, { key })).toEqual([200, 403])
  })

  it('goes on to the answer of what refuses next', async () => {
    const limited = await runWatched(WITH_KEYS, (tries, { clock }) => {
      if (tries === 3) clock.pass(10)
    })
    const events = [listenTo(limited.gateway, 'rateLimitExceeded'), listenTo(limited.gateway, 'quotaExceeded')] as const
    const key = await newKey(limited, { ...THROTTLED, quotaMax: 1, quotaRenewalRate: 3600 })
    await limited.statuses(1, { key })
    const refused = await limited.ask({ key })
    expect([refused.status, refused.body, events.map((seen) => seen.length)]).toEqual([
      403,
      envelope('Quota exceeded'),
      [0, 1],
    ])
  })

  it('ends when the client hangs up: nothing more is tried, and nothing charged', async () => {
    const problems = watchProcess()
    const limited = await runWatched(WITH_KEYS)
    const events = listenTo(limited.gateway, 'rateLimitExceeded')
    const key = await newKey(limited, { ...THROTTLED, throttleInterval: FOR_EVER })
    await limited.statuses(1, { key })
    const client = await connect(limited.port)
    client.write(`GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\n\r\n`)
    await expect.poll(() => limited.store.asked.take).toBe(2)
    limited.clock.pass(10)
    client.hangUp()
    await expect.poll(() => limited.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([200, 499])
    await settled()
    expect([limited.store.asked.take, limited.reached.length, events, problems]).toEqual([2, 1, [], []])
    expect(remaining(await limited.ask({ key }))).toEqual({ key: 0 })
  })

  it('ends when the gateway closes', async () => {
    const limited = await runWatched(WITH_KEYS)
    const key = await newKey(limited, { ...THROTTLED, throttleInterval: FOR_EVER })
    await limited.statuses(1, { key })
    const waiting = limited.ask({ key })
    await expect.poll(() => limited.store.asked.take).toBe(2)
    await limited.gateway.close({ timeoutMs: 1 })
    const answer = await waiting
    expect([answer.status, answer.body]).toEqual([503, envelope('Service Unavailable')])
  })

  it.each([
    ['pass', 200],
    ['refuse', 503],
  ] as const)('ends when the store fails: rates %s', async (rateLimit, status) => {
    const limited = await runWatched(
      WITH_KEYS,
      (tries) => {
        if (tries === 3) limited.store.down = COUNTING
      },
      { onStoreError: { rateLimit } },
    )
    const events = listenTo(limited.gateway, 'storeError')
    const key = await newKey(limited, THROTTLED)
    await limited.statuses(1, { key })
    expect((await limited.ask({ key })).status).toBe(status)
    expect(events.map(({ feature, features }) => [feature, features])).toEqual([['rateLimit', ['rateLimit']]])
  })

  it('lets other requests of the key and of other keys go on meanwhile', async () => {
    const limited = await runWatched(WITH_KEYS)
    const session: KeyInput = {
      accessRights: {
        orders: { endpoints: [{ path: '/slow', methods: [{ name: 'GET', limit: { rate: 1, per: 10 } }] }] },
      },
      throttleInterval: FOR_EVER,
      throttleRetryLimit: 1,
    }
    const [key, other] = [await newKey(limited, session), await newKey(limited, session)]
    await limited.statuses(1, { key, path: '/slow' })
    const client = await connect(limited.port)
    client.write(`GET /slow HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\n\r\n`)
    await expect.poll(() => limited.store.asked.take).toBe(2)
    expect(await limited.statuses(1, { key, path: '/fast' })).toEqual([200])
    expect(await limited.statuses(1, { key: other, path: '/slow' })).toEqual([200])
    expect(client.stray).toBe('')
  })
})
