import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { postern, project, start } from './postern.ts'

const PLUGINS = `import { respond } from '@postern/core'
export const stamp = (request) => request.headers.set('x-stamp', '1')
export const stock = () => respond(200, { left: 3 })
export const page = 'no function'
`

const ORDERS = `name: orders
listenPath: /orders/
upstream: http://127.0.0.1:9000
hooks:
  pre:
    - { path: orders.js, functionName: stamp }
endpoints:
  "GET /stock/:sku":
    - { path: orders.js, functionName: stock }
`

const BROKEN = `name: orders
listenPath: orders
upstream: ftp://x
hooks:
  aut: x
`

const UNSAFE = `name: unsafe
upstream: { url: "https://127.0.0.1:9000", verifyTls: false }
`

describe('postern check', () => {
  afterEach(closeAll)

  it('has nothing to say about good definitions and their plugins', async () => {
    const folder = await project({ 'apis/orders.yaml': ORDERS, 'apis/plugins/orders.js': PLUGINS })
    const good = { code: 0, stdout: '1 API, no problems\n', stderr: '' }
    expect(await postern(folder, ['check', 'apis/orders.yaml'])).toEqual(good)
    // A directory is its definition files; their plugins are beside them.
    expect(await postern(folder, ['check', 'apis'])).toEqual(good)
    expect(await postern(folder, ['check', 'apis', '--plugins', 'apis/plugins'])).toEqual(good)
  })

  it('looks for plugins beside a directory of definitions that has none in it', async () => {
    const folder = await project({ 'apis/orders.yaml': ORDERS, 'plugins/orders.js': PLUGINS })
    expect(await postern(folder, ['check', 'apis'])).toMatchObject({ code: 0, stdout: '1 API, no problems\n' })
    expect((await postern(folder, ['check', 'apis/orders.yaml'])).stdout).toContain(
      'apis/orders.yaml:6:15 error hooks.pre[0].path: found "orders.js", but no directory for plugins, there is no apis/plugins; name it with --plugins DIR, or hand in stamp as options.plugins\n',
    )
  })

  it('says in one line what the system refuses, and what plugins throw with line ends', async () => {
    const folder = await project({
      'orders.yaml': ORDERS,
      'plugins/orders.js': 'throw new Error("no\\n\\n  database\\r\\nat all")',
    })
    const long = await postern(folder, ['check', 'a'.repeat(300)])
    expect([long.code, long.stderr]).toEqual([1, ''])
    expect(long.stdout).toMatch(/^a+ error: .*\(ENAMETOOLONG\)\n1 error\n$/)
    expect((await postern(folder, ['check', 'orders.yaml'])).stdout).toContain('no database at all')
  })

  it('tells all problems of all files, each in one line with its place', async () => {
    const folder = await project({ 'orders.yaml': BROKEN, 'more.json': '{\n  "name": "more",\n  "upstreem": 1\n}' })
    const { code, stdout, stderr } = await postern(folder, ['check', 'orders.yaml', 'more.json'])
    expect([code, stderr]).toEqual([1, ''])
    expect(stdout.split('\n').map((line) => line.replace(/: (?:found|unknown key|"ftp).*/, ''))).toEqual([
      'more.json:3:3 error upstreem',
      'orders.yaml:2:13 error listenPath',
      'orders.yaml:3:11 error upstream',
      'orders.yaml:5:3 error hooks.aut',
      '4 errors',
      '',
    ])
    expect(stdout).toContain('did you mean "auth"?')
  })

  it('tells what is wrong with syntax, in every file', async () => {
    const folder = await project({ 'a.json': '{ "name": "a", }', 'b.yaml': 'name: [' })
    const { code, stdout } = await postern(folder, ['check', 'a.json', 'b.yaml', 'c.yaml'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^a\.json:1:16 error: .*trailing comma/m)
    expect(stdout).toMatch(/^b\.yaml:1:\d+ error: /m)
    expect(stdout).toMatch(/^c\.yaml error: does not exist$/m)
  })

  it.each([
    ['stok', /does not export "stok".*"stock"/],
    ['page', /"page".*not? .*function/],
  ])('loads plugins: %s is none', async (name, message) => {
    const folder = await project({
      'orders.yaml': ORDERS.replace('stock }', `${name} }`),
      'plugins/orders.js': PLUGINS,
    })
    const { code, stdout } = await postern(folder, ['check', 'orders.yaml'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^orders\.yaml:9:\d+ error endpoints\["GET \/stock\/:sku"\]\[0\]/)
    expect(stdout).toMatch(message)
  })

  it('loads plugins: one that throws on import says what', async () => {
    const folder = await project({ 'orders.yaml': ORDERS, 'plugins/orders.js': 'throw new Error("no database")' })
    const { code, stdout } = await postern(folder, ['check', 'orders.yaml'])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^orders\.yaml:6:\d+ error hooks\.pre\[0\].*no database/)
  })

  it('ends, whatever plugins leave running', async () => {
    const busy = `${PLUGINS}setInterval(() => undefined, 1000)\n`
    const folder = await project({ 'orders.yaml': ORDERS, 'plugins/orders.js': busy })
    expect(await postern(folder, ['check', 'orders.yaml'])).toMatchObject({ code: 0 })
  })

  it('tells of what is most likely a mistake, and fails for it with --strict only', async () => {
    const folder = await project({ 'unsafe.yaml': UNSAFE })
    const line = 'unsafe.yaml:2:55 warning upstream.verifyTls: accepts any certificate'
    const usual = await postern(folder, ['check', 'unsafe.yaml'])
    expect(usual).toMatchObject({ code: 0, stderr: '' })
    expect(usual.stdout).toContain(line)
    expect(usual.stdout).toMatch(/ \(unverified-upstream\)\n1 API, 1 warning\n$/)
    expect(await postern(folder, ['check', 'unsafe.yaml', '--strict'])).toEqual({ ...usual, code: 1 })
  })

  it('names an API that is switched off, and says once what is ignored', async () => {
    const document = {
      name: 'old',
      api_id: 'old',
      active: false,
      use_keyless: true,
      unheard_of: 1,
      proxy: { listen_path: '/old/', target_url: 'http://127.0.0.1:9000' },
    }
    const folder = await project({ 'old.json': document, 'new.yaml': UNSAFE })
    const { code, stdout } = await postern(folder, ['check', 'old.json', 'new.yaml'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^old\.json.* hint: "old" is switched off: .*\(switched-off\)$/m)
    expect(stdout).toMatch(/^old\.json:\d+:\d+ warning unheard_of: unknown key.*\(ignored\)$/m)
    expect(stdout).not.toContain('ignored: ')
    expect(stdout).toContain('1 API, ')
    const running = start(folder, ['serve', 'old.json', 'new.yaml', '--port', '0'])
    await running.untilSaid(/listens on/)
    expect(running.said().stderr).toContain('"old" is switched off')
  })

  it('knows no hint that fails, not even with --strict', async () => {
    const reads = 'export const read = async (response) => void (await response.text())'
    const definition = { name: 'a', upstream: 'http://127.0.0.1:9000' }
    const hooks = { response: [{ path: 'read.js', functionName: 'read' }] }
    const folder = await project({ 'a.json': { ...definition, hooks }, 'plugins/read.js': reads })
    const { code, stdout } = await postern(folder, ['check', 'a.json', '--strict'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^a\.json:\d+:\d+ hint hooks\.response\[0\]: .*\(body-read-unasked\)\n1 API, 1 hint\n$/)
  })

  it('writes one JSON document with --json', async () => {
    const folder = await project({ 'unsafe.yaml': UNSAFE, 'orders.yaml': BROKEN })
    const good = await postern(folder, ['check', 'unsafe.yaml', '--json'])
    expect([good.code, good.stderr]).toEqual([0, ''])
    expect(JSON.parse(good.stdout)).toEqual({
      ok: true,
      apis: [{ id: 'unsafe', name: 'unsafe', listenPath: '/' }],
      findings: [
        {
          severity: 'warning',
          rule: 'unverified-upstream',
          message: expect.stringContaining('any certificate') as unknown,
          path: 'upstream.verifyTls',
          api: 'unsafe',
          file: 'unsafe.yaml',
          line: 2,
          column: 55,
        },
      ],
    })
    const bad = await postern(folder, ['check', 'orders.yaml', '--json'])
    const report = JSON.parse(bad.stdout) as { ok: boolean; findings: { severity: string; line: number }[] }
    expect([bad.code, report.ok, report.findings.map(({ line }) => line)]).toEqual([1, false, [2, 3, 5]])
    expect(await postern(folder, ['check', '--json', 'gone.yaml'])).toMatchObject({ code: 1, stderr: '' })
  })

  it('shows what it finds in documents of Tyk where it stands there', async () => {
    const reads = 'export const read = async (response) => void (await response.text())'
    const streaming = { responses: { 200: { description: 'events', content: { 'text/event-stream': {} } } } }
    const plugin = { enabled: true, functionName: 'read', path: 'read.mjs' }
    const document = {
      openapi: '3.0.3',
      info: { title: 'news', version: '1' },
      paths: { '/events': { get: { operationId: 'events', ...streaming } } },
      'x-tyk-api-gateway': {
        info: { name: 'news', state: { active: true } },
        upstream: { url: 'http://127.0.0.1:9000' },
        server: { listenPath: { value: '/news/', strip: true } },
        middleware: { global: { responsePlugins: [plugin], postAuthenticationPlugins: [plugin] } },
      },
    }
    const folder = await project({ 'news.json': document, 'plugins/read.mjs': reads })
    const { code, stdout } = await postern(folder, ['check', 'news.json'])
    expect(code).toBe(0)
    const lines = JSON.stringify(document, undefined, 2).split('\n')
    const lineOf = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1
    const found = stdout.split('\n').map((line) => line.replace(/: .*(?= \()/, ''))
    // Each is the first of its list, on the line below.
    expect(found.slice(0, 2)).toEqual([
      `news.json:${lineOf('responsePlugins') + 1}:11 warning ["x-tyk-api-gateway"].middleware.global.responsePlugins[0] (body-read-on-event-stream)`,
      `news.json:${lineOf('postAuthenticationPlugins') + 1}:11 warning ["x-tyk-api-gateway"].middleware.global.postAuthenticationPlugins[0] (ignored)`,
    ])
  })

  it('takes options from a module: functions that are named there need no file', async () => {
    const options = `export default { plugins: { stamp() {}, stock() {} }, policies: { free: { quotaMax: 5, accessRights: { orders: {} } } } }`
    const named = ORDERS.replaceAll('path: orders.js, ', '')
    const folder = await project({ 'orders.yaml': named, 'options.mjs': options })
    expect(await postern(folder, ['check', 'orders.yaml'])).toMatchObject({ code: 1 })
    const { code, stdout } = await postern(folder, ['check', 'orders.yaml', '--options', 'options.mjs'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^warning options\.policies\["free"\]\.quotaMax: never renews.*\(quota-without-renewal\)$/m)
  })

  it.each([
    ['gone.mjs', '', /^gone\.mjs error: found no such file/m],
    ['options.mjs', 'export const options = {}', /^options\.mjs error: has no default export/m],
    ['options.mjs', 'throw new TypeError("broken")', /^options\.mjs error: could not be loaded: TypeError: broken/m],
    ['options.mjs', 'export default { stroe: 1 }', /error: Unknown option "stroe"/m],
  ])('tells what is wrong with %s: %s', async (file, text, message) => {
    const folder = await project({ 'unsafe.yaml': UNSAFE, ...(text === '' ? {} : { [file]: text }) })
    const { code, stdout } = await postern(folder, ['check', 'unsafe.yaml', '--options', file])
    expect(code).toBe(1)
    expect(stdout).toMatch(message)
  })

  it('tells of a directory of plugins that is none', async () => {
    const folder = await project({ 'unsafe.yaml': UNSAFE })
    const { code, stdout } = await postern(folder, ['check', 'unsafe.yaml', '--plugins', 'none'])
    expect(code).toBe(1)
    expect(stdout).toContain('none error: found no such directory')
  })

  it('shows control characters, and obeys none', async () => {
    const folder = await project({ 'a.json': { name: 'a', '\u001b[2Jx': 1 } })
    const { code, stdout } = await postern(folder, ['check', 'a.json'], { FORCE_COLOR: '1' })
    expect(code).toBe(1)
    expect(stdout).not.toContain('\u001b[2J')
    expect(stdout).toContain(String.raw`\u001b[2Jx`)
  })
})
