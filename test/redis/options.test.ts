import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { breaker } from '../../packages/redis/src/breaker.ts'
import { reasonOf } from '../../packages/redis/src/failure.ts'

const url = 'redis://127.0.0.1:1'

describe('options', () => {
  it.each<[object, string]>([
    [{}, '0 places; expected one of client, url, options, cluster'],
    [{ url, cluster: { nodes: [1] } }, '2 places; expected one of client, url, options, cluster'],
    [{ url, timeout: 1 }, 'an unknown option "timeout"; expected only client, url, options, cluster, prefix, layout'],
    [{ client: {} }, 'client: found object; expected a Redis or Cluster of ioredis'],
    [{ url: 'http://:hunter2@here' }, 'url: found something else; expected a redis:// or rediss:// URL'],
    [{ options: 1 }, 'options: found number; expected options of ioredis'],
    [{ cluster: { nodes: [] } }, 'cluster.nodes: found object; expected one node or more'],
    [{ cluster: { nodes: [1], url } }, 'cluster: found an unknown option "url"; expected only nodes, options'],
    [{ url, prefix: '' }, 'prefix: found ""; expected text without { and }'],
    [{ url, prefix: 'a{b}' }, 'prefix: found "a{b}"; expected text without { and }'],
    [{ url, layout: 'kong' }, 'layout: found "kong"; expected "postern" or "tyk"'],
    [{ url, commandTimeoutMs: 0 }, 'commandTimeoutMs: found 0; expected a number above 0'],
    [{ url, commandTimeoutMs: '250' }, 'commandTimeoutMs: found "250"; expected a number above 0'],
    [{ url, cacheMs: -1 }, 'cacheMs: found -1; expected a number, 0 or more'],
    [{ url, required: 1 }, 'required: found 1; expected true or false'],
    [{ url, onError: true }, 'onError: found boolean; expected a function'],
    [{ url, now: 1 }, 'now: found number; expected a function'],
    [{ url, tyk: {} }, 'tyk: found settings; expected none without layout: "tyk"'],
    [{ url, layout: 'tyk', tyk: { org: '' } }, 'an unknown option "org"; expected only hashKeys, keyHash'],
    [{ url, layout: 'tyk', tyk: { keyHash: 'md5' } }, 'tyk.keyHash: found "md5"; expected murmur32, murmur64'],
    [
      { url, layout: 'tyk', tyk: { keyHashFallbacks: ['md5'] } },
      'tyk.keyHashFallbacks: found ["md5"]; expected an array',
    ],
    [{ url, layout: 'tyk', tyk: { hashKeys: 1 } }, 'tyk.hashKeys: found 1; expected true or false'],
    [{ url, layout: 'tyk', tyk: { orgId: 1 } }, 'tyk.orgId: found 1; expected text'],
    [{ options: { keyPrefix: 'x' } }, 'keyPrefix: found "x"; expected none'],
    [{ client: new Redis({ lazyConnect: true, keyPrefix: 'x' }) }, 'keyPrefix: found "x"; expected none'],
  ])('that are wrong are refused with what was found and expected: %j', (options, message) => {
    const expected = { code: 'PSTN_OPTIONS_INVALID', message: expect.stringContaining(message) }
    expect(() => redisStore(options as RedisStoreOptions)).toThrow(expect.objectContaining(expected))
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
    const pauses = []
    for (let i = 0; i < 6; i++) {
      const start = now
      while (guard.refusal() !== undefined) now += 1
      // The others wait for the one who asks.
      expect(guard.refusal()).toBe('gone')
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

describe('reasons', () => {
  it.each([
    [
      'a password the server repeats',
      new Error("ERR unknown command 'auth', with args beginning with: 'hunter2' "),
      "ERR unknown command 'auth'",
    ],
    ['several lines', new Error('first\nsecond'), 'first'],
    ['several addresses', Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    ['no error', 'odd', 'odd'],
  ])('are one line without secrets: %s', (_, error, reason) => {
    expect(reasonOf(error)).toBe(reason)
  })
})
