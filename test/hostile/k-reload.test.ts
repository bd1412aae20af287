import { rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiDefinitionInput, type GatewayErrorCode, isGatewayError, type Problem, respond } from '@postern/core'
import { expect, it } from 'vitest'
import { pluginFolder, writeFiles } from '../support/plugin-folder.ts'
import { type RawAnswer, RawClient, rawExchange } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { configuration } from './catalogue/k.ts'
import { eventually } from './eventually.ts'
import { volleys } from './in-flight.ts'

cleanUpAfterAttacks()

const get = (target: string, fields = ''): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`

const saying = (text: string, listenPath = '/'): ApiDefinitionInput => ({
  name: `at ${listenPath}`,
  id: `at${listenPath.replaceAll('/', '.')}x`,
  listenPath,
  hooks: { pre: [() => respond(200, text)] },
})

async function codeOf(reload: Promise<unknown>): Promise<GatewayErrorCode | 'taken'> {
  try {
    await reload
    return 'taken'
  } catch (error) {
    if (isGatewayError(error)) return error.code
    throw error
  }
}

const ways = (answers: readonly RawAnswer[]): string[] => [
  ...new Set(answers.map(({ status, body }) => `${status} ${body}`)),
]

attack(configuration, 'K07', (mount) => {
  const GOOD = 'export const f = () => ({ responseCode: 200, responseBody: "good" })'
  const filed: ApiDefinitionInput = {
    name: 'filed',
    listenPath: '/filed',
    hooks: { pre: [{ path: 'a.mjs', functionName: 'f' }] },
  }

  it.each<[string, (folder: string) => void, GatewayErrorCode]>([
    ['half written', (folder) => writeFiles(folder, { 'a.mjs': GOOD.slice(0, 40) }), 'PSTN_PLUGIN_UNLOADABLE'],
    ['that has vanished', (folder) => rmSync(path.join(folder, 'a.mjs')), 'PSTN_PLUGIN_NOT_FOUND'],
    [
      'that throws',
      (folder) => writeFiles(folder, { 'a.mjs': 'throw new Error("as asked")' }),
      'PSTN_PLUGIN_UNLOADABLE',
    ],
    [
      'whose init fails',
      (folder) => writeFiles(folder, { 'a.mjs': `${GOOD}\nexport const init = async () => { throw null }` }),
      'PSTN_PLUGIN_UNLOADABLE',
    ],
    ['with its directory', (folder) => rmSync(folder, { recursive: true }), 'PSTN_PLUGIN_NOT_FOUND'],
  ])('a plugin file %s leaves the old one at work', async (_, breakIt, code) => {
    const pluginsDirectory = pluginFolder({ 'a.mjs': GOOD })
    const { port, gateway } = await mount(filed, { options: { pluginsDirectory } })
    await gateway.ready()
    const errors: string[] = []
    gateway.on('loadError', ({ error }) => void errors.push(error.code))
    const volley = volleys(port, 4)
    breakIt(pluginsDirectory)
    const [answers, ...codes] = await Promise.all([
      volley(200, undefined, '/filed'),
      codeOf(gateway.reload(filed)),
      codeOf(gateway.reload(filed)),
    ])
    expect([ways(answers), codes, errors]).toEqual([['200 good'], [code, code], [code, code]])
    writeFiles(pluginsDirectory, { 'a.mjs': GOOD.replace('good', 'mended') })
    expect(await codeOf(gateway.reload(filed))).toBe('taken')
    expect(ways(await volley(8, undefined, '/filed'))).toEqual(['200 mended'])
  })

  it('one broken definition among 100 keeps all 100 as they were', async () => {
    const all = (text: string): ApiDefinitionInput[] => Array.from({ length: 100 }, (_, i) => saying(text, `/${i}`))
    const { port, gateway } = await mount(all('old'))
    const broken = all('new').with(37, {
      ...saying('new', '/37'),
      limits: { rate: -1, per: 1 },
      hook: [],
    } as object as ApiDefinitionInput)
    const refused = gateway.reload(broken).then(
      () => [],
      (error: Error) => error.cause as readonly Problem[],
    )
    const clients = volleys(port, 4)
    const answers: RawAnswer[] = []
    for (let i = 0; i < 100; i += 1) answers.push(...(await clients(4, undefined, `/${i}`)))
    expect((await refused).map((problem) => problem.path).toSorted()).toEqual(['[37].hook', '[37].limits.rate'])
    expect(ways(answers)).toEqual(['200 old'])
    await gateway.reload(all('new'))
    expect(ways(await clients(4, undefined, '/37'))).toEqual(['200 new'])
  })
})

attack(configuration, 'K08', (mount) => {
  it('200 slow requests end as they began, and the next ones meet what is new', async () => {
    const held: (() => void)[] = []
    const old = await strictUpstream(({ target }, socket) => {
      if (target === '/health') return wireAnswer('well')
      held.push(() => socket.write(wireAnswer(`old ${target}`)))
      return undefined
    })
    const fresh = await strictUpstream(({ target }) => wireAnswer(`new ${target}`))
    const moved: ApiDefinitionInput = { name: 'moved', listenPath: '/moved', upstream: old.url }
    const locked: ApiDefinitionInput = { name: 'locked', listenPath: '/locked', upstream: old.url }
    const limited: ApiDefinitionInput = { name: 'limited', listenPath: '/limited', upstream: old.url }
    const removed: ApiDefinitionInput = {
      name: 'removed',
      listenPath: '/removed',
      upstream: { url: old.url, health: { path: '/health', intervalMs: 20 } },
    }
    const { port, gateway } = await mount([moved, locked, limited, removed])
    const targets = ['/moved', '/locked', '/limited', '/removed']
    const slow = Array.from({ length: 200 }, (_, i) => {
      const target = `${targets[i % 4]!}/${i}`
      return { expected: `200 old /${i}`, answer: rawExchange(port, get(target)) }
    })
    await eventually(() => expect(held).toHaveLength(200))
    await gateway.reload([
      { ...moved, upstream: fresh.url },
      { ...locked, upstream: fresh.url, authentication: { token: true } },
      { ...limited, upstream: fresh.url, limits: { rate: 1, per: 60 } },
    ])
    const next = async (): Promise<number[]> => {
      const statuses: number[] = []
      for (const target of targets) statuses.push((await rawExchange(port, get(`${target}/n`))).status)
      return statuses
    }
    expect([await next(), await next()]).toEqual([
      [200, 401, 200, 404],
      [200, 401, 429, 404],
    ])
    const checks = (): number => old.seen.filter(({ target }) => target === '/health').length
    const before = checks()
    await eventually(() => expect(checks()).toBeGreaterThan(before))
    for (const answer of held) answer()
    for (const { expected, answer } of slow) {
      const { status, body } = await answer
      expect(`${status} ${body}`).toBe(expected)
    }
    const connections = (): Promise<number> =>
      new Promise((resolve) => old.server.getConnections((_, count) => resolve(count)))
    await eventually(async () => expect(await connections()).toBe(0))
    const after = checks()
    await sleep(80)
    expect(checks()).toBe(after)
    expect([old.violations, fresh.violations]).toEqual([[], []])
  })
})

attack(configuration, 'K09', (mount) => {
  it('of hundreds of reloads the last wins, whatever becomes of the others', async () => {
    const pluginsDirectory = pluginFolder({ 'a.mjs': 'export const f = () => undefined' })
    const version = (i: number): readonly ApiDefinitionInput[] => [
      saying(`${i}`),
      {
        name: 'filed',
        listenPath: '/filed',
        hooks: { pre: [{ path: 'a.mjs', functionName: i % 5 === 2 ? 'g' : 'f' }] },
      },
    ]
    const { port, gateway } = await mount(version(0), { options: { pluginsDirectory } })
    await gateway.ready()
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const taken: number[] = []
    gateway.on('reload', ({ changed }) => void taken.push(changed.length))
    gateway.on('loadError', () => undefined)
    const client = new RawClient(port)
    const reloads: Promise<string>[] = []
    let last = 0
    for (let burst = 0; burst < 30; burst += 1) {
      for (let i = 0; i < 10; i += 1) reloads.push(codeOf(gateway.reload(version((last += 1)))))
      client.write(get('/'))
      const { status, body } = await client.answer()
      expect(status).toBe(200)
      expect(Number(body)).toBeLessThanOrEqual(last)
    }
    const codes = await Promise.all(reloads)
    expect(codes.filter((code) => code !== 'taken' && code !== 'PSTN_PLUGIN_NOT_FOUND')).toEqual([])
    expect(codes.at(-1)).toBe('taken')
    expect(taken.length).toBeLessThanOrEqual(60)
    client.write(get('/'))
    expect((await client.answer()).body).toBe(`${last}`)
    await eventually(() => expect(timers()).toBeLessThanOrEqual(before + 1))
  })

  it('a close among them ends them all', async () => {
    const { gateway } = await mount(saying('0'))
    const before = Array.from({ length: 20 }, (_, i) => codeOf(gateway.reload(saying(`${i + 1}`))))
    const closing = gateway.close()
    const after = Array.from({ length: 20 }, () => codeOf(gateway.reload(saying('late'))))
    expect(new Set(await Promise.all([...before, ...after]))).toEqual(new Set(['PSTN_CLOSED']))
    await closing
  })
})
