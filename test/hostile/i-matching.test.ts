import { createGateway } from '@postern/http'
import { type ApiDefinitionInput, type EndpointPlugin, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { ApiIndex } from '../../packages/core/src/chain/api-index.ts'
import type { CompiledApi } from '../../packages/core/src/chain/compiled-api.ts'
import { EndpointTree } from '../../packages/core/src/chain/endpoint-tree.ts'
import { parseDefinitions } from '../../packages/core/src/definition/parse.ts'
import { canonicalPath, parseTarget } from '../../packages/core/src/http/path.ts'
import { GatewayQuery } from '../../packages/core/src/http/query.ts'
import { compileUrl } from '../../packages/core/src/session/url-pattern.ts'
import { rawExchange } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { pathMatching } from './catalogue/i.ts'

cleanUpAfterAttacks()

/** The shortest of a few runs, in milliseconds: what else the machine does makes runs longer, never shorter. */
function quickest(run: () => void): number {
  let best = Infinity
  for (let i = 0; i < 5; i += 1) {
    const started = performance.now()
    run()
    best = Math.min(best, performance.now() - started)
  }
  return best
}

const MIN_MS = 0.05

attack(pathMatching, 'I06', (mount) => {
  const LONG: readonly (readonly [what: string, target: (length: number) => string])[] = [
    ['one segment', (length) => `/${'a'.repeat(length)}`],
    ['segments', (length) => '/a'.repeat(length / 2)],
    ['segments to resolve', (length) => '/a/..'.repeat(length / 5)],
    ['slashes', (length) => '/'.repeat(length)],
    ['escapes', (length) => `/${'%41'.repeat(length / 3)}`],
    ['escapes of several bytes', (length) => `/${'%e2%98%95'.repeat(length / 9)}`],
    ['dots and semicolons', (length) => `/${'a..;'.repeat(length / 4)}`],
    ['escaped slashes', (length) => `/${'a%2f'.repeat(length / 4)}`],
    ['query pairs', (length) => `/?${'a=1&'.repeat(length / 4)}`],
  ]

  it.each(LONG)('64 KiB of %s reach the upstream where heads may be that long', async (_, make) => {
    const { port, upstream, unharmed } = await besiege(mount, {}, { server: { maxHeaderBytes: 131_072 } })
    const target = make(65_536)
    const { status } = await rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const { path, search } = parseTarget(target)!
    expect([status, upstream.seen.map((seen) => seen.target)]).toEqual([
      200,
      [search === '' ? path : `${path}?${search}`],
    ])
    await unharmed()
  })

  it('10,000 segments and 5,000 pairs are read, and matched by an endpoint of 1,000 parameters where they fit', async () => {
    const found: unknown[] = []
    const parameters = Array.from({ length: 1_000 }, (_, i) => `:p${i}`).join('/')
    const count: EndpointPlugin = ({ query }, { params }) => void found.push(query.size, params['p999'])
    const { port, unharmed } = await besiege(
      mount,
      { endpoints: { [`GET /${parameters}`]: [count] } },
      { server: { maxHeaderBytes: 131_072 } },
    )
    const pairs = Array.from({ length: 5_000 }, (_, i) => `a${i}=1`).join('&')
    const statuses: number[] = []
    for (const segments of [10_000, 1_000]) {
      const target = `/${Array.from({ length: segments }, (_, i) => i).join('/')}?${pairs}`
      statuses.push((await rawExchange(port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)).status)
    }
    expect([statuses, found]).toEqual([
      [200, 200],
      [5_000, '999'],
    ])
    await unharmed()
  })

  it.each(LONG)('64 KiB of %s are refused by default', async (_, make) => {
    const { port, upstream, unharmed } = await besiege(mount)
    const { status } = await rawExchange(port, `GET ${make(65_536)} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect([status, upstream.seen]).toEqual([431, []])
    await unharmed()
  })

  it.each(LONG)('reading %s is linear', (_, make) => {
    const cost = (length: number): number => {
      const target = make(length)
      return quickest(() => {
        const { path, search } = parseTarget(target)!
        canonicalPath(path)
        new GatewayQuery(search).get('b')
      })
    }
    const small = Math.max(cost(16_384), MIN_MS)
    // Four times as much: a quadratic reader would need sixteen times as long, and 64 KiB are more than a blink to it.
    expect(cost(65_536)).toBeLessThan(small * 40)
  })
})

attack(pathMatching, 'I07', () => {
  const TEMPLATES = [
    '/:a-:b-:c',
    '/:a.:b.:c.:d.:e',
    '/x{a}-{b}-{c}',
    '/*"a"x*b',
    '/{*a}x{*b}',
    '/*a-*b-*c',
    '/*a/x/*b/x/*c/y',
    '/*a-:b-:c/*d-:e-x',
    '/*a--:b--:c--:d--:e/z',
    '/*a/:b-:c/*d/:e-:f/q',
    '/:a-*b-:c-*d-q',
    '/*a{-:b}{-:c}{-:d}{-:e}x',
    '/{:a-}{:b-}{:c-}{:d-}{:e-}z',
    `/${Array.from({ length: 8 }, (_, i) => `{:p${i}-}`).join('')}z`,
    `/${Array.from({ length: 100 }, (_, i) => `:p${i}`).join('-')}`,
    `/${Array.from({ length: 50 }, (_, i) => `*p${i}`).join('-x/')}/z`,
  ]
  const UNITS = ['a', '-', 'a-', '-a', '--', '.', 'a.', 'x', '-x', '/x', 'x/', 'a/', '/-', '-/', '/a-b', 'q/x-']
  const ENDS = ['', '!', '/', '/!', '-', '-z']

  describe.each(TEMPLATES)('the endpoint GET %s', (template) => {
    it('is matched against 8 KiB of anything before anybody would notice', () => {
      const tree = new EndpointTree<number>()
      tree.add(`GET ${template}`, 0)
      const started = performance.now()
      for (const unit of UNITS) {
        for (const end of ENDS) {
          const path = canonicalPath(`/${unit.repeat(8_192 / unit.length)}${end}`)!
          expect(tree.find('GET', path)?.value ?? 0).toBe(0)
        }
      }
      // A matcher that backtracks needs minutes for one of them.
      expect(performance.now() - started).toBeLessThan(5_000)
    })
  })

  it.each([9, 20, 1_000])('with %i optional groups it is refused, by name', (count) => {
    const key = `GET /${Array.from({ length: count }, (_, i) => `{x${i}}`).join('')}` as const
    const define = (): unknown => createGateway({ name: 'bomb', endpoints: { [key]: [() => respond(204)] } })
    expect(define).toThrow(expect.objectContaining({ code: 'PSTN_DEFINITION_INVALID' }))
    expect(define).toThrow(key)
  })

  it('nested deeper than any stack it is refused as well', () => {
    const key = `GET /${'{a'.repeat(100_000)}${'}'.repeat(100_000)}` as const
    const define = (): unknown => createGateway({ name: 'bomb', endpoints: { [key]: [() => respond(204)] } })
    expect(define).toThrow(expect.objectContaining({ code: 'PSTN_DEFINITION_INVALID' }))
  })

  it.each(['(a+)+$', '(a*)*', '(a|a*)+b', '(.*)*x', 'a{1000}{1000}', '(?=a)b', String.raw`(a)\1`])(
    'the allowed URL %s is refused, by name, and meets nothing',
    (pattern) => {
      const compiled = compileUrl(pattern)
      expect([compiled.problem?.code, compiled.problem?.message]).toEqual([
        'PSTN_SESSION_INVALID',
        expect.stringContaining(JSON.stringify(pattern).slice(1, 7)),
      ])
      expect(compiled.matches('a'.repeat(8_192))).toBe(false)
    },
  )

  it.each([
    '.*.*.*.*.*x',
    '/*/*/*/*/x',
    '/x{a}-{b}-{c}x',
    '((a{1,9}){1,9}){1,9}',
    'a?a?a?a?a?a?a?a?aaaaaaaa',
    '(a|b|ab)*c',
    '(x+x+)y',
  ])('the allowed URL %s is matched in linear time', (pattern) => {
    const compiled = compileUrl(pattern)
    expect(compiled.problem).toBeUndefined()
    const started = performance.now()
    for (const unit of ['a', 'ab', '-', '/', '/a', 'x'])
      expect(compiled.matches(`/${unit.repeat(8_192 / unit.length)}!`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})

attack(pathMatching, 'I08', () => {
  const keys = Array.from({ length: 10 }, (_, i) => [
    `GET /e${i}`,
    `GET /e${i}/:id`,
    `GET /e${i}/:id.json`,
    `GET /e${i}/*rest`,
    `POST /e${i}/:id`,
  ]).flat()
  const endpoints = Object.fromEntries(keys.map((key) => [key, [() => respond(204)]]))
  const listenPaths = Array.from({ length: 250 }, (_, i) => [`/a${i}`, `/a${i}/b`, `/a${i}/b/c`, `/a${i}b`]).flat()
  const definitionsOf = (paths: readonly string[], of: typeof endpoints): ApiDefinitionInput[] =>
    paths.map((listenPath) => ({ name: listenPath.replaceAll('/', '.'), listenPath, endpoints: of }))

  const ASKED: readonly (readonly [below: string, key: string | undefined])[] = [
    ['/e7', 'GET /e7'],
    ['/e7/1', 'GET /e7/:id'],
    ['/e7/1.json', 'GET /e7/:id.json'],
    ['/e7/1/2', 'GET /e7/*rest'],
    ['/e77', undefined],
    ['/', undefined],
  ]

  it('the most specific API and endpoint win, in any order', { timeout: 60_000 }, () => {
    const forwards = createGateway(definitionsOf(listenPaths, endpoints))
    const reversed = Object.fromEntries(Object.entries(endpoints).toReversed())
    const backwards = createGateway(definitionsOf(listenPaths.toReversed(), reversed))
    for (const listenPath of listenPaths.filter((_, i) => i % 10 < 4)) {
      for (const [rest, key] of ASKED) {
        for (const gateway of [forwards, backwards]) {
          const { api, endpoint } = gateway.explain('GET', listenPath + rest)
          expect([listenPath + rest, api?.listenPath, endpoint?.key]).toEqual([listenPath + rest, listenPath, key])
        }
      }
    }
    expect(forwards.explain('GET', '/a9999/e1').api).toBeUndefined()
  })

  it('an endpoint is found as fast among 50,000 as among 500', () => {
    const cost = (count: number): number => {
      const tree = new EndpointTree<number>()
      for (let i = 0; i < count; i += 1) tree.add(`GET /${i % 100}/x${i}/:id`, i)
      const paths = Array.from({ length: 500 }, (_, i) => `/${(i * 7) % 100}/x${count - 1 - ((i * 7) % 500)}/1`)
      return quickest(() => {
        for (const path of paths) tree.find('GET', path)
      })
    }
    // A hundred times as many: whoever looks at them one by one needs a hundred times as long.
    expect(cost(50_000)).toBeLessThan(Math.max(cost(500), MIN_MS) * 30)
  })

  it('an API is found as fast among 10,000 as among 100', () => {
    const index = (count: number): ApiIndex =>
      new ApiIndex(
        parseDefinitions(
          Array.from({ length: count }, (_, i) => ({ name: `api${i}`, listenPath: `/x/${i}` })),
        ).definitions.map(
          // All that a lookup reads of an API.
          ({ draft }) => ({ info: draft, definition: draft }) as unknown as CompiledApi,
        ),
      )
    const cost = (apis: ApiIndex): number =>
      quickest(() => {
        for (let i = 0; i < 500; i += 1) expect(apis.find(`/x/${i % 100}/a/b/c`)?.path).toBe('/a/b/c')
      })
    expect(cost(index(10_000))).toBeLessThan(Math.max(cost(index(100)), MIN_MS) * 30)
  })
})
