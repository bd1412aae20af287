import { setTimeout as sleep } from 'node:timers/promises'
import { deny, type PrePlugin, respond } from '@postern/core'
import { expect, it } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { BODIES_AND_STREAMS } from './catalogue/c.ts'
import { allSaid, expectRefused, SMUGGLED, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const LIMIT = 1_000
const readsBody: PrePlugin = async (request) => void (await request.text())
const withLength = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const chunked = (body: string): string =>
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${[body.slice(0, 600), body.slice(600)]
    .filter((piece) => piece !== '')
    .map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`)
    .join('')}0\r\n\r\n`
const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

attack(BODIES_AND_STREAMS, 'C01', (mount) => {
  const framings = [
    ['with a length', withLength],
    ['chunked', chunked],
  ] as const
  const plugins = [
    ['nobody reads', []],
    ['a plugin reads', [readsBody]],
  ] as const
  const rows = framings.flatMap(([how, message]) => plugins.map(([who, pre]) => [how, who, message, pre] as const))

  it.each(rows)('passes up to the limit: %s, %s', async (_, __, message, pre) => {
    const siege = await besiege(mount, { maxBodyBytes: LIMIT, hooks: { pre: [...pre] } })
    for (const bytes of [LIMIT - 1, LIMIT]) {
      const said = await allSaid(siege.port, message('x'.repeat(bytes)) + LAST)
      expect([bytes, statusesIn(said)]).toEqual([bytes, [200, 200]])
    }
    const lengths = siege.upstream.seen.filter(({ method }) => method === 'POST').map(({ body }) => body.length)
    expect(lengths).toEqual([LIMIT - 1, LIMIT])
    await siege.unharmed()
  })

  it.each(rows)('is refused above the limit: %s, %s', async (_, __, message, pre) => {
    const siege = await besiege(mount, { maxBodyBytes: LIMIT, hooks: { pre: [...pre] } })
    for (const bytes of [LIMIT + 1, 20 * LIMIT]) {
      expectRefused(await allSaid(siege.port, message('x'.repeat(bytes)) + SMUGGLED), [413])
    }
    expect(siege.upstream.seen).toEqual([])
    expect(siege.gateway.records.list().map(({ code }) => code)).toEqual(['PSTN_BODY_TOO_LARGE', 'PSTN_BODY_TOO_LARGE'])
    await siege.unharmed()
  })

  it('is refused by its length before the body comes', async () => {
    const siege = await besiege(mount, { maxBodyBytes: LIMIT })
    expectRefused(
      await allSaid(siege.port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`),
      [413],
    )
    await siege.unharmed()
  })

  it('is refused in memory above maxBufferedBytes, where a plugin reads it', async () => {
    for (const message of [withLength, chunked]) {
      const siege = await besiege(mount, { maxBufferedBytes: LIMIT, hooks: { pre: [readsBody] } })
      expectRefused(await allSaid(siege.port, message('x'.repeat(LIMIT + 1)) + SMUGGLED), [413])
      expect(siege.upstream.seen).toEqual([])
      await siege.unharmed()
    }
  })
})

attack(BODIES_AND_STREAMS, 'C02', (mount) => {
  const started = [
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc',
    // Too long to be held before it is sent on.
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
  ]

  // All at once: what is waited for is a deadline.
  it.each([
    ['nobody reads', []],
    ['a plugin reads', [readsBody]],
  ] as const)('gets 408 when it stops: %s', async (_, pre) => {
    const siege = await besiege(mount, { bodyTimeoutMs: 150, hooks: { pre: [...pre] } })
    const start = performance.now()
    for (const said of await Promise.all(started.map((head) => allSaid(siege.port, head)))) expectRefused(said, [408])
    expect(performance.now() - start).toBeLessThan(1_150)
    expect(siege.upstream.seen).toEqual([])
    await siege.unharmed()
  })

  it('gets 408 when it drips', async () => {
    const siege = await besiege(mount, { bodyTimeoutMs: 150 }, { server: { requestTimeoutMs: 400 } })
    const dripping = started.map(async (head) => {
      const client = new RawClient(siege.port)
      client.write(head)
      const drip = head.includes('chunked') ? '1\r\nx\r\n' : 'x'
      const timer = setInterval(() => client.socket.writable && client.write(drip), 50)
      await client.closed
      clearInterval(timer)
      return client.received
    })
    for (const said of await Promise.all(dripping)) expectRefused(said, [408])
    expect(siege.upstream.seen).toEqual([])
    await siege.unharmed()
  })

  it('gets 408 when its head does not end', async () => {
    const siege = await besiege(mount, {}, { server: { headersTimeoutMs: 200 } })
    expectRefused(await allSaid(siege.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-A: '), [408])
    await siege.unharmed()
  })
})

attack(BODIES_AND_STREAMS, 'C11', (mount) => {
  it('is answered on its kept connection, and leaves nothing behind', async () => {
    // A tenth of the thousands one would send by hand: the time of this test.
    const [connections, each] = [20, 50]
    const siege = await besiege(mount, {
      hooks: { pre: [(request) => (request.path === '/refused' ? deny(401, 'Who is it') : undefined)] },
    })
    const body = 'x'.repeat(20_000)
    const messages = [
      withLength(body).replace('POST /', 'POST /refused'),
      chunked(body).replace('POST /', 'POST /refused'),
    ]
    const clients = Array.from({ length: connections }, () => new RawClient(siege.port))
    await Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < each; i += 1) {
          client.write(messages[i % 2]!)
          expect((await client.answer()).status).toBe(401)
        }
      }),
    )
    expect(siege.connections()).toBe(connections)
    expect(siege.upstream.connections()).toBe(0)
    for (const client of clients) client.socket.end()
    await Promise.all(clients.map(({ closed }) => closed))
    await sleep(20)
    expect(await openConnections(siege.server)).toBe(0)
    await siege.unharmed()
  })

  it('is cut when it drips, although a plugin reads it that nobody waits for', async () => {
    const readings: Promise<string>[] = []
    const siege = await besiege(mount, {
      hooks: {
        pre: [
          (request) => {
            if (request.path !== '/read') return undefined
            readings.push(request.text())
            return respond(202, 'noted')
          },
        ],
      },
    })
    const client = new RawClient(siege.port)
    client.write('POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc')
    expect((await client.answer()).status).toBe(202)
    await expect(readings[0]).rejects.toMatchObject({ code: 'PSTN_CLIENT_CLOSED' })
    const drip = setInterval(() => client.socket.writable && client.write('x'), 20)
    await client.closed
    clearInterval(drip)
    await siege.unharmed()
  })

  it('is cut when it never ends', async () => {
    const siege = await besiege(mount, {
      hooks: { pre: [(request) => (request.path === '/refused' ? deny(401, 'Who is it') : undefined)] },
    })
    const client = new RawClient(siege.port)
    client.write('POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n')
    const piece = Buffer.alloc(65_536, 'x')
    let sent = 0
    const pump = (): void => {
      while (client.socket.writable && client.socket.write(piece)) sent += piece.length
    }
    client.socket.on('drain', pump)
    pump()
    await client.closed
    // What the buffers of both sockets take comes on top of the 1 MiB that are thrown away.
    expect(sent).toBeLessThan(200 * 1_048_576)
    expect(client.received.startsWith('HTTP/1.1 401 ')).toBe(true)
    await siege.unharmed()
  })
})

function openConnections(server: {
  getConnections(callback: (error: Error | null, count: number) => void): unknown
}): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}
