import { describe } from '@postern/core/store'
import { expect, it } from 'vitest'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { configuration } from './catalogue/k.ts'
import { problemsOf } from './definition-problems.ts'

cleanUpAfterAttacks()

const plugin = (): undefined => undefined

/** Every field there is, all of them right. */
const COMPLETE = (): Record<string, unknown> => ({
  name: 'orders',
  id: 'orders-v1',
  orgId: 'default',
  listenPath: '/orders/',
  stripListenPath: true,
  upstream: {
    url: 'http://127.0.0.1:9000',
    preserveHost: false,
    forwarded: 'append',
    connectTimeoutMs: 1_000,
    headersTimeoutMs: 1_000,
    bodyTimeoutMs: 1_000,
    verifyTls: true,
  },
  hooks: {
    pre: [plugin, { plugin, name: 'stamp', timeoutMs: 10 }],
    auth: plugin,
    postAuth: [plugin],
    post: [plugin],
    response: [plugin],
    analytics: [plugin],
  },
  endpoints: { 'GET /x': [plugin] },
  authentication: {
    token: { header: 'x-key', query: 'key', cookie: 'key', strip: 'all' },
    idExtractor: { source: 'header', header: 'x-id', mode: 'regex', expression: '[0-9]+', matchIndex: 1, proof: 'id' },
    baseIdentity: 'token',
  },
  limits: {
    rate: 5,
    per: 10,
    endpoints: { 'GET /x': { rate: 1, per: 1 } },
    algorithm: 'gcra',
    headers: 'both',
    keyRate: true,
    keyQuota: true,
  },
  policies: { gold: { rate: 5, per: 10, accessRights: { 'orders-v1': {} } } },
  version: 'v1',
  sessionLifetime: 60,
  ignoreCase: false,
  config: { any: 'data' },
  pluginTimeoutMs: 100,
  maxBufferedBytes: 100,
  maxBodyBytes: 100,
  bodyTimeoutMs: 100,
  requestTimeoutMs: 100,
  sendTimeoutMs: 100,
  upgradeIdleTimeoutMs: 100,
  underscoreHeaders: 'drop',
  trustedProxies: ['10.0.0.0/8'],
  records: { tags: ['shop'], tagHeaders: ['x-region'], detailed: true, maxDetailedBytes: 1_024, retention: 60 },
  secrets: { headers: ['x-api-key'], query: ['key'], bodyFields: ['password'] },
  keepUntilExpiry: true,
})

/** Nobody looks inside these: their content is data of the author. */
const OPEN = new Set(['config'])

type Path = readonly (string | number)[]

/** Every field, with what it is. */
function* fieldsOf(value: unknown, path: Path = []): Generator<readonly [path: Path, value: unknown]> {
  for (const [key, inner] of Object.entries(value as object)) {
    const here = [...path, Array.isArray(value) ? Number(key) : key]
    yield [here, inner]
    if (typeof inner === 'object' && inner !== null && !OPEN.has(key)) yield* fieldsOf(inner, here)
  }
}

/** What a field of this kind can never be. */
function wrongFor(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return [5, null, true, [], {}, '']
  if (typeof value === 'number') return ['5', null, true, [], {}, -1, Number.NaN]
  if (typeof value === 'boolean') return ['yes', 1, 0, null, [], {}]
  if (typeof value === 'function') return ['plugin', 5, null, [], {}, Stamp]
  return Array.isArray(value) ? ['x', 5, true, {}] : ['x', 5, null, []]
}

class Stamp {
  run(): void {}
}

/** Values that mean something after all. */
const MEANT = new Set([
  'policies.gold.rate -1',
  'authentication.token.header false',
  'orgId ',
  'authentication.token.header ',
])

function mutated(path: Path, value: unknown): Record<string, unknown> {
  const definition = COMPLETE()
  let parent: Record<string | number, unknown> = definition
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>
  parent[path.at(-1)!] = value
  return definition
}

attack(configuration, 'K01', () => {
  it('the complete one is right', () => {
    expect(problemsOf(COMPLETE())).toEqual([])
  })

  it('each mutation is refused, and says where', () => {
    let count = 0
    for (const [path, value] of fieldsOf(COMPLETE())) {
      // An upstream is a text as well, and a token a flag.
      const names = path.map(String)
      for (const wrong of wrongFor(value)) {
        if (MEANT.has(`${names.join('.')} ${String(wrong)}`)) continue
        const problems = problemsOf(mutated(path, wrong))
        const places = problems.map((problem) => problem.path)
        const first = names[0]!
        const told = places.some((place) => place.startsWith(first))
        expect(`${names.join('.')}: ${describe(wrong)}, told: ${told}`).toBe(
          `${names.join('.')}: ${describe(wrong)}, told: true`,
        )
        count += 1
      }
    }
    expect(count).toBeGreaterThan(300)
  })

  it('all problems are told at once', () => {
    const wrong = {
      name: 5,
      listenPath: 'orders',
      upstream: { url: 'ftp://x', connectTimeoutMs: 0, verifyTls: 'no' },
      hooks: { pre: ['stamp'], Post: [] },
      endpoints: { 'get /x': [plugin] },
      limits: { rate: 5 },
      authentication: { idExtractor: { source: 'header' } },
      maxBodyBytes: '1mb',
      trustedProxies: ['everybody'],
    }
    const places = problemsOf(wrong).map(({ path }) => path)
    for (const place of [
      'name',
      'listenPath',
      'upstream.url',
      'upstream.connectTimeoutMs',
      'upstream.verifyTls',
      'hooks.pre[0]',
      'hooks.Post',
      'endpoints["get /x"]',
      'limits.per',
      'authentication.idExtractor.mode',
      'maxBodyBytes',
      'trustedProxies[0]',
    ])
      expect(places).toContain(place)
  })

  it.each([undefined, null, 5, 'orders', true, [], [[]], plugin])('%o is no definition', (definition) => {
    expect(problemsOf(definition).length).toBeGreaterThan(0)
  })
})
