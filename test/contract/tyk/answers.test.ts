import {
  type AuthPlugin,
  deny,
  type EndpointPlugin,
  type GatewayOptions,
  type NamedPlugins,
  type PostAuthPlugin,
  respond,
} from '@postern/core'
import { describe, expect, it, vi } from 'vitest'
import { dialects, type TykApi, type TykDocument } from '../../support/tyk-documents.ts'
import { connect, envelope, fields, listenTo, run, settled, upstreamOfTest, watchProcess } from '../harness.ts'

/* What a plugin's own answer looks like to the client, and what becomes of sessions. */

type Write = (api: TykApi) => TykDocument

async function start(write: Write, api: TykApi, plugins: NamedPlugins, options?: GatewayOptions) {
  const upstream = await upstreamOfTest()
  const { gateway, port } = await run(write({ upstream: upstream.url, ...api }), { plugins, ...options })
  const refusals = listenTo(gateway, 'authFailure')
  return { gateway, upstream, refusals, connection: await connect(port) }
}

/** The hooks that may end a request, each with the one plugin `answer`. */
const PLACES: readonly (readonly [hook: string, api: TykApi])[] = [
  ['pre', { pre: [{ name: 'answer' }] }],
  ['auth', { auth: { name: 'answer' } }],
  ['postAuth', { auth: { name: 'admit' }, postAuth: [{ name: 'answer' }] }],
  ['endpoint', { endpoints: { 'GET /get': [{ name: 'answer' }] } }],
  ['post', { post: [{ name: 'answer' }] }],
]

const admit = () => ({ metadata: { token: 'ann' } })

describe.each(dialects)('in a %s document, a plugin', (_, write) => {
  describe.each(PLACES)('at %s', (__, api) => {
    it.each([
      ['text', 418, "I'm a teapot", "I'm a teapot"],
      ['nothing', 403, undefined, ''],
      ['an empty text', 500, '', ''],
      ['XML', 401, '<no/>', '<no/>'],
    ])('that answers with %s is not followed by an error of the gateway', async (___, status, body, expected) => {
      const { connection, upstream } = await start(write, api, { admit, answer: () => respond(status, body) })
      const response = await connection.request('GET', '/get')
      expect([response.status, response.body, fields(response, 'content-length')]).toEqual([
        status,
        expected,
        [String(expected.length)],
      ])
      await settled()
      expect([connection.stray, upstream.received]).toEqual(['', []])
    })

    it('that denies answers the envelope, and one event is raised', async () => {
      const { connection, refusals } = await start(write, api, {
        admit,
        answer: () => deny(403, 'Not today', { 'x-why': 'closed' }),
      })
      const response = await connection.request('GET', '/get')
      expect([response.status, response.body, fields(response, 'x-why')]).toEqual([
        403,
        envelope('Not today'),
        ['closed'],
      ])
      expect(refusals).toMatchObject([{ status: 403, message: 'Not today' }])
    })
  })

  it.each(PLACES)('at %s that breaks answers one error, and the connection goes on', async (hook, api) => {
    // In the real gateway a plugin that panics breaks the connection, without an answer.
    const seen = watchProcess()
    const { connection, gateway } = await start(write, api, {
      admit,
      answer: () => {
        throw new Error('broken')
      },
    })
    const errors = listenTo(gateway, 'pluginError')
    const expected = hook === 'auth' ? [403, envelope('Key not authorised')] : [500, envelope('Middleware error')]
    for (let i = 0; i < 2; i += 1) {
      const { status, body } = await connection.request('GET', '/get')
      expect([status, body]).toEqual(expected)
    }
    await settled()
    expect([seen, errors.map(({ plugin }) => plugin)]).toEqual([[], ['answer', 'answer']])
  })
})

describe.each(dialects)('the session an auth plugin makes for a %s document', (_, write) => {
  const ANN = ['Authorization: ann']

  // The real gateway also takes sessions from pre plugins of keyless APIs; here a session is what an auth plugin returns.
  it('is under the policies it names', async () => {
    const { connection, upstream } = await start(
      write,
      { auth: { name: 'admit' }, postAuth: [{ name: 'tellRate' }] },
      {
        admit: () => ({ metadata: { token: 'ann' }, applyPolicies: ['my-policy'] }),
        tellRate: ((request, { session }) =>
          request.headers.set('x-rate', String(session.rate))) satisfies PostAuthPlugin,
      },
      { policies: { 'my-policy': { rate: 114, per: 60, accessRights: { orders: {} } } } },
    )
    const response = await connection.request('GET', '/get', ANN)
    expect([response.status, fields(response, 'x-ratelimit-limit')]).toEqual([200, ['114']])
    expect(upstream.received[0]?.headers['x-rate']).toBe('114')
  })

  it('is refused where its only policy is unknown', async () => {
    // The real gateway sends an empty 200 after a plugin of its own kind.
    const { connection, upstream } = await start(
      write,
      { auth: { name: 'admit' } },
      { admit: () => ({ metadata: { token: 'ann' }, applyPolicies: ['nobodys'] }) },
    )
    const { status, body } = await connection.request('GET', '/get', ANN)
    expect([status, body, upstream.received]).toEqual([403, envelope('Forbidden'), []])
  })

  it('carries its metadata from hook to hook, and keeps what they wrote', async () => {
    const write1: (name: string) => EndpointPlugin =
      (name) =>
      (__, { session }) => {
        session!.metadata['trail'] = `${String(session?.metadata['trail'])} ${name}`
      }
    const stored: unknown[] = []
    const { connection } = await start(
      write,
      {
        auth: { name: 'admit' },
        postAuth: [{ name: 'second' }],
        endpoints: { 'GET /get': [{ name: 'third' }] },
        post: [{ name: 'fourth' }],
        response: [{ name: 'fifth' }],
      },
      {
        admit: ((__, { session }) => {
          stored.push(session?.metadata['trail'])
          return { metadata: { token: 'ann', trail: 'auth' } }
        }) satisfies AuthPlugin,
        second: write1('postAuth'),
        third: write1('endpoint'),
        fourth: write1('post'),
        fifth: write1('response'),
      },
    )
    // It is saved after the answer is out.
    await vi.waitFor(async () => {
      expect((await connection.request('GET', '/get', ANN)).status).toBe(200)
      expect(stored.at(-1)).toBeDefined()
    })
    expect([stored[0], stored.at(-1)]).toEqual([undefined, 'auth postAuth endpoint post response'])
  })

  it('without a token lets nobody in', async () => {
    const { connection, upstream } = await start(
      write,
      { auth: { name: 'admit' } },
      { admit: () => ({ metadata: { plan: 'gold' } }) },
    )
    const { status, body } = await connection.request('GET', '/get', ANN)
    expect([status, body, upstream.received]).toEqual([403, envelope('Forbidden'), []])
  })
})
