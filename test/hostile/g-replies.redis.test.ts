import { setTimeout as sleep } from 'node:timers/promises'
import { digest } from '@postern/core/store'
import { describe, expect, it } from 'vitest'
import { drive } from '../redis/drive.ts'
import { send } from '../support/client.ts'
import { redisCommand } from '../support/redis-server.ts'
import { attack, cleanUpAfterAttacks, envelope } from './attack.ts'
import { storeFaults } from './catalogue/g.ts'
import { fakeRedis } from './fake-redis.ts'
import { AWAY, faultyWire, REVERSE, storeFront } from './store-front.ts'
import { noRedis, redisOfTest } from './with-redis.ts'

cleanUpAfterAttacks()

const at = (port: number) => ({ options: { host: '127.0.0.1', port } })
const LONG = { timeout: 30_000 }
const SECRET = 'hunter2-is-the-password'

/** Answers of a server that is there and cannot. */
const REPLIES: Readonly<Record<'G05' | 'G07', readonly string[]>> = {
  G05: [
    "READONLY You can't write against a read only replica.",
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    'CLUSTERDOWN The cluster is down',
    'LOADING Redis is loading the dataset in memory',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'TRYAGAIN Multiple keys request during rehashing of slot',
  ],
  G07: [
    "OOM command not allowed when used memory > 'maxmemory'.",
    'MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    "NOPERM User default has no permissions to run the 'evalsha' command",
    'BUSY Redis is busy running a script.',
    `ERR unknown command 'AUTH', with args beginning with: '${SECRET}'`,
  ],
}

// The answers are made up: no server is needed.
for (const id of ['G05', 'G07'] as const) {
  attack(storeFaults, id, (mount) => {
    it.each(REPLIES[id])('%s', LONG, async (reply) => {
      const fake = await fakeRedis()
      const options = { host: '127.0.0.1', port: fake.port, password: SECRET }
      const usual = await storeFront(mount, { options })
      const reverse = await storeFront(mount, { options }, REVERSE)
      await expect.poll(() => usual.ask('strange')).toBe(403)
      await expect.poll(() => reverse.ask('open')).toBe(200)
      const said: string[] = []
      for (const { gateway } of [usual, reverse])
        gateway.on('storeError', ({ error }) => said.push(`${error.message} ${String(error.cause)}`))
      fake.error = reply
      for (let i = 0; i < 7; i += 1) {
        expect([await usual.ask('strange'), await usual.ask('open')]).toEqual([AWAY.strange, AWAY.open])
        expect([await reverse.ask('strange'), await reverse.ask('open')]).toEqual([503, 503])
      }
      expect(said.length).toBeGreaterThan(20)
      const everything = [...said, ...usual.reports, ...reverse.reports].join()
      expect(everything).not.toContain(SECRET)
      expect(everything).not.toContain('key-of-strange')
      fake.error = undefined
      await expect.poll(() => usual.ask('strange')).toBe(403)
      await expect.poll(() => reverse.ask('open')).toBe(200)
    })
  })
}

describe.skipIf(noRedis)('with Redis', () => {
  attack(storeFaults, 'G06', (mount) => {
    it('no request fails', LONG, async () => {
      const redis = await redisOfTest()
      const front = await storeFront(mount, { ...at(redis.port), commandTimeoutMs: 5_000 })
      await front.prepare()
      const load = { path: '/keys', key: 'key-of-metered', requests: { perSecond: 500, ms: 500 } }
      const driving = drive(front.port, load)
      for (let i = 0; i < 40; i += 1) {
        await redisCommand(redis.port, 'SCRIPT FLUSH')
        await sleep(10)
      }
      const answers = await driving
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      // Each was told another number: the one sent again was not counted twice.
      const told = answers.map(({ left }) => left['quota']!)
      expect(Math.max(...told) - Math.min(...told)).toBe(answers.length - 1)
      await redis.restart()
      await expect.poll(() => front.ask('strange'), { timeout: 5_000 }).toBe(403)
      await front.prepare()
    })
  })

  attack(storeFaults, 'G08', (mount) => {
    it('that name alone fails', LONG, async () => {
      const redis = await redisOfTest()
      const front = await storeFront(mount, { ...at(redis.port), prefix: 'p' })
      await front.prepare()
      const errors: string[] = []
      front.gateway.on('storeError', ({ outcome, error }) => errors.push(`${outcome} ${error.code}`))
      await redisCommand(redis.port, `DEL p:{${digest('key-of-plain')}}:s`)
      await redisCommand(redis.port, `LPUSH p:{${digest('key-of-plain')}}:s x`)
      const { status, text } = await send(front.url, '/keys', { headers: { authorization: 'key-of-plain' } })
      expect([status, text]).toEqual([403, envelope('Access to this API has been disallowed')])
      expect(errors).toEqual(['refused PSTN_SESSION_CORRUPT'])
      for (const [who, counter, expected] of [
        ['metered', `p:{${digest('key-of-metered')}}:q:3600000::`, 503],
        // The same question would have confirmed the session.
        ['rated', `p:{${digest('key-of-rated')}}:r:3600000::`, 503],
        ['open', 'p:{api:open}:r:3600000::', 200],
      ] as const) {
        expect(await redisCommand(redis.port, `DEL ${counter}`)).toContain(':1')
        await redisCommand(redis.port, `SET ${counter} nonsense`)
        for (let i = 0; i < 7; i += 1) expect([who, await front.ask(who)]).toEqual([who, expected])
      }
      expect([await front.ask('open'), await front.ask('strange')]).toEqual([200, 403])
      await front.gateway.sessions.create({ quotaMax: 5, quotaRenewalRate: 60 }, { key: 'another-key' })
      expect((await send(front.url, '/keys', { headers: { authorization: 'another-key' } })).status).toBe(200)
    })
  })

  attack(storeFaults, 'G09', (mount) => {
    it('keys are gone, counters begin anew', LONG, async () => {
      const redis = await redisOfTest()
      const front = await storeFront(mount, at(redis.port))
      await front.prepare()
      const load = { path: '/keys', key: 'key-of-metered', requests: { perSecond: 300, ms: 400 } }
      const driving = drive(front.port, load)
      await redisCommand(redis.port, 'FLUSHALL')
      const statuses = (await driving).map(({ status }) => status)
      expect(statuses.at(-1)).toBe(403)
      expect(statuses.filter((status) => status !== 200 && status !== 403)).toEqual([])
      expect(await front.statuses()).toEqual({ plain: 403, rated: 403, metered: 403, open: 200, strange: 403 })
      await front.prepare()
      const [quota] = await front.gateway.sessions.quotas('key-of-metered')
      expect(quota!.max - quota!.remaining).toBeLessThan(5)
    })
  })

  attack(storeFaults, 'G10', (mount) => {
    it('no counter without an end, none too low', LONG, async () => {
      const redis = await redisOfTest()
      const wire = await faultyWire(redis.port)
      const options = { host: '127.0.0.1', port: wire.port, retryStrategy: () => 1 }
      const front = await storeFront(mount, { options, prefix: 'p', commandTimeoutMs: 400 })
      await front.prepare()
      let passed = 0
      for (let packets = 0; packets < 12; packets += 1) {
        // Scripts have to be sent anew as well.
        await redisCommand(redis.port, 'SCRIPT FLUSH')
        wire.packets = packets
        for (let i = 0; i < 3; i += 1) {
          const status = await front.ask('metered')
          expect([200, 503]).toContain(status)
          if (status === 200) passed += 1
        }
        wire.packets = Infinity
        await expect.poll(() => front.ask('strange'), { interval: 1 }).toBe(403)
      }
      expect(passed).toBeGreaterThan(0)
      const [quota] = await front.gateway.sessions.quotas('key-of-metered')
      expect(quota!.max - quota!.remaining).toBeGreaterThanOrEqual(passed)
      const script = `for _, k in ipairs(redis.call('KEYS', '*')) do if string.sub(k, -2) ~= ':s' and redis.call('PTTL', k) < 0 then return k end end return 'all end'`
      expect(await redisCommand(redis.port, `EVAL "${script}" 0`)).toMatch(/^\$7\r\nall end/)
    })
  })
})
