import { createServer } from 'node:http'
import { respond } from '@postern/core'
import { createGateway } from '@postern/http'
import { redisStore } from '@postern/redis'
import { afterAll, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { type RedisServer, type RedisSettings, startRedis } from '../support/redis-server.ts'
import { listen } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'
import { ask, charge, eventually, newId, noServer, open, session, unavailable } from './harness.ts'

afterAll(closeAll)

const TOGETHER = { concurrent: true, timeout: 20_000 }

async function server(settings?: RedisSettings): Promise<RedisServer> {
  const started = await startRedis({ tls: SELF_SIGNED, ...settings })
  closeLater(() => started.stop())
  return started
}

/** Some servers are built without. */
const speaksTls = !noServer && (await canStart())
if (!noServer && !speaksTls) console.warn('\n!!! THE TLS TESTS ARE SKIPPED: this redis-server was built without TLS\n')

async function canStart(): Promise<boolean> {
  return server().then(
    () => true,
    () => false,
  )
}

const url = ({ tlsPorts: [port] }: RedisServer): string => `rediss://127.0.0.1:${port}`
const trusting = { tls: { ca: SELF_SIGNED.cert } }
const limit = (): ReturnType<typeof charge> => charge({ subject: newId() })
/** Whoever is told of errors that are what a test is about. */
const onError = (): undefined => undefined
const IMPATIENT = { commandTimeoutMs: 250, required: true, onError }

describe.skipIf(!speaksTls)('over TLS', TOGETHER, () => {
  it('a certificate signed by nobody known is refused, and so is every call', async () => {
    const redis = await server()
    const store = open({ url: url(redis), ...IMPATIENT })
    const why =
      "self-signed certificate or unknown CA; write the CA's certificate in options: { tls: { ca } } (in redisOptions of a Cluster)."
    expect(await unavailable(store.ready())).toBe(
      `Redis at 127.0.0.1:${redis.tlsPorts[0]} could not be reached: ${why}`,
    )
    expect(await unavailable(store.take([limit()]))).toContain(why)
    expect(await unavailable(store.save('x', session(), Infinity, 'anything'))).toContain(why.slice(0, -1))
    expect(await ask('DBSIZE', redis.port)).toBe(':0')
  })

  it('a certificate for another name is refused', async () => {
    const redis = await server()
    const store = open({
      url: url(redis),
      options: { tls: { ...trusting.tls, servername: 'elsewhere.example' } },
      ...IMPATIENT,
    })
    expect(await unavailable(store.ready())).toMatch(/certificate's altnames.*elsewhere\.example/)
  })

  it('a server whose CA is known is used, by its address and by host and port', async () => {
    const redis = await server()
    const [host, port] = ['127.0.0.1', redis.tlsPorts[0]!]
    for (const place of [{ url: url(redis), options: trusting }, { options: { host, port, ...trusting } }]) {
      const store = open({ ...place, required: true })
      expect(await store.ready()).toBeUndefined()
      expect(await store.take([limit()])).toMatchObject({ refusedBy: -1 })
    }
  })

  it('copies hear of changes by other processes', async () => {
    const redis = await server()
    const place = { url: url(redis), options: trusting, prefix: newId() }
    const [here, there] = [open({ ...place, cacheMs: 60_000 }), open(place)]
    const id = newId()
    await there.save(id, session({ alias: 'a' }), Infinity, 'absent')
    await eventually(async () => {
      await here.load(id, 'confirmed')
      expect(here.load(id, 'copy')).toMatchObject({ confirmed: true })
    })
    await there.save(id, session({ alias: 'b' }), Infinity, 'anything')
    await eventually(async () => expect((await here.load(id, 'copy'))!.session.alias).toBe('b'))
  })

  it('a server that asks who its clients are is told by their certificate', async () => {
    const redis = await server({ args: ['--tls-auth-clients', 'yes'] })
    const nobody = open({ url: url(redis), options: trusting, ...IMPATIENT })
    expect(await unavailable(nobody.ready())).toMatch(/certificate required|closed|ECONNRESET/)
    const known = open({ url: url(redis), options: { tls: { ...trusting.tls, ...SELF_SIGNED } }, required: true })
    expect(await known.ready()).toBeUndefined()
    expect(await known.take([limit()])).toMatchObject({ refusedBy: -1 })
  })

  it('a cluster is used, all of whose nodes speak it', async () => {
    const redis = await server({ nodes: 3 })
    const nodes = redis.tlsPorts.slice(0, 1).map((port) => ({ host: '127.0.0.1', port }))
    const strange = open({ cluster: { nodes, options: { redisOptions: { tls: {} } } }, ...IMPATIENT })
    expect(await unavailable(strange.ready())).toContain('TLS or a certificate may be wrong')
    const store = open({ cluster: { nodes, options: { redisOptions: trusting } }, required: true })
    expect(await store.ready()).toBeUndefined()
    // Subjects enough to lie on every node.
    const taken = await Promise.all(Array.from({ length: 30 }, async () => store.take([limit()])))
    expect(taken).toEqual(taken.map(() => expect.objectContaining({ refusedBy: -1 })))
    const sizes = await Promise.all(redis.ports.map((port) => ask('DBSIZE', port)))
    expect(sizes.filter((size) => size === ':0')).toEqual([])
  })

  it('a gateway lets keys in, and counts them', async () => {
    const redis = await server()
    const gateway = createGateway(
      { name: 'orders', authentication: { token: true } },
      {
        store: redisStore({ url: url(redis), options: trusting, commandTimeoutMs: 5000, required: true }),
        forward: () => respond(200, 'ok'),
      },
    )
    closeLater(() => gateway.close({ timeoutMs: 1 }))
    const front = await listen(createServer(gateway))
    const { key } = await gateway.sessions.create({ rate: 2, per: 60 })
    const statuses = []
    for (let i = 0; i < 3; i += 1)
      statuses.push((await send(front.url, '/', { headers: { authorization: key } })).status)
    expect(statuses).toEqual([200, 200, 429])
    expect((await send(front.url, '/', { headers: { authorization: 'strange' } })).status).toBe(403)
  })
})
