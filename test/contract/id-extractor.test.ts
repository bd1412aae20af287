import {
  type ApiDefinitionInput,
  type AuthPlugin,
  deny,
  type GatewayOptions,
  type IdExtractorInput,
  memoryStore,
  type SessionInput,
  type Store,
} from '@postern/core'
import type { HttpGateway } from '@postern/http'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { signalled } from '../support/promises.ts'
import {
  connect,
  envelope,
  fields,
  listenTo,
  run,
  type Running,
  settled,
  startUpstream,
  type Upstream,
  UPSTREAM_BODY,
  watchProcess,
  type WireResponse,
} from './harness.ts'

/* A part of the request names its caller: the session the plugin made for it serves in the plugin's place for a while. */

const UNREADABLE = [400, envelope('Authorization field missing')]
const CALLER: IdExtractorInput = { source: 'header', header: 'x-caller', mode: 'value' }
const DIGITS: IdExtractorInput = { source: 'header', header: 'authorization', mode: 'regex', expression: '[0-9]+' }
const FORM = 'Content-Type: application/x-www-form-urlencoded'

const inAMinute = (): number => Math.floor(Date.now() / 1_000) + 60

let upstream: Upstream
let seenByProcess: readonly unknown[]
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.received.length = 0
  seenByProcess = watchProcess()
})

interface Extracting extends Running {
  /** What the plugin was asked for, in order: the header `x-caller`, else `authorization`, else the target. */
  readonly asked: string[]
  readonly send: (headers?: readonly string[], body?: string, target?: string) => Promise<WireResponse>
}

async function extracting(
  idExtractor: IdExtractorInput,
  auth: AuthPlugin = () => ({ idExtractorDeadline: inAMinute(), metadata: {} }),
  definition: Partial<ApiDefinitionInput> = {},
  options?: GatewayOptions,
): Promise<Extracting> {
  const asked: string[] = []
  const plugin: AuthPlugin = (request, context) => {
    const { headers, originalUrl } = request
    asked.push(headers.get('x-caller') ?? headers.get('authorization') ?? originalUrl)
    return auth(request, context)
  }
  const running = await run(
    {
      name: 'orders',
      upstream: upstream.url,
      ...definition,
      hooks: { ...definition.hooks, auth: { plugin, name: 'check' } },
      authentication: { ...definition.authentication, idExtractor },
    },
    options,
  )
  const connection = await connect(running.port)
  return {
    ...running,
    asked,
    send: (headers = ['X-Caller: ann'], body = '', target = '/stock') =>
      connection.request(body === '' ? 'GET' : 'POST', target, headers, body),
  }
}

async function statuses(count: number, ask: () => Promise<WireResponse>): Promise<readonly number[]> {
  const met: number[] = []
  for (let i = 0; i < count; i += 1) met.push((await ask()).status)
  return met
}

describe('an id extractor', () => {
  const xml = (id: string): string => `<user><id>${id}</id><n>1</n></user>`

  it.each<
    [string, IdExtractorInput, (id: string) => readonly [headers: readonly string[], body?: string, target?: string]]
  >([
    ['a header', CALLER, (id) => [[`X-Caller: ${id}`]]],
    ['a header, spelt in another case', { ...CALLER, header: 'X-CALLER' }, (id) => [[`x-caller: ${id}`]]],
    ['an expression in a header', DIGITS, (id) => [[`Authorization: key-${id}`]]],
    ['a later match of an expression', { ...DIGITS, matchIndex: 1 }, (id) => [[`Authorization: 7-${id}`]]],
    [
      'an XPath in a header',
      { source: 'header', header: 'x-doc', mode: 'xpath', expression: '/user/id' },
      (id) => [[`X-Doc: ${xml(id)}`]],
    ],
    ['a form field', { source: 'form', param: 'id', mode: 'value' }, (id) => [[FORM], `a=1&id=${id}`]],
    ['a query parameter', { source: 'form', param: 'id', mode: 'value' }, (id) => [[], '', `/stock?a=1&id=${id}`]],
    [
      'an expression in a form field',
      { source: 'form', param: 'id', mode: 'regex', expression: '[0-9]+' },
      (id) => [[FORM], `id=key-${id}`],
    ],
    [
      'an XPath in a form field',
      { source: 'form', param: 'doc', mode: 'xpath', expression: '//id' },
      (id) => [[FORM], `doc=${encodeURIComponent(xml(id))}`],
    ],
    [
      'an expression in the body',
      { source: 'body', mode: 'regex', expression: '[0-9]+' },
      (id) => [['Content-Type: application/json'], `{"id":${id}}`],
    ],
    ['an XPath in the body', { source: 'body', mode: 'xpath', expression: '//id' }, (id) => [[], xml(id)]],
  ])('finds its id in %s, and spares the plugin what it has decided', async (_, extractor, request) => {
    const { send, asked } = await extracting(extractor)
    const met: unknown[] = []
    for (const id of ['41', '41', '42', '41']) met.push((await send(...request(id))).status, asked.length)
    expect(met).toEqual([200, 1, 200, 1, 200, 2, 200, 2])
    const [, body = ''] = request('41')
    expect(upstream.received.map((received) => received.body.length)).toEqual(Array(4).fill(body.length))
  })

  it.each<[string, IdExtractorInput, readonly string[], string?, string?]>([
    ['no header', CALLER, []],
    ['an empty header', CALLER, ['X-Caller:']],
    ['two headers that differ', CALLER, ['X-Caller: ann', 'X-Caller: bob']],
    ['no match', DIGITS, ['Authorization: none']],
    ['too few matches', { ...DIGITS, matchIndex: 1 }, ['Authorization: key-42']],
    ['no form and no query', { source: 'form', param: 'id', mode: 'value' }, []],
    ['an empty field', { source: 'form', param: 'id', mode: 'value' }, [FORM], 'id='],
    ['a field twice', { source: 'form', param: 'id', mode: 'value' }, [FORM], 'id=1&id=2'],
    [
      'a field that differs from the query',
      { source: 'form', param: 'id', mode: 'value' },
      [FORM],
      'id=1',
      '/stock?id=2',
    ],
    ['a form of another type', { source: 'form', param: 'id', mode: 'value' }, ['Content-Type: text/plain'], 'id=1'],
    ['no body', { source: 'body', mode: 'regex', expression: '[0-9]+' }, []],
    ['a body that is no XML', { source: 'body', mode: 'xpath', expression: '//id' }, [], '<user'],
    ['a document without the element', { source: 'body', mode: 'xpath', expression: '//id' }, [], '<user/>'],
    ['an empty element', { source: 'body', mode: 'xpath', expression: '//id' }, [], '<user><id/></user>'],
    [
      'a document type',
      { source: 'body', mode: 'xpath', expression: '//id' },
      [],
      '<!DOCTYPE u [<!ENTITY e SYSTEM "file:///etc/passwd">]><user><id>&e;</id></user>',
    ],
  ])(
    'that finds nobody in %s asks neither plugin nor upstream, and raises nothing',
    async (_, extractor, headers, body, target) => {
      const { send, asked, gateway } = await extracting(extractor)
      const events = [
        listenTo(gateway, 'authFailure'),
        listenTo(gateway, 'pluginError'),
        listenTo(gateway, 'storeError'),
      ]
      const answer = await send(headers, body, target)
      expect([answer.status, answer.body]).toEqual(UNREADABLE)
      expect(fields(answer, 'content-type')).toEqual(['application/json'])
      expect([asked, events, upstream.received]).toEqual([[], [[], [], []], []])
    },
  )

  it('takes the same value twice for one', async () => {
    const { send, asked } = await extracting(CALLER)
    expect((await send(['X-Caller: ann', 'X-Caller: ann'])).status).toBe(200)
    expect((await send()).status).toBe(200)
    expect(asked).toHaveLength(1)
  })

  it('takes nothing off a header: "Bearer x" and "x" are two', async () => {
    const { send, asked } = await extracting({ source: 'header', header: 'authorization', mode: 'value' })
    await send(['Authorization: x'])
    await send(['Authorization: Bearer x'])
    expect(asked).toEqual(['x', 'Bearer x'])
  })

  it('keeps ids apart that differ in case or in how they are composed', async () => {
    const { send, asked } = await extracting({ source: 'form', param: 'id', mode: 'value' })
    const ids = ['ann', 'Ann', 'ann%20', 'caf%C3%A9', 'cafe%CC%81']
    for (const id of [...ids, ...ids]) expect((await send([], '', `/stock?id=${id}`)).status).toBe(200)
    expect(asked).toEqual(ids.map((id) => `/stock?id=${id}`))
  })

  it('of the body answers 413 where the body is too large to look at', async () => {
    const { send, asked } = await extracting({ source: 'body', mode: 'regex', expression: '[0-9]+' }, undefined, {
      maxBufferedBytes: 4,
    })
    const answer = await send([], '12345')
    expect([answer.status, answer.body, asked]).toEqual([413, envelope('Request body too large'), []])
  })
})

describe('a session that vouches', () => {
  it('needs no metadata.token: the id names it', async () => {
    const seen: unknown[] = []
    const { send, asked } = await extracting(CALLER, undefined, {
      hooks: { postAuth: [(_request, { session }) => void seen.push(session.keyId, session.metadata.token)] },
    })
    expect(await statuses(2, send)).toEqual([200, 200])
    expect([asked, seen]).toEqual([['ann'], ['ann', undefined, 'ann', undefined]])
  })

  it('is called by its metadata.token where it has one', async () => {
    const seen: unknown[] = []
    const { send } = await extracting(
      CALLER,
      () => ({ idExtractorDeadline: inAMinute(), metadata: { token: 'u-1' } }),
      {
        hooks: { postAuth: [(_request, { session }) => void seen.push(session.keyId)] },
      },
    )
    await statuses(2, send)
    expect(seen).toEqual(['u-1', 'u-1'])
  })

  it('is the whole session the plugin made, and nothing the plugin did to the request', async () => {
    const { send, gateway } = await extracting(
      CALLER,
      (request) => {
        request.headers.set('x-by-plugin', 'yes')
        return { alias: 'Ann', tags: ['a'], idExtractorDeadline: inAMinute(), metadata: { tier: 'gold' } }
      },
      { hooks: { post: [(request, { session }) => request.headers.set('x-tier', String(session?.metadata['tier']))] } },
    )
    await statuses(2, send)
    expect(upstream.received.map(({ headers }) => [headers['x-by-plugin'], headers['x-tier']])).toEqual([
      ['yes', 'gold'],
      [undefined, 'gold'],
    ])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(2))
    const [first, second] = gateway.records.list()
    expect([second?.alias, second?.tags, second?.apiKey]).toEqual(['Ann', ['a'], first?.apiKey])
  })

  it('does so until its deadline, in seconds, and not a moment longer', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const start = Date.now()
    const { send, asked } = await extracting(CALLER, () => ({
      idExtractorDeadline: Math.floor(Date.now() / 1_000) + 10,
      metadata: {},
    }))
    const met: number[] = []
    for (const second of [0, 8, 9, 12, 13, 30]) {
      vi.setSystemTime(start + second * 1_000)
      await send()
      met.push(asked.length)
    }
    expect(met).toEqual([1, 1, 1, 2, 2, 3])
  })

  it.each<[string, SessionInput]>([
    ['without a deadline', { metadata: {} }],
    ['with a deadline of 0', { idExtractorDeadline: 0, metadata: {} }],
    ['with a deadline that has passed', { idExtractorDeadline: Math.floor(Date.now() / 1_000) - 1, metadata: {} }],
  ])('never does so %s', async (_, session) => {
    const { send, asked } = await extracting(CALLER, () => session)
    expect([await statuses(3, send), asked]).toEqual([
      [200, 200, 200],
      ['ann', 'ann', 'ann'],
    ])
  })

  it('has no deadline in milliseconds: that would be for ever', async () => {
    const { send, gateway } = await extracting(CALLER, () => ({
      idExtractorDeadline: Date.now() + 60_000,
      metadata: {},
    }))
    const errors = listenTo(gateway, 'pluginError')
    const answer = await send()
    expect([answer.status, answer.body]).toEqual([403, envelope('Key not authorised')])
    expect(errors.map(({ error }) => [error.code, error.message])).toEqual([
      ['PSTN_PLUGIN_BAD_RETURN', expect.stringMatching(/idExtractorDeadline.*seconds/)],
    ])
  })

  it.each<[string, Partial<SessionInput>, number, string]>([
    ['is inactive', { isInactive: true }, 403, 'Key is inactive, please renew'],
    ['has expired', { expires: 1 }, 401, 'Key has expired, please renew'],
    ['is for another API', { accessRights: { prices: {} } }, 403, 'Access to this API has been disallowed'],
  ])('and %s is refused as any other, without asking the plugin again', async (_, session, status, message) => {
    const { send, asked } = await extracting(CALLER, () => ({
      idExtractorDeadline: inAMinute(),
      ...session,
      metadata: {},
    }))
    const [first, second] = [await send(), await send()]
    expect([first.status, first.body, second.status, second.body]).toEqual([
      status,
      envelope(message),
      status,
      envelope(message),
    ])
    expect(asked).toEqual(['ann'])
  })

  it('has its limits counted over all requests, also when the plugin is asked anew', async () => {
    for (const idExtractorDeadline of [inAMinute(), 0]) {
      const { send } = await extracting(CALLER, () => ({
        idExtractorDeadline,
        rate: 2,
        per: 3_600,
        lastUpdated: String(performance.now()),
        metadata: {},
      }))
      expect(await statuses(4, send)).toEqual([200, 200, 429, 429])
      expect((await send(['X-Caller: bob'])).status).toBe(200)
    }
  })

  it('keeps what later hooks note on it', async () => {
    const seen: unknown[] = []
    const { send, gateway } = await extracting(CALLER, undefined, {
      hooks: {
        post: [
          (_request, { session }) => {
            seen.push(session!.metadata['visits'])
            session!.metadata['visits'] = Number(session!.metadata['visits'] ?? 0) + 1
          },
        ],
      },
    })
    for (let i = 1; i < 4; i += 1) {
      await send()
      await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(i))
    }
    expect(seen).toEqual([undefined, 1, 2])
  })

  it('is shown to the plugin when its time is over', async () => {
    const known: unknown[] = []
    const { send, gateway } = await extracting(CALLER, (_request, { session }) => {
      known.push(session?.alias, session?.metadata['tier'])
      return { alias: 'Ann', metadata: { tier: 'gold' } }
    })
    await send()
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await send()
    expect(known).toEqual([undefined, undefined, 'Ann', 'gold'])
  })

  it('opens nothing else: no API that asks for keys, by id, by stored id or by token', async () => {
    const auth: AuthPlugin = () => ({ idExtractorDeadline: inAMinute(), metadata: { token: 'u-1' } })
    const { port, gateway } = await run([
      {
        name: 'orders',
        listenPath: '/orders',
        upstream: upstream.url,
        hooks: { auth },
        authentication: { idExtractor: CALLER },
      },
      { name: 'prices', listenPath: '/prices', upstream: upstream.url, authentication: { token: true } },
    ])
    const connection = await connect(port)
    expect((await connection.request('GET', '/orders', ['X-Caller: ann'])).status).toBe(200)
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    const [{ apiKey } = { apiKey: '' }] = gateway.records.list()
    for (const key of ['ann', 'u-1', apiKey])
      expect((await connection.request('GET', '/prices', [`Authorization: ${key}`])).status, `with ${key}`).toBe(403)
    expect((await gateway.sessions.list()).keys).toEqual([])
  })
})

describe('requests for one id at the same time', () => {
  interface Together {
    readonly answers: readonly WireResponse[]
    readonly asked: readonly string[]
    readonly gateway: HttpGateway
  }

  /** Sends all at once; the plugin of the first goes on when all have arrived. */
  async function together(
    lines: readonly string[],
    auth: AuthPlugin,
    { options, extractor = CALLER }: { readonly options?: GatewayOptions; readonly extractor?: IdExtractorInput } = {},
  ): Promise<Together> {
    let arrived = 0
    const all = signalled()
    const { port, gateway, asked } = await extracting(
      extractor,
      async (request, context) => {
        await all.promise
        return auth(request, context)
      },
      {
        hooks: {
          pre: [
            () => {
              arrived += 1
              if (arrived === lines.length) setImmediate(all.signal)
            },
          ],
        },
      },
      options,
    )
    listenTo(gateway, 'pluginError')
    const connections = await Promise.all(lines.map(() => connect(port)))
    const answers = await Promise.all(
      connections.map((connection, i) => connection.request('GET', '/stock', [lines[i]!])),
    )
    return { answers, asked, gateway }
  }

  const anns = (count: number): string[] => Array.from({ length: count }, () => 'X-Caller: ann')

  it('make one plugin call, 200 of them, and all are let in', async () => {
    const { answers, asked } = await together(anns(200), () => ({ idExtractorDeadline: inAMinute(), metadata: {} }))
    expect([new Set(answers.map(({ status }) => status)), answers.length, asked.length]).toEqual([
      new Set([200]),
      200,
      1,
    ])
  })

  it('make one where the store is elsewhere', async () => {
    const { answers, asked } = await together(anns(50), () => ({ idExtractorDeadline: inAMinute(), metadata: {} }), {
      options: { store: remote() },
    })
    expect([new Set(answers.map(({ status }) => status)), asked.length]).toEqual([new Set([200]), 1])
  })

  it('make one where nothing will vouch for them afterwards', async () => {
    const { answers, asked } = await together(anns(50), () => ({ metadata: {} }))
    expect([new Set(answers.map(({ status }) => status)), asked.length]).toEqual([new Set([200]), 1])
  })

  it('make one for each id', async () => {
    const { answers, asked } = await together(
      Array.from({ length: 60 }, (_, i) => `X-Caller: c${i % 3}`),
      () => ({ idExtractorDeadline: inAMinute(), metadata: {} }),
    )
    expect([new Set(answers.map(({ status }) => status)), asked.toSorted()]).toEqual([
      new Set([200]),
      ['c0', 'c1', 'c2'],
    ])
  })

  it('make one for each credential with that id', async () => {
    const { answers, asked } = await together(
      Array.from({ length: 40 }, (_, i) => `Authorization: ${i % 2 === 0 ? 'good' : 'evil'}-42`),
      (request) =>
        request.headers.get('authorization') === 'good-42'
          ? { idExtractorDeadline: inAMinute(), metadata: {} }
          : deny(401, 'Evil'),
      { extractor: DIGITS },
    )
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 200 : 401)))
    expect(asked.toSorted()).toEqual(['evil-42', 'good-42'])
  })

  it.each<[string, AuthPlugin, number, string]>([
    ['refuses', () => deny(401, 'Not Ann'), 401, 'Not Ann'],
    [
      'breaks',
      () => {
        throw new Error('broken')
      },
      403,
      'Key not authorised',
    ],
    ['returns nothing', (() => undefined) as never, 403, 'Forbidden'],
    ['returns no session', (() => 5) as never, 403, 'Key not authorised'],
  ])('are all refused by one plugin call that %s, which nobody remembers', async (_, auth, status, message) => {
    vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    let fails = true
    const { answers, asked, gateway } = await together(anns(20), (request, context) =>
      fails ? auth(request, context) : { idExtractorDeadline: inAMinute(), metadata: {} },
    )
    expect([new Set(answers.map((answer) => `${answer.status} ${answer.body}`)), asked.length]).toEqual([
      new Set([`${status} ${envelope(message)}`]),
      1,
    ])
    fails = false
    const again = await served(gateway, 'X-Caller: ann')
    expect([again, asked.length]).toEqual([[200, UPSTREAM_BODY], 2])
    expect(seenByProcess).toEqual([])
  })

  it.each<[string, () => AuthPlugin]>([
    ['an answer', () => () => new Response('once', { status: 401 })],
    ['a stream', () => () => ({ responseCode: 401, responseBody: new Blob(['once']).stream() })],
  ])('each get %s that can be sent only once', async (_, make) => {
    const { answers } = await together(anns(5), make())
    expect(answers.map(({ status }) => status)).not.toContain(500)
    expect(new Set(answers.map(({ status }) => status)).size).toBe(1)
  })

  it('do not wait for ever for a session that looks like a stream', async () => {
    const { answers, asked } = await together(
      anns(5),
      () => ({ idExtractorDeadline: inAMinute(), metadata: { pipe: true } }),
      {
        options: { store: remote() },
      },
    )
    expect([answers.map(({ status }) => status), asked.length]).toEqual([[200, 200, 200, 200, 200], 1])
  })

  it.each<[string, (signal: AbortSignal, go: Promise<void>) => Promise<void>]>([
    ['goes on', (_signal, go) => go],
    [
      'stops with it',
      (signal, go) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
          void go.then(resolve)
        }),
    ],
  ])('are served when the first client hangs up and its plugin call %s', async (_, wait) => {
    const [asked, go] = [signalled(), signalled()]
    let arrived = 0
    const all = signalled()
    const hungUp = signalled()
    const running = await extracting(
      CALLER,
      async (_request, { signal }) => {
        asked.signal()
        signal.addEventListener('abort', () => hungUp.signal(), { once: true })
        await wait(signal, go.promise)
        return { idExtractorDeadline: inAMinute(), metadata: {} }
      },
      {
        hooks: {
          pre: [
            () => {
              arrived += 1
              if (arrived === 6) setImmediate(all.signal)
            },
          ],
        },
      },
    )
    const leader = await connect(running.port)
    leader.write('GET /stock HTTP/1.1\r\nHost: gateway.test\r\nX-Caller: ann\r\n\r\n')
    await asked.promise
    const others = await Promise.all(Array.from({ length: 5 }, () => connect(running.port)))
    const answers = others.map((connection) => connection.request('GET', '/stock', ['X-Caller: ann']))
    await all.promise
    await settled()
    leader.hangUp()
    await hungUp.promise
    go.signal()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    // One that was broken off is made once more for all who are left.
    expect(running.asked.length).toBeLessThanOrEqual(2)
    expect(seenByProcess).toEqual([])
  })
})

/** A store that answers later, as one over a network does. */
function remote(memory: Store = memoryStore()): Store {
  const later = async <T>(value: () => T): Promise<Awaited<T>> => {
    await new Promise((resolve) => setImmediate(resolve))
    return await value()
  }
  return {
    ...memory,
    local: false,
    load: (...args) => later(() => memory.load(...args)),
    take: (...args) => later(() => memory.take(...args)),
    save: (...args) => later(() => memory.save(...args)),
    remove: (...args) => later(() => memory.remove(...args)),
  }
}

async function served(gateway: HttpGateway, line: string): Promise<readonly [number, string]> {
  const { createServer } = await import('node:http')
  const server = createServer(gateway).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { readonly port: number }
  const { status, body } = await (await connect(port)).request('GET', '/stock', [line])
  return [status, body]
}

describe('another credential with the same id', () => {
  const good: AuthPlugin = (request) =>
    request.headers.get('authorization') === 'good-42'
      ? { alias: 'Good', idExtractorDeadline: inAMinute(), metadata: {} }
      : deny(401, 'Evil')

  it('meets the plugin, and takes nothing from the one that was accepted', async () => {
    const { send, asked } = await extracting(DIGITS, good)
    const met: unknown[] = []
    for (const credential of ['good-42', 'evil-42', 'good-42', 'evil-42'])
      met.push((await send([`Authorization: ${credential}`])).status)
    expect([met, asked]).toEqual([
      [200, 401, 200, 401],
      ['good-42', 'evil-42', 'evil-42'],
    ])
  })

  it('that is accepted has its own session', async () => {
    const seen: unknown[] = []
    const { send } = await extracting(
      DIGITS,
      (request) => ({ alias: request.headers.get('authorization')!, idExtractorDeadline: inAMinute(), metadata: {} }),
      { hooks: { post: [(_request, { session }) => void seen.push(session?.alias)] } },
    )
    for (const credential of ['a-42', 'b-42', 'b-42', 'a-42']) await send([`Authorization: ${credential}`])
    expect(seen).toEqual(['a-42', 'b-42', 'b-42', 'a-42'])
  })

  it('is the same caller where the id alone is the proof', async () => {
    const { send, asked } = await extracting({ ...DIGITS, proof: 'id' }, good)
    const met: unknown[] = []
    for (const credential of ['evil-42', 'good-42', 'evil-42'])
      met.push((await send([`Authorization: ${credential}`])).status)
    expect([met, asked]).toEqual([
      [401, 200, 200],
      ['evil-42', 'good-42'],
    ])
  })

  it('in the body or in a form meets it too', async () => {
    const body = await extracting({ source: 'body', mode: 'regex', expression: '[0-9]+' })
    for (const text of ['good 42', 'evil 42', 'evil 42']) expect((await body.send([], text)).status).toBe(200)
    expect(body.asked).toHaveLength(2)
    const form = await extracting({ source: 'form', param: 'id', mode: 'regex', expression: '[0-9]+' })
    for (const id of ['good-42', 'evil-42', 'evil-42'])
      expect((await form.send([FORM], `id=${id}&x=${form.asked.length}`)).status).toBe(200)
    expect(form.asked).toHaveLength(2)
  })
})

describe('the same id', () => {
  const auth: AuthPlugin = (_request, { api }) => ({ alias: api.id, idExtractorDeadline: inAMinute(), metadata: {} })

  it('in two APIs is two callers', async () => {
    const asked: string[] = []
    const ask: AuthPlugin = (request, context) => {
      asked.push(context.api.id)
      return auth(request, context)
    }
    const { port, gateway } = await run(
      ['orders', 'prices'].map((name) => ({
        name,
        listenPath: `/${name}`,
        upstream: upstream.url,
        hooks: { auth: ask },
        authentication: { idExtractor: CALLER },
      })),
    )
    const connection = await connect(port)
    for (const path of ['/orders', '/prices', '/orders', '/prices'])
      expect((await connection.request('GET', path, ['X-Caller: ann'])).status).toBe(200)
    expect(asked).toEqual(['orders', 'prices'])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(4))
    expect(gateway.records.list().map(({ alias }) => alias)).toEqual(['orders', 'prices', 'orders', 'prices'])
    expect(new Set(gateway.records.list().map(({ apiKey }) => apiKey)).size).toBe(2)
  })

  it('in another gateway with the same store is vouched for, unless another plugin decides there', async () => {
    const store = memoryStore()
    const first = await extracting(CALLER, undefined, {}, { store })
    const second = await extracting(CALLER, undefined, {}, { store })
    expect([(await first.send()).status, (await second.send()).status, second.asked]).toEqual([200, 200, []])
    let asked = 0
    const plugin: AuthPlugin = () => {
      asked += 1
      return deny(401, 'Not any more')
    }
    const { port } = await run(
      {
        name: 'orders',
        upstream: upstream.url,
        hooks: { auth: { plugin, name: 'checkV2' } },
        authentication: { idExtractor: CALLER },
      },
      { store },
    )
    expect([(await (await connect(port)).request('GET', '/stock', ['X-Caller: ann'])).status, asked]).toEqual([401, 1])
  })
})

describe('forget', () => {
  it('makes the next request meet the plugin', async () => {
    const { send, asked, gateway } = await extracting(CALLER)
    await send()
    expect([await gateway.sessions.forget('orders', 'bob'), await gateway.sessions.forget('prices', 'ann')]).toEqual([
      false,
      false,
    ])
    await send()
    expect(asked).toHaveLength(1)
    expect([await gateway.sessions.forget('orders', 'ann'), await gateway.sessions.forget('orders', 'ann')]).toEqual([
      true,
      false,
    ])
    await send()
    await send()
    expect(asked).toHaveLength(2)
  })

  it.each([
    ['', false],
    [' that noted something', true],
  ])('is not undone by a request that was under way%s', async (_, notes) => {
    const [arrived, go] = [signalled(), signalled()]
    const { send, asked, gateway } = await extracting(CALLER, undefined, {
      hooks: {
        post: [
          async (_request, { session }) => {
            if (notes) session!.metadata['visits'] = 1
            arrived.signal()
            await go.promise
          },
        ],
      },
    })
    const running = send()
    await arrived.promise
    expect(await gateway.sessions.forget('orders', 'ann')).toBe(true)
    go.signal()
    expect((await running).status).toBe(200)
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    await send()
    expect(asked).toEqual(['ann', 'ann'])
  })
})

describe('an id extractor beside keys', () => {
  it('lets in whom both know', async () => {
    const { send, asked, gateway } = await extracting(CALLER, undefined, { authentication: { token: true } })
    const { key } = await gateway.sessions.create()
    const met: number[] = []
    for (const headers of [
      ['X-Caller: ann'],
      ['X-Caller: ann', `Authorization: ${key}`],
      [`Authorization: ${key}`],
      ['X-Caller: ann', 'Authorization: nobody'],
    ])
      met.push((await send(headers)).status)
    expect([met, asked]).toEqual([[401, 200, 400, 403], ['ann']])
  })
})

describe('a store that fails', () => {
  it('to keep what was granted lets the caller in, and tells', async () => {
    const memory = memoryStore()
    const store: Store = {
      ...memory,
      save: () => {
        throw new Error('the disk is full')
      },
    }
    const { send, gateway, asked } = await extracting(CALLER, undefined, {}, { store })
    const errors = listenTo(gateway, 'storeError')
    expect(await statuses(2, send)).toEqual([200, 200])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(2))
    expect([asked.length, new Set(errors.map(({ feature, outcome }) => `${feature} ${outcome}`))]).toEqual([
      2,
      new Set(['sessions notSaved']),
    ])
  })
})

describe('a definition', () => {
  const value = { mode: 'value' } as const

  it.each<[string, unknown, string]>([
    ['the value of a whole body', { source: 'body', ...value }, 'idExtractor.mode: found "value" for a whole body'],
    ['an unknown source', { source: 'querystring', ...value }, 'idExtractor.source: found "querystring"'],
    ['an unknown mode', { source: 'header', header: 'a', mode: 'jsonpath' }, 'idExtractor.mode: found "jsonpath"'],
    ['no source', value, 'idExtractor.source: '],
    ['no mode', { source: 'header', header: 'a' }, 'idExtractor.mode: '],
    ['a header without its name', { source: 'header', ...value }, 'idExtractor.header: '],
    [
      'a header that cannot be',
      { source: 'header', header: 'x caller', ...value },
      'idExtractor.header: found "x caller"',
    ],
    ['a form without its field', { source: 'form', ...value }, 'idExtractor.param: '],
    ['no expression', { ...DIGITS, expression: undefined }, 'idExtractor.expression: '],
    ['an expression that is none', { ...DIGITS, expression: '([0-9]' }, 'idExtractor.expression: '],
    ['an expression with a lookahead', { ...DIGITS, expression: '(?=a)b' }, 'idExtractor.expression: '],
    ['an expression that repeats what repeats', { ...DIGITS, expression: '^(a+)+$' }, 'idExtractor.expression: '],
    [
      'an expression that matches nothing at all',
      { ...DIGITS, expression: '[0-9]*' },
      'which matches the empty string',
    ],
    ['an expression that matches the empty string', { ...DIGITS, expression: '^|x' }, 'which matches the empty string'],
    ['an XPath that is none', { source: 'body', mode: 'xpath', expression: '//[' }, 'idExtractor.expression: '],
    [
      'an XPath that finds something everywhere',
      { source: 'body', mode: 'xpath', expression: '"x"' },
      'idExtractor.expression: ',
    ],
    ['a negative index', { ...DIGITS, matchIndex: -1 }, 'idExtractor.matchIndex: found -1'],
    ['a fractional index', { ...DIGITS, matchIndex: 0.5 }, 'idExtractor.matchIndex: found 0.5'],
    ['an index beyond reason', { ...DIGITS, matchIndex: 100 }, 'idExtractor.matchIndex: found 100'],
    ['an unknown proof', { ...CALLER, proof: 'header' }, 'idExtractor.proof: found "header"'],
    ['an unknown key', { ...CALLER, headerName: 'a' }, 'headerName'],
    ['a key of another source', { ...CALLER, param: 'a' }, 'idExtractor.param: does not belong here'],
    ['a key of another mode', { ...CALLER, expression: 'a' }, 'idExtractor.expression: does not belong here'],
    ['text', 'x-caller', 'idExtractor: '],
  ])('with %s is refused', async (_, idExtractor, message) => {
    const definition = {
      name: 'orders',
      hooks: { auth: () => ({ metadata: {} }) },
      authentication: { idExtractor: idExtractor as IdExtractorInput },
    }
    await expect(run(definition)).rejects.toMatchObject({ code: 'PSTN_DEFINITION_INVALID' })
    await expect(run(definition)).rejects.toThrow(message)
  })

  it('with an extractor and no auth plugin is refused', async () => {
    await expect(run({ name: 'orders', authentication: { token: true, idExtractor: CALLER } })).rejects.toThrow(
      'authentication.idExtractor: vouches for what the auth plugin has decided; this API has no hooks.auth',
    )
  })
})
