import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { drive } from '../redis/drive.ts'
import { redisCommand } from '../support/redis-server.ts'
import { deafPort } from '../support/server.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { storeFaults } from './catalogue/g.ts'
import { AWAY, AWAY_REVERSE, faultyWire, FINE, REVERSE, storeFront } from './store-front.ts'
import { noRedis, redisOfTest } from './with-redis.ts'

cleanUpAfterAttacks()

const at = (port: number) => ({ options: { host: '127.0.0.1', port } })
const LONG = { timeout: 30_000 }

describe.skipIf(noRedis)('with Redis', () => {
  attack(storeFaults, 'G01', (mount) => {
    it('starts, answers by policy, and is whole once Redis is there', LONG, async () => {
      const redis = await redisOfTest()
      await redis.kill()
      const front = await storeFront(mount, at(redis.port))
      expect(await front.gateway.ready()).toBeUndefined()
      expect(await front.statuses()).toEqual(AWAY)
      await redis.restart()
      await expect.poll(() => front.ask('strange'), { timeout: 5_000 }).toBe(403)
      await front.prepare()
    })

    it('that is required fails the start in time', LONG, async () => {
      const port = await deafPort()
      const front = await storeFront(mount, { ...at(port), required: true })
      const started = performance.now()
      await expect(front.gateway.ready()).rejects.toThrow(`127.0.0.1:${port}`)
      expect(performance.now() - started).toBeLessThan(5_000)
    })
  })

  attack(storeFaults, 'G02', (mount) => {
    it.each([
      ['usual', undefined, AWAY],
      ['reverse', REVERSE, AWAY_REVERSE],
    ] as const)('refused, reset and ended: the %s policy', LONG, async (_, policy, away) => {
      const redis = await redisOfTest()
      const wire = await faultyWire(redis.port)
      const front = await storeFront(mount, at(wire.port), policy)
      await front.prepare()
      const load = { path: '/keys', key: 'key-of-metered', requests: { perSecond: 500, ms: 600 }, connections: 10 }
      const driving = drive(front.port, load)
      for (const how of ['end', 'reset'] as const) {
        await sleep(150)
        wire.cut(how)
      }
      const answers = await driving
      // Every request was answered: let in, or refused by policy.
      const statuses = new Set(answers.map(({ status }) => status))
      expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
      await front.recovers()
      const [quota] = await front.gateway.sessions.quotas('key-of-metered')
      expect(quota!.max - quota!.remaining).toBeLessThanOrEqual(answers.length + 100)
      wire.mode = 'end'
      wire.cut()
      await expect.poll(front.statuses).toEqual(away)
      wire.mode = 'pass'
      await front.recovers()
    })
  })

  attack(storeFaults, 'G03', (mount) => {
    it.each([
      ['usual', undefined, AWAY],
      ['reverse', REVERSE, AWAY_REVERSE],
    ] as const)('silence: the %s policy', LONG, async (_, policy, away) => {
      const redis = await redisOfTest()
      const wire = await faultyWire(redis.port)
      const front = await storeFront(mount, at(wire.port), policy)
      await front.prepare()
      wire.mode = 'silent'
      await expect.poll(front.statuses).toEqual(away)
      // Once it is known to be silent nobody waits: 40 deadlines would be ten seconds.
      const started = performance.now()
      for (let i = 0; i < 40; i += 1) expect(await front.ask('strange')).toBe(503)
      expect(performance.now() - started).toBeLessThan(6_000)
      wire.mode = 'pass'
      wire.cut()
      await front.recovers()
    })

    it('late, in single bytes, and slowly', LONG, async () => {
      const redis = await redisOfTest()
      const wire = await faultyWire(redis.port)
      const front = await storeFront(mount, at(wire.port))
      await front.prepare()
      for (const lateMs of [5, 50]) {
        wire.lateMs = lateMs
        expect([lateMs, await front.statuses()]).toEqual([lateMs, FINE])
      }
      wire.lateMs = 500
      await expect.poll(front.statuses).toEqual(AWAY)
      wire.lateMs = 0
      await front.recovers()
      wire.slice = 1
      await front.recovers()
      wire.slice = Infinity
      wire.mode = 'drip'
      for (let i = 0; i < 5; i += 1) {
        const { strange, open } = await front.statuses()
        expect([403, 503]).toContain(strange)
        expect(open).toBe(200)
      }
      wire.mode = 'pass'
      await front.recovers()
    })
  })

  attack(storeFaults, 'G04', (mount) => {
    it.each([1_000, 3_000])('after %i ms', LONG, async (awayMs) => {
      const redis = await redisOfTest()
      const wire = await faultyWire(redis.port)
      const front = await storeFront(mount, at(wire.port))
      await front.prepare()
      wire.mode = 'end'
      wire.cut()
      const before = wire.connections()
      const started = performance.now()
      while (performance.now() - started < awayMs) {
        await front.ask('strange')
        await sleep(20)
      }
      const tried = wire.connections() - before
      const elapsed = performance.now() - started
      wire.mode = 'pass'
      await front.recovers()
      expect(tried).toBeGreaterThan(0)
      expect(tried).toBeLessThanOrEqual(elapsed / 200 + 1)
      // At most one a second is told.
      expect(front.reports.length).toBeLessThanOrEqual(elapsed / 1_000 + 3)
    })
  })

  attack(storeFaults, 'G11', (mount) => {
    it('holds after the age of a copy', LONG, async () => {
      const CACHE_MS = 600
      const redis = await redisOfTest()
      const admin = await storeFront(mount, at(redis.port))
      await admin.prepare()
      const front = await storeFront(mount, { ...at(redis.port), cacheMs: CACHE_MS, commandTimeoutMs: 2_000 })
      for (let i = 0; i < 10; i += 1) {
        expect(await front.ask('plain')).toBe(200)
        await sleep(20)
      }
      expect(await redisCommand(redis.port, 'CLIENT KILL TYPE pubsub')).toMatch(/^:[1-9]/)
      await admin.gateway.sessions.revoke('key-of-plain')
      const revoked = performance.now()
      while (performance.now() - revoked < 2 * CACHE_MS) {
        const asked = performance.now()
        const status = await front.ask('plain')
        if (asked - revoked < CACHE_MS) continue
        expect(status).toBe(403)
      }
      expect(await front.ask('plain')).toBe(403)
    })
  })

  attack(storeFaults, 'G12', (mount) => {
    it('leaves nothing behind', LONG, async () => {
      const redis = await redisOfTest()
      const wire = await faultyWire(redis.port)
      const options = { host: '127.0.0.1', port: wire.port, retryStrategy: () => 1 }
      const front = await storeFront(mount, { options, commandTimeoutMs: 2_000 })
      await front.prepare()
      const open = (): number => process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout/.test(kind)).length
      const cut = async (): Promise<void> => {
        const before = wire.connections()
        const asking = front.ask('strange')
        wire.cut()
        expect([403, 503]).toContain(await asking)
        await expect.poll(() => wire.connections(), { interval: 1 }).toBeGreaterThan(before)
        await expect.poll(() => front.ask('strange'), { interval: 1 }).toBe(403)
      }
      for (let i = 0; i < 20; i += 1) await cut()
      await front.recovers()
      const before = open()
      for (let i = 0; i < 180; i += 1) await cut()
      await front.recovers()
      await expect.poll(open).toBeLessThanOrEqual(before + 5)
    })
  })
})
