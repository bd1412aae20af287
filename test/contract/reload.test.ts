import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiDefinitionInput, isGatewayError, type Problem, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { pluginFolder, writeFiles } from '../support/plugin-folder.ts'
import { signalled } from '../support/promises.ts'
import { warningsDuring } from '../support/warnings.ts'
import { messageOf, openWebSocket, webSocketUpstream } from '../support/websocket.ts'
import { connect, listenTo, run, settled, upstreamOfTest, watchProcess } from './harness.ts'
import { errorOf, saying, told } from './reload-harness.ts'

afterEach(closeAll)

describe('other definitions', () => {
  it('serve from the next request on, also over connections that stay', async () => {
    const { gateway, port } = await run(saying('one'))
    const connection = await connect(port)
    expect((await connection.request('GET', '/a')).body).toBe('one')
    await gateway.reload(saying('two'))
    expect((await connection.request('GET', '/a')).body).toBe('two')
    await gateway.reload(saying('three', { listenPath: '/b' }))
    expect((await connection.request('GET', '/a')).status).toBe(404)
    expect((await connection.request('GET', '/b')).body).toBe('three')
    expect(connection.stray).toBe('')
  })

  it('are loaded completely before any of them serves', async () => {
    const gate = signalled()
    Object.assign(globalThis, { posternReloadGate: gate.promise })
    const pluginsDirectory = pluginFolder({
      'slow.mjs':
        'export const init = () => globalThis.posternReloadGate\nexport const f = () => ({ responseCode: 200, responseBody: "slow" })',
    })
    const { gateway, url } = await run([saying('one')], { pluginsDirectory })
    const slow: ApiDefinitionInput = {
      name: 'slow',
      listenPath: '/slow',
      hooks: { pre: [{ path: 'slow.mjs', functionName: 'f' }] },
    }
    const reload = gateway.reload([saying('two'), slow])
    await sleep(20)
    expect([await told(url, '/a'), await told(url, '/slow')]).toEqual(['200 one', expect.stringMatching(/^404 /)])
    gate.signal()
    await reload
    expect([await told(url, '/a'), await told(url, '/slow')]).toEqual(['200 two', '200 slow'])
  })

  it('are warned of by name when an API is not among them whose routes the host application has', async () => {
    const guard = { hooks: { pre: [() => undefined] } }
    const kept = saying('kept')
    const { gateway } = await run([
      { name: 'guarding', listenPath: '/admin', ...guard },
      { name: 'proxying', listenPath: '/b', upstream: 'http://127.0.0.1:1', ...guard },
      { name: 'idle', listenPath: '/c' },
      kept,
    ])
    const warnings = await warningsDuring(async () => void (await gateway.reload(kept)), 'has removed')
    expect(warnings).toEqual([expect.stringMatching(/API "guarding", .* at \/admin is not guarded/)])
  })

  it('are told apart from those before: added, removed, changed by which keys, and unchanged', async () => {
    const plugin = (): undefined => undefined
    const kept: ApiDefinitionInput = {
      name: 'kept',
      listenPath: '/kept',
      hooks: { pre: [plugin] },
      config: { of: [1] },
    }
    const gone: ApiDefinitionInput = { name: 'gone', listenPath: '/gone' }
    const changed: ApiDefinitionInput = { name: 'changed', listenPath: '/changed', upstream: 'http://127.0.0.1:1' }
    const { gateway } = await run([kept, gone, changed])
    const events = listenTo(gateway, 'reload')
    const [before] = gateway.apis()
    const report = await gateway.reload([
      { name: 'new', listenPath: '/new' },
      { ...changed, upstream: 'http://127.0.0.1:2', config: { more: true } },
      { ...kept, config: { of: [1] } },
    ])
    expect(events).toEqual([report])
    expect(report.added.map(({ name }) => name)).toEqual(['new'])
    expect(report.removed.map(({ name }) => name)).toEqual(['gone'])
    expect(report.changed.map(({ api, keys }) => [api.name, keys.toSorted()])).toEqual([
      ['changed', ['config', 'upstream']],
    ])
    expect(report.changed[0]!.api.definition.upstream?.url).toBe('http://127.0.0.1:2')
    expect(report.unchanged).toBe(1)
    expect(gateway.apis().map(({ name }) => name)).toEqual(['new', 'changed', 'kept'])
    expect(gateway.apis()[2]).toBe(before)
  })

  it.each<[string, Partial<ApiDefinitionInput>, Partial<ApiDefinitionInput>, keys: string[]]>([
    ['a function', { hooks: { pre: [() => undefined] } }, { hooks: { pre: [() => undefined] } }, ['hooks']],
    [
      'the order of expressions',
      { endpoints: { 'GET ~a': [], 'GET ~b': [] } },
      { endpoints: { 'GET ~b': [], 'GET ~a': [] } },
      ['endpoints'],
    ],
    [
      'an instance that looks the same',
      { config: { db: new Database(1) } },
      { config: { db: new Database(2) } },
      ['config'],
    ],
    ['a default that is written out', { stripListenPath: true }, {}, []],
    ['another way to write the same', { listenPath: '/x', records: true }, { listenPath: '/x/', records: {} }, []],
  ])('differ, or not, by %s', async (_, one, other, keys) => {
    const { gateway } = await run({ name: 'a', ...one })
    const report = await gateway.reload({ name: 'a', ...other })
    expect(report.changed.flatMap((change) => change.keys)).toEqual(keys)
    expect(report.unchanged).toBe(keys.length === 0 ? 1 : 0)
  })

  it('may take an id, a name or a listen path over from another API', async () => {
    const { gateway, url } = await run([saying('a'), saying('b', { name: 'b', listenPath: '/b' })])
    const report = await gateway.reload([
      saying('b', { name: 'b', listenPath: '/a' }),
      saying('a', { listenPath: '/b' }),
    ])
    expect(report.changed).toHaveLength(2)
    expect([await told(url, '/a'), await told(url, '/b')]).toEqual(['200 b', '200 a'])
  })

  it('are followed by apis, explain, calls and sessions', async () => {
    const caller: ApiDefinitionInput = {
      name: 'caller',
      listenPath: '/caller',
      hooks: { pre: [async (_request, { call }) => respond(200, await (await call('a', '/')).text())] },
    }
    const { gateway, url } = await run([caller, saying('one')])
    expect(await told(url, '/caller')).toBe('200 one')
    const { key } = await gateway.sessions.create({
      quotaMax: 3,
      quotaRenewalRate: 60,
      accessRights: { a: {}, new: {} },
    })
    expect((await gateway.sessions.quotas(key))[0]!.apis).toEqual(['a'])
    await gateway.reload([
      caller,
      saying('two', { listenPath: '/z', authentication: { token: true } }),
      { name: 'new', listenPath: '/new', upstream: 'http://127.0.0.1:1' },
    ])
    expect(await told(url, '/caller')).toBe('200 two')
    expect((await gateway.sessions.quotas(key))[0]!.apis.toSorted()).toEqual(['a', 'new'])
    expect(gateway.explain('GET', '/new/x').upstream).toBe('http://127.0.0.1:1/x')
    expect(gateway.explain('GET', '/a').api).toBeUndefined()
  })
})

/** Two of them differ only inside. */
class Database {
  readonly #port: number
  constructor(port: number) {
    this.#port = port
  }
  get port(): number {
    return this.#port
  }
}

describe('a request that is under way', () => {
  it('ends on the version it began with: its plugins, its calls and its record', async () => {
    const arrived = signalled()
    const gate = signalled()
    const upstream = await upstreamOfTest((req, res) => {
      if (req.headers['x-version'] === 'one') {
        arrived.signal()
        void gate.promise.then(() => res.end(`upstream of ${String(req.headers['x-version'])}`))
      } else res.end(`upstream of ${String(req.headers['x-version'])}`)
    })
    const recorded: string[] = []
    const version = (name: string): ApiDefinitionInput[] => [
      {
        name: 'a',
        listenPath: '/a',
        upstream: upstream.url,
        hooks: {
          pre: [(request) => request.headers.set('x-version', name)],
          response: [
            async (response, { call, config }) => {
              const called = await (await call('other', '/')).text()
              response.headers.set('x-seen', `${name} ${String(config['version'])} ${called}`)
            },
          ],
          analytics: [(_record, { config }) => void recorded.push(`${name} ${String(config['version'])}`)],
        },
        config: { version: name },
      },
      saying(`called ${name}`, { name: 'other', listenPath: '/other' }),
    ]
    const { gateway, url } = await run(version('one'))
    const under = fetch(`${url}/a`)
    await arrived.promise
    await gateway.reload(version('two'))
    const later = await fetch(`${url}/a`)
    expect([later.headers.get('x-seen'), await later.text()]).toEqual(['two two called two', 'upstream of two'])
    await gateway.reload(saying('gone', { name: 'elsewhere', listenPath: '/elsewhere' }))
    gate.signal()
    const answer = await under
    expect([answer.headers.get('x-seen'), await answer.text()]).toEqual(['one one called one', 'upstream of one'])
    await expect.poll(() => recorded).toEqual(['two two', 'one one'])
    expect(await told(url, '/a')).toMatch(/^404 /)
  })

  it('is not cut in the middle of its body, on either side', async () => {
    const begun = signalled()
    const arrived = signalled()
    const gate = signalled()
    const upstream = await upstreamOfTest(async (_req, res, body) => {
      res.write(`${body.length} `)
      arrived.signal()
      await gate.promise
      res.end('end')
    })
    const hooks = { pre: [() => begun.signal()] }
    const { gateway, url } = await run(saying('', { hooks, upstream: upstream.url }))
    let more: (text?: string) => void = () => undefined
    const body = new ReadableStream({
      start(controller) {
        more = (text) => (text === undefined ? controller.close() : controller.enqueue(Buffer.from(text)))
      },
    })
    const sending = fetch(`${url}/a`, { method: 'POST', body, duplex: 'half' })
    more('x'.repeat(1_000))
    await begun.promise
    await gateway.reload(saying('two'))
    more('x'.repeat(1_000))
    more()
    const answer = await sending
    await arrived.promise
    await gateway.reload(saying('three'))
    gate.signal()
    expect([answer.status, await answer.text()]).toEqual([200, '2000 end'])
    expect(await told(url, '/a')).toBe('200 three')
  })

  it('may be a WebSocket, which outlives its API', async () => {
    const upstream = await webSocketUpstream()
    const { gateway, url } = await runWithUpgrades(saying('', { hooks: {}, upstream: upstream.url }))
    const webSocket = await openWebSocket(`${url}/a/chat`)
    await gateway.reload(saying('two', { name: 'b', listenPath: '/b' }))
    webSocket.send('still there')
    expect(await messageOf(webSocket)).toBe('still there')
    await expect(openWebSocket(`${url}/a/chat`)).rejects.toThrow('404')
    webSocket.close()
    await expect
      .poll(() => gateway.records.list().map(({ apiName, responseCode }) => `${apiName} ${responseCode}`))
      .toEqual(['a 101'])
  })
})

async function runWithUpgrades(definition: ApiDefinitionInput): Promise<Awaited<ReturnType<typeof run>>> {
  const running = await run(definition)
  running.server.on('upgrade', running.gateway.upgrade)
  return running
}

describe('a broken version', () => {
  const file = (functionName: string, path = 'a.mjs', name = 'b'): ApiDefinitionInput => ({
    name,
    listenPath: `/${name}`,
    hooks: { pre: [{ path, functionName }] },
  })

  it.each<[string, unknown, code: string, problems: [path: string, message: string][]]>([
    ['that is none', undefined, 'PSTN_DEFINITION_INVALID', [['', 'missing, expected an object']]],
    ['that is empty', [], 'PSTN_DEFINITION_INVALID', [['', 'an empty array']]],
    [
      'with several mistakes',
      [saying('two'), { name: 'b', listenPath: 'b', hook: {} }],
      'PSTN_DEFINITION_INVALID',
      [
        ['[1].hook', 'did you mean "hooks"'],
        ['[1].listenPath', 'starts with "/"'],
      ],
    ],
    [
      'with a name nobody handed in',
      saying('', { hooks: { pre: [{ functionName: 'nobody' }] } }),
      'PSTN_DEFINITION_INVALID',
      [['hooks.pre[0].functionName', 'options.plugins has none']],
    ],
    [
      'with two APIs at one place',
      [saying('two'), saying('three', { name: 'b' })],
      'PSTN_DEFINITION_INVALID',
      [['[1].listenPath', 'already has']],
    ],
    [
      'with functions and files that are not there',
      [saying('two'), file('g'), file('f', 'none.mjs', 'c')],
      'PSTN_PLUGIN_NOT_FOUND',
      [
        ['[1].hooks.pre[0].functionName', 'does not export "g"'],
        ['[2].hooks.pre[0].path', 'There is no plugin file'],
      ],
    ],
    [
      'with a file that throws beside one that is fine',
      [saying('two'), file('f'), file('f', 'throws.mjs', 'c')],
      'PSTN_PLUGIN_UNLOADABLE',
      [['[2].hooks.pre[0].path', 'Error: as asked (throws.mjs:1)']],
    ],
    [
      'with an init that fails',
      [saying('two'), file('f'), file('f', 'init.mjs', 'c')],
      'PSTN_PLUGIN_UNLOADABLE',
      [['[2].hooks.pre[0].path', 'Error: no database']],
    ],
  ])('%s changes nothing, and is told', async (_, input, code, expected) => {
    const seen = watchProcess()
    const pluginsDirectory = pluginFolder({
      'a.mjs': 'export const f = () => undefined',
      'throws.mjs': 'throw new Error("as asked")',
      'init.mjs': 'export const init = () => { throw new Error("no database") }\nexport const f = () => undefined',
    })
    const { gateway, url } = await run(saying('one'), { pluginsDirectory })
    const [errors, reloads] = [listenTo(gateway, 'loadError'), listenTo(gateway, 'reload')]
    const before = gateway.apis()
    const error = await errorOf(gateway.reload(input as ApiDefinitionInput))
    expect(error.code).toBe(code)
    const problems = error.cause as readonly Problem[]
    expect(problems.map(({ path }) => path).toSorted()).toEqual(expected.map(([path]) => path).toSorted())
    for (const [path, message] of expected) {
      expect(problems.find((problem) => problem.path === path)!.message).toContain(message)
      expect(error.message).toContain(path)
      expect(error.message).toContain(message)
    }
    expect(errors).toEqual([{ error }])
    expect(reloads).toEqual([])
    expect(gateway.apis()).toEqual(before)
    expect(gateway.apis()[0]).toBe(before[0])
    expect([await told(url, '/a'), await told(url, '/b')]).toEqual(['200 one', expect.stringMatching(/^404 /)])
    await gateway.ready()
    await gateway.reload(saying('mended'))
    expect(await told(url, '/a')).toBe('200 mended')
    await settled()
    expect(seen).toEqual([])
  })

  it('leaves the code of plugin files as it was', async () => {
    const say = (text: string): string => `export const f = () => ({ responseCode: 200, responseBody: "${text}" })`
    const pluginsDirectory = pluginFolder({ 'a.mjs': say('one') })
    const { gateway, url } = await run(file('f'), { pluginsDirectory })
    await gateway.ready()
    writeFiles(pluginsDirectory, { 'a.mjs': `${say('two')}\nexport const init = () => { throw new Error('not yet') }` })
    expect((await errorOf(gateway.reload(file('f')))).message).toContain('not yet')
    expect(await told(url, '/b')).toBe('200 one')
    writeFiles(pluginsDirectory, { 'a.mjs': say('three') })
    const { changed } = await gateway.reload(file('f'))
    expect(changed.map(({ keys }) => keys)).toEqual([['plugins']])
    expect(await told(url, '/b')).toBe('200 three')
  })
})

describe('reloads that come together', () => {
  it('are two at most: the first, and the last for all others', async () => {
    const { gateway, url } = await run(saying('0'))
    const reloads = listenTo(gateway, 'reload')
    const reports = await Promise.all(Array.from({ length: 50 }, (_, i) => gateway.reload(saying(`${i + 1}`))))
    expect(await told(url, '/a')).toBe('200 50')
    expect(reloads).toHaveLength(2)
    expect(reports[0]).toBe(reloads[0])
    expect(new Set(reports.slice(1))).toEqual(new Set([reloads[1]]))
  })

  it('all hear of a last one that is broken, and the first still serves', async () => {
    const seen = watchProcess()
    const { gateway, url } = await run(saying('0'))
    const settledReloads = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => gateway.reload(saying(`${i + 1}`, i === 8 ? { listenPath: 'x' } : {}))),
    )
    expect(settledReloads.map(({ status }) => status)).toEqual([
      'fulfilled',
      ...Array.from({ length: 8 }, () => 'rejected'),
    ])
    expect(await told(url, '/a')).toBe('200 1')
    await gateway.reload(saying('10'))
    expect(await told(url, '/a')).toBe('200 10')
    await settled()
    expect(seen).toEqual([])
  })

  it('go on after a broken first one', async () => {
    const { gateway, url } = await run(saying('0'))
    const [first, second] = await Promise.allSettled([
      gateway.reload(saying('1', { name: '' })),
      gateway.reload(saying('2')),
    ])
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled'])
    expect(await told(url, '/a')).toBe('200 2')
  })

  it('are heard one after another, whoever reloads from within the event', async () => {
    const { gateway, url } = await run(saying('0'))
    const again = signalled<unknown>()
    let times = 0
    gateway.on('reload', () => {
      times += 1
      if (times < 3) void gateway.reload(saying(`within ${times}`)).then(again.signal, again.signal)
    })
    await gateway.reload(saying('1'))
    await expect.poll(() => told(url, '/a')).toBe('200 within 2')
    expect(isGatewayError(await again.promise)).toBe(false)
  })
})

describe('a gateway that is closed', () => {
  it('reloads no more, and says so', async () => {
    const { gateway } = await run(saying('one'))
    const errors = listenTo(gateway, 'loadError')
    await gateway.close()
    const before = gateway.apis()
    expect((await errorOf(gateway.reload(saying('two')))).code).toBe('PSTN_CLOSED')
    expect(gateway.apis()[0]).toBe(before[0])
    expect(errors).toEqual([])
  })

  it('reloads no more while its last requests run', async () => {
    const arrived = signalled()
    const gate = signalled()
    const { gateway, url } = await run(
      saying('', {
        hooks: {
          pre: [
            async () => {
              arrived.signal()
              await gate.promise
              return respond(200, 'one')
            },
          ],
        },
      }),
    )
    const under = told(url, '/a')
    await arrived.promise
    const closing = gateway.close()
    expect((await errorOf(gateway.reload(saying('two')))).code).toBe('PSTN_CLOSED')
    gate.signal()
    expect(await under).toBe('200 one')
    await closing
  })

  it('lets go of what was being loaded, and every reload is told', async () => {
    const seen = watchProcess()
    const gate = signalled()
    const log: string[] = []
    Object.assign(globalThis, { posternCloseGate: gate.promise, posternCloseLog: log })
    const pluginsDirectory = pluginFolder({
      'a.mjs': `export const init = async () => { globalThis.posternCloseLog.push('init'); await globalThis.posternCloseGate }
        export const close = () => void globalThis.posternCloseLog.push('close')
        export const f = () => undefined`,
    })
    const { gateway } = await run(saying('one'), { pluginsDirectory })
    const reloads = [1, 2, 3].map(() =>
      errorOf(gateway.reload(saying('', { hooks: { pre: [{ path: 'a.mjs', functionName: 'f' }] } }))),
    )
    await expect.poll(() => log).toEqual(['init'])
    const closing = gateway.close()
    gate.signal()
    await closing
    expect(log).toEqual(['init', 'close'])
    expect((await Promise.all(reloads)).map(({ code }) => code)).toEqual(['PSTN_CLOSED', 'PSTN_CLOSED', 'PSTN_CLOSED'])
    await settled()
    expect(seen).toEqual([])
  })
})
