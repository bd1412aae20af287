import { connect } from 'node:net'
import { createServer } from 'node:http'
import { type ApiDefinitionInput, respond } from '@postern/core'
import { createGateway, type HttpGateway } from '@postern/http'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { type Reply, send } from '../support/client.ts'
import { startRedis } from '../support/redis-server.ts'
import { listen } from '../support/server.ts'
import { cluster, eventually, newId, noServer, single } from './harness.ts'

afterEach(closeAll)

interface Opened {
  readonly gateway: HttpGateway
  readonly ask: (key?: string, path?: string) => Promise<Reply>
}

async function open(store: RedisStoreOptions, ...definitions: readonly ApiDefinitionInput[]): Promise<Opened> {
  const gateway = createGateway(definitions, {
    store: redisStore({ commandTimeoutMs: 5000, ...store }),
    forward: () => respond(200, 'ok'),
  })
  closeLater(() => gateway.close({ timeoutMs: 1 }))
  const { url } = await listen(createServer(gateway))
  return {
    gateway,
    ask: (key, path = '/') => send(url, path, key === undefined ? {} : { headers: { authorization: key } }),
  }
}

/** The names of the commands clients send to a server while something runs; what scripts do by themselves is left out. */
async function commandsDuring(port: number, run: () => Promise<unknown>, about = ''): Promise<string[]> {
  // Not through ioredis: on a busy server it meets commands before it knows that it is watching, and throws.
  const watcher = connect(port, '127.0.0.1')
  const client = new Redis(port, '127.0.0.1')
  closeLater(() => {
    watcher.destroy()
    client.disconnect()
  })
  let seen = ''
  watcher.on('data', (chunk) => (seen += chunk.toString()))
  watcher.write('MONITOR\r\n')
  await eventually(() => expect(seen).toContain('+OK\r\n'))
  const begin = newId()
  await client.echo(begin)
  await run()
  // Seen after all that was sent before it.
  const end = newId()
  await client.echo(end)
  await eventually(() => expect(seen).toContain(end))
  const between = seen.slice(seen.indexOf('\n', seen.indexOf(begin)) + 1, seen.indexOf(end))
  return [...between.matchAll(/^\+[\d.]+ \[\d+ (\S+)\] "(\w+)".*$/gm)]
    .filter(([line, source, name]) => source !== 'lua' && name !== 'echo' && line.includes(about))
    .map(([, , name = '']) => name.toLowerCase())
}

const LIMITED: ApiDefinitionInput = {
  name: 'orders',
  authentication: { token: true },
  limits: { rate: 10_000, per: 60, endpoints: { 'GET /slow': { rate: 9000, per: 60 } } },
}

const REQUESTS = 25
const times = (count: number, name: string): string[] => Array.from({ length: count }, () => name)

describe.skipIf(noServer)('a request', () => {
  async function onOwnServer(
    more: Pick<RedisStoreOptions, 'layout' | 'tyk' | 'cacheMs'>,
    definition: ApiDefinitionInput = LIMITED,
  ) {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    const opened = await open({ options: { host: '127.0.0.1', port: redis.port }, ...more }, definition)
    return { ...opened, port: redis.port }
  }

  it.each([
    ['the names of postern', {}],
    ['the names of a real gateway', { layout: 'tyk', tyk: { orgId: '' } }],
  ] as const)('with a key, rates of key and API and a quota costs one round trip: %s', async (_, store) => {
    const { gateway, ask, port } = await onOwnServer(store)
    const { key } = await gateway.sessions.create({ rate: 1000, per: 60, quotaMax: 1000, quotaRenewalRate: 60 })
    expect((await ask(key)).status).toBe(200)
    const commands = await commandsDuring(port, async () => {
      for (let i = 0; i < REQUESTS; i += 1) expect((await ask(key)).status).toBe(200)
    })
    expect(commands).toEqual(times(REQUESTS, 'evalsha'))
  })

  it('costs one more where its session was never seen, and none where nobody has to be asked', async () => {
    const { gateway, ask, port } = await onOwnServer({ cacheMs: 60_000 }, { ...LIMITED, limits: {} })
    const other = await open({ options: { host: '127.0.0.1', port } }, LIMITED)
    const { key } = await gateway.sessions.create()
    const another = await gateway.sessions.create()
    // The first of all sends the script itself.
    expect((await other.ask(another.key)).status).toBe(200)
    expect(await commandsDuring(port, () => other.ask(key))).toEqual(['get', 'evalsha'])
    // Used for a while without asking.
    await eventually(async () => expect(await commandsDuring(port, () => ask(key))).toEqual([]))
    expect(await commandsDuring(port, () => ask(undefined))).toEqual([])
  })

  it('that is refused costs one round trip too', async () => {
    const { gateway, ask, port } = await onOwnServer({})
    const { key } = await gateway.sessions.create({ rate: 1, per: 60 })
    expect((await ask(key)).status).toBe(200)
    const commands = await commandsDuring(port, async () => {
      for (let i = 0; i < REQUESTS; i += 1) expect((await ask(key)).status).toBe(429)
    })
    expect(commands).toEqual(times(REQUESTS, 'evalsha'))
  })

  it('costs two on a cluster: one for the key, one for the API', async () => {
    const prefix = newId()
    const { gateway, ask } = await open({ ...cluster, prefix }, LIMITED)
    const { key } = await gateway.sessions.create({ rate: 1000, per: 60, quotaMax: 1000, quotaRenewalRate: 60 })
    expect((await ask(key)).status).toBe(200)
    let run = async (): Promise<void> => {
      for (let i = 0; i < REQUESTS; i += 1) expect((await ask(key)).status).toBe(200)
    }
    const seen: string[] = []
    for (const node of cluster.cluster!.nodes) {
      const inner = run
      const { port } = node as { readonly port: number }
      run = async () => void seen.push(...(await commandsDuring(port, inner, prefix)))
    }
    await run()
    expect(seen).toEqual(times(2 * REQUESTS, 'evalsha'))
  })
})

describe.skipIf(noServer)('beside a real gateway', () => {
  const ORDERS: ApiDefinitionInput = { name: 'orders', orgId: 'default', authentication: { token: true } }
  // Both from the reference: a token of organisation `default`, and what it is stored under.
  const KEY = 'eyJvcmciOiJkZWZhdWx0IiwiaWQiOiJjdXN0b20ta2V5IiwiaCI6Im11cm11cjY0In0='
  const HASH = '3b2cb257325cd516'

  /** A server of its own: the names are not prefixed. */
  async function beside(...definitions: readonly ApiDefinitionInput[]) {
    const redis = await startRedis()
    closeLater(() => redis.stop())
    const client = new Redis(redis.port, '127.0.0.1')
    closeLater(() => client.disconnect())
    const store: RedisStoreOptions = {
      options: { host: '127.0.0.1', port: redis.port },
      layout: 'tyk',
      tyk: { orgId: 'default' },
    }
    return { ...(await open(store, ...definitions)), client }
  }

  /** As a real gateway writes it: zero values left out, times as it has them. */
  const DOCUMENT = {
    rate: 5,
    per: 60,
    date_created: '2026-08-21T10:11:12.123456789Z',
    quota_max: 3,
    quota_renews: 1795190000,
    quota_remaining: 3,
    quota_renewal_rate: 3600,
    access_rights: {
      orders: {
        api_name: 'orders',
        api_id: 'orders',
        versions: ['Default'],
        limit: {},
        allowance_scope: '',
      },
    },
    org_id: 'default',
    basic_auth_data: {},
    jwt_data: {},
    monitor: {},
    meta_data: { tyk_developer_id: '63f0c5', tier: 'gold' },
    tags: ['edge'],
    alias: 'Ann',
    last_updated: '1795186400',
  }

  it('its keys are let in, and counted under its names', async () => {
    const { ask, client } = await beside({ ...ORDERS, limits: { rate: 100, per: 10 } })
    await client.set(`apikey-${HASH}`, JSON.stringify(DOCUMENT))
    expect((await ask('unknown-key')).status).toBe(403)
    // The whole key, or the text it was made for.
    const answers = [await ask(KEY), await ask(`Bearer ${KEY}`), await ask('custom-key')]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(answers[2]!.headers['ratelimit']).toMatch(/^"key";r=2;t=\d+, "quota";r=0;t=\d+, "api";r=97;t=\d+$/)

    expect(await client.type(`quota-${HASH}`)).toBe('string')
    expect(await client.get(`quota-${HASH}`)).toBe('3')
    expect(await client.ttl(`quota-${HASH}`)).toBeGreaterThan(3500)
    expect(await client.ttl(`quota-${HASH}`)).toBeLessThanOrEqual(3600)
    expect(await client.type(`rate-limit-${HASH}`)).toBe('zset')
    expect(await client.zcard(`rate-limit-${HASH}`)).toBe(3)
    expect(await client.ttl(`rate-limit-${HASH}`)).toBeGreaterThan(50)
    expect(await client.ttl(`rate-limit-${HASH}`)).toBeLessThanOrEqual(60)
    const members = await client.zrange(`rate-limit-${HASH}`, '0', '-1', 'WITHSCORES')
    // A time in nanoseconds, named by itself.
    for (const member of members.filter((_, i) => i % 2 === 0)) expect(member).toMatch(/^\d{19}$/)

    expect((await ask(KEY)).status).toBe(403)
    expect(JSON.parse((await ask(KEY)).text)).toEqual({ error: 'Quota exceeded' })
    // Nothing else was written, and what is refused is not counted.
    const names = await client.keys('*')
    expect(names.filter((name) => !name.startsWith('rate-limit-')).toSorted()).toEqual([
      `apikey-${HASH}`,
      `quota-${HASH}`,
    ])
    expect(names.length).toBe(4)
    expect(await client.get(`quota-${HASH}`)).toBe('3')
    expect(await client.get(`apikey-${HASH}`)).toBe(JSON.stringify(DOCUMENT))
  })

  it('what it has counted counts here, and what it changed holds', async () => {
    const { ask, client } = await beside(ORDERS)
    await client.set(`apikey-${HASH}`, JSON.stringify(DOCUMENT))
    await client.set(`quota-${HASH}`, '2', 'EX', 100)
    expect((await ask(KEY)).headers['ratelimit']).toMatch(/"quota";r=0;t=(100|99|98)$/)
    expect((await ask(KEY)).status).toBe(403)
    await client.del(`quota-${HASH}`)
    expect((await ask(KEY)).status).toBe(200)
    await client.set(`apikey-${HASH}`, JSON.stringify({ ...DOCUMENT, is_inactive: true }))
    expect(JSON.parse((await ask(KEY)).text)).toEqual({ error: 'Key is inactive, please renew' })
    await client.del(`apikey-${HASH}`)
    expect(JSON.parse((await ask(KEY)).text)).toEqual({ error: 'Access to this API has been disallowed' })
  })

  it('limits of an access right are counted under their scope', async () => {
    const { ask, client } = await beside(ORDERS)
    const right = {
      ...DOCUMENT.access_rights.orders,
      limit: { rate: 4, per: 30, quota_max: 9, quota_renewal_rate: 600 },
      allowance_scope: 'gold',
    }
    await client.set(`apikey-${HASH}`, JSON.stringify({ ...DOCUMENT, access_rights: { orders: right } }))
    expect((await ask(KEY)).status).toBe(200)
    const names = await client.keys('*')
    expect(names.toSorted()).toEqual([`apikey-${HASH}`, `quota-gold-${HASH}`, `rate-limit-gold-${HASH}`])
    expect([await client.type(names.find((name) => name.startsWith('quota'))!)]).toEqual(['string'])
    expect(await client.ttl(`rate-limit-gold-${HASH}`)).toBeLessThanOrEqual(30)
    expect(await client.ttl(`quota-gold-${HASH}`)).toBeLessThanOrEqual(600)
    expect(await client.ttl(`quota-gold-${HASH}`)).toBeGreaterThan(500)
  })

  it('keys made here have its format, and their sessions too', async () => {
    const { gateway, ask, client } = await beside(ORDERS)
    const session = { alias: 'Ann', rate: 5, per: 60, quotaMax: 3, quotaRenewalRate: 3600, metadata: { tier: 'gold' } }
    const { key, id } = await gateway.sessions.create({ ...session, accessRights: { orders: {} } })
    expect(Buffer.from(key, 'base64').toString()).toMatch(/^\{"org":"default","id":"[0-9a-f]{32}","h":"murmur64"\}$/)
    expect(id).toMatch(/^[0-9a-f]{16}$/)
    expect(await client.keys('*')).toEqual([`apikey-${id}`])
    expect(await client.ttl(`apikey-${id}`)).toBe(-1)
    const stored: unknown = JSON.parse((await client.get(`apikey-${id}`))!)
    expect(stored).toEqual({
      alias: 'Ann',
      rate: 5,
      per: 60,
      quota_max: 3,
      quota_renewal_rate: 3600,
      org_id: 'default',
      meta_data: { tier: 'gold' },
      access_rights: { orders: expect.any(Object) },
      date_created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/),
      last_updated: expect.stringMatching(/^\d{10}$/),
    })
    expect((await ask(key)).status).toBe(200)
    const custom = await gateway.sessions.create({}, { key: 'custom-key' })
    expect([custom.key, custom.id]).toEqual([KEY, HASH])
    await gateway.sessions.revoke(KEY)
    expect(JSON.parse((await client.get(`apikey-${HASH}`))!)).toMatchObject({ is_inactive: true, org_id: 'default' })
    expect((await ask('custom-key')).status).toBe(403)
  })
})

describe.skipIf(noServer)('several gateways', () => {
  it('share keys and counters by prefix and API, and nothing else', async () => {
    const prefix = newId()
    const one = await open({ ...single, prefix }, LIMITED)
    const same = await open({ ...single, prefix }, LIMITED)
    const elsewhere = await open({ ...single, prefix: newId() }, LIMITED)
    const { key } = await one.gateway.sessions.create({ quotaMax: 2 })
    expect([(await one.ask(key)).status, (await same.ask(key)).status]).toEqual([200, 200])
    expect([(await one.ask(key)).status, (await elsewhere.ask(key)).status]).toEqual([403, 403])
    await same.gateway.sessions.resetQuota(key)
    expect((await one.ask(key)).status).toBe(200)
    expect((await same.ask(key)).headers['ratelimit']).toMatch(/"quota";r=0, "api";r=9996/)
  })
})
