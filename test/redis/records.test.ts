import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisRecords, redisRecords, type RedisRecordsOptions } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, inject, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type RedisServer, type RedisSettings, startRedis } from '../support/redis-server.ts'
import { numbered } from './a-record.ts'
import { ask, cluster, eventually, newId, noServer, single } from './harness.ts'
import { readTykRecord } from './pump-decoder.ts'

afterEach(closeAll)

/** A sink with a list of its own; closed by `closeAll`. */
function open(options: RedisRecordsOptions): RedisRecords & { readonly list: string; readonly told: string[] } {
  const list = newId()
  const told: string[] = []
  const sink = redisRecords({ list, onError: (error) => void told.push(error.message), ...options })
  closeLater(() => sink.close())
  return Object.assign(sink, { list, told })
}

async function server(settings?: RedisSettings): Promise<RedisServer> {
  const started = await startRedis(settings)
  closeLater(() => started.stop())
  return started
}

const at = ({ port }: RedisServer): RedisRecordsOptions => ({ options: { host: '127.0.0.1', port } })

const SINGLE_PORT = inject('redis')?.single ?? 0

/** As tyk-pump takes them: all at once, and the list is gone. */
async function pumped(list: string, port = SINGLE_PORT): Promise<string[]> {
  const client = new Redis({ port })
  try {
    const replies = (await client.multi().lrangeBuffer(list, 0, -1).del(list).exec()) ?? []
    const records = replies[0]?.[1] ?? []
    return (records as Buffer[]).map((bytes) => String(readTykRecord(bytes)['Alias']))
  } finally {
    client.disconnect()
  }
}

const aliases = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => String(from + i))

describe('options of redisRecords', () => {
  const url = 'redis://127.0.0.1:1'
  it.each<[what: string, given: object | string, message: string]>([
    ['a URL alone', url, 'redisRecords: found text; write redisRecords({ url }).'],
    ['no place', {}, 'redisRecords: found no place; expected one of client, url, options, cluster.'],
    ['an option of the store', { url, prefix: 'p' }, 'unknown option "prefix"'],
    ['a setting of the real gateway', { url, hashKeys: true }, 'unknown option "hashKeys"'],
    ['a misspelt option', { url, multipleList: true }, 'did you mean "multipleLists"?'],
    ['a list in braces', { url, list: '{a}' }, 'list: found "{a}"; expected text without { and }.'],
    ['a prefix for names', { options: { host: 'h', keyPrefix: 'a:' } }, 'expected none: list names the list.'],
    ['no lifetime', { url, expireSeconds: 0 }, 'expireSeconds: found 0; expected whole seconds from 1 to 2147483647.'],
    ['a list without room', { url, maxLength: 0.5 }, 'maxLength: found 0.5; expected a whole number from 1'],
    ['two mistakes', { url, list: '', name: '' }, 'redisRecords has 2 problems:'],
  ])('are refused at once: %s', (_, given, message) => {
    expect(() => redisRecords(given as RedisRecordsOptions)).toThrow(
      expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message: expect.stringContaining(message) as string }),
    )
  })
})

describe.skipIf(noServer)('records on Redis', { timeout: 30_000 }, () => {
  it('lie in one list in order, until nobody has added one for a while', async () => {
    const sink = open({ ...single, expireSeconds: 1000 })
    await sink.write(numbered(2500))
    await sleep(1100)
    await sink.write(numbered(3, 2500))
    expect(await ask(`TTL ${sink.list}`)).toMatch(/^:(1000|999)$/)
    expect(await pumped(sink.list)).toEqual(aliases(2503))
  })

  it('lie where tyk-pump looks, unless told otherwise', async () => {
    const redis = await server()
    const one = redisRecords(at(redis))
    await one.write(numbered(1))
    expect(await pumped('analytics-tyk-system-analytics', redis.port)).toEqual(['0'])
    const ten = redisRecords({ ...at(redis), multipleLists: true })
    for (let i = 0; i < 200; i += 1) await ten.write(numbered(1, i))
    const lists = aliases(10).map((i) => pumped(`analytics-tyk-system-analytics_${i}`, redis.port))
    const found = await Promise.all(lists)
    expect(found.flat().toSorted()).toEqual(aliases(200).toSorted())
    expect(found.every((list) => list.length > 0)).toBe(true)
    await Promise.all([one.close(), ten.close()])
  })

  it('lie on a Cluster', async () => {
    const sink = open({ ...cluster, multipleLists: true })
    for (let i = 0; i < 50; i += 1) await sink.write(numbered(1, i))
    expect(sink.told).toEqual([])
  })

  it('are written by a client of the application, which stays open', async () => {
    const client = new Redis(SINGLE_PORT)
    closeLater(() => client.disconnect())
    const sink = open({ client })
    await sink.write(numbered(2))
    await sink.close()
    expect([await client.llen(sink.list), client.status]).toEqual([2, 'ready'])
    await expect(sink.write(numbered(1))).rejects.toThrow('could not store records: the sink is closed')
  })

  it('make room for newer ones where nobody reads them, which is counted and told', async () => {
    const sink = open({ ...single, maxLength: 100 })
    await sink.write(numbered(90))
    await sink.write(numbered(25, 90))
    expect([sink.removed, sink.told]).toEqual([
      15,
      [expect.stringContaining(`"${sink.list}" was full, 15 of its oldest records were removed`)],
    ])
    expect(await pumped(sink.list)).toEqual(aliases(100, 15))
  })

  it('are lost where something else has that name, and only they', async () => {
    const sink = open(single)
    await ask(`SET ${sink.list} 1`)
    await expect(sink.write(numbered(1))).rejects.toMatchObject({
      code: 'PSTN_SINK_FAILED',
      message: expect.stringContaining('WRONGTYPE'),
    })
    await ask(`DEL ${sink.list}`)
    await sink.write(numbered(1, 7))
    expect(await pumped(sink.list)).toEqual(['7'])
  })
})

describe.skipIf(noServer)('a batch is kept, and appended once,', { timeout: 30_000 }, () => {
  it('while the server is away', async () => {
    const redis = await server()
    const sink = open(at(redis))
    await sink.write(numbered(1))
    await redis.kill()
    const written = sink.write(numbered(2, 1))
    await eventually(() => expect(sink.told.join()).toContain('ECONNREFUSED'))
    await redis.restart()
    await written
    expect(await pumped(sink.list, redis.port)).toEqual(['1', '2'])
  })

  it('when the sink is made before the server is there', async () => {
    const redis = await server()
    await redis.kill()
    const sink = open(at(redis))
    const written = sink.write(numbered(2))
    await sleep(300)
    await redis.restart()
    await written
    expect(await pumped(sink.list, redis.port)).toEqual(['0', '1'])
  })

  it('while the server stands still, though it was sent on several connections', async () => {
    const redis = await server()
    const sink = open({ ...at(redis), commandTimeoutMs: 100 })
    await sink.write(numbered(1))
    redis.pause()
    const written = sink.write(numbered(2, 1))
    await sleep(4000)
    expect(sink.told.join()).toContain('could not store records: no answer within 100 ms')
    redis.resume()
    await written
    await sink.write(numbered(1, 3))
    await sleep(500)
    expect(await pumped(sink.list, redis.port)).toEqual(aliases(4))
  })

  it('while the server is full', async () => {
    const redis = await server({ args: ['--maxmemory-policy', 'noeviction'] })
    const sink = open(at(redis))
    await ask('CONFIG SET maxmemory 1', redis.port)
    const written = sink.write(numbered(2))
    await eventually(() => expect(sink.told.join()).toContain('OOM'))
    expect(await ask(`EXISTS ${sink.list}`, redis.port)).toBe(':0')
    await ask('CONFIG SET maxmemory 0', redis.port)
    await written
    expect(await pumped(sink.list, redis.port)).toEqual(['0', '1'])
  })

  it('while the server only reads', async () => {
    const [redis, main] = await Promise.all([server(), server()])
    const sink = open(at(redis))
    await sink.write(numbered(1))
    await pumped(sink.list, redis.port)
    await ask(`REPLICAOF 127.0.0.1 ${main.port}`, redis.port)
    const written = sink.write(numbered(2))
    await eventually(() => expect(sink.told.join()).toMatch(/READONLY|MASTERDOWN/))
    await ask('REPLICAOF NO ONE', redis.port)
    await written
    expect(await pumped(sink.list, redis.port)).toEqual(['0', '1'])
  })

  it('when the answer is lost', async () => {
    const redis = await server()
    const client = new Redis({ port: redis.port, retryStrategy: () => 10 })
    client.on('error', () => undefined)
    closeLater(() => client.disconnect())
    let losses = 3
    // The server does what it was asked; nobody hears of it.
    const deaf = new Proxy(client, {
      get(target, name) {
        if (name === 'call')
          return async (...args: [string, ...string[]]) => {
            const answer = await target.call(...args)
            if (args[0].startsWith('eval') && losses-- > 0) throw new Error('Connection is closed.')
            return answer
          }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const sink = open({ client: deaf, maxLength: 3 })
    await sink.write(numbered(5))
    await sink.write(numbered(1, 5))
    expect([losses < 0, sink.removed]).toEqual([true, 3])
    expect(await pumped(sink.list, redis.port)).toEqual(['3', '4', '5'])
  })
})

describe.skipIf(noServer)('closing', () => {
  it('does not wait for a server that is away, stands still or is being connected to', async () => {
    const [gone, still] = await Promise.all([server(), server()])
    const sinks = [open(at(gone)), open(at(still))]
    await Promise.all(sinks.map((sink) => sink.write(numbered(1))))
    await gone.kill()
    still.pause()
    const writes = sinks.map((sink) => expect(sink.write(numbered(1))).rejects.toThrow('the sink is closed'))
    await sleep(50)
    await Promise.all(sinks.map((sink) => sink.close()))
    await Promise.all(writes)
    still.resume()
  })
})
