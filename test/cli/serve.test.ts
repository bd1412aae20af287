import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { eventually } from '../hostile/eventually.ts'
import { listen } from '../support/server.ts'
import { openWebSocket, webSocketUpstream } from '../support/websocket.ts'
import { type Ended, postern, project, type Running, start, write } from './postern.ts'

const PLUGINS = `import { deny, respond } from '@postern/core'
export const checkKey = (request) =>
  request.headers.get('authorization') === 'secret' ? { metadata: { token: 'a' } } : deny(401, 'Unknown key')
export const stock = (request, { params, log }) => {
  log.info('asked for ' + params.sku, { left: 3 })
  return respond(200, { left: 3 })
}
export const breaks = () => {
  throw new Error('no database')
}
`

const plugin = (functionName: string): object => ({ path: 'orders.js', functionName })
const ORDERS = {
  name: 'orders',
  listenPath: '/orders/',
  upstream: 'http://127.0.0.1:9000',
  hooks: { auth: plugin('checkKey') },
  endpoints: { 'GET /stock/:sku': [plugin('stock')], 'GET /breaks': [plugin('breaks')] },
}

const shop = (definition: object = ORDERS): Promise<string> =>
  project({ 'orders.json': definition, 'plugins/orders.js': PLUGINS })

interface Served extends Running {
  readonly url: string
}

/** On a free port. */
async function serve(folder: string, ...args: readonly string[]): Promise<Served> {
  const running = start(folder, ['serve', 'orders.json', '--port', '0', ...args])
  const [, url = ''] = await running.untilSaid(/(?:listens on |"url":")(http:\/\/[\d.]+:\d+)/)
  return { ...running, url }
}

async function stop({ child, ended }: Running, signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
  child.kill(signal)
  return ended
}

const KEY = { headers: { authorization: 'secret' } }
/** Without the time of day, and how long things took. */
const timeless = (text: string): string => text.replaceAll(/\d\d:\d\d:\d\d|\d+\.\d(?= ms)/g, '?')

describe('postern serve', () => {
  afterEach(closeAll)

  it('says what listens where, serves it, and logs each request without the values of its query', async () => {
    const running = await serve(await shop())
    const { url } = running
    expect(await send(url, '/orders/stock/apple?key=hidden&x', KEY)).toMatchObject({ status: 200, text: '{"left":3}' })
    expect(await send(url, '/orders/7')).toMatchObject({ status: 401 })
    expect(await send(url, '/elsewhere')).toMatchObject({ status: 404 })
    const { code, stdout, stderr } = await stop(running)
    expect([code, stderr]).toEqual([0, ''])
    expect(timeless(stdout)).toBe(`postern listens on ${url}
  orders  /orders -> http://127.0.0.1:9000
          auth orders.js:checkKey
          GET /stock/:sku orders.js:stock
          GET /breaks orders.js:breaks
? info orders orders.js:stock asked for apple { left: 3 }
? GET    /orders/stock/apple?key 200 ? ms orders
? GET    /orders/7 401 ? ms orders
? GET    /elsewhere 404 ? ms
? stopping; once more ends it at once
`)
  })

  it('logs nothing of a request that may be a secret', async () => {
    const running = await serve(await shop())
    const targets = [
      '/x?hidden',
      '/x?aGlkZGVu==',
      '/x;token=hidden/y;hidden?page=1&hidden',
      '/x%3Btoken=hidden',
      '/x?&a=b',
    ]
    for (const target of targets) await send(running.url, target)
    const { stdout } = await stop(running)
    expect([...stdout.matchAll(/GET +(\S+)/g)].map(([, target]) => target)).toEqual([
      '/stock/:sku',
      '/breaks',
      '/x',
      '/x',
      '/x/y?page',
      '/x',
      '/x?a',
    ])
  })

  it('lets no plugin forge a line', async () => {
    const fields = `{ plugin: 'other', api: 'other', hook: 'other', event: 'other', level: 'other', time: 0, message: 'other', toJSON: () => 'other' }`
    const plugins = `${PLUGINS}export const forge = (request, { log }) => {
      log.info('a\\nb\\u2028c\\u001b[2J\\td', ${fields})
      throw new Error('no\\ndatabase')
    }`
    const folder = await shop({ ...ORDERS, endpoints: { 'GET /forge': [plugin('forge')] } })
    await write(folder, { 'plugins/orders.js': plugins })
    const running = await serve(folder)
    await send(running.url, '/orders/forge', KEY)
    const { stdout, stderr } = await stop(running)
    expect(timeless(stdout)).toContain(String.raw`
? info orders orders.js:forge a\nb\u2028c\u001b[2J\td { event: 'other'`)
    expect(stderr.trimEnd().split('\n')).toEqual([expect.stringContaining(String.raw`no\ndatabase`)])

    const json = await serve(folder, '--json')
    await send(json.url, '/orders/forge', KEY)
    const lines = (await stop(json)).stdout.trimEnd().split('\n')
    const logged = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'log')
    expect(logged).toMatchObject([{ level: 'info', plugin: 'orders.js:forge', api: 'orders', hook: 'endpoint' }])
    expect(logged[0]!['message']).toContain('a\nb')
    expect(Date.parse(String(logged[0]!['time']))).not.toBeNaN()
  })

  it('tells on stderr what goes wrong', async () => {
    const running = await serve(await shop())
    await send(running.url, '/orders/breaks', KEY)
    const { stdout, stderr } = await stop(running)
    expect(timeless(stderr)).toMatch(
      /^\? error endpoint plugin "orders\.js:breaks" of "orders": .*no database.* at plugins\/orders\.js:9\n$/,
    )
    expect(stdout).toContain('GET    /orders/breaks 500')
  })

  it('tells once what goes wrong again and again, and at the end how often', async () => {
    const running = await serve(await shop(), '--log', 'none')
    for (let i = 0; i < 5; i += 1) await send(running.url, '/orders/breaks', KEY)
    const { stderr } = await stop(running)
    expect(timeless(stderr)).toMatch(/^\? error .*no database.*:9\n\? error .*no database.*:9 \(4 more\)\n$/)
  })

  it.each(['--watch', '--no-watch'])('reloads on SIGHUP, with %s', async (watch) => {
    const folder = await shop()
    const running = await serve(folder, watch)
    await write(folder, { 'orders.json': '{' })
    running.child.kill('SIGHUP')
    await eventually(() => expect(running.said().stderr).toContain('not reloaded'))
    await write(folder, { 'orders.json': { ...ORDERS, listenPath: '/moved/' } })
    running.child.kill('SIGHUP')
    await running.untilSaid(/reloaded changed orders \(listenPath\)/)
    expect(await send(running.url, '/moved/stock/apple', KEY)).toMatchObject({ status: 200 })
    expect(await stop(running)).toMatchObject({ code: 0 })
  })

  it('says with --json which plugin of which hook has thrown, with which code and where', async () => {
    const running = await serve(await shop(), '--json')
    await send(running.url, '/orders/breaks', KEY)
    const [line] = await running.untilSaid(/^.*"event":"pluginError".*$/m)
    expect(JSON.parse(line)).toMatchObject({
      hook: 'endpoint',
      plugin: 'orders.js:breaks',
      code: 'PSTN_PLUGIN_THREW',
      at: 'plugins/orders.js:9',
    })
  })

  it('keeps the errors that plugins log with --json', async () => {
    const folder = await project({
      'orders.json': { ...ORDERS, endpoints: { 'GET /logs': [plugin('logs')] }, hooks: {} },
      'plugins/orders.js': `import { respond } from '@postern/core'
export const logs = (request, { log }) => {
  log.error('away', { error: Object.assign(new TypeError('no database', { cause: new Error('no disk') }), { code: 'EGONE' }) })
  return respond(200)
}
`,
    })
    const running = await serve(folder, '--json')
    await send(running.url, '/orders/logs')
    const [line] = await running.untilSaid(/^.*"event":"log".*$/m)
    expect(JSON.parse(line)).toMatchObject({
      error: {
        name: 'TypeError',
        message: 'no database',
        code: 'EGONE',
        cause: { message: 'no disk' },
        stack: expect.stringContaining('orders.js'),
      },
    })
  })

  it('writes JSON lines with --json, and no request with --log none', async () => {
    const folder = await shop()
    const running = await serve(folder, '--json')
    await send(running.url, '/orders/stock/apple?key=hidden', KEY)
    const { code, stdout, stderr } = await stop(running, 'SIGINT')
    expect([code, stderr]).toEqual([0, ''])
    const lines = stdout.trimEnd().split('\n')
    const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(events.map(({ event }) => event)).toEqual(['listening', 'log', 'request', 'stopping', 'stopped'])
    const [listening, log, request] = events
    expect(listening).toMatchObject({
      url: running.url,
      apis: [{ name: 'orders', listenPath: '/orders', hooks: { auth: ['orders.js:checkKey'] } }],
      watched: [],
    })
    expect(log).toMatchObject({ level: 'info', plugin: 'orders.js:stock', message: 'asked for apple', left: 3 })
    expect(request).toMatchObject({ method: 'GET', path: '/orders/stock/apple?key', status: 200, api: 'orders' })
    for (const { time } of events) expect(Date.parse(String(time))).not.toBeNaN()

    const silent = await serve(folder, '--log', 'none')
    await send(silent.url, '/orders/7')
    expect((await stop(silent)).stdout).not.toContain('GET    /orders/7')
  })

  it('reloads what changes, and serves on with what it had where that is broken', async () => {
    const folder = await shop()
    const { url, untilSaid, said } = await serve(folder, '--watch')
    await untilSaid(/watches orders\.json, plugins\n/)
    const left = async (): Promise<string> => (await send(url, '/orders/stock/apple', KEY)).text
    expect(await left()).toBe('{"left":3}')

    await write(folder, { 'plugins/orders.js': PLUGINS.replace('{ left: 3 })\n}', '{ left: 4 })\n}') })
    await untilSaid(/reloaded changed orders \(plugins\)\n/)
    expect(await left()).toBe('{"left":4}')

    await write(folder, { 'orders.json': { ...ORDERS, listenPath: 'orders' } })
    const reasons =
      /not reloaded, the previous version keeps serving:\norders\.json:3:\d+ error listenPath: found "orders"/
    await eventually(() => expect(said().stderr).toMatch(reasons))
    expect(await left()).toBe('{"left":4}')

    await write(folder, { 'orders.json': { ...ORDERS, listenPath: '/shop' } })
    await untilSaid(/reloaded changed orders \(listenPath\)\n/)
    expect(await send(url, '/shop/stock/apple', KEY)).toMatchObject({ status: 200 })
    expect(await send(url, '/orders/stock/apple', KEY)).toMatchObject({ status: 404 })
    expect(said().stderr.match(/not reloaded/g)).toHaveLength(1)
  })

  it('says so in JSON', async () => {
    const folder = await shop()
    const { untilSaid } = await serve(folder, '--watch', '--json')
    await write(folder, { 'orders.json': '{' })
    const [line] = await untilSaid(/.*"event":"reloadError".*/)
    expect(JSON.parse(line)).toMatchObject({ findings: [{ severity: 'error', file: 'orders.json', line: 1 }] })
    await write(folder, { 'orders.json': { ...ORDERS, name: 'other' } })
    const [again] = await untilSaid(/.*"event":"reload".*/)
    expect(JSON.parse(again)).toMatchObject({ added: ['other'], removed: ['orders'], changed: [], unchanged: 0 })
  })

  it.each([
    ['a definition', { 'orders.json': { ...ORDERS, listenPath: 'x', upstream: 'y' } }, 2],
    ['a plugin', { 'plugins/orders.js': 'export const checkKey = 1' }, 3],
    ['an init', { 'plugins/orders.js': `${PLUGINS}export const init = () => { throw new Error('no database') }` }, 1],
  ])('does not start with %s that cannot be loaded, and says why', async (_, files, count) => {
    const folder = await shop()
    await write(folder, files)
    const { code, stdout, stderr } = await postern(folder, ['serve', 'orders.json', '--port', '0'])
    expect([code, stdout]).toEqual([1, ''])
    const lines = stderr.trimEnd().split('\n')
    expect(lines.filter((line) => /^orders\.json:\d+:\d+ error /.test(line))).toHaveLength(count)
    expect(lines).toHaveLength(count)
    const json = await postern(folder, ['serve', 'orders.json', '--port', '0', '--json'])
    expect([json.code, json.stderr]).toEqual([1, ''])
    const { event, findings } = JSON.parse(json.stdout) as { event: string; findings: unknown[] }
    expect([event, findings.length]).toEqual(['failed', count])
  })

  it('says so when the port is in use', async () => {
    const { port } = await listen((_, res) => res.end())
    const { code, stdout, stderr } = await postern(await shop(), ['serve', 'orders.json', '--port', String(port)])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toBe(`error: port ${port} of 127.0.0.1 is in use; choose another: --port ${port + 1}\n`)
    const elsewhere = ['serve', 'orders.json', '--port', '0', '--host', '192.0.2.1']
    const json = await postern(await shop(), ['serve', 'orders.json', '--port', String(port), '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ event: 'failed', findings: [{ rule: 'listen' }] })
    expect((await postern(await shop(), elsewhere)).stderr).toContain('192.0.2.1 is no address of this machine')
  })

  it('waits for requests in flight as long as --grace, and exits with 1 where it has cut one', async () => {
    let arrived = 0
    const upstream = await listen((req, res) => {
      arrived += 1
      if (req.url === '/soon') setTimeout(() => res.end('done'), 300)
    })
    const folder = await shop({ name: 'orders', upstream: upstream.url })
    const patient = await serve(folder)
    const answer = send(patient.url, '/soon')
    await eventually(() => expect(arrived).toBe(1))
    const stopped = stop(patient)
    expect(await answer).toMatchObject({ status: 200, text: 'done' })
    expect(await stopped).toMatchObject({ code: 0 })

    const hasty = await serve(folder, '--grace', '100ms')
    const socket = connect(Number(new URL(hasty.url).port), '127.0.0.1')
    socket.on('error', () => undefined).write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually(() => expect(arrived).toBe(2))
    const cut = await stop(hasty)
    expect(cut.code).toBe(1)
    expect(timeless(cut.stderr)).toContain('? 1 answer was cut\n')
    expect(cut.stdout).toMatch(/GET {4}\/never --- /)
    if (!socket.closed) await once(socket, 'close')
  })

  it('takes WebSockets, and logs each as the one request it is', async () => {
    const upstream = await webSocketUpstream()
    const folder = await shop({ name: 'orders', upstream: upstream.url })
    const running = await serve(folder)
    const webSocket = await openWebSocket(`${running.url}/chat?key=hidden`)
    webSocket.close()
    await running.untilSaid(/\/chat/)
    expect((await stop(running)).stdout).toMatch(/GET {4}\/chat\?key 101 [\d.]+ ms orders\n/)
  })

  it('takes options from a module', async () => {
    const folder = await shop({ ...ORDERS, hooks: { auth: { functionName: 'letIn' } } })
    const options = `export default { plugins: { letIn: () => ({ metadata: { token: 'b' } }) } }`
    await write(folder, { 'options.mjs': options })
    const running = await serve(folder, '--options', 'options.mjs')
    expect(await send(running.url, '/orders/stock/apple')).toMatchObject({ status: 200 })
    await stop(running)
  })
})
