import { GatewayError } from '@postern/core/store'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { breaker } from '../../packages/redis/src/breaker.ts'
import { checked } from '../../packages/redis/src/checked-options.ts'
import { reasonOf } from '../../packages/redis/src/failure.ts'
import { outageWarnings } from '../../packages/redis/src/reporter.ts'
import { warningsDuring } from '../support/warnings.ts'

const url = 'redis://127.0.0.1:1'
const client = { call: () => Promise.resolve(), on: () => undefined, off: () => undefined, status: 'end' }
const keyed = new Redis({ lazyConnect: true, keyPrefix: 'x' })
const tyk = (settings: unknown): object => ({ url, layout: 'tyk', tyk: settings })
const ONE_PLACE = 'expected one of client, url, options, cluster.'

/** What options that are wrong are refused with. */
function refusal(options: unknown): unknown {
  try {
    redisStore(options as RedisStoreOptions)
  } catch (error) {
    return error
  }
  return 'nothing'
}

describe('options that are wrong are refused with what was found and expected:', () => {
  it.each<[string, unknown, string]>([
    ['no place', {}, `found no place; ${ONE_PLACE}`],
    ['two places', { url, cluster: { nodes: [1] } }, `found url and cluster; ${ONE_PLACE}`],
    ['a URL alone', url, 'found text; write redisStore({ url }).'],
    ['a client alone', client, 'found a client; write redisStore({ client }).'],
    ['none', undefined, 'found undefined; expected options, such as { url }.'],
    ['a list', [url], 'found an array; expected options, such as { url }.'],
    ['another name for the URL', { uri: url }, 'unknown option "uri"; did you mean "url"?'],
    ['half a name', { url, timeout: 1 }, 'unknown option "timeout"; did you mean "commandTimeoutMs"?'],
    [
      'a name like none',
      { url, x: 1 },
      'unknown option "x"; known: client, url, options, cluster, prefix, layout, tyk, commandTimeoutMs, cacheMs, required, onError.',
    ],
    ['a host', { host: 'here' }, 'unknown option "host"; write options: { host }.'],
    ['nodes', { nodes: [1] }, 'unknown option "nodes"; write cluster: { nodes }.'],
    ['a URL nobody set', { url: undefined }, 'url is undefined: is the environment variable set?'],
    ['settings for it', { url: undefined, options: { tls: {} } }, 'url is undefined: is the environment variable set?'],
    ['a URL set to nothing', { url: '' }, 'url is empty: is the environment variable set?'],
    ['a host and a port', { url: 'localhost:6379' }, 'url: found localhost:6379; write redis://localhost:6379.'],
    ['a numeric host', { url: '10.0.0.1:6379' }, 'url: found 10.0.0.1:6379; write redis://10.0.0.1:6379.'],
    ['another scheme', { url: 'http://here' }, 'url: found something else; expected a redis:// or rediss:// URL.'],
    ['a scheme that would be without TLS', { url: 'REDISS://here' }, 'expected a redis:// or rediss:// URL.'],
    ['a number', { url: 6379 }, 'url: found number; expected a redis:// or rediss:// URL.'],
    ['a database with a name', { url: 'redis://here/main' }, 'url: found a database that is no number'],
    ['settings in a URL', { url: `${url}?keyPrefix=x` }, 'url: found settings behind a ?; write them in options.'],
    ['no client', { client: {} }, 'client: found object; expected a Redis or Cluster of ioredis.'],
    ['options for ioredis', { options: 1 }, 'options: found number; expected options of ioredis, such as'],
    ['a database', { options: { db: -1 } }, 'options.db: found -1; expected a whole number, 0 or more.'],
    ['a list of nodes', { cluster: [1] }, 'cluster: found an array; expected { nodes: [{ host, port }] }.'],
    ['no nodes', { cluster: { nodes: [] } }, 'cluster.nodes: found an array of 0; expected one node or more'],
    ['no node', { cluster: { nodes: [undefined] } }, 'cluster.nodes: found an array of 1; expected one node or more'],
    ['in a cluster', { cluster: { nodes: [1], url } }, 'cluster: unknown option "url"; known: nodes, options.'],
    [
      'a database of a cluster',
      { cluster: { nodes: [1], options: { redisOptions: { db: 1 } } } },
      'cluster.options.redisOptions.db: found a database; expected none: a Redis Cluster has only one.',
    ],
    ['an empty prefix', { url, prefix: '' }, 'prefix: found ""; expected text without { and }.'],
    ['a prefix', { url, prefix: 'a{b}' }, 'prefix: found "a{b}"; expected text without { and }.'],
    ['a layout', { url, layout: 'kong' }, 'layout: found "kong"; expected "postern" or "tyk".'],
    ['no time', { url, commandTimeoutMs: 0 }, 'commandTimeoutMs: found 0; expected milliseconds from 1 to 2147483647.'],
    ['text', { url, commandTimeoutMs: '250' }, 'commandTimeoutMs: found "250"; expected milliseconds from 1 to'],
    ['more than a timer waits', { url, commandTimeoutMs: 2 ** 31 }, 'commandTimeoutMs: found 2147483648; expected'],
    ['less than no time', { url, cacheMs: -1 }, 'cacheMs: found -1; expected milliseconds, 0 or more.'],
    ['for ever', { url, cacheMs: Infinity }, 'cacheMs: found Infinity; expected milliseconds, 0 or more.'],
    ['required', { url, required: 1 }, 'required: found 1; expected true or false.'],
    ['onError', { url, onError: true }, 'onError: found true; expected a function.'],
    ['now', { url, now: 1 }, 'now: found 1; expected a function.'],
    ['tyk without its layout', { url, tyk: {} }, 'tyk: found settings; expected none without layout: "tyk".'],
    ['tyk', tyk(1), 'tyk: found 1; expected settings, such as { orgId }.'],
    ['a name of tyk', tyk({ org: '' }), 'tyk: unknown option "org"; did you mean "orgId"?'],
    ['a hash', tyk({ keyHash: 'md5' }), 'tyk.keyHash: found "md5"; expected one of murmur32, murmur64'],
    ['older hashes', tyk({ keyHashFallbacks: ['md5'] }), 'tyk.keyHashFallbacks: found ["md5"]; expected an array of'],
    ['hashed keys', tyk({ hashKeys: 1 }), 'tyk.hashKeys: found 1; expected true or false.'],
    ['an organisation', tyk({ orgId: 1 }), 'tyk.orgId: found 1; expected text.'],
    [
      'a prefix of ioredis',
      { options: { keyPrefix: 'x' } },
      'options.keyPrefix: found "x"; expected none: names start',
    ],
    ['a prefix of the client', { client: keyed }, 'client: found keyPrefix "x"; expected none: names start'],
  ])('%s', (_, options, problem) => {
    const message = expect.stringMatching(/^redisStore: [^\n]*[^.?][.?]$/)
    expect(refusal(options)).toMatchObject({ code: 'PSTN_OPTIONS_INVALID', message })
    expect((refusal(options) as Error).message).toContain(problem)
  })

  it('all at once', () => {
    expect(refusal({ url: 'localhost:6379', ttl: 1, cacheMs: '5', prefix: '{' })).toMatchObject({
      message: `redisStore has 4 problems:
  - unknown option "ttl"; known: client, url, options, cluster, prefix, layout, tyk, commandTimeoutMs, cacheMs, required, onError
  - url: found localhost:6379; write redis://localhost:6379
  - prefix: found "{"; expected text without { and }
  - cacheMs: found "5"; expected milliseconds, 0 or more`,
    })
  })

  it.each([
    ['redis://:hunter2#@here'],
    ['redis://:hunter2/@here'],
    ['redis://:1#hunter2@here'],
    ['redis://me:1?hunter2@here'],
    ['redis://:hunter2%zz@here'],
    ['http://:hunter2@here'],
  ])('without the password there may be: %j', (secret) => {
    for (const options of [secret, { url: secret }, { client: secret }, { options: secret }, { cluster: secret }]) {
      const { code, message } = refusal(options) as { code: string; message: string }
      expect(code).toBe('PSTN_OPTIONS_INVALID')
      expect(message).not.toContain('hunter2')
    }
  })
})

describe('the compiler', () => {
  it('refuses options that name no place, or two', () => {
    // @ts-expect-error -- no place
    expect(refusal({} satisfies RedisStoreOptions)).toBeInstanceOf(Error)
    // @ts-expect-error -- two places
    expect(refusal({ url, cluster: { nodes: [1] } } satisfies RedisStoreOptions)).toBeInstanceOf(Error)
    // @ts-expect-error -- two places
    expect(refusal({ options: {}, client: keyed } satisfies RedisStoreOptions)).toBeInstanceOf(Error)
    // @ts-expect-error -- a place there may not be
    expect(refusal({ url: process.env['NOBODY_SETS_THIS'] } satisfies RedisStoreOptions)).toBeInstanceOf(Error)
    // @ts-expect-error -- a name nobody knows
    expect(refusal({ url, uri: url } satisfies RedisStoreOptions)).toBeInstanceOf(Error)
  })

  it('takes each place alone, and options with a URL', () => {
    const options: readonly RedisStoreOptions[] = [
      { client: new Redis({ lazyConnect: true }) },
      { url, prefix: undefined },
      { url: 'rediss://me:a%40b@here:1/2?family=6' },
      { url, options: { connectionName: 'x' }, required: true },
      { options: { host: 'here' } },
      { cluster: { nodes: [{ host: 'here', port: 1 }], options: { redisOptions: { password: 'x' } } } },
    ]
    expect(options.map((each) => checked(each).commandTimeoutMs)).toEqual(options.map(() => 250))
  })
})

describe('a breaker', () => {
  it('opens after five failures in a row, and lets one ask after a pause that grows to a second', () => {
    let now = 0
    const guard = breaker(
      () => now,
      () => 1,
    )
    for (let i = 0; i < 4; i++) guard.failed('gone')
    guard.succeeded()
    for (let i = 0; i < 4; i++) guard.failed('gone')
    expect(guard.refusal()).toBeUndefined()
    guard.failed('gone')
    expect(guard.refusal()).toBe('gone (not asked again before 100 ms have passed)')
    const pauses = []
    for (let i = 0; i < 6; i++) {
      const start = now
      while (guard.refusal() !== undefined) now += 1
      // The others wait for the one who asks.
      expect(guard.refusal()).toBe('gone (not asked again before the call that tries it is answered)')
      pauses.push(now - start)
      guard.failed('gone')
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000])
    now += 1000
    expect(guard.refusal()).toBeUndefined()
    guard.succeeded()
    expect([guard.refusal(), guard.refusal()]).toEqual([undefined, undefined])
  })

  it('is opened once by many who fail together', () => {
    let now = 0
    const guard = breaker(
      () => now,
      () => 1,
    )
    for (let i = 0; i < 50; i++) guard.failed('gone')
    now = 100
    expect(guard.refusal()).toBeUndefined()
  })
})

describe('a warning', () => {
  it('is given once for each outage, and at most once a minute', async () => {
    let now = 0
    const outages = outageWarnings(() => now)
    const error = new GatewayError('PSTN_STORE_UNAVAILABLE', 'Redis is gone.')
    const warnings = await warningsDuring(() => {
      const begin = (seconds: number): void => {
        now = seconds * 1000
        outages.failed(error)
        outages.failed(error)
      }
      begin(0)
      begin(120)
      outages.over()
      begin(121)
      outages.over()
      begin(150)
      // The last one outlasts the minute.
      begin(181)
    }, 'Redis')
    const text = 'Redis is gone. Postern keeps trying; give redisStore an onError to be told instead.'
    expect(warnings).toEqual([text, text, text])
  })
})

describe('reasons', () => {
  it.each([
    [
      'a password the server repeats',
      new Error("ERR unknown command 'auth', with args beginning with: 'hunter2' "),
      "ERR unknown command 'auth'",
    ],
    ['several lines', new Error('first\nsecond'), 'first'],
    ['several addresses', Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    ['what nodes of a cluster said', Object.assign(new Error('All.'), { lastNodeError: new Error('This.') }), 'This'],
    ['no error', 'odd', 'odd'],
    [
      'a missing password',
      new Error('NOAUTH Authentication required.'),
      'NOAUTH: the server wants a password; write redis://:password@host',
    ],
    [
      'a cluster',
      new Error('MOVED 1 127.0.0.1:1'),
      'MOVED: the server belongs to a Redis Cluster; write cluster: { nodes }',
    ],
  ])('are one line without secrets: %s', (_, error, reason) => {
    expect(reasonOf(error)).toBe(reason)
  })
})
