import type { IncomingMessage } from 'node:http'
import { respond, type SessionView } from '@postern/core'
import { expect, it } from 'vitest'
import { closeLater } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { signalled } from '../support/promises.ts'
import { RawClient } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { chainFaults } from './catalogue/d.ts'

cleanUpAfterAttacks()

attack(chainFaults, 'D06', (mount) => {
  it('definition and config are frozen, down to their last corner', async () => {
    const config = { limits: { most: 5 }, names: ['ann'] }
    const outcomes: string[] = []
    const siege = await besiege(mount, {
      config,
      hooks: {
        pre: [
          (_, context) => {
            const { api } = context
            const targets = [api, api.definition, api.definition.hooks.pre, api.definition.upstream, context.config]
            for (const target of [...targets, ...Object.values(context.config)])
              outcomes.push(Reflect.set(target as object, 'name', 'changed') ? 'changed' : 'frozen')
          },
        ],
      },
    })
    expect((await send(siege.url, '/')).status).toBe(200)
    expect(outcomes).toEqual(Array.from({ length: 7 }, () => 'frozen'))
    // The author's own object is left alone.
    expect(Object.isFrozen(config)).toBe(false)
    await siege.unharmed()
  })

  it('a request and a session belong to one request', async () => {
    const meanwhile = signalled()
    const kept: SessionView[] = []
    const seen: unknown[] = []
    const siege = await besiege(mount, {
      hooks: {
        auth: () => ({ metadata: { token: 'ann', tier: { name: 'gold' } } }),
        postAuth: [
          async (request, { session, state }) => {
            seen.push([request.path, request.headers.get('x-note'), structuredClone(session.metadata), { ...state }])
            if (request.path !== '/first') return
            kept.push(session)
            ;(session.metadata['tier'] as { name: string }).name = 'stolen'
            Object.assign(state, { note: 'mine' })
            request.headers.set('x-note', 'mine')
            await meanwhile.promise
          },
        ],
      },
    })
    const first = send(siege.url, '/first')
    await expect.poll(() => seen.length).toBe(1)
    await send(siege.url, '/second')
    meanwhile.signal()
    await first
    const metadata = { token: 'ann', tier: { name: 'gold' } }
    expect(seen).toEqual([
      ['/first', null, metadata, {}],
      ['/second', null, metadata, {}],
    ])
    // The answer is out: what is noted from now on is nobody's.
    kept[0]!.metadata['late'] = true
    expect(Reflect.set(kept[0]!, 'isInactive', true)).toBe(false)
    await siege.unharmed()
    await send(siege.url, '/third')
    expect(seen.at(-1)).toEqual(['/third', null, metadata, {}])
  })
})

attack(chainFaults, 'D09', (mount) => {
  it('an API that calls itself, with a body and a quota', async () => {
    let runs = 0
    const siege = await besiege(mount, {
      authentication: { token: true },
      hooks: {
        post: [
          async (request, { call }) => {
            if (request.path !== '/attack') return undefined
            runs += 1
            const authorization = request.headers.get('authorization') ?? ''
            return call('a', '/attack', { method: 'POST', headers: { authorization }, body: await request.text() })
          },
        ],
      },
    })
    const { key } = await siege.gateway.sessions.create({ quotaMax: 100, quotaRenewalRate: 60 })
    const answer = await send(siege.url, '/attack', {
      method: 'POST',
      headers: { authorization: key },
      body: 'again',
    })
    expect([answer.status, answer.text]).toEqual([
      508,
      envelope('Loop level too deep. Found more than 5 loops in single request'),
    ])
    // The client's own request and five calls.
    expect(runs).toBe(6)
    expect((await siege.gateway.sessions.quotas(key))[0]).toMatchObject({ max: 100, remaining: 94 })
    expect(siege.upstream.seen).toEqual([])
  })

  it.each([
    [5, 200],
    [6, 508],
    [10, 508],
  ])('two APIs that call each other %i times', async (times, status) => {
    const runs: string[] = []
    const bounce = (from: string, to: string) => ({
      name: from,
      listenPath: `/${from}`,
      limits: { rate: 100, per: 60 },
      hooks: {
        pre: [
          (request: { path: string }, { call }: { call: (api: string, path: string) => Promise<Response> }) => {
            runs.push(from)
            const left = Number(request.path.slice(1))
            return left === 0 ? respond(200, 'there') : call(to, `/${left - 1}`)
          },
        ],
      },
    })
    const { url, gateway } = await mount([bounce('ping', 'pong'), bounce('pong', 'ping')])
    const answer = await send(url, `/ping/${times}`)
    expect(answer.status).toBe(status)
    expect(runs.length).toBe(Math.min(times, 5) + 1)
    expect(gateway.records.list().length).toBe(runs.length)
  })
})

attack(chainFaults, 'D10', (mount) => {
  it('200 plugins run in order', async () => {
    const order: number[] = []
    const numbered = Array.from({ length: 200 }, (_, i) => (): Promise<undefined> | undefined => {
      order.push(i)
      return i % 2 === 0 ? undefined : Promise.resolve(undefined)
    })
    const siege = await besiege(mount, { hooks: { pre: numbered, post: [], response: numbered } })
    expect((await send(siege.url, '/')).text).toBe('GET /')
    const once = Array.from({ length: 200 }, (_, i) => i)
    expect(order).toEqual([...once, ...once])
    await siege.unharmed()
  })

  it('empty lists are no hooks', async () => {
    const siege = await besiege(mount, {
      hooks: { pre: [], post: [], response: [], analytics: [] },
      endpoints: { 'GET /empty': [] },
    })
    expect((await send(siege.url, '/empty')).text).toBe('GET /empty')
    await siege.unharmed()
  })
})

attack(chainFaults, 'D12', (mount) => {
  it('what it does to the host’s request ends the chain once', async () => {
    let current: IncomingMessage | undefined
    const heard: string[] = []
    const siege = await besiege(
      mount,
      {
        bodyTimeoutMs: 150,
        hooks: {
          pre: [
            (request) => {
              for (const event of ['end', 'close', 'error']) current!.on(event, () => heard.push(event))
              if (request.path === '/pause') current!.pause()
              if (request.path === '/destroy') current!.destroy()
              if (request.path === '/cut') current!.socket.destroy()
            },
          ],
        },
      },
      { above: (req) => (current = req) },
    )
    const post = (path: string): string =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(100_000)}`

    // Whoever wants the body has it flow again; the rest of it never comes.
    const paused = new RawClient(siege.port)
    paused.write(post('/pause'))
    expect((await paused.answer()).status).toBe(408)
    expect(paused.received).toBe('')

    for (const path of ['/destroy', '/cut']) {
      const client = new RawClient(siege.port)
      client.write(post(path))
      await client.closed
      expect(client.received).toBe('')
    }
    // That its body broke off may be known before its client is known to be gone.
    const ends = (): number[] => siege.gateway.records.list().map(({ responseCode }) => responseCode)
    await expect.poll(ends).toEqual([408, expect.toBeOneOf([400, 499]), expect.toBeOneOf([400, 499])])
    expect(heard).not.toContain('end')
    await siege.unharmed()
    expect(siege.upstream.seen.map(({ target }) => target)).toEqual(['/canary-1', '/canary-2'])
    const closing = performance.now()
    await siege.gateway.close({ timeoutMs: 5_000 })
    expect(performance.now() - closing).toBeLessThan(4_000)
  })
})

attack(chainFaults, 'D13', (mount) => {
  it('are the only ones the process hears of', async () => {
    const heard: unknown[] = []
    const listeners = process.rawListeners('unhandledRejection') as ((reason: unknown) => void)[]
    process.removeAllListeners('unhandledRejection')
    process.on('unhandledRejection', (reason) => heard.push(reason))
    closeLater(() => {
      process.removeAllListeners('unhandledRejection')
      for (const listener of listeners) process.on('unhandledRejection', listener)
    })
    const siege = await besiege(mount, {
      hooks: {
        pre: [
          ({ path }) => {
            if (path !== '/attack') return
            for (let i = 0; i < 1_000; i += 1) void Promise.reject(new Error('dropped'))
          },
        ],
      },
    })
    expect((await send(siege.url, '/attack')).text).toBe('GET /attack')
    await expect.poll(() => heard.length).toBe(1_000)
    expect(new Set(heard.map(String))).toEqual(new Set(['Error: dropped']))
    await siege.unharmed()
    expect(heard.length).toBe(1_000)
  })
})
