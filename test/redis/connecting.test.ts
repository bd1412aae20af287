import { createServer } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type RedisServer, type RedisSettings, startRedis } from '../support/redis-server.ts'
import { deafPort, listen, listenRaw } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'
import { ask, charge, eventually, newId, noServer, open, session, unavailable } from './harness.ts'
import { warningsDuring } from '../support/warnings.ts'

afterAll(closeAll)

// Tests run at the same time here: they mostly wait for a start to fail.
const TOGETHER = { concurrent: true, timeout: 20_000 }

async function server(settings?: RedisSettings): Promise<RedisServer> {
  const started = await startRedis(settings)
  closeLater(() => started.stop())
  return started
}

const limit = (): ReturnType<typeof charge> => charge({ subject: newId(), max: 1000 })
const IMPATIENT = { commandTimeoutMs: 250 }
/** Whoever is told of errors in the tests that are about something else. */
const onError = (): undefined => undefined

describe.skipIf(noServer)('a database the server does not have', TOGETHER, () => {
  it.each([
    ['in a URL', {}],
    ['where readiness is not checked', { enableReadyCheck: false }],
    ['where commands are sent one by one', { enableAutoPipelining: false, protocol: 2 }],
  ] as const)('fails every call and the start, and touches no other: %s', async (_, options) => {
    const redis = await server()
    const url = `redis://127.0.0.1:${redis.port}/99`
    const store = open({ url, options, ...IMPATIENT, required: true, onError })
    const why = 'database 99 could not be selected: ERR DB index is out of range.'
    expect(await unavailable(store.ready())).toBe(`Redis at 127.0.0.1:${redis.port} could not be reached: ${why}`)
    const calls = [
      () => store.take([limit()]),
      () => store.save('x', session(), Infinity, 'anything'),
      () => store.load('x', 'confirmed'),
    ]
    // Past several attempts to connect: each is a chance to be let in by mistake.
    for (let i = 0; i < 30; i += 1) {
      expect(await unavailable(calls[i % calls.length]!())).toContain(why.slice(0, -1))
      await sleep(50)
    }
    expect(await ask('DBSIZE', redis.port)).toBe(':0')
  })

  it('is used once the server has it', async () => {
    const few = await server({ args: ['--databases', '2'] })
    const store = open({ url: `redis://127.0.0.1:${few.port}/1`, prefix: 'p', onError })
    expect(await store.ready()).toBeUndefined()
    await store.save('x', session(), Infinity, 'absent')
    expect(await ask('DBSIZE', few.port)).toBe(':0')
    await few.restart()
    // The same database after connecting again.
    await eventually(() => store.save('x', session(), Infinity, 'absent'))
    expect(await store.load('x', 'confirmed')).toBeDefined()
    expect(await ask('DBSIZE', few.port)).toBe(':0')
  })
})

describe.skipIf(noServer)('what a server that is not set up as expected is told of:', TOGETHER, () => {
  it('one that does not speak TLS', async () => {
    const redis = await server()
    const store = open({ url: `rediss://127.0.0.1:${redis.port}`, ...IMPATIENT, required: true, onError })
    expect(await unavailable(store.ready())).toContain('(the server may not speak TLS; write redis:// then).')
  })

  it('one that speaks nothing but TLS', async () => {
    const { port } = await listen(createServer(SELF_SIGNED))
    const store = open({ url: `redis://127.0.0.1:${port}`, ...IMPATIENT, required: true, onError })
    expect(await unavailable(store.ready())).toContain('(it may expect TLS; write rediss:// then)')
  })

  it('one that wants a password', async () => {
    const redis = await server({ args: ['--requirepass', 'right'] })
    const store = open({ url: `redis://127.0.0.1:${redis.port}`, ...IMPATIENT, required: true, onError })
    const advice = 'NOAUTH: the server wants a password; write redis://:password@host.'
    expect(await unavailable(store.ready())).toContain(advice)
    expect(await unavailable(store.take([limit()]))).toContain(advice)
  })

  it('one that is no cluster', async () => {
    const redis = await server()
    const store = open({ cluster: { nodes: [redis.port] }, ...IMPATIENT, required: true, onError })
    expect(await unavailable(store.ready())).toContain('belongs to no Redis Cluster; write url instead of cluster.')
  })

  it('one that closes every connection', async () => {
    const { port } = await listenRaw((socket) => socket.destroy())
    const errors: string[] = []
    const store = open({
      url: `redis://127.0.0.1:${port}`,
      ...IMPATIENT,
      required: true,
      onError: ({ message }) => errors.push(message),
    })
    expect(await unavailable(store.ready())).toMatch(/closed before the server said anything|ECONNRESET|EPIPE/)
    expect(errors.length).toBeGreaterThan(0)
  })
})

describe('a start that requires a server', () => {
  it('fails in time, however long calls may take', async () => {
    const { port } = await listenRaw(() => undefined)
    const store = open({ url: `redis://127.0.0.1:${port}`, commandTimeoutMs: 60_000, required: true, onError })
    expect(await unavailable(Promise.race([store.ready(), sleep(5000)]))).toMatch(/could not be reached: not connected/)
  })
})

describe('an outage nobody listens to', () => {
  it('is warned of once', async () => {
    const port = await deafPort()
    const warnings = await warningsDuring(async () => {
      const store = open({ url: `redis://127.0.0.1:${port}`, ...IMPATIENT })
      // Several attempts.
      await sleep(1500)
      await unavailable(store.take([limit()]))
      await store.close()
    }, 'Redis')
    expect(warnings).toEqual([
      `Redis at 127.0.0.1:${port} could not be reached: connect ECONNREFUSED 127.0.0.1:${port}. Postern keeps trying; give redisStore an onError to be told instead.`,
    ])
  })

  it('is told to onError alone where there is one', async () => {
    const port = await deafPort()
    const errors: Error[] = []
    const warnings = await warningsDuring(async () => {
      const store = open({ url: `redis://127.0.0.1:${port}`, ...IMPATIENT, onError: (error) => errors.push(error) })
      await eventually(() => expect(errors).toMatchObject([{ code: 'PSTN_STORE_UNAVAILABLE' }]))
      await store.close()
    }, 'Redis')
    expect(warnings).toEqual([])
  })

  it.skipIf(noServer)('is no news of a server that is there, or that is left', async () => {
    const redis = await server()
    const warnings = await warningsDuring(async () => {
      const store = open({ url: `redis://127.0.0.1:${redis.port}`, cacheMs: 1000 })
      await store.take([limit()])
      await ask('CLIENT KILL TYPE normal', redis.port).catch(() => undefined)
      await eventually(async () => store.take([limit()]))
      await store.close()
    }, 'Redis')
    expect(warnings).toEqual([])
  })
})
