import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { listen } from '../support/server.ts'
import { postern, project } from './postern.ts'

const PLUGINS = `
export const init = () => console.log('init')
export const stamp = () => console.log('stamp')
export const checkKey = () => console.log('checkKey')
export const stock = () => console.log('stock')
`

const ORDERS = {
  name: 'orders',
  listenPath: '/orders/',
  upstream: 'http://127.0.0.1:9000/v2',
  hooks: {
    pre: [{ path: 'orders.mjs', functionName: 'stamp' }],
    auth: { path: 'orders.mjs', functionName: 'checkKey' },
  },
  endpoints: { 'GET /stock/:sku': [{ path: 'orders.mjs', functionName: 'stock' }] },
  maxBodyBytes: 10,
}

const shop = (): Promise<string> => project({ 'orders.json': ORDERS, 'plugins/orders.mjs': PLUGINS })

describe('postern explain', () => {
  afterEach(closeAll)

  it('says what a request would meet, and calls no plugin', async () => {
    const ended = await postern(await shop(), ['explain', 'orders.json', 'GET', '/orders/stock/apple?full'])
    expect(ended).toEqual({
      code: 0,
      stderr: '',
      stdout: `GET /orders/stock/apple
  api        orders at /orders
  pre        orders.mjs:stamp
  auth       orders.mjs:checkKey
  postAuth   -  (none defined)
  endpoint   orders.mjs:stock  (matches "GET /stock/:sku")
  post       -  (none defined)
  response   -  (none defined)
  analytics  -  (none defined)
  params     {"sku":"apple"}
  upstream   http://127.0.0.1:9000/v2/stock/apple?full
`,
    })
  })

  it('takes whole URLs, methods in any case, and headers', async () => {
    const args = ['explain', 'orders.json', 'post', 'http://localhost:8080/orders/x', '--header']
    const { code, stdout } = await postern(await shop(), [...args, 'Content-Length: 11', '--header', 'x-a:b'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^POST \/orders\/x\n/)
    expect(stdout).toContain('answered 413 at once, the body is longer than 10 bytes')
  })

  it('says why nothing listens, which is no error', async () => {
    const { code, stdout } = await postern(await shop(), ['explain', 'orders.json', 'GET', '/elsewhere'])
    expect(code).toBe(0)
    expect(stdout).toContain('none: no API listens there (listening: /orders)')
  })

  it.each(['/orders/../x', '/orders/a/../../x?y', 'http://localhost/orders/..'])(
    'says as the gateway does that %s leads out of an API',
    async (url) => {
      const { code, stdout } = await postern(await shop(), ['explain', 'orders.json', 'GET', url])
      expect(code).toBe(0)
      expect(stdout).toContain('none: answered 400, dot segments lead out of an API')
    },
  )

  it('writes one JSON document with --json', async () => {
    const args = ['explain', '--json', 'orders.json', 'GET', '/orders/stock/apple']
    const { code, stdout, stderr } = await postern(await shop(), args)
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({
      method: 'GET',
      path: '/orders/stock/apple',
      api: { id: 'orders', name: 'orders', listenPath: '/orders' },
      endpoint: { key: 'GET /stock/:sku', params: { sku: 'apple' } },
    })
  })

  it('tells on stderr what keeps it from knowing', async () => {
    const broken = { ...ORDERS, listenPath: 'orders' }
    const folder = await project({ 'orders.json': broken, 'plugins/orders.mjs': PLUGINS })
    const ended = await postern(folder, ['explain', 'orders.json', 'GET', '/'])
    expect([ended.code, ended.stdout]).toEqual([1, ''])
    expect(ended.stderr).toMatch(/^orders\.json:3:\d+ error listenPath: /)
    const json = await postern(folder, ['explain', 'orders.json', 'GET', '/', '--json'])
    expect([json.code, json.stderr]).toEqual([1, ''])
    expect(JSON.parse(json.stdout)).toMatchObject({ findings: [{ path: 'listenPath', file: 'orders.json', line: 3 }] })
    const { code, stderr } = await postern(folder, ['explain', 'gone.json', 'GET', '/'])
    expect([code, stderr]).toEqual([1, 'gone.json error: does not exist\n'])
  })

  it('asks no upstream how it is', async () => {
    const upstream = await listen((_, res) => res.end())
    const health = { path: '/health', intervalMs: 1 }
    const folder = await project({ 'a.json': { name: 'a', upstream: { url: upstream.url, health } } })
    expect(await postern(folder, ['explain', 'a.json', 'GET', '/'])).toMatchObject({ code: 0 })
    expect(await postern(folder, ['check', 'a.json'])).toMatchObject({ code: 0 })
    expect(upstream.connections()).toBe(0)
  })
})
