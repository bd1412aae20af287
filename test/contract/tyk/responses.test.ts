import { isDeepStrictEqual } from 'node:util'
import { type PrePlugin, type ResponsePlugin, respond } from '@postern/core'
import { describe, expect, it, vi } from 'vitest'
import { dialects, type TykApi } from '../../support/tyk-documents.ts'
import {
  connect,
  envelope,
  fields,
  listenTo,
  run,
  UPSTREAM_BODY,
  upstreamOfTest,
  type WireResponse,
} from '../harness.ts'

/* Response plugins, the document they can read, and the plugin of the records. */

const PLUGINS = {
  change: (async (response, { config }) => {
    response.headers.set('x-added', 'by the plugin')
    response.headers.set('x-region', String(config['region']))
    response.setBody({ was: await response.text() })
  }) satisfies ResponsePlugin,
  titleOfRequest: ((request, { api }) => {
    request.headers.set('x-title', titleOf(api.document))
  }) satisfies PrePlugin,
  titleOfResponse: ((response, { api, request }) => {
    response.headers.set('x-title', titleOf(api.document))
    response.headers.set('x-title-of-request', request.headers.get('x-title') ?? 'none')
  }) satisfies ResponsePlugin,
  count: ((response) => {
    response.headers.append('x-count', String(response.headers.getAll('x-count').length + 1))
  }) satisfies ResponsePlugin,
  refuse: (() => respond(403, 'not for you')) satisfies ResponsePlugin,
  breaks: (() => {
    throw new Error('broken')
  }) satisfies ResponsePlugin,
  showDocument: ((_, { api }) => respond(200, api.document ?? 'none')) satisfies PrePlugin,
  spoil: ((_, { api }) => {
    Object.assign((api.document ?? {})['info'] ?? api.document ?? {}, { title: 'spoilt', name: 'spoilt' })
  }) satisfies PrePlugin,
}

function titleOf(document: Readonly<Record<string, unknown>> | undefined): string {
  const info = document?.['info'] as { readonly title: string } | undefined
  return info?.title ?? String(document?.['name'])
}

describe.each(dialects)('a %s document', (_, write) => {
  async function ask(api: TykApi): Promise<WireResponse> {
    const upstream = await upstreamOfTest()
    const { gateway, port } = await run(write({ upstream: upstream.url, ...api }), { plugins: PLUGINS })
    listenTo(gateway, 'pluginError')
    return (await connect(port)).request('GET', '/get')
  }

  it('has response plugins that change headers and body, and read its config', async () => {
    const response = await ask({ config: { region: 'north' }, response: [{ name: 'change' }] })
    const body = JSON.stringify({ was: UPSTREAM_BODY })
    expect([response.status, response.body]).toEqual([200, body])
    expect(['x-added', 'x-region', 'content-type', 'content-length'].map((name) => fields(response, name))).toEqual([
      ['by the plugin'],
      ['north'],
      ['application/json'],
      [String(body.length)],
    ])
  })

  it('gives its plugins an empty config where its own is switched off', async () => {
    const response = await ask({ response: [{ name: 'change' }] })
    expect(fields(response, 'x-region')).toEqual(['undefined'])
  })

  it('runs several response plugins, in order, but for one that is switched off', async () => {
    const response = await ask({ response: [{ name: 'count' }, { name: 'count', off: true }, { name: 'count' }] })
    expect(fields(response, 'x-count')).toEqual(['1', '2'])
  })

  it('can be read by plugins of both directions', async () => {
    const response = await ask({
      name: 'billing',
      pre: [{ name: 'titleOfRequest' }],
      response: [{ name: 'titleOfResponse' }],
    })
    expect([fields(response, 'x-title'), fields(response, 'x-title-of-request')]).toEqual([['billing'], ['billing']])
  })

  it('is what plugins read, word for word, and nobody can change it', async () => {
    const upstream = await upstreamOfTest()
    const document = write({
      upstream: upstream.url,
      pre: [{ name: 'showDocument' }],
      config: { list: [1, { a: null }] },
    })
    const { gateway, port } = await run(document, { plugins: PLUGINS })
    const shown = await (await connect(port)).request('GET', '/')
    expect(isDeepStrictEqual(JSON.parse(shown.body), document)).toBe(true)
    const [api] = gateway.apis()
    expect([api?.document, Object.isFrozen(api?.document)]).toEqual([document, true])
    expect(Object.isFrozen(document)).toBe(false)

    const spoiling = await ask({ pre: [{ name: 'spoil' }] })
    expect([spoiling.status, spoiling.body]).toEqual([500, envelope('Middleware error')])
  })

  // The real gateway sends the upstream's body behind that of the plugin, and behind the head of an error.
  it.each([
    ['replaces it', 'refuse', 403, 'not for you'],
    ['breaks', 'breaks', 500, envelope('Middleware error')],
  ])('lets nothing of the upstream through when a response plugin %s', async (__, name, status, body) => {
    const response = await ask({ response: [{ name }, { name: 'count' }] })
    expect([response.status, response.body]).toEqual([status, body])
    expect([fields(response, 'x-upstream'), fields(response, 'x-count')]).toEqual([[], []])
  })

  it('has one plugin for the records, which may change and drop them', async () => {
    const upstream = await upstreamOfTest()
    const mask = (record: { tags: string[]; path: string; userAgent: string }): false | void => {
      if (record.path === '/secret') return false
      record.tags.push('billed')
      record.userAgent = ''
      return undefined
    }
    const document = write({ upstream: upstream.url, analytics: { name: 'mask' } })
    const { gateway, port } = await run(document, { plugins: { mask } })
    const connection = await connect(port)
    for (const path of ['/secret', '/open']) await connection.request('GET', path, ['User-Agent: spy'])
    await vi.waitFor(() => expect(gateway.records.list()).toHaveLength(1))
    expect(gateway.records.list()).toMatchObject([
      { path: '/open', tags: ['billed'], userAgent: '', apiId: 'orders', orgId: 'org-1', responseCode: 200 },
    ])
  })

  it('stores no record that its plugin could not mask', async () => {
    // The real gateway stores it unmasked.
    const upstream = await upstreamOfTest()
    const document = write({ upstream: upstream.url, analytics: { name: 'mask' } })
    const { gateway, port } = await run(document, {
      plugins: {
        mask: () => {
          throw new Error('broken')
        },
      },
    })
    listenTo(gateway, 'recordDropped')
    expect((await (await connect(port)).request('GET', '/open')).status).toBe(200)
    await vi.waitFor(() => expect(gateway.records.dropped).toBe(1))
    expect(gateway.records.list()).toEqual([])
  })

  it('keeps no records when it says nothing of them, or switches them off', async () => {
    const upstream = await upstreamOfTest()
    const { gateway, port } = await run(write({ upstream: upstream.url }), { plugins: {} })
    expect((await (await connect(port)).request('GET', '/')).status).toBe(200)
    await new Promise((resolve) => setImmediate(resolve))
    expect([gateway.records.list(), gateway.apis()[0]?.definition.records]).toEqual([[], undefined])
  })
})
