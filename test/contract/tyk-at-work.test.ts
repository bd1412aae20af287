import { respond, type AuthPlugin, type EndpointPlugin, type PrePlugin, type ResponsePlugin } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { classic, oas } from '../support/tyk.ts'
import { listenTo, run, upstreamOfTest } from './harness.ts'

const stamp: PrePlugin = (request) => request.headers.set('x-stamp', 'pre')
const check: AuthPlugin = (request) => {
  const key = request.headers.get('x-key')
  return key === null ? respond(401, { error: 'Unknown key' }) : { metadata: { token: key } }
}
const first: EndpointPlugin = (request, { params }) => request.headers.set('x-first', params['sku'] ?? 'none')
const second: EndpointPlugin = (request, { api }) => {
  request.headers.append('x-second', `${request.headers.get('x-first') ?? ''} ${String(api.definition.config['tier'])}`)
}
const virtual: EndpointPlugin = () => respond(200, { from: 'virtual' })
const hide: ResponsePlugin = (response) => response.headers.delete('x-upstream')

const plugins = { stamp, check, first, second, virtual, hide }

const at = { path: '/stock/{sku}', method: 'GET' }
const on = (functionName: string): object => ({ enabled: true, functionName, path: 'plugins.so' })

const documents = (target: string) =>
  [
    [
      'Classic',
      classic({
        use_keyless: false,
        enable_coprocess_auth: true,
        strip_auth_data: true,
        auth_configs: { coprocess: { auth_header_name: 'x-key' } },
        proxy: { target_url: target },
        config_data: { tier: 'gold' },
        custom_middleware: {
          driver: 'goplugin',
          pre: [{ name: 'stamp', path: 'plugins.so' }],
          auth_check: { name: 'check', path: 'plugins.so' },
          response: [{ name: 'hide', path: 'plugins.so' }],
        },
        version_data: {
          versions: {
            Default: {
              extended_paths: {
                go_plugin: [
                  { ...at, func_name: 'first', plugin_path: 'plugins.so' },
                  { ...at, func_name: 'second', plugin_path: 'plugins.so' },
                ],
                virtual: [{ path: '/stock', method: 'POST', response_function_name: 'virtual' }],
              },
            },
          },
        },
      }),
    ],
    [
      'OAS',
      oas({
        upstream: { url: target },
        server: {
          authentication: {
            enabled: true,
            stripAuthorizationData: true,
            custom: { enabled: true, config: on('check'), header: { enabled: true, name: 'x-key' } },
          },
        },
        middleware: {
          global: {
            pluginConfig: { driver: 'goplugin', data: { enabled: true, value: { tier: 'gold' } } },
            prePlugins: [on('stamp')],
            responsePlugins: [on('hide')],
          },
          operations: {
            stock: { postPlugins: [on('first'), on('second')] },
            add: { virtualEndpoint: { enabled: true, functionName: 'virtual' } },
          },
        },
      }),
    ],
  ] as const

describe.each(['Classic', 'OAS'])('a document of %s', (dialect) => {
  const of = (target: string) => documents(target).find(([name]) => name === dialect)![1] as never
  const headers = { 'x-key': 'a' }

  it('is served with all its plugins, in order', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run(of(upstream.url), { plugins })
    const response = await fetch(`${url}/orders/stock/7`, { headers })
    expect([response.status, response.headers.get('x-upstream')]).toEqual([200, null])
    const [received] = upstream.received
    expect(received).toMatchObject({
      url: '/stock/7',
      headers: { 'x-stamp': 'pre', 'x-first': '7', 'x-second': '7 gold' },
    })
    expect(received?.headers).not.toHaveProperty('x-key')
  })

  it('refuses and answers as its plugins say', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run(of(upstream.url), { plugins })
    expect((await fetch(`${url}/orders/stock/7`)).status).toBe(401)
    const answered = await fetch(`${url}/orders/stock`, { method: 'POST', headers })
    expect(await answered.json()).toEqual({ from: 'virtual' })
    expect(upstream.received).toEqual([])
  })

  it('meets other requests with other matching of paths', async () => {
    const upstream = await upstreamOfTest()
    const firsts = async (tykPathMatching: 'whole' | 'contains'): Promise<unknown> => {
      const { url } = await run(of(upstream.url), { plugins, tykPathMatching })
      await fetch(`${url}/orders/v2/stock/7/parts`, { headers })
      return upstream.received.at(-1)?.headers['x-first']
    }
    expect(await firsts('whole')).toBeUndefined()
    expect(await firsts('contains')).toBe('7')
  })

  it('is not served where a plugin is missing', async () => {
    await expect(run(of('http://127.0.0.1:9'), { plugins: { ...plugins, hide: undefined } })).rejects.toMatchObject({
      code: 'PSTN_DEFINITION_INVALID',
    })
  })

  it('is known to plugins', async () => {
    const upstream = await upstreamOfTest()
    let seen: unknown
    const look: PrePlugin = (_request, { api }) => void (seen = api.document)
    const { url, gateway } = await run(of(upstream.url), { plugins: { ...plugins, stamp: look } })
    const errors = listenTo(gateway, 'loadError')
    await fetch(`${url}/orders/stock/7`, { headers })
    expect(seen).toEqual(of(upstream.url))
    expect(errors).toEqual([])
  })
})
