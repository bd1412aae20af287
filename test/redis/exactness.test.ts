import type { Charge, Store, Taken } from '@postern/core/store'
import type { RedisStoreOptions } from '@postern/redis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { charge, cluster, newId, noServer, open, single } from './harness.ts'

afterEach(closeAll)

const stores: [string, RedisStoreOptions][] = [
  ['one server', { ...single, prefix: 'exact' }],
  ['a cluster', { ...cluster, prefix: 'exact' }],
  ['the names of a real gateway', { ...single, prefix: 'exact', layout: 'tyk' }],
]

/** How many of `requests` passed, sent at once through several stores. */
async function passed(through: readonly Store[], limits: readonly Charge[], requests: number): Promise<number> {
  const decisions = Array.from({ length: requests }, async (_, i) => through[i % through.length]!.take(limits))
  return (await Promise.all(decisions)).filter((taken) => (taken as Taken).refusedBy === -1).length
}

describe.skipIf(noServer).each(stores)('through four stores on %s', (_, options) => {
  const openFour = (): readonly Store[] => Array.from({ length: 4 }, () => open(options))

  it.each([1, 1000, 9999])('exactly the quota of %i passes out of 10,000 at once', { timeout: 20_000 }, async (max) => {
    const limit = charge({ subject: newId(), kind: 'quota', max, periodMs: 3_600_000 })
    expect(await passed(openFour(), [limit], 10_000)).toBe(max)
  })

  it.each(['sliding-window', 'fixed-window', 'gcra'] as const)('exactly the limit passes: %s', async (kind) => {
    const limit = charge({ subject: newId(), kind, max: 200, periodMs: 86_400_000 })
    expect(await passed(openFour(), [limit], 1000)).toBe(200)
  })

  it('first requests of many new keys start one period each', async () => {
    const four = openFour()
    const limits = Array.from({ length: 20 }, () => charge({ subject: newId(), kind: 'quota', max: 5 }))
    const all = await Promise.all(limits.map((limit) => passed(four, [limit], 40)))
    expect(all).toEqual(limits.map(() => 5))
  })

  it('refused requests use nothing up, whoever refuses', async () => {
    const four = openFour()
    const [key, api] = [newId(), newId()]
    const perKey = charge({ subject: key, kind: 'quota', max: 1000 })
    const perApi = charge({ subject: `api:${api}`, kind: 'quota', max: 50 })
    const through = await passed(four, [perKey, perApi], 400)
    expect(through).toBe(50)
    expect(await four[0]!.peek([perKey, perApi])).toMatchObject([{ remaining: 950 }, { remaining: 0 }])
  })
})
