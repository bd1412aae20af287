import { isGatewayError, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { pluginFolder } from '../../support/plugin-folder.ts'
import { classic, dialects, oas, type TykApi } from '../../support/tyk-documents.ts'
import { warningsDuring } from '../../support/warnings.ts'
import {
  connect,
  envelope,
  fields,
  run,
  type Running,
  type Upstream,
  upstreamOfTest,
  type WireResponse,
} from '../harness.ts'

/* Plugins of single endpoints, and those of the whole API beside them. */

/** Marks the request it meets with its name. */
const MARKS = `
const mark = (name) => (request) => request.headers.append('x-met', name)
export const first = mark('first')
export const second = mark('second')
export const third = mark('third')
export const everywhere = mark('everywhere')
export const clock = () => ({ responseCode: 200, responseBody: { now: 12 } })
export const params = (request, context) => ({ responseCode: 200, responseBody: context.params })
`

const FILE = 'plugins/marks.so'
const mark = (name: string, off = false) => ({ name, path: FILE, off })

interface Served extends Running {
  readonly upstream: Upstream
  /** The status, and what the upstream saw of plugins; what it was answered where it did not see it. */
  readonly ask: (method: string, target: string) => Promise<readonly unknown[]>
}

async function serve(write: (api: TykApi) => object, api: TykApi): Promise<Served> {
  const upstream = await upstreamOfTest()
  const running = await run(write({ listenPath: '/orders/', upstream: upstream.url, ...api }) as never, {
    pluginsDirectory: pluginFolder({ 'plugins/marks.mjs': MARKS }),
  })
  await running.gateway.ready()
  const connection = await connect(running.port)
  const ask = async (method: string, target: string): Promise<readonly unknown[]> => {
    upstream.received.length = 0
    const response = await connection.request(method, target)
    const [seen] = upstream.received
    return [response.status, seen === undefined ? response.body : (seen.headers['x-met'] ?? '')]
  }
  return { ...running, upstream, ask }
}

describe.each(dialects)('endpoints of a %s document', (_, write) => {
  it('run their own plugin of one file, and none where it is switched off', async () => {
    const { ask } = await serve(write, {
      endpoints: {
        'GET /one': [mark('first')],
        'GET /two': [mark('second')],
        'GET /clock': [mark('clock')],
        'GET /off': [mark('clock', true)],
      },
    })
    expect(await ask('GET', '/orders/one')).toEqual([200, 'first'])
    expect(await ask('GET', '/orders/two')).toEqual([200, 'second'])
    expect(await ask('GET', '/orders/clock')).toEqual([200, '{"now":12}'])
    expect(await ask('GET', '/orders/off')).toEqual([200, ''])
    expect(await ask('POST', '/orders/one')).toEqual([200, ''])
  })

  it('run after the pre plugins of the API and before its post plugins', async () => {
    const { ask } = await serve(write, {
      pre: [mark('everywhere')],
      post: [mark('third')],
      endpoints: { 'GET /one': [mark('first')] },
    })
    expect(await ask('GET', '/orders/one')).toEqual([200, 'everywhere, first, third'])
    expect(await ask('GET', '/orders/other')).toEqual([200, 'everywhere, third'])
  })

  // The real gateway runs the first of them only; all of them is what its documentation says, and what we follow.
  it('run all their plugins, in order, but for those that are switched off', async () => {
    const { ask } = await serve(write, {
      endpoints: { 'GET /one': [mark('second'), mark('third', true), mark('first'), mark('second')] },
    })
    expect(await ask('GET', '/orders/one')).toEqual([200, 'second, first, second'])
  })

  it('end a request at the first plugin that answers', async () => {
    const { ask } = await serve(write, {
      post: [mark('everywhere')],
      endpoints: { 'GET /one': [mark('first'), mark('clock'), mark('second')] },
    })
    expect(await ask('GET', '/orders/one')).toEqual([200, '{"now":12}'])
  })

  // `{name}` is any one segment, as in the real gateway; its documentation says it were any text.
  it('take a parameter for one segment, and give it to the plugin', async () => {
    const { ask } = await serve(write, { endpoints: { 'GET /stock/{sku}/sizes/{size:[0-9]+}': [mark('params')] } })
    expect(await ask('GET', '/orders/stock/a%20b/sizes/xl')).toEqual([200, '{"sku":"a b","size":"xl"}'])
    expect(await ask('GET', '/orders/stock/a/b/sizes/7')).toEqual([200, ''])
    expect(await ask('GET', '/orders/stock//sizes/7')).toEqual([200, ''])
  })

  it('are those below the listen path, whose own text is not taken off twice', async () => {
    // The real gateway does, so that /orders/orders/one would meet it.
    const { ask } = await serve(write, { endpoints: { 'GET /one': [mark('first')] } })
    expect(await ask('GET', '/orders/one')).toEqual([200, 'first'])
    expect(await ask('GET', '/orders/orders/one')).toEqual([200, ''])
  })

  it('are those below the listen path also where the upstream gets all of it', async () => {
    const { ask, upstream } = await serve(write, { keepListenPath: true, endpoints: { 'GET /one': [mark('first')] } })
    expect([await ask('GET', '/orders/one'), upstream.received.map(({ url }) => url)]).toEqual([
      [200, 'first'],
      ['/orders/one'],
    ])
  })

  it('are met by HEAD where they are by GET, so that asking for less avoids no plugin', async () => {
    const { ask } = await serve(write, { endpoints: { 'GET /one': [mark('first')] } })
    expect(await ask('HEAD', '/orders/one')).toEqual([200, 'first'])
  })
})

describe.each(dialects)('a %s document whose plugin cannot be loaded', (_, write) => {
  const NOT_FOUND = 'PSTN_PLUGIN_NOT_FOUND'

  interface Unloaded {
    readonly code: string | undefined
    readonly answers: readonly WireResponse[]
  }

  async function load(api: TykApi, targets: readonly string[]): Promise<Unloaded> {
    const upstream = await upstreamOfTest()
    const document = write({ listenPath: '/orders/', upstream: upstream.url, ...api })
    const whole = { name: 'whole', listenPath: '/whole/', hooks: { pre: [() => respond(200, 'still here')] } }
    let code: string | undefined
    const answers: WireResponse[] = []
    await warningsDuring(async () => {
      const { gateway, port } = await run([document, whole], { pluginsDirectory: pluginFolder({ 'marks.mjs': MARKS }) })
      await gateway.ready().catch((error: unknown) => {
        code = isGatewayError(error) ? error.code : String(error)
      })
      const connection = await connect(port)
      for (const target of targets) answers.push(await connection.request('GET', target))
    })
    expect(upstream.received).toEqual([])
    return { code, answers }
  }

  const CASES: readonly (readonly [what: string, api: TykApi])[] = [
    ['an auth plugin without a file', { auth: { name: 'check', path: 'auth.so' } }],
    ['a pre plugin that its file does not have', { pre: [{ name: 'nobody', path: 'marks.so' }] }],
    ['an endpoint plugin without a file', { endpoints: { 'GET /mine': [{ name: 'nobody', path: 'no-such.so' }] } }],
    ['a response plugin without a file', { response: [{ name: 'nobody', path: 'no-such.so' }] }],
    ['an analytics plugin without a file', { analytics: { name: 'nobody', path: 'no-such.so' } }],
  ]

  // In the real gateway only requests that come to the plugin fail, with 500; plugins of some hooks are left out.
  it.each(CASES)('because of %s answers 503 on every path, and ready() rejects', async (__, api) => {
    const { code, answers } = await load(api, ['/orders/mine', '/orders/get', '/orders/'])
    expect(code).toBe(NOT_FOUND)
    expect(answers).toHaveLength(3)
    for (const { status, body } of answers) expect([status, body]).toEqual([503, envelope('Service Unavailable')])
  })

  it('leaves the other APIs alone', async () => {
    const { answers } = await load(CASES[0]![1], ['/whole/'])
    expect(answers.map(({ status, body }) => [status, body])).toEqual([[200, 'still here']])
  })

  it('is refused at once where there is no directory, with the place in the document', async () => {
    const api: TykApi = { endpoints: { 'GET /mine': [{ name: 'nobody', path: 'no-such.so' }] } }
    await expect(run(write({ upstream: 'http://127.0.0.1:9', ...api }))).rejects.toThrow(
      /(?:operations\.operation0\.postPlugins|go_plugin)\[0\].*found "no-such.so", but no directory for plugins/,
    )
  })
})

describe('two entries of a Classic document for one endpoint', () => {
  it('are one endpoint with the plugins of both, which a warning says', async () => {
    const warnings = await warningsDuring(async () => {
      const { ask } = await serve(classic, {
        endpoints: {
          'GET /stock/{sku}': [mark('first')],
          'GET /two': [mark('third')],
          'GET /stock/{id}': [mark('second')],
        },
      })
      expect(await ask('GET', '/orders/stock/7')).toEqual([200, 'first, second'])
    }, 'is one endpoint with it')
    expect(warnings).toHaveLength(1)
  })
})

describe('a Tyk OAS document', () => {
  it('is refused with plugins of an operation that no path has: they would never run', async () => {
    const document = oas({ endpoints: { 'GET /one': [{ name: 'first' }] } })
    await expect(run({ ...document, paths: {} }, { plugins: { first: () => undefined } })).rejects.toThrow(
      /operations\.operation0: names an operation that no path of the document has/,
    )
  })

  it('needs no upstream where its plugins answer', async () => {
    const { port } = await run(oas({ endpoints: { 'GET /clock': [{ name: 'clock' }] } }), {
      plugins: { clock: () => respond(200, { now: 12 }) },
    })
    const response = await (await connect(port)).request('GET', '/clock')
    expect([response.status, response.body, fields(response, 'content-type')]).toEqual([
      200,
      '{"now":12}',
      ['application/json'],
    ])
  })
})
