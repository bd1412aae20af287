import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defineApi, type RecordsLost } from '@postern/core'
import { createCore, GatewayHeaders, GatewayResponse, type HostCall } from '@postern/core/host'
import { redisRecords } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { startRedis } from '../support/redis-server.ts'
import { noServer } from './harness.ts'
import { readTykRecord } from './pump-decoder.ts'

afterEach(closeAll)

const REQUESTS = 100_000
const AT_ONCE = 100

const call = (number: number): HostCall => ({
  method: 'GET',
  originalUrl: `/${number}`,
  target: `/${number}`,
  basePath: '',
  httpVersion: '1.1',
  truncated: false,
  rawHeaders: ['Host', 'localhost', 'User-Agent', 'test'],
  peer: { address: '127.0.0.1', encrypted: false },
  body: () => undefined,
})

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

function usedBytes(): number {
  gc()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + external + arrayBuffers
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
    core.on('recordsLost', (loss) => void losses.push(loss))
    const statuses = new Map<number | undefined, number>()
    let next = 0
    const drive = async (until: number): Promise<void> => {
      while (next < until) {
        const accepted = core.accept(call(next++))
        const answer = await accepted?.answer()
        const status = answer instanceof GatewayResponse ? answer.status : undefined
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        accepted?.conclude(200)
      }
    }
    const all = (until: number): Promise<unknown> => Promise.all(Array.from({ length: AT_ONCE }, () => drive(until)))
    // Some while it is there: the rest begins with a batch under way.
    await all(REQUESTS / 10)
    if (still) redis.pause()
    else await redis.kill()
    const before = usedBytes()
    await all(REQUESTS)
    const grown = usedBytes() - before
    if (still) redis.resume()
    else await redis.restart()
    await core.close({ timeoutMs: 30_000 })

    expect(Object.fromEntries(statuses)).toEqual({ 200: REQUESTS })
    // The queue holds 10,000.
    expect(grown).toBeLessThan(64 * 1024 * 1024)
    const client = new Redis(redis.port)
    closeLater(() => client.disconnect())
    const stored = await client.lrangeBuffer('analytics-tyk-system-analytics', 0, -1)
    const paths = stored.map((bytes) => readTykRecord(bytes)['Path'])
    expect(new Set(paths).size).toBe(paths.length)
    expect(core.records.lost).toBeGreaterThan(REQUESTS / 2)
    expect(losses.reduce((sum, { count }) => sum + count, 0)).toBe(core.records.lost)
    // What a server that was killed had got by then is gone with it.
    if (still) expect(core.records.lost + stored.length).toBe(REQUESTS)
    else expect(core.records.lost + stored.length).toBeLessThanOrEqual(REQUESTS)
    if (!still) expect(REQUESTS - core.records.lost - stored.length).toBeLessThanOrEqual(REQUESTS / 10)
  })
})
