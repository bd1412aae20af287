import { setTimeout as sleep } from 'node:timers/promises'
import type { KeyInput } from '@postern/core'
import type { Charge } from '@postern/core/store'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, drive, type Load } from '../redis/drive.ts'
import { startWorkers, type Worker, type Workers } from '../redis/workers.ts'
import { redisCommand, type RedisServer, startRedis } from '../support/redis-server.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { limits } from './catalogue/f.ts'
import { noRedis } from './with-redis.ts'

cleanUpAfterAttacks()

let redis: RedisServer
let workers: Workers
/** Four processes; the clocks of two are wrong. */
let all: readonly Worker[]
const HOUR = 3_600_000

beforeAll(async () => {
  if (noRedis) return
  ;[redis, workers] = await Promise.all([startRedis(), startWorkers()])
  all = await Promise.all([0, HOUR, -2_000, -HOUR].map((shiftMs) => workers.start(shiftMs)))
}, 30_000)

afterAll(async () => {
  if (!noRedis) await Promise.all([workers.stop(), redis.stop()])
})

let opened = 0

/** A gateway in each process, under one name and one prefix. */
async function open(through: readonly Worker[]): Promise<{ readonly name: string; readonly ports: readonly number[] }> {
  opened += 1
  const name = `f${opened}`
  const store = { options: { host: '127.0.0.1', port: redis.port }, prefix: name, commandTimeoutMs: 8_000 }
  const definition = { name: 'a', authentication: { token: true } }
  const ports = await Promise.all(
    through.map(async (worker) => (await worker.do('open', { name, store, definition })).port),
  )
  return { name, ports }
}

const keyIn = async (worker: Worker, name: string, session: KeyInput): Promise<string> =>
  (await worker.do('create', { name, session })).key

const passedOf = (answers: readonly Answer[]): readonly Answer[] => answers.filter(({ status }) => status === 200)

/** What certainly passed within one window: sent and answered in it, by the one monotonic clock of the machine. */
function mostWithin(passed: readonly Answer[], ms: number): number {
  return Math.max(
    ...passed.map(({ sent }) => passed.filter((one) => one.sent >= sent && one.answered < sent + ms - 2).length),
  )
}

const LONG = { timeout: 30_000 }

describe.skipIf(noRedis)('with Redis', () => {
  attack(limits, 'F02', () => {
    it.each([2, 4])('a rate in %i processes', LONG, async (processes) => {
      const [rate, per] = [50, 0.5]
      const through = all.slice(0, processes)
      const { name } = await open(through)
      const key = await keyIn(through[0]!, name, { rate, per })
      const load: Load = { path: '/', key, requests: { perSecond: (4 * rate) / processes, ms: 1_200 } }
      const answers = (await Promise.all(through.map((worker) => worker.do('drive', { name, load })))).flat()
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]))
      expect(mostWithin(passedOf(answers), per * 1_000)).toBeLessThanOrEqual(rate)
      // What two whole periods allow passes, whichever process asks.
      expect(passedOf(answers).length).toBeGreaterThanOrEqual(2 * rate)
    })

    it.each([2, 4])('a quota in %i processes', LONG, async (processes) => {
      const through = all.slice(0, processes)
      const { name } = await open(through)
      const key = await keyIn(through[0]!, name, { quotaMax: 700, quotaRenewalRate: 3_600 })
      const load: Load = { path: '/', key, requests: 2_000 / processes }
      const answers = (await Promise.all(through.map((worker) => worker.do('drive', { name, load })))).flat()
      expect([passedOf(answers).length, answers.length]).toEqual([700, 2_000])
    })
  })

  describe('F05 on process', () => {
    it('10,000 decisions of 2 processes', LONG, async () => {
      const through = all.slice(0, 2)
      const { name } = await open(through)
      const counts: number[] = []
      const quotas = [1, 100, 1_000, 9_999, 10_000]
      for (const max of quotas) {
        const charges: Charge[] = [{ kind: 'quota', subject: `q${max}`, scope: '', endpoint: '', max, periodMs: HOUR }]
        const each = await Promise.all(through.map((worker) => worker.do('take', { name, charges, times: 5_000 })))
        counts.push(each.reduce((sum, one) => sum + one, 0))
      }
      expect(counts).toEqual(quotas)
    })
  })

  describe('F08 on process', () => {
    it('clocks an hour and two seconds off', LONG, async () => {
      const { name, ports } = await open(all)
      const key = await keyIn(all[0]!, name, { quotaMax: 5, quotaRenewalRate: 2 })
      const one: Load = { path: '/', key, requests: 1, connections: 1 }
      const round = async (): Promise<number> => {
        const statuses: number[] = []
        for (const port of [...ports, ...ports]) statuses.push((await drive(port, one))[0]!.status)
        return statuses.filter((status) => status === 200).length
      }
      expect(await round()).toBe(5)
      expect(await round()).toBe(0)
      // By the server's clock it is over then, whatever the processes think.
      await sleep(2_000)
      expect(await round()).toBe(5)
    })
  })

  attack(limits, 'F15', () => {
    it('what is left stays exact', LONG, async () => {
      const victim = await workers.start()
      const through = [victim, ...all.slice(0, 2)]
      const { name, ports } = await open(through)
      const quotaMax = 500
      const key = await keyIn(victim, name, { quotaMax, quotaRenewalRate: 60, rate: 50_000, per: 2 })
      const load: Load = { path: '/', key, requests: { perSecond: 500, ms: 600 } }
      const driving = Promise.all(ports.map((port) => drive(port, load)))
      await sleep(200)
      await victim.kill()
      const [ofVictim = [], ...ofOthers] = await driving
      const told = passedOf([...ofVictim, ...ofOthers.flat()]).map(({ left }) => left['quota'])
      expect(new Set(told).size).toBe(told.length)
      const lost = ofVictim.filter(({ status }) => status === 0).length
      expect(told.length).toBeLessThanOrEqual(quotaMax)
      expect(told.length).toBeGreaterThanOrEqual(quotaMax - lost)
      expect(new Set(ofOthers.flat().map(({ status }) => status))).toEqual(new Set([200, 403]))
      const script = `for _, k in ipairs(redis.call('KEYS', '${name}:*')) do if redis.call('PTTL', k) < 0 and string.sub(k, -2) ~= ':s' then return k end end return 'all end'`
      expect(await redisCommand(redis.port, `EVAL "${script}" 0`)).toMatch(/^\$7\r\nall end/)
    })
  })

  it('no process met an error nobody heard', async () => {
    const stumbles = await Promise.all(all.map((worker) => worker.do('stumbles', undefined)))
    expect(stumbles.flat()).toEqual([])
  })
})
