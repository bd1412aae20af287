import { connect } from 'node:net'
import { type ApiDefinitionInput, deny, respond, type ResponsePlugin } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts, type Mount, type Mounted } from '../support/hosts.ts'
import { rawExchange } from '../support/raw-client.ts'
import { deafPort, listen } from '../support/server.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const ENVELOPE = (message: string): string => `{\n    "error": ${JSON.stringify(message)}\n}`

type Definition = Omit<ApiDefinitionInput, 'name'>

/** A gateway whose response plugins see all answers; failures are expected. */
async function seeing(
  mount: Mount,
  response: readonly ResponsePlugin[],
  definition: Definition = {},
): Promise<Mounted> {
  const mounted = await mount({
    name: 'a',
    responseScope: 'all',
    ...definition,
    hooks: { ...definition.hooks, response },
  })
  for (const event of ['pluginError', 'upstreamError', 'authFailure'] as const)
    mounted.gateway.on(event, () => undefined)
  return mounted
}

const fails = (): never => {
  throw new Error('broken')
}

const untilCancelled = (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<undefined> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)))

const SLOW = { headersTimeoutMs: 30 }

describe.each(hosts)('%s', (_, mount) => {
  const ENDS: readonly (readonly [
    what: string,
    status: number,
    code: string | undefined,
    make: () => Promise<Definition> | Definition,
  ])[] = [
    ['a decision', 418, undefined, () => ({ hooks: { pre: [() => respond(418, 'tea')] } })],
    ['a refusal', 401, undefined, () => ({ hooks: { pre: [() => deny(401, 'no')] } })],
    ['a plugin that breaks', 500, 'PSTN_PLUGIN_THREW', () => ({ hooks: { pre: [fails] } })],
    ['authentication that breaks', 403, 'PSTN_AUTH_FAILED', () => ({ hooks: { auth: fails } })],
    ['a key that is missing', 401, 'PSTN_CREDENTIAL_MISSING', () => ({ authentication: { token: true } })],
    ['a body that is too large', 413, 'PSTN_BODY_TOO_LARGE', () => ({ maxBodyBytes: 1 })],
    ['a limit', 429, 'PSTN_API_RATE_LIMITED', () => ({ limits: { rate: 0.000_01, per: 1 } })],
    [
      'an upstream that is not there',
      502,
      'PSTN_UPSTREAM_UNREACHABLE',
      async () => ({ upstream: `http://127.0.0.1:${await deafPort()}` }),
    ],
    [
      'an upstream that is too slow',
      504,
      'PSTN_UPSTREAM_TIMEOUT',
      async () => ({ upstream: { url: (await listen(() => undefined)).url, ...SLOW } }),
    ],
  ]

  it.each(ENDS)('shows response plugins the answer to %s where they see all', async (__, status, code, make) => {
    const seen: unknown[] = []
    const definition = await make()
    const { url, gateway } = await seeing(
      mount,
      [
        (response, context) => {
          seen.push(response.status, context.origin, context.code, context.session, context.request.path)
          response.headers.set('x-seen', '1')
        },
      ],
      { upstream: (await startUpstream()).url, ...definition },
    )
    const ask = () => send(url, '/x', { method: 'POST', body: 'hello' })
    let reply = await ask()
    if (code === 'PSTN_API_RATE_LIMITED') {
      seen.length = 0
      reply = await ask()
    }
    expect([reply.status, reply.headers['x-seen'], seen]).toEqual([
      status,
      '1',
      [status, 'gateway', code, undefined, '/x'],
    ])
    await expect.poll(() => gateway.records.list().at(-1)?.code).toBe(code ?? '')
  })

  it.each(ENDS)('keeps the answer to %s from them otherwise', async (__, status, code, make) => {
    const { url } = await seeing(mount, [(response) => response.headers.set('x-seen', String(response.status))], {
      upstream: (await startUpstream()).url,
      ...(await make()),
      responseScope: 'upstream',
    })
    const ask = () => send(url, '/x', { method: 'POST', body: 'hello' })
    let reply = await ask()
    if (code === 'PSTN_API_RATE_LIMITED') reply = await ask()
    expect([reply.status, reply.headers['x-seen']]).toEqual([status, undefined])
  })

  it.each(ENDS)('answers 500 once when a plugin breaks on the answer to %s', async (__, ___, code, make) => {
    let called = 0
    const { url, gateway } = await seeing(
      mount,
      [{ broken: () => ((called += 1), fails()) }.broken, (response) => response.headers.set('x-later', '1')],
      { upstream: (await startUpstream()).url, ...(await make()) },
    )
    const codes: string[] = []
    gateway.on('pluginError', ({ plugin, error }) => plugin === 'broken' && codes.push(error.code))
    const ask = () => send(url, '/x', { method: 'POST', body: 'hello' })
    let reply = await ask()
    if (code === 'PSTN_API_RATE_LIMITED') {
      called = 0
      codes.length = 0
      reply = await ask()
    }
    expect([reply.status, reply.text, reply.headers['x-later'], called, codes]).toEqual([
      500,
      ENVELOPE('Middleware error'),
      undefined,
      1,
      ['PSTN_PLUGIN_THREW'],
    ])
  })

  it('lets them read, change and replace answers of the gateway', async () => {
    const { url, port } = await seeing(
      mount,
      [
        async (response, { request }) => {
          if (request.path === '/replace') return respond(200, 'instead')
          if (request.path === '/stream') return response.transform(new TransformStream())
          const { error } = await response.json<{ error: string }>()
          response.setBody({ type: 'about:blank', title: error, status: response.status })
          response.headers.set('content-type', 'application/problem+json')
          return undefined
        },
      ],
      { hooks: { pre: [() => deny(401, 'Unknown key')] }, limits: { rate: 5, per: 60 } },
    )
    const [changed, replaced, streamed] = [
      await send(url, '/change'),
      await send(url, '/replace'),
      await send(url, '/stream'),
    ]
    expect([changed.status, changed.headers['content-type'], JSON.parse(changed.text)]).toEqual([
      401,
      'application/problem+json',
      { type: 'about:blank', title: 'Unknown key', status: 401 },
    ])
    expect([replaced.status, replaced.text]).toEqual([200, 'instead'])
    expect([streamed.status, streamed.text]).toEqual([401, ENVELOPE('Unknown key')])
    const head = await rawExchange(port, 'HEAD /change HTTP/1.1\r\nHost: a\r\n\r\n', 'HEAD')
    expect(head.lines.find(([name]) => name.toLowerCase() === 'content-length')?.[1]).toBe(
      String(Buffer.byteLength(changed.text)),
    )
  })

  it('shows them the limits of the caller, and the body of the request nobody has read', async () => {
    const seen: unknown[] = []
    const { url } = await seeing(
      mount,
      [
        async (response, { request }) =>
          void seen.push(response.headers.get('x-ratelimit-remaining'), await request.text()),
      ],
      { limits: { rate: 1, per: 60 }, upstream: (await startUpstream()).url },
    )
    await send(url, '/', { method: 'POST', body: 'first' })
    const reply = await send(url, '/', { method: 'POST', body: 'second' })
    expect([reply.status, seen]).toEqual([429, ['0', 'first', '0', 'second']])
  })

  it('says of an answer from behind that it is not the gateway’s', async () => {
    const seen: unknown[] = []
    const look: ResponsePlugin = (__, context) => void seen.push(context.origin, context.code)
    const upstream = await startUpstream((res) => res.writeHead(429).end())
    const { url } = await seeing(mount, [look], { upstream: upstream.url })
    const host = await mount({ name: 'a', responseScope: 'all', hooks: { response: [look] } }, { route: () => ({}) })
    await send(url)
    await send(host.url)
    expect(seen).toEqual(['upstream', undefined, 'upstream', undefined])
  })

  it('shows them neither what is no request, nor what nobody waits for any more', async () => {
    const seen: number[] = []
    const { port, gateway } = await seeing(mount, [({ status }) => void seen.push(status)], {
      upstream: (await listen(() => undefined)).url,
      requestTimeoutMs: 20,
    })
    const bad = await rawExchange(
      port,
      'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const late = await rawExchange(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const gone = connect(port, '127.0.0.1', () => gone.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n', () => gone.destroy()))
    await expect.poll(() => gateway.records.list().map(({ responseCode }) => responseCode)).toContain(499)
    expect([bad.status, late.status, seen]).toEqual([400, 504, []])
  })
})

describe.each(hosts)('%s, whose response plugin takes too long', (_, mount) => {
  it.each<[string, ResponsePlugin]>([
    ['lets the answer pass', untilCancelled],
    ['answers itself', (...args) => untilCancelled(...args).then(() => respond(200, 'late'))],
  ])('answers 504 whatever becomes of it: %s', async (__, plugin) => {
    const upstream = await startUpstream((res) => res.end('hello'))
    const { url, gateway } = await mount({
      name: 'a',
      upstream: upstream.url,
      requestTimeoutMs: 20,
      hooks: { response: [plugin] },
    })
    const reply = await send(url)
    expect([reply.status, reply.text]).toEqual([504, ENVELOPE('Gateway Timeout')])
    await expect.poll(() => gateway.records.list().map(({ code }) => code)).toEqual(['PSTN_REQUEST_TIMEOUT'])
  })
})

describe.each(hosts.slice(0, 1))('%s with nothing behind it', (_, mount) => {
  it('shows response plugins its 404 where they see all', async () => {
    const { url } = await seeing(mount, [(response, { code }) => response.headers.set('x-code', code ?? '')])
    const reply = await send(url)
    expect([reply.status, reply.headers['x-code']]).toEqual([404, 'PSTN_NOT_FOUND'])
  })
})
