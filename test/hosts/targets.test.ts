import type { ApiDefinitionInput, BalancedUpstreamInput, GatewayErrorCode } from '@postern/core'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts, type Mounted } from '../support/hosts.ts'
import { deafPort, listen, listenRaw } from '../support/server.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

afterEach(closeAll)

/** Upstreams that answer with their letter. */
function named(names: string): Promise<Upstream[]> {
  return Promise.all([...names].map((name) => startUpstream((res) => res.end(name))))
}

function api(upstream: BalancedUpstreamInput): ApiDefinitionInput {
  return { name: 'a', upstream }
}

async function answers(url: string, count: number, target = '/'): Promise<string> {
  let text = ''
  for (let i = 0; i < count; i += 1) text += (await send(url, target)).text
  return text
}

/** `targetHealth` as it comes: `-a requests`. */
function healthOf({ gateway }: Mounted, upstreams: readonly { readonly url: string }[]): string[] {
  const seen: string[] = []
  gateway.on('targetHealth', ({ target, healthy, reason }) => {
    const at = upstreams.findIndex(({ url }) => url === target)
    seen.push(`${healthy ? '+' : '-'}${'abc'[at]} ${reason}`)
  })
  return seen
}

function failuresOf({ gateway }: Mounted): GatewayErrorCode[] {
  const codes: GatewayErrorCode[] = []
  gateway.on('upstreamError', ({ error }) => codes.push(error.code))
  return codes
}

describe.each(hosts)('%s', (_, mount) => {
  it('asks several targets in turn', async () => {
    const targets = (await named('abc')).map(({ url }) => url)
    const { url } = await mount(api({ targets }))
    expect(await answers(url, 6)).toBe('abcabc')
  })

  it('asks targets by their weights, spread evenly', async () => {
    const [a, b] = (await named('ab')).map((upstream) => upstream.url)
    const { url } = await mount(api({ targets: [{ url: a!, weight: 3 }, b!] }))
    expect(await answers(url, 8)).toBe('aabaaaba')
  })

  it('asks the target with the fewest requests under way where it is told to', async () => {
    const slow = await listen(() => undefined)
    const [b] = await named('b')
    const { url } = await mount(api({ targets: [slow.url, b!.url], balance: 'least-pending' }))
    const hanging = send(url).catch(() => undefined)
    await expect.poll(slow.connections).toBe(1)
    expect(await answers(url, 3)).toBe('bbb')
    slow.server.closeAllConnections()
    await hanging
  })

  it('puts the path behind that of each target, and names each in Host', async () => {
    const upstreams = await named('ab')
    const targets = upstreams.map(({ url }, i) => `${url}/v${i}/`)
    const { url, gateway } = await mount(api({ targets }))
    await answers(url, 2, '/orders?a=1')
    const seen = upstreams.map(({ only }) => [only().target, only().headers.host])
    expect(seen).toEqual(upstreams.map(({ port }, i) => [`/v${i}/orders?a=1`, `127.0.0.1:${port}`]))
    expect(gateway.explain('GET', '/x').upstream).toBe(upstreams.map((one, i) => `${one.url}/v${i}/x`).join(' or '))
  })

  it('chooses another target when it cannot connect to one, whatever the method, and sends the whole body', async () => {
    const deaf = `http://127.0.0.1:${await deafPort()}`
    const [b] = await named('b')
    const mounted = await mount(api({ targets: [deaf, b!.url] }))
    const codes = failuresOf(mounted)
    const body = 'x'.repeat(200_000)
    const reply = await send(mounted.url, '/', { method: 'POST', body })
    expect([reply.text, b!.only().body.toString() === body, codes]).toEqual(['b', true, []])
  })

  it('chooses as many others as it may, and reports the last failure once', async () => {
    const deaf = async (): Promise<string> => `http://127.0.0.1:${await deafPort()}`
    const [c] = await named('c')
    const targets = [await deaf(), await deaf(), c!.url]
    const once = await mount(api({ targets }))
    const codes = failuresOf(once)
    expect([(await send(once.url)).status, codes]).toEqual([502, ['PSTN_UPSTREAM_UNREACHABLE']])
    const twice = await mount(api({ targets, retries: 2 }))
    expect((await send(twice.url)).text).toBe('c')
    const never = await mount(api({ targets: targets.slice(1), retries: 0 }))
    failuresOf(never)
    expect((await send(never.url)).status).toBe(502)
  })

  it('sends nothing again that has been answered, whatever the answer', async () => {
    const a = await startUpstream((res) => res.writeHead(503).end('a'))
    const [b] = await named('b')
    const { url } = await mount(api({ targets: [a.url, b!.url], retries: 3 }))
    const reply = await send(url)
    expect([reply.status, reply.text, b!.seen.length]).toEqual([503, 'a', 0])
  })

  it('leaves a target out that fails, and asks it again later', async () => {
    let broken = true
    const a = await listenRaw((socket) => {
      socket.on('data', () =>
        broken ? socket.destroy() : socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na'),
      )
    })
    const [b] = await named('b')
    const mounted = await mount(api({ targets: [a.url, b!.url], retries: 0, ejectAfter: 2, ejectMs: 150 }))
    const health = healthOf(mounted, [a, b!])
    failuresOf(mounted)
    const statuses: number[] = []
    for (let i = 0; i < 4; i += 1) statuses.push((await send(mounted.url)).status)
    expect([statuses, health]).toEqual([[502, 200, 502, 200], ['-a requests']])
    expect(await answers(mounted.url, 3)).toBe('bbb')
    broken = false
    await sleep(200)
    expect([await answers(mounted.url, 4), health]).toEqual([
      expect.stringMatching(/a/),
      ['-a requests', '+a requests'],
    ])
  })

  it('does not leave a target out for the errors of the application, nor the last one that is left', async () => {
    const a = await startUpstream((res) => res.writeHead(500).end('a'))
    const b = await listenRaw((socket) => socket.once('data', () => socket.destroy()))
    const mounted = await mount(api({ targets: [a.url, b.url], retries: 0, ejectAfter: 1 }))
    const health = healthOf(mounted, [a, b])
    failuresOf(mounted)
    expect(await answers(mounted.url, 2)).toMatch(/^a.*Bad Gateway/s)
    expect([await answers(mounted.url, 4), health]).toEqual(['aaaa', ['-b requests']])
    a.server.closeAllConnections()
    await new Promise((resolve) => a.server.close(resolve))
    expect((await send(mounted.url)).status).toBe(502)
    expect(health).toEqual(['-b requests'])
  })

  it('asks the health of targets, and leaves out what is not well', async () => {
    let well = true
    const checked: string[] = []
    const a = await listen((req, res) => {
      if (req.url === '/base/health') checked.push(`${req.method} ${req.headers.host}`)
      res.writeHead(req.url === '/base/health' && !well ? 500 : 200).end('a')
    })
    const [b] = await named('b')
    const mounted = await mount(
      api({
        targets: [`${a.url}/base`, `${b!.url}/base`],
        health: { path: '/health', intervalMs: 20, timeoutMs: 200 },
      }),
    )
    const health = healthOf(mounted, [{ url: `${a.url}/base` }, { url: `${b!.url}/base` }])
    expect(await answers(mounted.url, 4)).toBe('abab')
    well = false
    await expect.poll(() => health).toEqual(['-a checks'])
    expect(await answers(mounted.url, 3)).toBe('bbb')
    well = true
    await expect.poll(() => health).toEqual(['-a checks', '+a checks'])
    expect(await answers(mounted.url, 4)).toMatch(/a/)
    expect(new Set(checked)).toEqual(new Set([`GET 127.0.0.1:${a.port}`]))
    await mounted.gateway.close()
    const count = checked.length
    await sleep(60)
    expect(checked.length).toBe(count)
  })

  it('still asks somebody when no target is well: the checks may be wrong', async () => {
    const targets = await Promise.all(
      ['a', 'b'].map((name) =>
        startUpstream((res, { target }) => res.writeHead(target === '/health' ? 404 : 200).end(name)),
      ),
    )
    const mounted = await mount(
      api({ targets: targets.map(({ url }) => url), health: { path: '/health', intervalMs: 20, unhealthyAfter: 1 } }),
    )
    const health = healthOf(mounted, targets)
    await expect.poll(() => health.length).toBe(2)
    expect(await answers(mounted.url, 2)).toMatch(/^(ab|ba)$/)
  })

  it('gives a queued request the first connection that becomes free, at whatever target', async () => {
    const waiting: (() => void)[] = []
    const upstreams = await Promise.all(
      ['a', 'b'].map((name) => startUpstream((res) => void waiting.push(() => res.end(name)))),
    )
    const { url } = await mount(api({ targets: upstreams.map((one) => one.url), maxConnections: 1 }))
    const replies = [send(url), send(url)]
    await expect.poll(() => waiting.length).toBe(2)
    const third = send(url)
    waiting[1]!()
    await expect.poll(() => waiting.length).toBe(3)
    waiting[2]!()
    expect((await third).text).toBe((await replies[1]!).text)
    waiting[0]!()
    await replies[0]
  })

  it('does not let a request that is sent again hold up others while its next target is busy', async () => {
    const a = await listenRaw((socket) => {
      socket.on('data', (data) => {
        if (String(data).startsWith('GET /drop')) socket.destroy()
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na')
      })
    })
    const b = await listenRaw(() => undefined)
    const mounted = await mount(api({ targets: [b.url, a.url], maxConnections: 1 }))
    failuresOf(mounted)
    const hanging = send(mounted.url).catch(() => undefined)
    await expect.poll(b.connections).toBe(1)
    const again = send(mounted.url, '/drop')
    expect(await answers(mounted.url, 3)).toBe('aaa')
    expect((await again).status).toBe(502)
    await mounted.gateway.close({ timeoutMs: 1 })
    await hanging
  })

  it('holds a target that cannot be connected to for unwell when the time of a check is over', async () => {
    // Takes the connection, and never a step of the handshake.
    const a = await listenRaw(() => undefined)
    const [b] = await named('b')
    const targets = [`https://127.0.0.1:${a.port}`, b!.url]
    const mounted = await mount(
      api({ targets, connectTimeoutMs: 60_000, health: { path: '/', timeoutMs: 50, intervalMs: 20 } }),
    )
    const health = healthOf(mounted, [{ url: targets[0]! }, b!])
    await expect.poll(() => health).toEqual(['-a checks'])
    expect(await answers(mounted.url, 3)).toBe('bbb')
  })

  it('lets a plugin route around the targets, health and retries included', async () => {
    const elsewhere = await startUpstream((res) => res.end('elsewhere'))
    const [a] = await named('a')
    const { url } = await mount({
      ...api({ targets: [`http://127.0.0.1:${await deafPort()}`, a!.url] }),
      hooks: { pre: [(request) => void (request.upstream = `${elsewhere.url}/v2`)] },
    })
    const reply = await send(url, '/x')
    expect([reply.text, elsewhere.only().target, a!.seen.length]).toEqual(['elsewhere', '/v2/x', 0])
  })

  it('limits the connections to where plugins route as well', async () => {
    const upstream = await listen(() => undefined)
    const [a] = await named('a')
    const mounted = await mount({
      ...api({ targets: [a!.url], maxConnections: 1, maxQueued: 0, retries: 0 }),
      hooks: { pre: [(request) => void (request.upstream = upstream.url)] },
    })
    const codes = failuresOf(mounted)
    const hanging = send(mounted.url).catch(() => undefined)
    await expect.poll(upstream.connections).toBe(1)
    const reply = await send(mounted.url)
    expect([reply.status, reply.headers['retry-after'], codes]).toEqual([503, '1', ['PSTN_UPSTREAM_BUSY']])
    upstream.server.closeAllConnections()
    await hanging
  })

  it('answers a client in time while it still connects', async () => {
    // Takes the connection, and never a step of the handshake.
    const upstream = await listenRaw(() => undefined)
    const { url } = await mount({
      name: 'a',
      requestTimeoutMs: 100,
      upstream: `https://127.0.0.1:${upstream.port}`,
    })
    expect((await send(url)).status).toBe(504)
  })
})
