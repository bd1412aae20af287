import { type ApiDefinitionInput, type KeyInput, memoryStore } from '@postern/core'
import { createGateway } from '@postern/http'
import { expect, it } from 'vitest'
import { Client, compileTrust } from '../../packages/core/src/http/client.ts'
import { send } from '../support/client.ts'
import type { Mount } from '../support/hosts.ts'
import { fragile } from '../support/stores.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { limits } from './catalogue/f.ts'
import { clocked, field, passed, type Volley, volleys } from './in-flight.ts'

cleanUpAfterAttacks()

type Algorithm = 'sliding-window' | 'fixed-window' | 'gcra'
const ALGORITHMS: readonly Algorithm[] = ['sliding-window', 'fixed-window', 'gcra']

/** A keyless API with one limit, by the clock of the test. */
async function limited(
  mount: Mount,
  limit: ApiDefinitionInput['limits'],
  connections = 1,
): Promise<{ readonly fire: Volley; readonly clock: { now: number } }> {
  const { store, clock } = clocked()
  const { port } = await mount({ name: 'a', limits: limit }, { options: { store }, route: () => ({ body: 'ok' }) })
  return { fire: volleys(port, connections), clock }
}

attack(limits, 'F01', (mount) => {
  const RATE = 20
  const PERIOD_MS = 1_000

  it.each(ALGORITHMS.flatMap((algorithm) => [1, 10, 100].map((inFlight) => [algorithm, inFlight] as const)))(
    '%s with %i in flight',
    async (algorithm, inFlight) => {
      const { fire, clock } = await limited(mount, { rate: RATE, per: 1, algorithm }, Math.min(inFlight, 10))
      const start = clock.now
      const times: number[] = []
      // Twice the rate, in steps that fall on no edge in particular.
      const step = (inFlight * PERIOD_MS) / (2 * RATE)
      for (let i = 0; clock.now - start < 10_000; i += 1) {
        const count = passed(await fire(inFlight))
        for (let j = 0; j < count; j += 1) times.push(clock.now)
        clock.now += step * (i % 2 === 0 ? 0.63 : 1.37)
      }
      const most = Math.max(...times.map((from) => times.filter((time) => mayExceed[algorithm](time, from)).length))
      expect(most).toBeLessThanOrEqual(algorithm === 'gcra' ? RATE + RATE : RATE)
      expect(times.length).toBeGreaterThan(RATE)
    },
  )

  /** Whether a time lies in the window that begins with another, in which no more than the rate may pass. */
  const mayExceed: Record<Algorithm, (time: number, from: number) => boolean> = {
    'sliding-window': (time, from) => time >= from && time < from + PERIOD_MS,
    'fixed-window': (time, from) => Math.floor(time / PERIOD_MS) === Math.floor(from / PERIOD_MS),
    // In a period the rate and one burst.
    gcra: (time, from) => time >= from && time < from + PERIOD_MS,
  }
})

attack(limits, 'F03', (mount) => {
  it.each(ALGORITHMS)('%s', async (algorithm) => {
    const RATE = 50
    const { fire, clock } = await limited(mount, { rate: RATE, per: 1, algorithm })
    let count = 0
    for (let i = 0; i < 4 * 2 * RATE; i += 1) {
      count += passed(await fire(1))
      clock.now += 1_000 / (2 * RATE)
    }
    expect(count).toBeGreaterThanOrEqual(0.98 * RATE * 4)
  })
})

attack(limits, 'F04', (mount) => {
  it.each([
    ['sliding-window', 10],
    ['fixed-window', 20],
    ['gcra', 11],
  ] as const)('%s lets at most %i of 10 pass', async (algorithm, most) => {
    const { fire, clock } = await limited(mount, { rate: 10, per: 1, algorithm })
    for (let edge = 0; edge < 3; edge += 1) {
      clock.now += 9_999
      const before = passed(await fire(15))
      clock.now += 1
      const after = passed(await fire(15))
      expect(before).toBe(10)
      expect(before + after).toBeLessThanOrEqual(most)
      // Back to the edge.
      clock.now += 10_000
    }
  })
})

attack(limits, 'F10', (mount) => {
  const cases: readonly (readonly [
    strictest: string,
    key: KeyInput,
    api: ApiDefinitionInput['limits'],
    path: string,
  ])[] = [
    ['key', { rate: 3, per: 60, quotaMax: 9, quotaRenewalRate: 60 }, { rate: 9, per: 60 }, '/'],
    ['quota', { rate: 9, per: 60, quotaMax: 3, quotaRenewalRate: 60 }, { rate: 9, per: 60 }, '/'],
    ['api', { rate: 9, per: 60, quotaMax: 9, quotaRenewalRate: 60 }, { rate: 3, per: 60 }, '/'],
    [
      'api-endpoint',
      { rate: 9, per: 60, quotaMax: 9, quotaRenewalRate: 60 },
      { rate: 9, per: 60, endpoints: { 'GET /path': { rate: 3, per: 60 } } },
      '/path',
    ],
  ]

  it.each(cases)('the strictest is that of the %s', async (strictest, session, api, path) => {
    const store = fragile()
    const { port, gateway } = await mount(
      { name: 'a', authentication: { token: true }, limits: api },
      { options: { store }, route: () => ({ body: 'ok' }) },
    )
    const { key } = await gateway.sessions.create(session)
    const fire = volleys(port, 2)
    const answers = await fire(8, key, path)
    expect(passed(answers)).toBe(3)
    expect(store.asked.take).toBe(8)
    // Those that were refused are counted in none of them.
    const told = answers.map((answer) => field(answer, 'ratelimit')).join()
    const least = new Map<string, number>()
    for (const [, name = '', remaining] of told.matchAll(/"([a-z-]+)";r=(\d+)/g))
      least.set(name, Math.min(least.get(name) ?? Infinity, Number(remaining)))
    expect(least.size).toBe(3)
    for (const [name, remaining] of least) expect([name, remaining]).toEqual([name, name === strictest ? 0 : 6])
  })
})

attack(limits, 'F11', (mount) => {
  it('a definition has a real limit or none', () => {
    const wrong: readonly unknown[] = [
      { rate: 0, per: 1 },
      { rate: -1, per: 1 },
      { rate: 5, per: 0 },
      { rate: 5, per: -1 },
      { rate: 5 },
      { per: 5 },
      { rate: Number.NaN, per: 1 },
      { rate: Infinity, per: 1 },
      { rate: '5', per: 1 },
      { rate: null, per: 1 },
      { rate: 5, per: 1, burst: 3 },
      { rate: 5, per: 1, algorithm: 'leaky' },
      { endpoints: { 'GET /x': { rate: 0, per: 1 } } },
      { endpoints: { 'GET /x': { rate: 1 } } },
    ]
    for (const given of wrong) {
      const build = (): unknown => createGateway({ name: 'a', limits: given as ApiDefinitionInput['limits'] })
      expect(build).toThrow(/limits/)
    }
  })

  it('fractions and large numbers mean what they say', async () => {
    const half = await limited(mount, { rate: 0.5, per: 1 })
    expect(passed(await half.fire(5))).toBe(1)
    half.clock.now += 1_999
    expect(passed(await half.fire(5))).toBe(0)
    half.clock.now += 1
    expect(passed(await half.fire(5))).toBe(1)
    const vast = await limited(mount, { rate: 1e9, per: 1 })
    expect(passed(await vast.fire(20))).toBe(20)
  })

  it('a key with a rate of 0 or below has no limit, one without a period is refused', async () => {
    const { port, gateway } = await mount(
      { name: 'a', authentication: { token: true } },
      { route: () => ({ body: 'ok' }) },
    )
    const { sessions } = gateway
    const fire = volleys(port)
    for (const session of [
      {},
      { rate: 0, per: 0 },
      { rate: -1, per: 60 },
      { quotaMax: 0 },
      { quotaMax: -1 },
      { rate: 1e9, per: 1 },
    ]) {
      const { key } = await sessions.create(session)
      expect([session, passed(await fire(20, key))]).toEqual([session, 20])
    }
    for (const session of [
      { rate: 5 },
      { rate: 5, per: 0 },
      { rate: Number.NaN, per: 1 },
      { rate: '5', per: 1 },
      { quotaMax: '5' },
    ])
      await expect(sessions.create(session as KeyInput)).rejects.toMatchObject({ code: 'PSTN_SESSION_INVALID' })
  })
})

attack(limits, 'F12', (mount) => {
  it('keeps to its room, and says what it forgot', async () => {
    const store = memoryStore({ counterCapacity: 1_000 })
    const { port, gateway } = await mount(
      { name: 'a', authentication: { token: true } },
      { options: { store }, route: () => ({ body: 'ok' }) },
    )
    const { key } = await gateway.sessions.create({ quotaMax: 1, quotaRenewalRate: 3_600 })
    const fire = volleys(port)
    expect(passed(await fire(2, key))).toBe(1)
    const flood = (i: number): void =>
      void store.take([
        { kind: 'sliding-window', subject: `caller-${i}`, scope: '', endpoint: '', max: 5, periodMs: 60_000 },
      ])
    for (let i = 0; i < 20_000; i += 1) flood(i)
    expect(store.evicted.counters).toBe(20_001 - 1_000)
    // It ends later than all the others: they went first.
    expect(passed(await fire(2, key))).toBe(0)
  })
})

attack(limits, 'F13', (mount) => {
  const claim = (i: number): Record<string, string> => ({
    'x-forwarded-for': `10.0.0.${i}`,
    forwarded: `for=10.0.0.${i}`,
    'x-real-ip': `10.0.0.${i}`,
    x_forwarded_for: `10.0.0.${i}`,
  })

  it('what a client claims about itself counts for nothing', async () => {
    const addresses = new Set<string>()
    const { url } = await mount(
      {
        name: 'a',
        limits: { rate: 100, per: 60 },
        hooks: {
          auth: ({ clientAddress }) => {
            addresses.add(clientAddress)
            return { rate: 3, per: 60, metadata: { token: clientAddress } }
          },
        },
      },
      { route: () => ({ body: 'ok' }) },
    )
    const statuses: number[] = []
    for (let i = 0; i < 6; i += 1) statuses.push((await send(url, '/', { headers: claim(i) })).status)
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429])
    expect([...addresses]).toEqual(['127.0.0.1'])
  })

  it('an address has one spelling, and is the peer’s unless a trusted proxy speaks', () => {
    const lines = ['X-Forwarded-For', '1.1.1.1, 203.0.113.9']
    const addressOf = (address: string, trusted: readonly string[]): string =>
      new Client({ address, encrypted: false }, lines, compileTrust(trusted)).address
    expect(addressOf('::ffff:198.51.100.7', [])).toBe('198.51.100.7')
    expect(addressOf('::FFFF:198.51.100.7', [])).toBe('198.51.100.7')
    expect(addressOf('2001:db8::1', [])).toBe('2001:db8::1')
    expect(addressOf('::ffff:198.51.100.7', ['198.51.100.0/24'])).toBe('203.0.113.9')
  })
})

attack(limits, 'F14', (mount) => {
  it('what answers tell is true', async () => {
    const { store, clock } = clocked()
    const { port, gateway } = await mount(
      { name: 'a', authentication: { token: true }, limits: { rate: 50, per: 10 } },
      { options: { store }, route: () => ({ body: 'ok' }) },
    )
    const fire = volleys(port)
    for (const session of [
      { rate: 3, per: 10 },
      { quotaMax: 3, quotaRenewalRate: 10 },
    ]) {
      const { key } = await gateway.sessions.create(session)
      const told: number[] = []
      for (let i = 0; i < 3; i += 1) {
        const [answer] = await fire(1, key)
        expect(answer!.status).toBe(200)
        expect(field(answer!, 'retry-after')).toBe('')
        expect(field(answer!, 'x-ratelimit-limit')).toBe('3')
        told.push(Number(field(answer!, 'x-ratelimit-remaining')))
        for (const name of ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'])
          expect([name, field(answer!, name)]).toEqual([name, expect.stringMatching(/^\d+$/)])
        expect(field(answer!, 'ratelimit-policy')).toMatch(/^("[a-z-]+";q=\d+(;w=\d+)?(, )?)+$/)
        expect(field(answer!, 'ratelimit')).toMatch(/^("[a-z-]+";r=\d+(;t=\d+)?(, )?)+$/)
        clock.now += 1_500
      }
      expect(told).toEqual([2, 1, 0])
      const [refused] = await fire(1, key)
      expect([403, 429]).toContain(refused!.status)
      expect(field(refused!, 'x-ratelimit-remaining')).toBe('0')
      const seconds = Number(field(refused!, 'retry-after'))
      expect(Number.isInteger(seconds) && seconds > 0).toBe(true)
      clock.now += (seconds - 1) * 1_000
      expect(passed(await fire(1, key))).toBe(0)
      clock.now += 1_000
      expect(passed(await fire(1, key))).toBe(1)
    }
  })
})
