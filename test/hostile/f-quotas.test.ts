import { type ApiDefinitionInput, deny, type KeyInput } from '@postern/core'
import { expect, it } from 'vitest'
import { send } from '../support/client.ts'
import type { Mount, Mounted } from '../support/hosts.ts'
import { RawClient } from '../support/raw-client.ts'
import { deafPort } from '../support/server.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { limits } from './catalogue/f.ts'
import { clocked, field, passed, volleys } from './in-flight.ts'

cleanUpAfterAttacks()

const API = { name: 'a', authentication: { token: true } } as const

async function byTheClock(mount: Mount): Promise<Mounted & { readonly clock: { now: number } }> {
  const { store, clock } = clocked()
  const mounted = await mount(API, { options: { store }, route: () => ({ body: 'ok' }) })
  return { ...mounted, clock }
}

const left = (answer: Parameters<typeof field>[0]): number => Number(field(answer, 'x-ratelimit-remaining'))

attack(limits, 'F05', (mount) => {
  it.each([1, 10, 100])('with %i in flight', async (inFlight) => {
    const { port, gateway } = await mount(API, { route: () => ({ body: 'ok' }) })
    const fire = volleys(port, Math.min(inFlight, 10))
    for (const quotaMax of [1, 100, 499, 500]) {
      const { key } = await gateway.sessions.create({ quotaMax, quotaRenewalRate: 3_600 })
      let count = 0
      for (let sent = 0; sent < 500; sent += inFlight) count += passed(await fire(inFlight, key))
      expect(count).toBe(quotaMax)
    }
  })
})

attack(limits, 'F06', (mount) => {
  it('exactly the quota in each of five periods', async () => {
    const { port, gateway, clock } = await byTheClock(mount)
    const [quotaMax, period] = [5, 60_000]
    const { key } = await gateway.sessions.create({ quotaMax, quotaRenewalRate: period / 1_000 })
    const fire = volleys(port)
    const start = clock.now
    const times: number[] = []
    while (clock.now < start + 5 * period) {
      const [answer] = await fire(1, key)
      expect(left(answer!)).toBeGreaterThanOrEqual(0)
      expect(left(answer!)).toBeLessThan(quotaMax)
      if (answer!.status === 200) times.push(clock.now - start)
      // 60 requests a period, none of them an edge but the first.
      clock.now += 1_000
    }
    const periods = [0, 1, 2, 3, 4]
    expect(periods.map((i) => times.filter((time) => Math.floor(time / period) === i).length)).toEqual(
      periods.map(() => quotaMax),
    )
    // It has not moved: the last period began where the first would have it.
    expect(times.at(-quotaMax)).toBe(4 * period)
  })
})

attack(limits, 'F07', (mount) => {
  it('one period and exactly the quota', async () => {
    const { port, gateway } = await mount(API, { route: () => ({ body: 'ok' }) })
    const fire = volleys(port, 20)
    for (let i = 0; i < 10; i += 1) {
      const { key } = await gateway.sessions.create({ quotaMax: 50, quotaRenewalRate: 3_600 })
      const answers = await fire(200, key)
      const told = answers.filter(({ status }) => status === 200).map(left)
      expect(told.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n))
      const ends = answers.map((answer) => Number(field(answer, 'x-ratelimit-reset')))
      expect(Math.max(...ends) - Math.min(...ends)).toBeLessThanOrEqual(1)
    }
  })
})

attack(limits, 'F08', (mount) => {
  const SECOND = 1_000
  const HOUR = 3_600 * SECOND

  it.each([
    [-5 * SECOND, { quotaMax: 2, quotaRenewalRate: 60 }],
    [-HOUR, { quotaMax: 2, quotaRenewalRate: 60 }],
    [-5 * SECOND, { rate: 2, per: 60 }],
    [-HOUR, { rate: 2, per: 60 }],
  ] as const)('set back by %i ms under %o', async (step, session) => {
    const { port, gateway, clock } = await byTheClock(mount)
    const { key } = await gateway.sessions.create(session)
    const fire = volleys(port)
    expect(passed(await fire(3, key))).toBe(2)
    clock.now += step
    expect(passed(await fire(3, key))).toBe(0)
    clock.now += 59 * SECOND
    expect(passed(await fire(3, key))).toBe(0)
    clock.now += 2 * SECOND
    expect(passed(await fire(3, key))).toBe(2)
  })

  it('far in the future all goes on', async () => {
    const { port, gateway, clock } = await byTheClock(mount)
    const { key } = await gateway.sessions.create({ quotaMax: 2, quotaRenewalRate: 60 })
    const fire = volleys(port)
    expect(passed(await fire(3, key))).toBe(2)
    for (const year of [2038, 2039, 2107, 9999]) {
      clock.now = Date.UTC(year, 1, 1)
      const answers = await fire(3, key)
      expect([year, passed(answers)]).toEqual([year, 2])
    }
  })
})

attack(limits, 'F09', (mount) => {
  const used = async ({ gateway }: Mounted, key: string): Promise<number> => {
    const [quota] = await gateway.sessions.quotas(key)
    return quota!.max - quota!.remaining
  }
  const QUOTA = { quotaMax: 5, quotaRenewalRate: 3_600 } as const

  const cases: readonly (readonly [
    what: string,
    session: KeyInput,
    definition: Partial<ApiDefinitionInput>,
    statuses: readonly number[],
    counted: number,
  ])[] = [
    ['it passes', {}, {}, [200, 200], 2],
    ['its rate refuses', { rate: 1, per: 60 }, {}, [200, 429, 429], 1],
    ['the API’s rate refuses', {}, { limits: { rate: 1, per: 60 } }, [200, 429], 1],
    ['the quota itself refuses', { quotaMax: 1 }, {}, [200, 403, 403], 1],
    ['the key may not', { accessRights: { other: {} } }, {}, [403], 0],
    ['it is inactive', { isInactive: true }, {}, [403], 0],
    ['a plugin decides before', {}, { hooks: { pre: [() => deny(418)] } }, [418], 0],
    ['a plugin decides behind', {}, { hooks: { post: [() => deny(418)] } }, [418], 1],
    [
      'a plugin breaks behind',
      {},
      {
        hooks: {
          post: [
            () => {
              throw new Error('broken')
            },
          ],
        },
      },
      [500],
      1,
    ],
  ]

  it.each(cases)('when %s', async (_, session, definition, statuses, counted) => {
    const siege = await besiege(mount, { ...API, ...definition })
    const { key } = await siege.gateway.sessions.create({ ...QUOTA, accessRights: { a: {} }, ...session })
    const answers: number[] = []
    for (const expected of statuses) {
      const { status } = await send(siege.url, '/', { headers: { authorization: key } })
      answers.push(status)
      expect(status).toBe(expected)
    }
    expect(answers.length).toBe(statuses.length)
    const readable = session.accessRights === undefined || 'a' in session.accessRights
    expect(readable ? await used(siege, key) : 0).toBe(counted)
  })

  it('when the upstream is away', async () => {
    const mounted = await mount({ ...API, upstream: `http://127.0.0.1:${await deafPort()}` })
    const { key } = await mounted.gateway.sessions.create(QUOTA)
    expect((await send(mounted.url, '/', { headers: { authorization: key } })).status).toBe(502)
    expect(await used(mounted, key)).toBe(1)
  })

  it('when its client hangs up afterwards', async () => {
    const mounted = await mount(
      { ...API, hooks: { post: [() => new Promise(() => undefined)] }, pluginTimeoutMs: 3_000 },
      { route: () => ({ body: 'ok' }) },
    )
    const { key } = await mounted.gateway.sessions.create(QUOTA)
    const client = new RawClient(mounted.port)
    client.write(`GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\n\r\n`)
    await expect.poll(() => used(mounted, key)).toBe(1)
    client.socket.destroy()
    await expect.poll(() => mounted.gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([499])
    expect(await used(mounted, key)).toBe(1)
  })
})
