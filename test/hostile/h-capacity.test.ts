import { setTimeout as sleep } from 'node:timers/promises'
import { type CircuitBreakerInput, type ResponsePlugin, respond } from '@postern/core'
import { expect, it } from 'vitest'
import type { Mounted } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { type RawAnswer, RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, type StrictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope, type Siege } from './attack.ts'
import { upstreams } from './catalogue/h.ts'

cleanUpAfterAttacks()

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
const ask = (port: number, target: string): Promise<RawAnswer> => rawExchange(port, get(target))

function asking(port: number, target: string): RawClient {
  const client = new RawClient(port)
  client.write(get(target))
  return client
}

interface Holding extends StrictUpstream {
  readonly held: () => string[]
  /** Answers the one that has been held for longest, or resets its connection. */
  readonly release: () => void
  readonly fail: () => void
}

/** Answers `/held...` only when it is told to. */
async function holding(): Promise<Holding> {
  const held: { readonly target: string; readonly answer: () => void; readonly fail: () => void }[] = []
  const upstream = await strictUpstream(({ method, target }, socket) => {
    const answer = wireAnswer(`${method} ${target}`)
    if (!target.startsWith('/held')) return answer
    held.push({ target, answer: () => socket.write(answer), fail: () => socket.resetAndDestroy() })
    return undefined
  })
  return {
    ...upstream,
    held: () => held.map(({ target }) => target),
    release: () => held.shift()?.answer(),
    fail: () => held.shift()?.fail(),
  }
}

function codesOf({ gateway }: Mounted): string[] {
  const codes: string[] = []
  gateway.on('upstreamError', ({ error }) => codes.push(error.code))
  return codes
}

attack(upstreams, 'H10', (mount) => {
  it('those who wait too long, and those for whom there is no place, get 503', async () => {
    const upstream = await holding()
    const siege = await besiege(
      mount,
      { upstream: { url: upstream.url, maxConnections: 2, maxQueued: 1, queueTimeoutMs: 150 } },
      { upstream },
    )
    const codes = codesOf(siege)
    const running = [asking(siege.port, '/held-1'), asking(siege.port, '/held-2')]
    await expect.poll(upstream.held).toEqual(['/held-1', '/held-2'])
    const waiting = asking(siege.port, '/held-3')
    // Whether it waits already shows in that there is no place any more.
    await sleep(30)
    const crowd = await Promise.all([4, 5, 6].map((n) => ask(siege.port, `/held-${n}`)))
    for (const answer of [...crowd, await waiting.answer()]) {
      expect([answer.status, answer.body]).toEqual([503, envelope('Service Unavailable')])
      expect(valuesOf(answer.lines, 'retry-after')).toEqual(['1'])
    }
    expect([codes, upstream.held()]).toEqual([Array(4).fill('PSTN_UPSTREAM_BUSY'), ['/held-1', '/held-2']])
    upstream.release()
    upstream.release()
    for (const client of running) expect((await client.answer()).status).toBe(200)
    await siege.unharmed()
  })

  it('those who wait are served in the order in which they came', async () => {
    const upstream = await holding()
    const siege = await besiege(mount, { upstream: { url: upstream.url, maxConnections: 1 } }, { upstream })
    const clients: RawClient[] = []
    for (const n of [1, 2, 3, 4]) {
      clients.push(asking(siege.port, `/held-${n}`))
      await sleep(10)
    }
    for (const [i, client] of clients.entries()) {
      await expect.poll(upstream.held).toEqual([`/held-${i + 1}`])
      upstream.release()
      expect((await client.answer()).body).toBe(`GET /held-${i + 1}`)
    }
    expect(upstream.connections()).toBe(1)
    await siege.unharmed()
  })

  it('a client that hangs up leaves its place to another', async () => {
    const upstream = await holding()
    const siege = await besiege(
      mount,
      { upstream: { url: upstream.url, maxConnections: 1, maxQueued: 1 } },
      { upstream },
    )
    const codes = codesOf(siege)
    const running = asking(siege.port, '/held-1')
    await expect.poll(upstream.held).toEqual(['/held-1'])
    const impatient = asking(siege.port, '/held-2')
    await sleep(30)
    expect((await ask(siege.port, '/held-3')).status).toBe(503)
    impatient.socket.destroy()
    await sleep(30)
    const next = asking(siege.port, '/held-4')
    await sleep(30)
    upstream.release()
    expect((await running.answer()).status).toBe(200)
    await expect.poll(upstream.held).toEqual(['/held-4'])
    upstream.release()
    expect([(await next.answer()).status, codes]).toEqual([200, ['PSTN_UPSTREAM_BUSY']])
    expect(upstream.seen.map(({ target }) => target)).toEqual(['/held-1', '/held-4'])
    await siege.unharmed()
  })

  it('another API of the same upstream is not held up', async () => {
    const upstream = await holding()
    const limited = { url: upstream.url, maxConnections: 1, maxQueued: 1, queueTimeoutMs: 5_000 }
    const { port } = await mount([
      { name: 'a', listenPath: '/a/', upstream: limited },
      { name: 'b', listenPath: '/b/', upstream: limited },
    ])
    const running = asking(port, '/a/held-1')
    await expect.poll(upstream.held).toEqual(['/held-1'])
    const waiting = asking(port, '/a/held-2')
    for (let i = 0; i < 5; i += 1) expect((await ask(port, '/b/free')).body).toBe('GET /free')
    upstream.release()
    expect((await running.answer()).status).toBe(200)
    await expect.poll(upstream.held).toEqual(['/held-2'])
    upstream.release()
    expect((await waiting.answer()).status).toBe(200)
  })

  const READS: readonly (readonly [what: string, plugin: ResponsePlugin])[] = [
    ['waits for it too long', async (response) => void (await response.text())],
    [
      'throws',
      (response) => {
        void response.text()
        throw new Error('on purpose')
      },
    ],
    [
      'answers by itself',
      (response) => {
        void response.text()
        return respond(418, 'mine')
      },
    ],
    [
      'puts another in its place',
      (response) => {
        void response.text()
        response.setBody('mine')
      },
    ],
  ]
  it.each(READS)(
    'a connection whose answer does not end is free again when a plugin reads it and %s',
    async (_, plugin) => {
      const upstream = await strictUpstream(({ method, target }, socket) => {
        if (target !== '/endless') return wireAnswer(`${method} ${target}`)
        socket.write('HTTP/1.1 200 OK\r\nX-Endless: 1\r\n\r\n')
        const trickle = setInterval(() => socket.write('x'), 20)
        socket.once('close', () => clearInterval(trickle))
        return undefined
      })
      const reading: ResponsePlugin = (response, context) =>
        response.headers.has('x-endless') ? plugin(response, context) : undefined
      const siege = await besiege(
        mount,
        {
          pluginTimeoutMs: 50,
          hooks: { response: [reading] },
          upstream: { url: upstream.url, maxConnections: 1, queueTimeoutMs: 1_000 },
        },
        { upstream },
      )
      siege.gateway.on('pluginError', () => undefined)
      expect([200, 418, 500]).toContain((await ask(siege.port, '/endless')).status)
      await siege.unharmed()
    },
  )

  it('a connection whose client has gone is free again', async () => {
    const upstream = await holding()
    const siege = await besiege(
      mount,
      { upstream: { url: upstream.url, maxConnections: 1, maxQueued: 0 } },
      { upstream },
    )
    const client = asking(siege.port, '/held-1')
    await expect.poll(upstream.held).toEqual(['/held-1'])
    codesOf(siege)
    expect((await ask(siege.port, '/free')).status).toBe(503)
    client.socket.destroy()
    await expect.poll(async () => (await ask(siege.port, '/free')).status).toBe(200)
    await siege.unharmed()
  })
})

const BREAKER = { failureRatio: 0.5, minRequests: 4, windowMs: 5_000, openMs: 250 } satisfies CircuitBreakerInput
const OPEN_IS_OVER_MS = 280

/** `open a`, with the letter of the target. */
function circuitsOf({ gateway }: Mounted, targets: readonly { readonly url: string }[]): string[] {
  const states: string[] = []
  gateway.on('circuitBreaker', ({ target, state }) => {
    states.push(`${state} ${'ab'[targets.findIndex(({ url }) => url === target)]}`)
  })
  return states
}

/** Fails at `/bad`, answers everything else. */
function failing(how: 'with 500' | 'with a reset' | 'by saying nothing'): Promise<StrictUpstream> {
  return strictUpstream(({ method, target }, socket) => {
    if (target !== '/bad') return wireAnswer(`${method} ${target}`)
    if (how === 'with 500') return wireAnswer('broken', '500 Internal Server Error')
    if (how === 'with a reset') socket.resetAndDestroy()
    return undefined
  })
}

attack(upstreams, 'H12', (mount) => {
  it.each(['with 500', 'with a reset', 'by saying nothing'] as const)(
    'a target that fails %s half of the time is left alone, then asked by one probe',
    async (how) => {
      const upstream = await failing(how)
      const siege = await besiege(
        mount,
        { upstream: { url: upstream.url, circuitBreaker: BREAKER, headersTimeoutMs: 60, retries: 0 } },
        { upstream },
      )
      const codes = codesOf(siege)
      const states = circuitsOf(siege, [upstream])
      for (const target of ['/good', '/good']) await ask(siege.port, target)
      const own = { 'with 500': 500, 'with a reset': 502, 'by saying nothing': 504 }[how]
      const failed = await Promise.all([ask(siege.port, '/bad'), ask(siege.port, '/bad')])
      expect([failed.map(({ status }) => status), states]).toEqual([[own, own], ['open a']])
      const asked = upstream.seen.length
      codes.length = 0
      const refused = await ask(siege.port, '/good')
      expect([refused.status, refused.body]).toEqual([503, envelope('Service temporarily unavailable')])
      expect([valuesOf(refused.lines, 'retry-after'), codes]).toEqual([['1'], ['PSTN_UPSTREAM_OPEN']])
      expect(upstream.seen.length).toBe(asked)
      await sleep(OPEN_IS_OVER_MS)
      expect((await ask(siege.port, '/good')).status).toBe(200)
      expect(states).toEqual(['open a', 'half-open a', 'closed a'])
      await siege.unharmed()
    },
  )

  /** A siege whose circuit has just opened. */
  async function opened(upstream: Holding): Promise<Siege & { readonly states: string[] }> {
    const circuitBreaker = { ...BREAKER, minRequests: 1 }
    const siege = await besiege(mount, { upstream: { url: upstream.url, circuitBreaker, retries: 0 } }, { upstream })
    codesOf(siege)
    const states = circuitsOf(siege, [upstream])
    const first = asking(siege.port, '/held-1')
    await expect.poll(upstream.held).toEqual(['/held-1'])
    upstream.fail()
    expect([(await first.answer()).status, states]).toEqual([502, ['open a']])
    return { ...siege, states }
  }

  it('one probe at a time is let through, and one that fails opens the circuit again', async () => {
    const upstream = await holding()
    const { port, states, unharmed } = await opened(upstream)
    await sleep(OPEN_IS_OVER_MS)
    const probe = asking(port, '/held-2')
    await expect.poll(upstream.held).toEqual(['/held-2'])
    expect((await ask(port, '/other')).status).toBe(503)
    upstream.fail()
    expect((await probe.answer()).status).toBe(502)
    expect((await ask(port, '/other')).status).toBe(503)
    expect([states, upstream.seen.length]).toEqual([['open a', 'half-open a', 'open a'], 2])
    await sleep(OPEN_IS_OVER_MS)
    await unharmed()
    expect(states.slice(3)).toEqual(['half-open a', 'closed a'])
  })

  it('a probe whose client hangs up says nothing, and the next one is let through', async () => {
    const upstream = await holding()
    const { port, states, unharmed } = await opened(upstream)
    await sleep(OPEN_IS_OVER_MS)
    const probe = asking(port, '/held-2')
    await expect.poll(upstream.held).toEqual(['/held-2'])
    probe.socket.destroy()
    await expect.poll(async () => (await ask(port, '/other')).status).toBe(200)
    expect(states).toEqual(['open a', 'half-open a', 'closed a'])
    await unharmed()
  })

  it('a probe whose client sends its body for ever does not keep others away', async () => {
    const upstream = await holding()
    const { port, states, unharmed } = await opened(upstream)
    await sleep(OPEN_IS_OVER_MS)
    const probe = new RawClient(port)
    probe.write('POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx')
    await expect.poll(() => states).toEqual(['open a', 'half-open a'])
    expect((await ask(port, '/other')).status).toBe(503)
    await sleep(OPEN_IS_OVER_MS)
    expect([(await ask(port, '/other')).status, states.slice(2)]).toEqual([200, ['closed a']])
    probe.socket.destroy()
    await unharmed()
  })

  it('every target has a circuit of its own', async () => {
    const [a, b] = [await failing('with 500'), await strictUpstream(() => wireAnswer('b'))]
    const mounted = await mount({
      name: 'a',
      upstream: { targets: [a.url, b.url], circuitBreaker: { ...BREAKER, minRequests: 2, openMs: 60_000 } },
    })
    const states = circuitsOf(mounted, [a, b])
    for (let i = 0; i < 4; i += 1) await ask(mounted.port, '/bad')
    expect(states).toEqual(['open a'])
    const asked = a.seen.length
    for (let i = 0; i < 5; i += 1) expect((await ask(mounted.port, '/bad')).body).toBe('b')
    expect([a.seen.length, states]).toEqual([asked, ['open a']])
  })

  it('without a circuit breaker a target is asked however often it fails', async () => {
    const upstream = await failing('with 500')
    const siege = await besiege(mount, {}, { upstream })
    for (let i = 0; i < 30; i += 1) expect((await ask(siege.port, '/bad')).status).toBe(500)
    await siege.unharmed()
  })
})
