import type { AuthPlugin, IdExtractorInput, SessionInput } from '@postern/core'
import { memoryStore } from '@postern/core'
import { createGateway } from '@postern/http'
import { expect, it } from 'vitest'
import { drive } from '../redis/drive.ts'
import { send } from '../support/client.ts'
import { signalled } from '../support/promises.ts'
import { remote } from '../support/stores.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { authentication } from './catalogue/e.ts'

cleanUpAfterAttacks()

const BY_DIGITS: IdExtractorInput = { source: 'header', header: 'authorization', mode: 'regex', expression: '[0-9]+$' }
const inAMinute = (): number => Math.floor(Date.now() / 1_000) + 60
const withKey = (authorization: string) => ({ headers: { authorization } })

attack(authentication, 'E06', (mount) => {
  const extractor = (expression: string): IdExtractorInput => ({
    source: 'header',
    header: 'x-id',
    mode: 'regex',
    expression,
  })
  const auth: AuthPlugin = () => ({ idExtractorDeadline: inAMinute(), metadata: {} })
  const definition = (expression: string) => ({
    name: 'a',
    hooks: { auth },
    authentication: { idExtractor: extractor(expression) },
  })

  it('ruinous and foreign expressions are refused when they are read', () => {
    const ruinous = ['^(a+)+$', '(.*)*x', '(a|a*)+b', '(\\w+\\s?)*$']
    const foreign = ['(a)\\1', '(?=a)a', '(?<!a)b', 'a++', '(?>a)', '(', 'a{2,1}']
    const huge = ['a{1000}{1000}', '(?:a{0,900}b){5}', 'x'.repeat(1_001)]
    const empty = ['a*', '^$', '']
    for (const expression of [...ruinous, ...foreign, ...huge, ...empty]) {
      let refusal = ''
      try {
        createGateway(definition(expression))
      } catch (error) {
        refusal = String(error)
      }
      expect([expression, refusal]).toEqual([expression, expect.stringContaining('idExtractor.expression')])
    }
  })

  it('what is left reads 8 KiB in no time, and longer ids name nobody', async () => {
    const texts = ['a'.repeat(8_000), `${'a'.repeat(7_999)}!`, 'ab'.repeat(4_000)]
    for (const expression of ['^a+a+a+$', '.*.*.*x', '(?:a|b|ab)+c', '(?:a{1,9}){1,9}', '[a-z]{1,900}']) {
      const siege = await besiege(mount, definition(expression))
      const started = performance.now()
      for (const text of texts) {
        const { status } = await send(siege.url, '/', { headers: { 'x-id': text } })
        expect([expression, [200, 400].includes(status)]).toEqual([expression, true])
      }
      expect(performance.now() - started).toBeLessThan(5_000)
    }
    const all = await besiege(mount, definition('.+'), { server: { maxHeaderBytes: 65_536 } })
    expect((await send(all.url, '/', { headers: { 'x-id': 'i'.repeat(8_192) } })).status).toBe(200)
    expect((await send(all.url, '/', { headers: { 'x-id': 'i'.repeat(8_193) } })).status).toBe(400)
  })
})

attack(authentication, 'E07', (mount) => {
  it('the id names a session and proves nothing', async () => {
    const asked: string[] = []
    const siege = await besiege(mount, {
      authentication: { idExtractor: BY_DIGITS },
      hooks: {
        auth: (request) => {
          const credential = request.headers.get('authorization') ?? ''
          asked.push(credential)
          if (credential !== 'good-42') return { responseCode: 403, responseError: 'who are you?' }
          return { alias: 'good', idExtractorDeadline: inAMinute(), metadata: {} }
        },
      },
    })
    const order = ['good-42', 'evil-42', 'good-42', 'evil-42', 'EVIL-42', 'good-42']
    const answers: number[] = []
    for (const credential of order) answers.push((await send(siege.url, '/', withKey(credential))).status)
    expect(answers).toEqual([200, 403, 200, 403, 403, 200])
    expect(asked).toEqual(['good-42', 'evil-42', 'evil-42', 'EVIL-42'])
    expect(siege.upstream.seen.length).toBe(3)
  })
})

attack(authentication, 'E08', (mount) => {
  it('each API, and each plugin, asks for itself', async () => {
    const asked: string[] = []
    const store = remote(memoryStore())
    const api = (name: string, plugin: string) => ({
      name,
      listenPath: `/${name}`,
      authentication: { idExtractor: BY_DIGITS },
      hooks: {
        auth: {
          name: plugin,
          plugin: () => {
            asked.push(`${name} ${plugin}`)
            return { idExtractorDeadline: inAMinute(), metadata: {} }
          },
        },
      },
    })
    const route = () => ({ body: 'ok' })
    const first = await mount([api('a', 'v1'), api('b', 'v1')], { options: { store }, route })
    const second = await mount(api('a', 'v2'), { options: { store }, route })
    const ask = async (url: string, path: string): Promise<number> => (await send(url, path, withKey('key-42'))).status
    for (let i = 0; i < 2; i += 1) {
      expect([await ask(first.url, '/a'), await ask(first.url, '/b')]).toEqual([200, 200])
    }
    expect(asked).toEqual(['a v1', 'b v1'])
    expect(await ask(second.url, '/a')).toBe(200)
    expect(asked).toEqual(['a v1', 'b v1', 'a v2'])
  })
})

attack(authentication, 'E10', (mount) => {
  const outcomes: readonly (readonly [what: string, auth: () => unknown])[] = [
    [
      'throws',
      () => {
        throw new Error('SECRET')
      },
    ],
    ['rejects', () => Promise.reject(new Error('SECRET'))],
    ['takes too long', () => new Promise(() => undefined)],
    ['returns nothing', () => undefined],
    ['returns null', () => null],
    ['returns true', () => true],
    ['returns a text', () => 'ann'],
    ['returns an empty object', () => ({})],
    ['returns a list', () => []],
    ['returns no metadata', () => ({ rate: 5, per: 10 })],
    ['returns no token', () => ({ metadata: { tier: 'gold' } })],
    ['returns an empty token', () => ({ metadata: { token: '' } })],
    ['returns a token that is no text', () => ({ metadata: { token: 42 } })],
    ['returns a rate that is no number', () => ({ rate: 'many', per: 1, metadata: { token: 'ann' } })],
    ['returns a field nobody knows', () => ({ isAdmin: true, metadata: { token: 'ann' } })],
    ['names policies nobody knows', () => ({ applyPolicies: ['gold'], metadata: { token: 'ann' } })],
    ['is inactive', () => ({ isInactive: true, metadata: { token: 'ann' } })],
    ['returns JSON with __proto__', () => JSON.parse('{"__proto__":{"metadata":{"token":"ann"}}}')],
  ]

  it('nobody gets in', async () => {
    const siege = await besiege(mount, {
      pluginTimeoutMs: 50,
      hooks: { auth: ((request) => outcomes[Number(request.path.slice(1))]![1]()) as AuthPlugin },
    })
    for (const [i, [what]] of outcomes.entries()) {
      const { status, text } = await send(siege.url, `/${i}`)
      expect([what, status, text.includes('SECRET')]).toEqual([what, 403, false])
    }
    expect(siege.upstream.seen).toEqual([])
  })
})

attack(authentication, 'E11', (mount) => {
  it('one call answers them all, and a failure is nobody’s later', async () => {
    const REQUESTS = 2_000
    let calls = 0
    let outcome = signalled<SessionInput>()
    const siege = await besiege(mount, {
      upstream: undefined,
      endpoints: { 'GET /in': [() => ({ responseCode: 200, responseBody: 'in', overrideError: true })] },
      authentication: { idExtractor: BY_DIGITS },
      hooks: {
        auth: () => {
          calls += 1
          return outcome.promise
        },
      },
    })
    const stampede = async (): Promise<number[]> => {
      const driving = drive(siege.port, { path: '/in', key: 'key-42', requests: REQUESTS, connections: 50 })
      await expect.poll(() => calls).toBeGreaterThan(0)
      outcome.signal(calls === 1 ? (undefined as never) : { idExtractorDeadline: inAMinute(), metadata: {} })
      const statuses = (await driving).map(({ status }) => status)
      return [...new Set(statuses)].concat(statuses.length)
    }
    // The plugin names nobody: all that waited are refused with it, and whoever is late asks again.
    expect(await stampede()).toEqual([403, REQUESTS])
    const failed = calls
    outcome = signalled()
    expect(await stampede()).toEqual([200, REQUESTS])
    expect(calls).toBe(failed + 1)
  })
})

attack(authentication, 'E12', (mount) => {
  it('works as soon as it is there', async () => {
    const siege = await besiege(mount, { authentication: { token: true }, upstream: undefined }, { route: () => ({}) })
    const load = { path: '/', key: 'late-key', requests: 2_000, connections: 20 }
    const before = await drive(siege.port, load)
    expect(new Set(before.map(({ status }) => status))).toEqual(new Set([403]))
    expect(before.length).toBe(2_000)
    await siege.gateway.sessions.create({}, { key: 'late-key' })
    expect((await send(siege.url, '/', withKey('late-key'))).status).toBe(200)
    expect((await send(siege.url, '/', withKey('other-key'))).text).toBe(
      envelope('Access to this API has been disallowed'),
    )
  })
})
