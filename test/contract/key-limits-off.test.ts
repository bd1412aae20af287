import type { ApiDefinitionInput, LimitsInput } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { fields } from './harness.ts'
import { runLimited } from './limits-harness.ts'

const api = (name: string, limits: LimitsInput): ApiDefinitionInput => ({
  name,
  listenPath: `/${name}`,
  authentication: { token: true },
  limits,
})

const KEY = { rate: 2, per: 60, quotaMax: 3, quotaRenewalRate: 3_600 } as const

describe('at an API where', () => {
  it.each<[string, LimitsInput, statuses: number[], remaining: number]>([
    ['both hold, the rate refuses first', {}, [200, 200, 429, 429, 429], 1],
    ['rates of keys do not hold, the quota does', { keyRate: false }, [200, 200, 200, 403, 403], 0],
    ['quotas of keys do not hold, the rate does', { keyQuota: false }, [200, 200, 429, 429, 429], 3],
    ['neither holds, nothing is refused', { keyRate: false, keyQuota: false }, [200, 200, 200, 200, 200], 3],
  ])('%s, and nothing is counted that does not hold', async (_, limits, expected, remaining) => {
    const limited = await runLimited([api('here', limits), api('there', {})])
    const { key } = await limited.gateway.sessions.create(KEY)
    expect(await limited.statuses(5, { path: '/here', key })).toEqual(expected)
    const quotas = await limited.gateway.sessions.quotas(key)
    expect(quotas.map((quota) => [quota.apis, quota.remaining])).toEqual([
      [limits.keyQuota === false ? ['there'] : ['here', 'there'], remaining],
    ])
  })

  it('they do not hold, clients are told of no such limit, and that of the API holds all the same', async () => {
    const limited = await runLimited(api('here', { keyRate: false, keyQuota: false, rate: 3, per: 60 }))
    const { key } = await limited.gateway.sessions.create(KEY)
    const first = await limited.ask({ path: '/here', key })
    expect(fields(first, 'x-ratelimit-limit')).toEqual(['3'])
    expect(fields(first, 'ratelimit-policy').join()).not.toMatch(/q=2\b/)
    expect(await limited.statuses(4, { path: '/here', key })).toEqual([200, 200, 429, 429])
  })

  it('they do not hold, a key is still checked', async () => {
    const limited = await runLimited(api('here', { keyRate: false, keyQuota: false }))
    const { key } = await limited.gateway.sessions.create(KEY)
    await limited.gateway.sessions.revoke(key)
    expect(await limited.statuses(1, { path: '/here', key })).toEqual([403])
    expect(await limited.statuses(1, { path: '/here', key: 'nobody' })).toEqual([403])
  })

  it('they do not hold, they do where the same key calls another', async () => {
    const limited = await runLimited([api('here', { keyRate: false, keyQuota: false }), api('there', {})])
    const { key } = await limited.gateway.sessions.create(KEY)
    expect(await limited.statuses(4, { path: '/here', key })).toEqual([200, 200, 200, 200])
    expect(await limited.statuses(3, { path: '/there', key })).toEqual([200, 200, 429])
  })
})
