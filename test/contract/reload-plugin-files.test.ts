import { type ApiDefinitionInput, checkDefinitions, deny, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { pluginFolder, writeFiles } from '../support/plugin-folder.ts'
import { signalled } from '../support/promises.ts'
import { listenTo, run, settled, watchProcess } from './harness.ts'
import { errorOf, saying, told } from './reload-harness.ts'

afterEach(closeAll)

let journals = 0

/** A list that plugin files write to, and the text that names it there. */
function journal(): { readonly log: string[]; readonly name: string } {
  const log: string[] = []
  journals += 1
  const name = `posternJournal${journals}`
  Object.assign(globalThis, { [name]: log })
  return { log, name: `globalThis.${name}` }
}

/** A plugin file that says what it is, and writes down what is done to it. */
const file = (log: string, text: string): string => `
  ${log}.push('loaded ${text}')
  export const init = async ({ name, definition }) => {
    await new Promise(setImmediate)
    ${log}.push(\`init \${name} \${definition.config.version ?? ''} ${text}\`)
  }
  export const close = () => void ${log}.push('close ${text}')
  export const f = (_request, { api }) => {
    ${log}.push(\`run \${api.name} ${text}\`)
    return { responseCode: 200, responseBody: '${text}' }
  }`

const inFile = (name: string, fields: Partial<ApiDefinitionInput> = {}): ApiDefinitionInput => ({
  name,
  listenPath: `/${name}`,
  hooks: { pre: [{ path: 'a.mjs', functionName: 'f' }] },
  ...fields,
})

const UNAVAILABLE = '503 {\n    "error": "Service Unavailable"\n}'

it.each(['rules.json', 'rules.wasm', 'RULES.WASM'])(
  'a change of %s beside a plugin loads the plugin anew',
  async (name) => {
    const pluginsDirectory = pluginFolder({
      [name]: '1',
      'a.mjs': `import { readFileSync } from 'node:fs'
      const responseBody = readFileSync(new URL('./${name}', import.meta.url), 'utf8')
      export const f = () => ({ responseCode: 200, responseBody })`,
    })
    const { gateway, url } = await run(inFile('a'), { pluginsDirectory })
    await gateway.ready()
    expect(await told(url, '/a')).toBe('200 1')
    writeFiles(pluginsDirectory, { [name]: '2' })
    await gateway.reload(inFile('a'))
    expect(await told(url, '/a')).toBe('200 2')
  },
)

describe('the first load', () => {
  it('answers 503 where plugins are not there yet, serves the others at once, and ready() waits', async () => {
    const gate = signalled()
    Object.assign(globalThis, { posternFirstGate: gate.promise })
    const pluginsDirectory = pluginFolder({
      'a.mjs': 'await globalThis.posternFirstGate\nexport const f = () => ({ responseCode: 200, responseBody: "in" })',
    })
    const { gateway, url } = await run([inFile('a'), saying('other', { name: 'b', listenPath: '/b' })], {
      pluginsDirectory,
    })
    let ready = false
    const waiting = gateway.ready().then(() => (ready = true))
    expect([await told(url, '/a'), await told(url, '/b')]).toEqual([UNAVAILABLE, '200 other'])
    expect(gateway.explain('GET', '/a')).toMatchObject({ upstream: expect.stringContaining('503'), hooks: [] })
    expect(gateway.apis().map(({ name }) => name)).toEqual(['a', 'b'])
    const b = gateway.apis()[1]
    expect(ready).toBe(false)
    gate.signal()
    await waiting
    expect(await told(url, '/a')).toBe('200 in')
    expect(gateway.apis()[1]).toBe(b)
    await expect
      .poll(() => gateway.records.list().map(({ apiName, responseCode, code }) => `${apiName} ${responseCode} ${code}`))
      .toEqual(['a 503 PSTN_API_UNAVAILABLE', 'b 200 ', 'a 200 '])
  })

  it('that fails is told by ready() and loadError; the others serve, and a later reload mends it', async () => {
    const seen = watchProcess()
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({ 'a.mjs': 'throw new Error("as asked")', 'c.mjs': file(name, 'c') })
    const c = inFile('c', { hooks: { pre: [{ path: 'c.mjs', functionName: 'f' }] } })
    const { gateway, url } = await run([inFile('a'), saying('other', { name: 'b', listenPath: '/b' }), c], {
      pluginsDirectory,
    })
    const errors = listenTo(gateway, 'loadError')
    const error = await errorOf(gateway.ready())
    expect(error.code).toBe('PSTN_PLUGIN_UNLOADABLE')
    expect(error.message).toContain('[0].hooks.pre[0].path: ')
    expect(errors).toEqual([{ error }])
    expect(await errorOf(gateway.ready())).toBe(error)
    expect([await told(url, '/a'), await told(url, '/b'), await told(url, '/c')]).toEqual([
      UNAVAILABLE,
      '200 other',
      '200 c',
    ])
    expect((await errorOf(gateway.reload([inFile('a')]))).code).toBe('PSTN_PLUGIN_UNLOADABLE')
    expect(await told(url, '/b')).toBe('200 other')
    writeFiles(pluginsDirectory, { 'a.mjs': file(name, 'a') })
    const report = await gateway.reload([inFile('a'), c])
    // One that never answered is new to those who watch.
    expect([report.added, report.removed].map((apis) => apis.map((api) => api.name))).toEqual([['a'], ['b']])
    await gateway.ready()
    expect(await told(url, '/a')).toBe('200 a')
    expect(log).toContain('init a  a')
    await settled()
    expect(seen).toEqual([])
  })

  it('is waited for by ready() together with the reload that mends it', async () => {
    const pluginsDirectory = pluginFolder({ 'a.mjs': 'throw new Error("as asked")' })
    const { gateway, url } = await run(inFile('a'), { pluginsDirectory })
    const reload = gateway.reload(saying('mended'))
    await gateway.ready()
    await reload
    expect(await told(url, '/a')).toBe('200 mended')
  })

  it('that a close interrupts makes nothing ready', async () => {
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({ 'a.mjs': file(name, 'a') })
    const { gateway } = await run(inFile('a'), { pluginsDirectory })
    const ready = errorOf(gateway.ready())
    await gateway.close()
    expect((await ready).code).toBe('PSTN_CLOSED')
    expect(log).toEqual(['loaded a'])
  })

  it('refuses upgrades and calls as it does requests', async () => {
    const gate = signalled()
    Object.assign(globalThis, { posternCallGate: gate.promise })
    const pluginsDirectory = pluginFolder({
      'a.mjs': 'await globalThis.posternCallGate\nexport const f = () => undefined',
    })
    const { gateway, url } = await run(
      [
        inFile('a'),
        saying('', {
          name: 'b',
          listenPath: '/b',
          hooks: { pre: [async (_request, { call }) => respond(200, `called ${(await call('a', '/')).status}`)] },
        }),
      ],
      { pluginsDirectory },
    )
    expect(await told(url, '/b')).toBe('200 called 503')
    gate.signal()
    await gateway.ready()
    expect(await told(url, '/b')).toBe('200 called 404')
  })
})

describe('a plugin file', () => {
  it('is initialised for each API before it serves, and closed after the last request', async () => {
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({ 'a.mjs': file(name, 'one') })
    const arrived = signalled()
    const gate = signalled()
    const held = saying('', {
      name: 'held',
      listenPath: '/held',
      hooks: {
        pre: [
          async (_request, { call }) => {
            arrived.signal()
            await gate.promise
            return respond(200, await (await call('a', '/')).text())
          },
        ],
      },
    })
    const { gateway, url } = await run([inFile('a'), inFile('b'), held], { pluginsDirectory })
    await gateway.ready()
    expect(log.splice(0)).toEqual(['loaded one', 'init a  one', 'init b  one'])
    expect(await told(url, '/a')).toBe('200 one')
    log.length = 0

    const last = told(url, '/held')
    await arrived.promise
    writeFiles(pluginsDirectory, { 'a.mjs': file(name, 'two') })
    await gateway.reload([inFile('a'), inFile('b'), held])
    expect(log.splice(0)).toEqual(['loaded two', 'init a  two', 'init b  two'])
    expect(await told(url, '/a')).toBe('200 two')
    expect(log.splice(0)).toEqual(['run a two'])
    gate.signal()
    expect(await last).toBe('200 one')
    await expect.poll(() => log).toEqual(['run a one', 'close one'])
    log.length = 0

    await gateway.reload([inFile('a'), held])
    expect(log).toEqual([])
    await gateway.close()
    expect(log).toEqual(['close two'])
  })

  it('is another instance for another definition of its API, and the same for those that stay', async () => {
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({ 'a.mjs': file(name, 'x') })
    const { gateway, url } = await run([inFile('a'), inFile('b')], { pluginsDirectory })
    await gateway.ready()
    log.length = 0
    const { changed, unchanged } = await gateway.reload([inFile('a', { config: { version: 2 } }), inFile('b')])
    expect([changed.map(({ keys }) => keys), unchanged]).toEqual([[['config']], 1])
    expect(log.splice(0)).toEqual(['loaded x', 'init a 2 x'])
    await gateway.reload(inFile('a', { config: { version: 2 } }))
    await expect.poll(() => log.splice(0)).toEqual(['close x'])
    expect(await told(url, '/a')).toBe('200 x')
  })

  it('that was initialised in vain is closed', async () => {
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({
      'a.mjs': file(name, 'a'),
      'late.mjs':
        'export const init = async () => { await new Promise(setImmediate); throw new Error("no") }\nexport const f = () => undefined',
    })
    const { gateway } = await run(saying('one', { name: 'first', listenPath: '/first' }), { pluginsDirectory })
    const late = inFile('late', { hooks: { pre: [{ path: 'late.mjs', functionName: 'f' }] } })
    await errorOf(gateway.reload([inFile('a'), late]))
    expect(log).toEqual(['loaded a', 'init a  a', 'close a'])
  })

  it('whose close fails ends all the same, with a warning', async () => {
    const warnings: string[] = []
    const listener = ({ message }: Error): void => void warnings.push(message)
    process.on('warning', listener)
    const pluginsDirectory = pluginFolder({
      'a.mjs': 'export const close = () => { throw new Error("busy") }\nexport const f = () => undefined',
    })
    const { gateway, url } = await run(inFile('a'), { pluginsDirectory })
    await gateway.ready()
    await gateway.reload(saying('next'))
    expect(await told(url, '/a')).toBe('200 next')
    await expect.poll(() => warnings.join()).toMatch(/API "a" failed at its end: .*busy/)
    process.off('warning', listener)
  })
})

describe('the end of a gateway', () => {
  const HANGS = 'new Promise(() => {})'
  it.each([
    ['an import', `await ${HANGS}`, false],
    ['an init', `export const init = () => ${HANGS}`, false],
    ['a close', `export const close = () => ${HANGS}`, true],
  ])('does not wait longer than it was told for %s of a plugin file', async (_, text, isReady) => {
    const pluginsDirectory = pluginFolder({ 'a.mjs': `${text}\nexport const f = () => undefined` })
    const { gateway } = await run(saying('one', { name: 'one', listenPath: '/one' }), { pluginsDirectory })
    const reload = gateway.reload(inFile('a'))
    const outcome = reload.then(
      () => 'loaded',
      (error: unknown) => (error as { code?: unknown }).code,
    )
    await (isReady ? outcome : settled())
    const started = performance.now()
    await gateway.close({ timeoutMs: 200 })
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(await outcome).toBe(isReady ? 'loaded' : 'PSTN_CLOSED')
    expect((await errorOf(gateway.ready())).code).toBe('PSTN_CLOSED')
  })

  it('closes a plugin file that is ready only later, and begins none', async () => {
    const { log, name } = journal()
    const gate = signalled()
    Object.assign(globalThis, { posternLateGate: gate.promise })
    const pluginsDirectory = pluginFolder({
      'a.mjs': `export const init = async () => { ${name}.push('init'); await globalThis.posternLateGate }
        export const close = () => void ${name}.push('close')
        export const f = () => undefined`,
      'b.mjs': `await globalThis.posternLateGate
        ${name}.push('loaded')
        export const init = () => void ${name}.push('init b')
        export const f = () => undefined`,
    })
    const { gateway } = await run(inFile('a'), { pluginsDirectory })
    const other = inFile('b', { hooks: { pre: [{ path: 'b.mjs', functionName: 'f' }] } })
    const { gateway: second } = await run(other, { pluginsDirectory })
    await expect.poll(() => log).toEqual(['init'])
    await Promise.all([gateway.close({ timeoutMs: 50 }), second.close({ timeoutMs: 50 })])
    expect(log).toEqual(['init'])
    gate.signal()
    await expect.poll(() => log.toSorted()).toEqual(['close', 'init', 'loaded'])
    await settled()
    expect(log).not.toContain('init b')
  })

  it('and its start do not wait for one slow file after the other', async () => {
    const slow = 'await new Promise((resolve) => setTimeout(resolve, 400))\nexport const f = () => undefined'
    const pluginsDirectory = pluginFolder({ 'a.mjs': slow, 'b.mjs': slow, 'c.mjs': slow })
    const pre = ['a.mjs', 'b.mjs', 'c.mjs'].map((path) => ({ path, functionName: 'f' }))
    const started = performance.now()
    const { gateway } = await run(inFile('a', { hooks: { pre } }), { pluginsDirectory })
    await gateway.ready()
    expect(performance.now() - started).toBeLessThan(1_150)
  })
})

describe('checking definitions', () => {
  it('loads files, starts nothing, and calls neither init nor close', async () => {
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({ 'a.mjs': file(name, 'a') })
    const report = await checkDefinitions([inFile('a'), inFile('b', { upstream: 'http://127.0.0.1:1' })], {
      pluginsDirectory,
    })
    expect(report.problems).toEqual([])
    expect(report.apis.map((api) => api.name)).toEqual(['a', 'b'])
    expect(report.apis[0]!.definition.hooks.pre[0]!.name).toBe('a.mjs:f')
    const { gateway, url } = await run(inFile('a'), { pluginsDirectory })
    await gateway.ready()
    expect(await told(url, '/a')).toBe('200 a')
    await checkDefinitions(inFile('a'), { pluginsDirectory })
    expect(await told(url, '/a')).toBe('200 a')
    expect(log).toEqual(['loaded a', 'init a  a', 'run a a', 'loaded a', 'run a a'])
  })

  it('ends nothing, and evaluates nothing that the gateway evaluates again', async () => {
    const { log, name } = journal()
    const pluginsDirectory = pluginFolder({
      'a.mjs': `${name}.push('loaded')
        export const close = () => void ${name}.push('close')
        export const f = () => ({ responseCode: 200, responseBody: 'a' })`,
    })
    await checkDefinitions(inFile('a'), { pluginsDirectory })
    const { gateway, url } = await run(inFile('a'), { pluginsDirectory })
    await gateway.ready()
    expect(await told(url, '/a')).toBe('200 a')
    await checkDefinitions(inFile('a'), { pluginsDirectory })
    expect(log).toEqual(['loaded'])
    await gateway.close()
    expect(log).toEqual(['loaded', 'close'])
  })

  it('says all that is wrong and throws nothing of it', async () => {
    const pluginsDirectory = pluginFolder({ 'a.mjs': 'export const g = () => undefined', 'b.mjs': 'throw null' })
    const bad = inFile('b', {
      hooks: { pre: [{ path: 'b.mjs', functionName: 'f' }], post: [{ path: 'c.mjs', functionName: 'f' }] },
    })
    const { apis, problems } = await checkDefinitions([inFile('a'), bad, saying('', { name: 'c', listenPath: '/c' })], {
      pluginsDirectory,
    })
    expect(apis.map((api) => api.name)).toEqual(['c'])
    expect(problems.map(({ path }) => path)).toEqual([
      '[0].hooks.pre[0].functionName',
      '[1].hooks.pre[0].path',
      '[1].hooks.post[0].path',
    ])
    expect((await checkDefinitions({ name: '' })).problems.map(({ path }) => path)).toEqual(['name'])
  })
})

describe('references in definitions', () => {
  it('have a name and a deadline of their own, in the settings of every API that names them', async () => {
    const pluginsDirectory = pluginFolder({ 'a.mjs': 'export const hangs = () => new Promise(() => undefined)' })
    const hangs = (): Promise<undefined> => new Promise(() => undefined)
    const { gateway, url } = await run(
      [
        saying('', { hooks: { pre: [{ functionName: 'hangs', name: 'patient', timeoutMs: 30 }] } }),
        saying('', {
          name: 'b',
          listenPath: '/b',
          hooks: { pre: [{ path: 'a.mjs', functionName: 'hangs', name: 'in a file', timeoutMs: 20 }] },
        }),
        saying('', { name: 'c', listenPath: '/c', pluginTimeoutMs: 10, hooks: { pre: [{ functionName: 'hangs' }] } }),
      ],
      { pluginsDirectory, plugins: { hangs } },
    )
    await gateway.ready()
    const errors = listenTo(gateway, 'pluginError')
    for (const path of ['/a', '/b', '/c']) expect(await told(url, path)).toMatch(/^500 /)
    expect(errors.map(({ plugin, error }) => `${plugin} ${/\d+ ms/.exec(error.message)?.[0] ?? ''}`)).toEqual([
      'patient 30 ms',
      'in a file 20 ms',
      'hangs 10 ms',
    ])
    expect(gateway.explain('GET', '/b').hooks[0]!.plugins).toEqual(['in a file'])
  })

  it('mean own properties of the option plugins only, which may be a module or have no prototype', async () => {
    const plugins = Object.assign(Object.create(null) as Record<string, unknown>, { f: () => respond(200, 'f') })
    const { url } = await run(saying('', { hooks: { pre: [{ functionName: 'f' }] } }), { plugins })
    expect(await told(url, '/a')).toBe('200 f')
    const inherited = Object.create({ f: () => undefined }) as Record<string, unknown>
    const { problems } = await checkDefinitions(saying('', { hooks: { pre: [{ functionName: 'f' }] } }), {
      plugins: inherited,
    })
    expect(problems.map(({ path }) => path)).toEqual(['hooks.pre[0].functionName'])
  })

  it('may mix functions, names and files, and each is called what logs know it by', async () => {
    const pluginsDirectory = pluginFolder({ 'sub/a.mjs': 'export const f = () => { throw new Error("f") }' })
    const plugins = {
      inside: () => deny(401, 'inside'),
      g: () => {
        throw new Error('g')
      },
    }
    const { gateway, url } = await run(
      [
        saying('', { name: 'a', hooks: { pre: [{ functionName: 'g' }] } }),
        saying('', { name: 'b', listenPath: '/b', hooks: { pre: [{ path: 'sub/a.mjs', functionName: 'f' }] } }),
        saying('', { name: 'c', listenPath: '/c', hooks: { pre: [{ functionName: 'g', name: 'own' }] } }),
        saying('', { name: 'd', listenPath: '/d', hooks: { pre: [() => undefined, { functionName: 'inside' }] } }),
      ],
      { pluginsDirectory, plugins },
    )
    await gateway.ready()
    const errors = listenTo(gateway, 'pluginError')
    for (const path of ['/a', '/b', '/c']) expect(await told(url, path)).toMatch(/^500 /)
    expect(errors.map(({ plugin }) => plugin)).toEqual(['g', 'sub/a.mjs:f', 'own'])
    expect(await told(url, '/d')).toMatch(/^401 .*inside/s)
  })
})
