import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DefinitionInput, GatewayOptions } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { pluginFolder } from '../../support/plugin-folder.ts'
import { dialects, type TykApi, type TykPlugin } from '../../support/tyk-documents.ts'
import { warningsDuring } from '../../support/warnings.ts'
import {
  connect,
  envelope,
  fields,
  listenTo,
  run,
  type Upstream,
  upstreamOfTest,
  type WireResponse,
} from '../harness.ts'

/* The four request hooks of one document, as the real gateway's TestGoPluginMWs has them. */

const GATE = `
const meet = (request, name) => request.headers.append('x-met', name)
export function noteTarget(request) {
  meet(request, 'pre')
  request.headers.set('x-first-target', request.originalUrl)
}
export function checkCaller(request) {
  meet(request, 'auth')
  const key = request.headers.get('authorization')
  if (key === 'ann')
    return { alias: 'session of ann', metadata: { token: key, plan: 'gold' } }
  return { responseCode: 403, responseBody: 'nobody we know', responseHeaders: { 'x-checked': 'no' }, overrideError: true }
}
export function noteAlias(request, { session }) {
  meet(request, 'postAuth')
  request.headers.set('x-alias', session.alias)
}
export function noteConfig(request, { config, session }) {
  meet(request, 'post')
  request.headers.set('x-region', String(config.region))
  request.headers.set('x-plan', String(session?.metadata.plan))
}
`

const CONFIG = { region: 'north' }

/** As documents of the real gateway name a file, and by name alone: then the host hands the module in. */
const PLACES = [
  ['of a file', 'opt/plugins/gate.so'],
  ['handed in', undefined],
] as const

interface Asking {
  readonly upstream: Upstream
  readonly events: readonly unknown[]
  readonly ask: (key?: string) => Promise<WireResponse>
}

async function asking(write: (upstream: string) => DefinitionInput, options: GatewayOptions): Promise<Asking> {
  const upstream = await upstreamOfTest()
  const { gateway, port } = await run(write(upstream.url), options)
  await gateway.ready()
  const events = listenTo(gateway, 'authFailure')
  const connection = await connect(port)
  const ask = (key?: string): Promise<WireResponse> =>
    connection.request('GET', '/orders/7?full=1', key === undefined ? [] : [`Authorization: ${key}`])
  return { upstream, events, ask }
}

describe.each(dialects)('a document of %s', (_, write) => {
  describe.each(PLACES)('with plugins %s', (__, place) => {
    const plugin = (name: string, off = false): TykPlugin =>
      place === undefined ? { name, off } : { name, path: place, off }

    const full = (off: boolean): TykApi => ({
      listenPath: '/orders/',
      pre: [plugin('noteTarget', off)],
      postAuth: [plugin('noteAlias', off)],
      post: [plugin('noteConfig', off)],
      config: CONFIG,
    })

    const options = async (): Promise<GatewayOptions> => {
      const pluginsDirectory = pluginFolder({ 'opt/plugins/gate.mjs': GATE })
      if (place !== undefined) return { pluginsDirectory }
      const { href } = pathToFileURL(path.join(pluginsDirectory, 'opt/plugins/gate.mjs'))
      return { plugins: (await import(href)) as Record<string, unknown> }
    }

    it('runs pre, auth, postAuth and post, in this order', async () => {
      const { upstream, ask } = await asking(
        (url) => write({ ...full(false), auth: plugin('checkCaller'), upstream: url }),
        await options(),
      )
      expect((await ask('ann')).status).toBe(200)
      expect(upstream.received).toHaveLength(1)
      const { url, headers } = upstream.received[0]!
      expect([url, headers]).toMatchObject([
        '/7?full=1',
        {
          'x-met': 'pre, auth, postAuth, post',
          'x-first-target': '/orders/7?full=1',
          'x-alias': 'session of ann',
          'x-plan': 'gold',
          'x-region': 'north',
        },
      ])
    })

    it('keeps what the auth plugin answers: body and header as they are, nobody further is met', async () => {
      const { upstream, ask, events } = await asking(
        (url) => write({ ...full(false), auth: plugin('checkCaller'), upstream: url }),
        await options(),
      )
      const response = await ask('bob')
      expect([response.status, response.body, fields(response, 'x-checked')]).toEqual([403, 'nobody we know', ['no']])
      // The real gateway raises its event for a 403 a plugin has written; here that is what deny() is for.
      expect([upstream.received, events]).toEqual([[], []])
    })

    it('leaves out what is switched off', async () => {
      const { upstream, ask } = await asking((url) => write({ ...full(true), upstream: url }), await options())
      expect((await ask('ann')).status).toBe(200)
      const { headers } = upstream.received[0]!
      expect(headers).toMatchObject({ authorization: 'ann' })
      expect(Object.keys(headers).filter((name) => name.startsWith('x-') && !name.startsWith('x-forwarded'))).toEqual(
        [],
      )
    })

    it('asks for a standard key where the auth plugin is switched off', async () => {
      const upstream = await upstreamOfTest()
      const { gateway, port } = await run(
        write({ ...full(true), auth: plugin('checkCaller', true), upstream: upstream.url }),
        await options(),
      )
      await gateway.ready()
      await gateway.sessions.create({ alias: 'bob' }, { key: 'bobs-key' })
      const connection = await connect(port)
      const ask = async (...headers: string[]): Promise<readonly unknown[]> => {
        const { status, body } = await connection.request('GET', '/orders/7', headers)
        return status === 200 ? [status] : [status, body]
      }
      expect([await ask(), await ask('Authorization: ann'), await ask('Authorization: bobs-key')]).toEqual([
        [401, envelope('Authorization field missing')],
        [403, envelope('Access to this API has been disallowed')],
        [200],
      ])
    })
  })
})

describe('a Classic document', () => {
  it.each(['custom_plugin_auth_enabled', 'use_go_plugin_auth', 'enable_coprocess_auth'])(
    'asks its auth plugin when %s is true',
    async (flag) => {
      const { upstream, ask } = await asking(
        (url) => ({
          name: 'orders',
          proxy: { listen_path: '/orders/', target_url: url, strip_listen_path: true },
          [flag]: true,
          custom_middleware: { driver: 'goplugin', auth_check: { name: 'check' } },
        }),
        { plugins: { check: () => ({ metadata: { token: 'ann' } }) } },
      )
      expect([(await ask()).status, upstream.received.map(({ url }) => url)]).toEqual([200, ['/7?full=1']])
    },
  )

  it.each(['goplugin', 'otto', 'javascript', 'python', 'lua', 'grpc', ''])(
    'runs the functions it names whatever the driver: "%s"',
    async (driver) => {
      // The real gateway leaves plugins of some drivers out where those are not enabled; here they always run.
      const { ask } = await asking(
        (url) => ({
          name: 'orders',
          use_keyless: true,
          proxy: { listen_path: '/orders/', target_url: url },
          custom_middleware: { driver, pre: [{ name: 'answer', path: 'middleware/answer.js' }] },
        }),
        { plugins: { answer: () => ({ responseCode: 200, responseBody: 'from the plugin' }) } },
      )
      expect((await ask()).body).toBe('from the plugin')
    },
  )
})

describe.each(dialects)('a keyless document of %s', (_, write) => {
  it('never runs postAuth, and says so', async () => {
    const said = await warningsDuring(async () => {
      const { upstream, ask } = await asking(
        (url) => write({ listenPath: '/orders/', upstream: url, postAuth: [{ name: 'refuse' }] }),
        { plugins: { refuse: () => ({ responseCode: 500 }) } },
      )
      expect([(await ask()).status, upstream.received.length]).toEqual([200, 1])
    }, 'the API is keyless')
    expect(said).toEqual([
      expect.stringMatching(/(?:post_key_auth|postAuthenticationPlugins)\[0\]: without effect, the API is keyless/),
    ])
  })
})
