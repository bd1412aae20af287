import { setTimeout as sleep } from 'node:timers/promises'
import { defineApi, type RecordsLost } from '@postern/core'
import { createCore, GatewayHeaders, GatewayResponse } from '@postern/core/host'
import { redisRecords } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { collectGarbage } from '../support/collect.ts'
import { hostCall } from '../support/host-call.ts'
import { startRedis } from '../support/redis-server.ts'
import { noServer } from './harness.ts'
import { readTykRecord } from './pump-decoder.ts'

afterEach(closeAll)

const REQUESTS = 100_000
const AT_ONCE = 100
const LIST = 'analytics-tyk-system-analytics'

function usedBytes(): number {
  collectGarbage()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await sleep(20)
}

describe.skipIf(noServer)('100,000 requests as fast as they go,', { timeout: 120_000 }, () => {
  it.each([
    ['stands still', true],
    ['refuses connections', false],
  ])('while the Redis their records go to %s: none fails, and what is lost is counted exactly', async (_, still) => {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    const core = createCore(defineApi({ name: 'orders', upstream: 'http://127.0.0.1:9' }), {
      forward: () => new GatewayResponse(200, new GatewayHeaders([]), undefined, 0),
      sinks: [redisRecords({ url: `redis://127.0.0.1:${redis.port}`, onError: () => undefined })],
      recordCapacity: 0,
    })
    const losses: RecordsLost[] = []
    core.facade.on('recordsLost', (loss) => void losses.push(loss))
    const statuses = new Map<number | undefined, number>()
    let next = 0
    const drive = async (until: number): Promise<void> => {
      while (next < until) {
        const accepted = core.accept(hostCall(`/${next++}`, 'User-Agent', 'test'))
        const answer = await accepted?.answer()
        const status = answer instanceof GatewayResponse ? answer.status : undefined
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        accepted?.conclude(200)
      }
    }
    const all = (until: number): Promise<unknown> => Promise.all(Array.from({ length: AT_ONCE }, () => drive(until)))
    const client = new Redis(redis.port)
    client.on('error', () => undefined)
    closeLater(() => client.disconnect())
    await all(REQUESTS / 20)
    let taken = 0
    if (still) {
      // With a batch under way.
      redis.pause()
    } else {
      // What it has when it is killed is gone with it.
      taken = REQUESTS / 20
      await eventually(async () => (await client.llen(LIST)) === taken)
      await redis.kill()
    }
    const before = usedBytes()
    await all(REQUESTS)
    const grown = usedBytes() - before
    if (still) redis.resume()
    else await redis.restart()
    await core.facade.close({ timeoutMs: 30_000 })

    expect(Object.fromEntries(statuses)).toEqual({ 200: REQUESTS })
    // The queue holds 10,000.
    expect(grown).toBeLessThan(64 * 1024 * 1024)
    const stored = await client.lrangeBuffer(LIST, 0, -1)
    const paths = stored.map((bytes) => readTykRecord(bytes)['Path'])
    expect(new Set(paths).size).toBe(paths.length)
    expect(core.facade.records.lost).toBeGreaterThan(REQUESTS / 2)
    expect(losses.reduce((sum, { count }) => sum + count, 0)).toBe(core.facade.records.lost)
    expect(core.facade.records.lost + stored.length + taken).toBe(REQUESTS)
  })
})
