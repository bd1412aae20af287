import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '@postern/core/store'
import { redisStore } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { watchProcess } from '../support/process.ts'
import { type RedisServer, type RedisSettings, startRedis } from '../support/redis-server.ts'
import { deafPort } from '../support/server.ts'
import { ask, charge, eventually, newId, noServer, open, session, unavailable } from './harness.ts'

let seen: readonly unknown[]
beforeEach(() => (seen = watchProcess()))
afterEach(async () => {
  await closeAll()
  // Whatever happens to a server, nothing is left for the process to stumble over.
  if (seen.length > 0) throw new AggregateError(seen, `the process met ${JSON.stringify(seen)}`)
})

const IMPATIENT = { commandTimeoutMs: 250 }

async function server(settings?: RedisSettings): Promise<RedisServer> {
  const started = await startRedis(settings)
  closeLater(() => started.stop())
  return started
}

function storeAt(port: number, more: object = {}): Store {
  return open({ options: { host: '127.0.0.1', port }, commandTimeoutMs: 1000, ...more })
}

const limit = (): ReturnType<typeof charge> => charge({ subject: newId(), max: 1000 })

describe.skipIf(noServer)('a server that', () => {
  it('is not there fails every call, and says where', async () => {
    const port = await deafPort()
    const store = storeAt(port, IMPATIENT)
    expect(await store.ready()).toBeUndefined()
    const id = newId()
    const calls = [
      () => store.load(id, 'copy'),
      () => store.take([limit()]),
      () => store.peek([limit()]),
      () => store.reset([limit()]),
      () => store.save(id, session(), Infinity, 'anything'),
      () => store.remove(id),
      () => store.list(undefined, 10),
    ]
    for (const call of calls) {
      const message = await unavailable(call())
      expect(message).toContain(`127.0.0.1:${port}`)
      expect(message).toContain('ECONNREFUSED')
    }
  })

  it('has been away for longer than a deadline costs nobody one, until it is back', async () => {
    const redis = await server()
    const store = storeAt(redis.port, { commandTimeoutMs: 400 })
    const one = limit()
    await store.take([one])
    await redis.kill()
    await sleep(500)
    // Were one of them to wait for a deadline, it would be told of after this.
    const late = sleep(200, 'late')
    const calls = Array.from({ length: 20 }, () => unavailable(store.take([one])))
    const messages = await Promise.race([Promise.all(calls), late])
    expect(new Set(messages)).toEqual(new Set([expect.stringMatching(/could not count .*: connect ECONNREFUSED/)]))
    await redis.restart()
    await eventually(async () => expect(await store.take([one])).toMatchObject({ refusedBy: -1 }))
  })

  it('was away for less than a deadline is waited for', async () => {
    const redis = await server()
    const store = storeAt(redis.port, { commandTimeoutMs: 5000 })
    const one = limit()
    await store.take([one])
    await ask('CLIENT KILL TYPE normal', redis.port).catch(() => undefined)
    await sleep(50)
    expect(await store.take([one])).toMatchObject({ standings: [{ remaining: 998 }] })
  })

  it('is not there although required keeps the gateway from starting', async () => {
    const port = await deafPort()
    const message = await unavailable(storeAt(port, { ...IMPATIENT, required: true }).ready())
    expect(message).toBe(`Redis at 127.0.0.1:${port} could not be reached: connect ECONNREFUSED 127.0.0.1:${port}.`)
  })

  it('comes while it is waited for lets the gateway start', async () => {
    const redis = await server()
    await redis.kill()
    const ready = storeAt(redis.port, { required: true }).ready()
    await redis.restart()
    expect(await ready).toBeUndefined()
  })

  it('is paused answers nobody, and everybody again afterwards', async () => {
    const redis = await server()
    const store = storeAt(redis.port, IMPATIENT)
    const one = limit()
    await store.take([one])
    redis.pause()
    expect(await unavailable(store.take([one]))).toContain('no answer within 250 ms')
    await Promise.all(Array.from({ length: 20 }, () => unavailable(store.take([one]))))
    redis.resume()
    await eventually(async () => expect(await store.take([one])).toMatchObject({ refusedBy: -1 }))
  })

  it('stays silent for longer than any deadline is connected to anew', async () => {
    const redis = await server()
    const store = storeAt(redis.port, IMPATIENT)
    await store.take([limit()])
    redis.pause()
    // Past the time after which a silent connection is given up, with somebody asking now and then.
    for (let i = 0; i < 6; i++) {
      await unavailable(store.take([limit()]))
      await sleep(250)
    }
    redis.resume()
    await eventually(async () => expect(await store.take([limit()])).toMatchObject({ refusedBy: -1 }))
  })

  it('is restarted, empty, is found again and told its scripts again', async () => {
    const redis = await server()
    const store = storeAt(redis.port)
    const one = limit()
    await store.take([one])
    await redis.kill()
    await unavailable(store.take([one]))
    await redis.restart()
    await eventually(async () => expect(await store.take([one])).toMatchObject({ standings: [{ remaining: 999 }] }))
  })

  it('closes connections in mid-flight fails what was under way, and counts nothing twice', async () => {
    const redis = await server()
    const store = storeAt(redis.port, { commandTimeoutMs: 2000 })
    const one = charge({ subject: newId(), kind: 'quota', max: 100_000 })
    await store.take([one])
    let passed = 1
    let failed = 0
    const asking = Promise.all(
      Array.from({ length: 40 }, async () => {
        for (let i = 0; i < 40; i++) {
          const taken = await Promise.resolve(store.take([one])).catch(() => undefined)
          if (taken === undefined) failed += 1
          else passed += 1
        }
      }),
    )
    for (let i = 0; i < 3; i++) {
      await sleep(10)
      await ask('CLIENT KILL TYPE normal', redis.port).catch(() => undefined)
    }
    await asking
    await eventually(() => store.peek([one]))
    const used = 100_000 - (await store.peek([one]))[0]!.remaining
    // What failed may have been counted, once; what passed was.
    expect(used).toBeGreaterThanOrEqual(passed)
    expect(used).toBeLessThanOrEqual(passed + failed)
  })

  it('forgets its scripts under load fails no request', async () => {
    const redis = await server()
    const store = storeAt(redis.port, { commandTimeoutMs: 2000 })
    const one = charge({ subject: newId(), max: 10_000 })
    const calls: unknown[] = []
    for (let i = 0; i < 300; i++) {
      calls.push(store.take([one]))
      if (i % 50 === 0) await ask('SCRIPT FLUSH', redis.port)
    }
    expect((await Promise.all(calls)).length).toBe(300)
    expect(await store.peek([one])).toMatchObject([{ remaining: 9700 }])
  })

  it('is slow is waited for no longer than the deadline', async () => {
    const redis = await server()
    const store = storeAt(redis.port, IMPATIENT)
    await store.take([limit()])
    await ask('CLIENT PAUSE 600', redis.port)
    const message = await unavailable(store.load(newId(), 'confirmed'))
    expect(message).toContain('could not load a session: no answer within 250 ms')
    await eventually(async () => expect(await store.load(newId(), 'confirmed')).toBeUndefined())
  })

  it('is out of memory refuses to count, and still reads', async () => {
    const redis = await server({ args: ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'] })
    const store = storeAt(redis.port)
    for (let i = 0; i < 8; i++) expect(await unavailable(store.take([limit()]))).toMatch(/OOM/)
    expect(await store.load(newId(), 'confirmed')).toBeUndefined()
    await ask('CONFIG SET maxmemory 0', redis.port)
    expect(await store.take([limit()])).toMatchObject({ refusedBy: -1 })
  })

  it('became a replica is left, and used again once it is a master', async () => {
    const [redis, other] = await Promise.all([server(), server()])
    const store = storeAt(redis.port)
    await store.take([limit()])
    await ask(`REPLICAOF 127.0.0.1 ${other.port}`, redis.port)
    expect(await unavailable(store.take([limit()]))).toMatch(/READONLY|the connection was lost/)
    await ask('REPLICAOF NO ONE', redis.port)
    await eventually(async () => expect(await store.take([limit()])).toMatchObject({ refusedBy: -1 }))
  })

  it('wants another password says so, without ours', async () => {
    const redis = await server({ args: ['--requirepass', 'right'] })
    const errors: Error[] = []
    const store = open({
      url: `redis://:hunter2@127.0.0.1:${redis.port}`,
      ...IMPATIENT,
      required: true,
      onError: (error) => errors.push(error),
    })
    const messages = [await unavailable(store.ready()), await unavailable(store.take([limit()]))]
    expect(messages.join()).toMatch(/WRONGPASS/)
    expect(errors.length).toBeGreaterThan(0)
    expect(JSON.stringify([messages, errors.map((error) => [error.message, error.stack, error.cause])])).not.toMatch(
      /hunter2/,
    )
    const missing = storeAt(redis.port)
    await eventually(async () => expect(await unavailable(missing.take([limit()]))).toMatch(/NOAUTH/))
    const right = storeAt(redis.port, { options: { host: '127.0.0.1', port: redis.port, password: 'right' } })
    expect(await right.take([limit()])).toMatchObject({ refusedBy: -1 })
  })
})

describe.skipIf(noServer)('a name somebody else uses', () => {
  it('fails alone, and is not taken for a server that fails', async () => {
    const redis = await server()
    const store = storeAt(redis.port, { prefix: 'p' })
    const [id, subject] = [newId(), newId()]
    await ask(`LPUSH p:{${id}}:s x`, redis.port)
    await ask(`SET p:{${subject}}:r:60000:: x`, redis.port)
    const one = charge({ subject })
    for (let i = 0; i < 7; i++) {
      expect(await unavailable(store.take([one]))).toMatch(/WRONGTYPE/)
      await expect(store.load(id, 'confirmed')).rejects.toMatchObject({ code: 'PSTN_SESSION_CORRUPT' })
    }
    expect(await store.take([one], { id, revision: 'x' })).toBe('changed')
    expect(await store.take([limit()])).toMatchObject({ refusedBy: -1 })
  })

  it.each([
    ['no JSON', 'SET p:{x}:s nonsense'],
    ['another shape', 'SET p:{x}:s "[1]"'],
    ['too much', "EVAL \"redis.call('SET', KEYS[1], string.rep(' ', 1048577))\" 1 p:{x}:s"],
  ])('holds no session: %s', async (_, command) => {
    const redis = await server()
    const errors: Error[] = []
    const store = storeAt(redis.port, { prefix: 'p', onError: (error: Error) => errors.push(error) })
    await ask(command, redis.port)
    await store.save('y', session(), Infinity, 'absent')
    await expect(store.load('x', 'confirmed')).rejects.toMatchObject({ code: 'PSTN_SESSION_CORRUPT' })
    await expect(store.load('x', 'copy')).rejects.toMatchObject({ code: 'PSTN_SESSION_CORRUPT' })
    expect((await store.list(undefined, 10)).sessions.map(({ id }) => id)).toEqual(['y'])
    expect(errors).toMatchObject([{ code: 'PSTN_SESSION_CORRUPT' }])
  })
})

describe.skipIf(noServer)('a cluster', () => {
  it('that loses all its servers and gets them back counts again', { timeout: 20_000 }, async () => {
    const redis = await server({ nodes: 3 })
    const store = open({
      cluster: { nodes: redis.ports.map((port) => ({ host: '127.0.0.1', port })) },
      ...IMPATIENT,
    })
    const limits = Array.from({ length: 20 }, limit)
    await eventually(() => Promise.all(limits.map(async (one) => store.take([one]))))
    redis.pause()
    await Promise.all(limits.map((one) => unavailable(store.take([one]))))
    redis.resume()
    await eventually(() => Promise.all(limits.map(async (one) => store.take([one]))))
    const remaining = (await store.peek(limits)).map((standing) => standing.remaining)
    expect(Math.max(...remaining)).toBeLessThanOrEqual(998)
  })
})

describe.skipIf(noServer)('a closed store', () => {
  it('refuses, once what was under way is done, and leaves nothing open', async () => {
    const redis = await server()
    const before = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length
    const store = redisStore({ url: `redis://127.0.0.1:${redis.port}`, cacheMs: 1000, commandTimeoutMs: 2000 })
    await store.save('x', session(), Infinity, 'absent')
    const last = store.take([limit()])
    await store.close()
    await store.close()
    expect(await last).toMatchObject({ refusedBy: -1 })
    expect(await unavailable(store.take([limit()]))).toContain('closed')
    await eventually(() => {
      const after = process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length
      expect(after).toBeLessThanOrEqual(before)
    })
  })

  it('closes while it cannot connect', async () => {
    const store = redisStore({ url: `redis://127.0.0.1:${await deafPort()}`, cacheMs: 1000 })
    await sleep(50)
    await store.close()
    expect(await unavailable(store.load('x', 'copy'))).toContain('closed')
  })

  it('leaves a client that was handed in open', async () => {
    const redis = await server()
    const client = new Redis(redis.port, '127.0.0.1')
    closeLater(() => client.disconnect())
    const store = open({ client, cacheMs: 1000 })
    const one = limit()
    expect(await store.take([one])).toMatchObject({ refusedBy: -1 })
    await store.close()
    expect(await client.ping()).toBe('PONG')
    expect(client.listenerCount('ready')).toBe(0)
  })
})
