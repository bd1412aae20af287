import { decodeSession, encodeSession } from '@postern/core/store'
import { redisStore, type TykSettings } from '@postern/redis'
import { Cluster } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { murmur128, murmur32WithoutTail } from '../../packages/redis/src/murmur.ts'
import { hashOf, tykKeys } from '../../packages/redis/src/tyk-keys.ts'
import { closeAll } from '../support/cleanup.ts'
import { ask, charge, newId, noServer, open, session, single } from './harness.ts'

afterEach(closeAll)

const USUAL = { hashKeys: true, keyHash: 'murmur64', keyHashFallbacks: [] } as const

// Taken from a real gateway.
const HASHES: [text: string, murmur32: string, murmur64: string][] = [
  ['', '00000000', '0000000000000000'],
  ['a', '00000000', '85555565f6597889'],
  ['abc', '00000000', 'b4963f3f3fad7867'],
  ['abcd', '86a7049e', 'b87bb7d64656cd4f'],
  ['hello world', 'da5f6aad', '533f6046eb7f610e'],
  ['custom-key', 'd46c8d92', 'adc4a3939770e1d6'],
  ['my-unique-token', 'a61ad52e', '2187bacf602806de'],
  ['default', '2f25c839', 'a18b3a56cab3dcf3'],
  ['apilimiter-defaultapi1', 'a61187ab', 'f72e7ddcc8203dfd'],
  ['defaultf1bfc265b48841f1b1dcdc26cd39eadf', '319d3ab3', 'f28951ce41ab17fe'],
  ['defaultf1bfc265b48841f1b1dcdc26cd39eade', '319d3ab3', '9a64c419df3c72f6'],
]

const CUSTOM = 'eyJvcmciOiJkZWZhdWx0IiwiaWQiOiJjdXN0b20ta2V5IiwiaCI6Im11cm11cjY0In0='

describe('keys of a real gateway', () => {
  it.each(HASHES)('hash as there: %j', (text, murmur32, murmur64) => {
    expect([murmur32WithoutTail(text), murmur128(text).slice(0, 16)]).toEqual([murmur32, murmur64])
  })

  it('hash as there, for endpoints and 128 bits', () => {
    expect(['GET:/api/v1/users', 'GET:/a', 'GET:/b', 'GET:', 'GET:/users', 'GET:/userz'].map(hashOf)).toEqual([
      'e0a415db',
      '355a3178',
      '355a3178',
      '355a3178',
      'd7697b0c',
      'd7697b0c',
    ])
    expect(murmur128('hello world')).toBe('533f6046eb7f610eab97467d60eb63b1')
  })

  it('are made of organisation, id and algorithm', () => {
    const keys = tykKeys(USUAL)
    expect(keys.create('default', 'custom-key')).toBe(CUSTOM)
    expect(keys.create('default', 'defaultcustom-key')).toBe(CUSTOM)
    expect(keys.create('my-org', '51c3544ac33a24b012ba69bf6349db78')).toBe(
      'eyJvcmciOiJteS1vcmciLCJpZCI6IjUxYzM1NDRhYzMzYTI0YjAxMmJhNjliZjYzNDlkYjc4IiwiaCI6Im11cm11cjY0In0=',
    )
    const fields: unknown = JSON.parse(Buffer.from(keys.create('o'), 'base64').toString())
    expect(fields).toEqual({ org: 'o', id: expect.stringMatching(/^[0-9a-f]{32}$/), h: 'murmur64' })
    expect(keys.create('o')).not.toBe(keys.create('o'))
  })

  it.each([
    ['murmur64', '8eafbc2199d16a75'],
    ['murmur32', 'cbbe784c'],
  ] as const)('are stored under the hash they name: %s', (keyHash, id) => {
    const keys = tykKeys({ ...USUAL, keyHash })
    const key = keys.create('default', 'f1bfc265b48841f1b1dcdc26cd39eadf')
    expect(keys.idsOf(key, 'default')).toEqual([id])
    expect(hashOf(`${key}abc`)).toBe(keyHash === 'murmur32' ? id : hashOf(`${key}abc`))
  })

  it.each<[string, Partial<TykSettings>, key: string, org: string, ids: string[]]>([
    ['a key of this organisation', {}, CUSTOM, 'default', ['3b2cb257325cd516']],
    ['a custom key', {}, 'custom-key', 'default', ['3b2cb257325cd516', 'd46c8d92']],
    ['a custom key without hashing', { hashKeys: false }, 'custom-key', 'default', [CUSTOM, 'custom-key']],
    ['a key too short to be told from others', {}, 'abc', 'default', [hashOf(tykKeys(USUAL).create('default', 'abc'))]],
    ['the same, where no organisation is', {}, 'abc', '', [hashOf(tykKeys(USUAL).create('', 'abc'))]],
    [
      'a custom key, hashed otherwise before',
      { keyHashFallbacks: ['sha256'] },
      'custom-key',
      'default',
      [
        '3b2cb257325cd516',
        'd46c8d92',
        hashOf(Buffer.from('{"org":"default","id":"custom-key","h":"sha256"}').toString('base64')),
      ],
    ],
    [
      'an old key',
      {},
      `${'0a'.repeat(12)}f1bfc265b48841f1`,
      '0a'.repeat(12),
      [murmur32WithoutTail(`${'0a'.repeat(12)}f1bfc265b48841f1`)],
    ],
    ['what only looks like a key', {}, 'eyJub3Qi', '', [murmur32WithoutTail('eyJub3Qi')]],
  ])('are looked for where a real gateway does: %s', (_, options, key, org, ids) => {
    const settings = { ...USUAL, ...options } as Parameters<typeof tykKeys>[0]
    expect(tykKeys(settings).idsOf(key, org)).toEqual(ids)
  })
})

describe.skipIf(noServer)('data of a real gateway', () => {
  it('is found by its keys, and written as it would', async () => {
    const store = open({ ...single, layout: 'tyk' })
    const orgId = newId()
    const key = store.keys.create(orgId)
    const [id] = store.keys.idsOf(key, orgId)
    await ask(`SET apikey-${id} '{"org_id":"${orgId}","rate":5,"per":1,"meta_data":null,"unknown_field":[1]}' EX 60`)
    const { session: found, revision } = (await store.load(id, 'confirmed'))!
    expect(found).toMatchObject({ orgId, rate: 5, per: 1, extra: { unknown_field: [1] } })
    expect(await store.take([], { id, revision })).toMatchObject({ refusedBy: -1 })
    await store.save(id, session({ orgId, alias: 'Ann' }), 60_000, { revision })
    expect(await ask(`TYPE apikey-${id}`)).toBe('+string')
    const again = decodeSession(encodeSession((await store.load(id, 'confirmed'))!.session))
    expect(again).toMatchObject({ orgId, alias: 'Ann' })
  })

  it('counts with it: quotas', async () => {
    const store = open({ ...single, layout: 'tyk' })
    const subject = newId()
    const quota = charge({ subject, kind: 'quota', max: 5, periodMs: 60_000 })
    await ask(`SET quota-${subject} 3 EX 30`)
    expect(await store.take([quota])).toMatchObject({ refusedBy: -1, standings: [{ remaining: 1 }] })
    expect(await ask(`TTL quota-${subject}`)).toMatch(/^:(29|30)$/)
    await ask(`INCR quota-${subject}`)
    const refused = await store.take([quota])
    expect(refused).toMatchObject({ refusedBy: 0, standings: [{ remaining: 0 }] })
    // Refused requests are not counted.
    expect(await ask(`INCR quota-${subject}`)).toBe(':6')
    const scoped = { ...quota, scope: 'gold' }
    await store.take([scoped])
    expect(await ask(`PTTL quota-gold-${subject}`)).toMatch(/^:(59\d{3}|60000)$/)
    // Without an end, where it should have one, a period starts over.
    await ask(`SET quota-gold-${subject} 9`)
    expect(await store.take([scoped])).toMatchObject({ refusedBy: -1, standings: [{ remaining: 4 }] })
    await store.take([charge({ subject, kind: 'quota', scope: 'ever', periodMs: Infinity })])
    expect(await ask(`TTL quota-ever-${subject}`)).toBe(':-1')
  })

  it('counts with it: sliding windows', async () => {
    const store = open({ ...single, layout: 'tyk' })
    const subject = newId()
    const limit = charge({ subject, max: 3, periodMs: 10_000 })
    const nanoseconds = `${Date.now()}000000`
    await ask(`ZADD rate-limit-${subject} ${nanoseconds} ${nanoseconds}`)
    expect(await store.take([limit])).toMatchObject({ standings: [{ remaining: 1 }] })
    expect(await ask(`ZCARD rate-limit-${subject}`)).toBe(':2')
    expect(await ask(`ZCOUNT rate-limit-${subject} ${nanoseconds.slice(0, -9)}000000000 +inf`)).toBe(':2')
    expect(await ask(`TTL rate-limit-${subject}`)).toBe(':10')
    await store.take([limit])
    expect(await store.take([limit])).toMatchObject({ refusedBy: 0 })
    expect(await ask(`ZCARD rate-limit-${subject}`)).toBe(':3')
    await store.take([{ ...limit, scope: '-gold-', endpoint: 'GET /users' }])
    expect(await ask(`EXISTS rate-limit-gold-${subject}-d7697b0c`)).toBe(':1')
  })

  it('does not count a request less for coming in the same microsecond', async () => {
    const store = open({ ...single, layout: 'tyk', now: () => 1_700_000_000_000 })
    const limit = charge({ subject: newId(), max: 1100, periodMs: 10_000 })
    await Promise.all(Array.from({ length: 1050 }, async () => store.take([limit])))
    expect(await store.peek([limit])).toEqual([{ remaining: 50, resetMs: 10_000 }])
  })

  it('counts with it for an API whose organisation is known', async () => {
    const [api, orgId] = [newId(), newId()]
    const limit = charge({ subject: `api:${api}` })
    await open({ ...single, layout: 'tyk' }).take([limit])
    const hashed = hashOf(`apilimiter-${orgId}${api}`)
    expect(await ask(`EXISTS rate-limit-${hashed}`)).toBe(':0')
    await open({ ...single, layout: 'tyk', tyk: { orgId } }).take([limit, { ...limit, endpoint: 'GET /users' }])
    expect(await ask(`EXISTS rate-limit-${hashed}`)).toBe(':1')
    expect(await ask(`EXISTS rate-limit-${hashOf(`apilimiter-${orgId}${api}-d7697b0c`)}`)).toBe(':1')
    await open({ ...single, layout: 'tyk', tyk: { orgId, hashKeys: false } }).take([limit])
    expect(await ask(`EXISTS rate-limit-apilimiter-${orgId}${api}`)).toBe(':1')
  })

  it('keeps ids that are no keys as they are, and other algorithms to itself', async () => {
    const store = open({ ...single, layout: 'tyk', prefix: 'own' })
    const id = `caller:orders:${newId()}`
    await store.save(id, session(), 60_000, 'absent')
    await store.take([charge({ subject: id, kind: 'gcra' })])
    expect(await ask(`EXISTS own:{${id}}:s own:{${id}}:g:60000::`)).toBe(':2')
    // A real gateway would take what stands there for a key.
    expect(await ask(`EXISTS apikey-${id}`)).toBe(':0')
  })
})

describe('a Cluster', () => {
  it('is refused: its slots would part what belongs together', () => {
    const message = /layout: found "tyk" with a Cluster; expected "postern"/
    expect(() => redisStore({ cluster: { nodes: [1] }, layout: 'tyk' })).toThrow(message)
    const client = new Cluster([1], { lazyConnect: true })
    expect(() => redisStore({ client, layout: 'tyk' })).toThrow(message)
  })
})
