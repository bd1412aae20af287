import { deny, type GatewayOptions, type PrePlugin, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { type Host, hosts } from '../support/hosts.ts'
import { pluginFolder } from '../support/plugin-folder.ts'
import { dialects, type TykApi } from '../support/tyk-documents.ts'
import { startUpstream } from '../support/upstream.ts'
import { warningsDuring } from '../support/warnings.ts'

/* One Tyk document under every host: the same plugins run, in the same order, with the same answers. */

afterEach(closeAll)

const GATE = `
const met = (request, name) => request.headers.append('x-met', name)
export const stamp = (request) => met(request, 'pre')
export const check = (request) => {
  met(request, 'auth')
  const token = request.headers.get('authorization')
  return token === null ? { responseCode: 401, responseError: 'Who are you?' } : { metadata: { token } }
}
export const greet = (request, { session }) => met(request, 'postAuth ' + session.metadata.token)
export const count = (request, { params }) => met(request, 'endpoint ' + params.sku)
export const again = (request) => met(request, 'again')
export const last = (request, { config }) => met(request, 'post ' + config.region)
export const hide = (response) => response.headers.delete('x-secret')
`

const at = (name: string) => ({ name, path: './gate.so' })

const FULL: TykApi = {
  listenPath: '/orders/',
  pre: [at('stamp')],
  auth: at('check'),
  postAuth: [at('greet')],
  endpoints: { 'GET /stock/{sku}': [at('count'), at('again')] },
  post: [at('last')],
  response: [at('hide')],
  config: { region: 'north' },
}

const CASES = hosts.flatMap(([host, mount]) =>
  dialects.map(([dialect, write]) => [host, dialect, mount, write] as const),
)

describe.each(CASES)('%s with a %s document', (_, __, mount: Host[1], write) => {
  const fromFiles = (): GatewayOptions => ({
    pluginsDirectory: pluginFolder({ 'gate.js': GATE, 'package.json': '{"type":"module"}' }),
  })

  it('runs every hook, in order, with plugins of a file', async () => {
    const upstream = await startUpstream((res) => res.setHeader('x-secret', '1').end('stock'))
    const { url, gateway } = await mount(write({ ...FULL, upstream: upstream.url }), { options: fromFiles() })
    await gateway.ready()
    const reply = await send(url, '/orders/stock/7?full=1', { headers: { authorization: 'ann' } })
    expect([reply.status, reply.text, reply.headers['x-secret']]).toEqual([200, 'stock', undefined])
    const { target, headers } = upstream.only()
    expect([target, headers['x-met']]).toEqual([
      '/stock/7?full=1',
      'pre, auth, postAuth ann, endpoint 7, again, post north',
    ])
  })

  it('answers itself who is not let in', async () => {
    const upstream = await startUpstream()
    const { url, gateway } = await mount(write({ ...FULL, upstream: upstream.url }), { options: fromFiles() })
    await gateway.ready()
    const reply = await send(url, '/orders/stock/7')
    expect([reply.status, JSON.parse(reply.text), upstream.seen]).toEqual([401, { error: 'Who are you?' }, []])
  })

  it('gives what it lets pass to the routes of the host where it names no upstream', async () => {
    const warnings = await warningsDuring(async () => {
      const { url } = await mount(write({ listenPath: '/orders/', pre: [{ name: 'gate' }] }), {
        options: {
          plugins: {
            gate: ((request) => {
              if (request.query.has('in')) return undefined
              return request.query.has('own') ? respond(200, 'of the plugin') : deny(403, 'Not in')
            }) satisfies PrePlugin,
          },
        },
        route: (req) => ({ body: `route ${req.url}` }),
      })
      const texts = [await send(url, '/orders/7?in'), await send(url, '/orders/7?own'), await send(url, '/other')]
      expect(texts.map(({ text }) => text)).toEqual(['route /orders/7?in', 'of the plugin', 'route /other'])
      expect(JSON.parse((await send(url, '/orders/7')).text)).toEqual({ error: 'Not in' })
    }, 'go to the routes of the host application')
    expect(warnings).toHaveLength(1)
  })
})
