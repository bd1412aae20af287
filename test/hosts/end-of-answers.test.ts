import { AsyncLocalStorage } from 'node:async_hooks'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type GatewayRequest, respond } from '@postern/core'
import { createGateway } from '@postern/http'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { bundle } from '../support/bundle.mjs'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const targets = Array.from({ length: 30 }, (_, i) => `/${i}`)

describe.each(hosts)('the end of an answer on %s', (_, mount) => {
  it.each(['GET', 'HEAD'])('of many at once is heard in the context of its own request: %s', async (method) => {
    const store = new AsyncLocalStorage<string>()
    const heard: string[] = []
    const upstream = await startUpstream((res, { target }) => res.end(`answer to ${target}`))
    const { url } = await mount(
      { name: 'a', upstream: upstream.url },
      {
        above: (req, res) => {
          store.enterWith(req.url!)
          for (const event of ['finish', 'close'])
            res.on(event, () => heard.push(`${event} of ${req.url} in ${store.getStore()}`))
        },
      },
    )
    await Promise.all(targets.map((target) => send(url, target, { method })))
    await expect.poll(() => heard.length).toBe(targets.length * 2)
    expect(heard.toSorted()).toEqual(
      targets.flatMap((target) => [`close of ${target} in ${target}`, `finish of ${target} in ${target}`]).toSorted(),
    )
  })

  it.each([
    ['whole', (res: ServerResponse) => void res.setHeader('content-length', 7).end(Buffer.from('all bye'))],
    ['in pieces', (res: ServerResponse) => (res.write(Buffer.from('all ')), void res.end(Buffer.from('bye')))],
  ])('reaches a client whose connection the host destroys behind it: %s', async (__, answer) => {
    const { url } = await mount(
      { name: 'a', hooks: { pre: [(request) => request.headers.set('x', '1')] } },
      {
        raw: (_req, res) => {
          res.statusCode = 200
          answer(res)
          res.socket?.destroy()
        },
      },
    )
    const { status, text, complete } = await send(url, '/')
    expect([status, text, complete]).toEqual([200, 'all bye', true])
  })

  it('is there where tests have replaced the timers', async () => {
    const upstream = await startUpstream()
    const { url } = await mount({ name: 'a', upstream: upstream.url })
    vi.useFakeTimers({ toFake: ['setImmediate', 'setTimeout', 'setInterval'] })
    try {
      for (let i = 0; i < 2; i += 1) expect((await send(url)).text).toBe('ok')
    } finally {
      vi.useRealTimers()
    }
    expect((await send(url)).text).toBe('ok')
  })
})

// Koa answers behind a promise: what was pipelined is under way by then.
describe.each(hosts.filter(([name]) => !name.startsWith('Koa')))('an answer on %s', (_, mount) => {
  it('that ends its connection is the end of what was pipelined behind it', async () => {
    const upstream = await startUpstream()
    const hooks = {
      pre: [(request: GatewayRequest) => (request.path === '/first' ? respond(200, 'first') : undefined)],
    }
    const { port } = await mount(
      { name: 'a', upstream: upstream.url, hooks },
      { above: (req, res) => void (req.url === '/first' && (res.shouldKeepAlive = false)) },
    )
    const client = new RawClient(port)
    client.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.closed
    expect([client.received.match(/HTTP\/1\.1 \d+/g), upstream.seen]).toEqual([['HTTP/1.1 200'], []])
  })
})

describe('an answer on node:http', () => {
  it('is out before the host application begins with another request', async () => {
    const gateway = createGateway({
      name: 'a',
      listenPath: '/a/',
      hooks: { pre: [() => respond(200, Buffer.from('a'))] },
    })
    const arrived: [IncomingMessage, ServerResponse][] = []
    let written = 0
    const { url } = await listen((req, res) => {
      arrived.push([req, res])
      if (arrived.length < 2) return
      const [ours, other] = arrived.toSorted(([one], [two]) => one.url!.localeCompare(two.url!)) as [
        [IncomingMessage, ServerResponse],
        [IncomingMessage, ServerResponse],
      ]
      gateway(...ours)
      gateway(...other, () => {
        written = ours[0].socket.bytesWritten
        other[1].end('b')
      })
    })
    const answers = await Promise.all(['/a/', '/b'].map((target) => send(url, target)))
    expect(answers.map(({ text }) => text)).toEqual(['a', 'b'])
    expect(written).toBeGreaterThan(0)
  })

  it('reaches a slow client whose server closes its idle connections meanwhile', async () => {
    const body = Buffer.alloc(8_000_000, 'a')
    const gateway = createGateway({ name: 'a', hooks: { pre: [() => respond(200, body)] } })
    const { port, server } = await listen(gateway)
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await client.until('\r\n\r\n')
    client.socket.pause()
    // In the turns after the one it was written in.
    for (let i = 0; i < 3; i += 1) {
      await nextTurn()
      server.closeIdleConnections()
    }
    client.socket.resume()
    await client.closed
    expect(client.received.length).toBe(body.length)
  })

  it('is ended for whoever looks at once', async () => {
    const body = 'ours'
    const gateway = createGateway({ name: 'a', hooks: { pre: [() => respond(200, body)] } })
    const ended: boolean[] = []
    const { port } = await listen((req, res) => {
      gateway(req, res)
      ended.push(res.writableEnded)
      if (!res.writableEnded) res.end('theirs')
    })
    const client = new RawClient(port)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const first = await client.answer()
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const second = await client.answer()
    await client.closed
    expect([first.body, second.body, client.received, ended]).toEqual([body, body, '', [true, true]])
  })

  it('is out where the process ends in the same turn', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'postern-exit-'))
    closeLater(() => rm(folder, { recursive: true, force: true }))
    const child = fork(await bundle(path.join(import.meta.dirname, 'answering-process.ts'), folder, 'esm'))
    closeLater(() => void child.kill())
    const exit = once(child, 'exit')
    const [port] = (await once(child, 'message')) as [number]
    const { status, text } = await send(`http://127.0.0.1:${port}`)
    expect([status, text]).toEqual([200, 'last'])
    expect(await exit).toEqual([0, null])
  })
})
