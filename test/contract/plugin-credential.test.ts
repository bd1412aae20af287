import { type ApiDefinitionInput, type AuthPlugin, deny, memoryStore, type TokenInput } from '@postern/core'
import type { Store } from '@postern/core/store'
import { describe, expect, it } from 'vitest'
import { remote } from '../support/stores.ts'
import { type Connection, connect, run, type Running, settled, type Upstream, upstreamOfTest } from './harness.ts'

/* `authentication.credential`: where the `auth` plugin finds what it asks for, so that the store may know it already. */

const stores: readonly (readonly [string, () => Store])[] = [
  ['in this process', () => memoryStore()],
  ['elsewhere', () => remote(memoryStore())],
]

interface Asked extends Running {
  readonly connection: Connection
  readonly upstream: Upstream
  /** Whom the plugin was shown, one after another. */
  readonly shown: (string | undefined)[]
  readonly ask: (target: string, headers?: readonly string[]) => Promise<number>
}

const inQuery = (target: string): string => new URLSearchParams(target.split('?')[1]).get('key') ?? ''

async function open(credential: TokenInput, store: Store = memoryStore()): Promise<Asked> {
  const upstream = await upstreamOfTest()
  const shown: (string | undefined)[] = []
  const auth: AuthPlugin = ({ headers, originalUrl }, { session }) => {
    shown.push(session?.alias)
    const cookie = /key=([^;]*)/.exec(headers.get('cookie') ?? '')?.[1] ?? ''
    const key = cookie || inQuery(originalUrl) || (headers.get('x-key') ?? '').replace('Bearer ', '')
    return key.startsWith('of-') ? { alias: key.slice(3), metadata: { token: key } } : deny(401, 'Unknown')
  }
  const definition: ApiDefinitionInput = {
    name: 'a',
    upstream: upstream.url,
    hooks: { auth },
    authentication: { credential },
  }
  const running = await run(definition, { store })
  const connection = await connect(running.port)
  return {
    ...running,
    connection,
    upstream,
    shown,
    ask: async (target, headers) => {
      const { status } = await connection.request('GET', target, headers)
      await settled()
      return status
    },
  }
}

describe.each(stores)('with a store %s an auth plugin is shown whom the store knows', (_, makeStore) => {
  it.each<[string, TokenInput, target: string, headers: string[]]>([
    ['a header', { header: 'X-Key' }, '/', ['X-Key: of-ann']],
    ['a header behind Bearer', { header: 'X-Key' }, '/', ['X-Key: Bearer of-ann']],
    ['a query parameter', { query: 'key' }, '/?a=1&key=of-ann', []],
    ['a query parameter, without a header to look at', { header: false, query: 'key' }, '/?key=of-ann', []],
    ['a cookie', { header: false, cookie: 'key' }, '/', ['Cookie: a=1; key=of-ann']],
    ['a cookie before a header', { header: 'x-key', cookie: 'key' }, '/', ['X-Key: of-bob', 'Cookie: key=of-ann']],
  ])('by %s', async (__, credential, target, headers) => {
    const { ask, shown } = await open(credential, makeStore())
    expect([await ask(target, headers), await ask(target, headers)]).toEqual([200, 200])
    expect(shown).toEqual([undefined, 'ann'])
  })

  it('and by no other place', async () => {
    const { ask, shown } = await open({ header: false, query: 'key' }, makeStore())
    await ask('/?key=of-ann')
    for (const headers of [['Authorization: of-ann'], ['X-Key: of-ann'], ['Cookie: key=of-ann']])
      await ask('/', headers)
    await ask('/?Key=of-ann')
    await ask('/?key=of-bob')
    expect(shown).toEqual([undefined, undefined, undefined, undefined, undefined, undefined])
  })
})

describe('the credential of a plugin', () => {
  const everywhere = ['X-Key: of-ann', 'Cookie: a=1; key=of-ann; b=2']
  it.each<[string, TokenInput, url: string, key: string | undefined, cookie: string]>([
    ['left where it is', {}, '/x?key=of-ann&a=1', 'of-ann', 'a=1; key=of-ann; b=2'],
    ['not taken off', { strip: 'none' }, '/x?key=of-ann&a=1', 'of-ann', 'a=1; key=of-ann; b=2'],
    ['taken off the query', { strip: 'query' }, '/x?a=1', 'of-ann', 'a=1; key=of-ann; b=2'],
    ['taken off everywhere', { strip: 'all' }, '/x?a=1', undefined, 'a=1; b=2'],
  ])('is %s before the upstream sees the request', async (_, strip, url, key, cookie) => {
    const { ask, upstream } = await open({ header: 'x-key', query: 'key', cookie: 'key', ...strip })
    expect(await ask('/x?key=of-ann&a=1', everywhere)).toBe(200)
    const [{ headers, url: seen }] = upstream.received as [Upstream['received'][number]]
    expect([seen, headers['x-key'], headers.cookie]).toEqual([url, key, cookie])
  })

  it('is not in records', async () => {
    const { ask, gateway } = await open({ query: 'key' })
    for (const target of ['/x?a=1&key=of-ann', '/x?k%65y=of-ann&b', '/x?key=wrong']) await ask(target)
    const records = gateway.records.list()
    expect(records.map(({ originalUrl }) => originalUrl)).toEqual(['/x?a=1&key=***', '/x?k%65y=***&b', '/x?key=***'])
    expect(JSON.stringify(records)).not.toContain('of-ann')
  })

  it('may be two, and the plugin decides by itself', async () => {
    const { ask } = await open({ header: 'x-key', query: 'key' })
    expect([await ask('/?key=of-ann', ['X-Key: of-bob']), await ask('/', ['X-Key: wrong'])]).toEqual([200, 401])
  })
})
