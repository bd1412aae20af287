import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { open, send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

describe.each(hosts)('%s', (_, mount) => {
  it('is ready', async () => {
    const { gateway } = await mount({ name: 'a' })
    await expect(gateway.ready()).resolves.toBeUndefined()
  })

  it('finishes what is running when it is closed, and answers 503 to what comes after', async () => {
    const asked = signalled<ServerResponse>()
    const upstream = await listen((__, res) => {
      res.write('first half, ')
      asked.signal(res)
    })
    const { url, gateway } = await mount(
      { name: 'a', listenPath: '/a', upstream: upstream.url },
      { route: () => ({ body: 'the host' }) },
    )
    const running = send(url, '/a')
    const res = await asked.promise
    let closed = false
    const closing = gateway.close().then(() => (closed = true))
    const again = gateway.close()
    const [refused, elsewhere] = [await send(url, '/a'), await send(url, '/b')]
    expect([refused.status, refused.text, elsewhere.text, closed]).toEqual([
      503,
      '{\n    "error": "Service Unavailable"\n}',
      'the host',
      false,
    ])
    res.end('second half')
    const reply = await running
    await Promise.all([closing, again])
    await gateway.close()
    expect([reply.status, reply.text, reply.complete]).toEqual([200, 'first half, second half', true])
  })

  it('closes at once when nothing is running', async () => {
    const { gateway } = await mount({ name: 'a' })
    await expect(gateway.close()).resolves.toBeUndefined()
  })

  it('answers 503 to what is still waiting for the upstream when its time is over', async () => {
    const asked = signalled()
    const upstream = await listen(() => asked.signal())
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url })
    gateway.on('upstreamError', () => undefined)
    const running = send(url)
    await asked.promise
    await gateway.close({ timeoutMs: 1 })
    const reply = await running
    expect([reply.status, reply.text]).toEqual([503, '{\n    "error": "Service Unavailable"\n}'])
  })

  it('breaks off what is still streaming when its time is over', async () => {
    const upstream = await listen((__, res) => void res.write('endless'))
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url })
    gateway.on('upstreamError', () => undefined)
    const res = await open(url)
    await new Promise((resolve) => res.once('data', resolve))
    const ended = new Promise((resolve) => res.once('close', resolve))
    await gateway.close({ timeoutMs: 1 })
    await ended
    expect(res.complete).toBe(false)
  })

  it('reuses its connection to the upstream, whatever the clients do with theirs', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    for (let i = 0; i < 20; i += 1)
      await send(url, `/${i}`, { method: i % 2 === 0 ? 'GET' : 'POST', headers: { 'content-length': 0 } })
    expect([upstream.seen.length, upstream.connections()]).toEqual([20, 1])
  })

  it('opens another connection after the upstream closed one', async () => {
    const upstream = await startUpstream((res) => res.writeHead(200, { connection: 'close' }).end('x'))
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    const replies = [await send(url), await send(url)]
    expect([replies.map(({ status }) => status), upstream.connections()]).toEqual([[200, 200], 2])
  })

  it('leaves no connection to the upstream behind when it is closed', async () => {
    const upstream = await startUpstream()
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url })
    await Promise.all(Array.from({ length: 5 }, () => send(url)))
    expect(upstream.connections()).toBeGreaterThan(0)
    await gateway.close()
    const held = (): Promise<number> =>
      new Promise((resolve, reject) =>
        upstream.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      )
    await expect.poll(held).toBe(0)
  })

  it('answers the pipelined requests of one client in their order', async () => {
    const upstream = await startUpstream((res, seen) => res.end(seen.target))
    const { port } = await mount({ name: 'a', upstream: upstream.url, hooks: { response: [() => undefined] } })
    const client = new RawClient(port)
    const targets = ['/1', '/2', '/3', '/4']
    client.write(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
    const bodies: string[] = []
    for (const _target of targets) bodies.push((await client.answer()).body)
    expect(bodies).toEqual(targets)
  })

  it('keeps concurrent requests apart', async () => {
    const upstream = await startUpstream((res, seen) =>
      setImmediate(() => res.end(`${seen.target} ${seen.body.toString()}`)),
    )
    const { url } = await mount({
      name: 'a',
      upstream: upstream.url,
      hooks: {
        pre: [async (request, { state }) => void (state['body'] = await request.text())],
        response: [(response, { state }) => response.headers.set('x-state', String(state['body']))],
      },
    })
    const numbers = Array.from({ length: 50 }, (__, i) => i)
    const replies = await Promise.all(numbers.map((n) => send(url, `/${n}`, { method: 'POST', body: `body ${n}` })))
    expect(replies.map(({ text, headers }) => [text, headers['x-state']])).toEqual(
      numbers.map((n) => [`/${n} body ${n}`, `body ${n}`]),
    )
  })

  it('holds nothing open once it is closed', async () => {
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => /^T(?:CPSocket|LS)Wrap$/.test(name)).length
    const before = sockets()
    const upstream = await startUpstream()
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url })
    await Promise.all(Array.from({ length: 5 }, () => send(url)))
    await gateway.close()
    await expect.poll(sockets).toBe(before)
  })
})
