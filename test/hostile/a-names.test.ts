import { type EndpointPlugin, type GatewayRequest, type PrePlugin, respond } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { MALFORMED_HTTP } from './catalogue/a.ts'

cleanUpAfterAttacks()

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf'] as const

attack(MALFORMED_HTTP, 'A29', (mount) => {
  const prototype = (): string =>
    Object.entries(Object.getOwnPropertyDescriptors(Object.prototype))
      .map(([name, { value }]) => `${name} ${String(value)}`)
      .join('\n')
  const before = prototype()
  afterEach(() => {
    if (prototype() !== before) throw new Error(`Object.prototype has changed: ${prototype()}`)
  })

  /** What a plugin sees of a request, and what an answer tells of it. */
  const look =
    (see: (request: GatewayRequest) => unknown): PrePlugin =>
    async (request) =>
      respond(200, { seen: (await see(request)) ?? null })

  it.each(NAMES)('is data as the name of a header: %s', async (name) => {
    const siege = await besiege(mount, {
      underscoreHeaders: 'keep',
      hooks: {
        pre: [
          (request) =>
            request.path === '/look'
              ? respond(200, [
                  request.headers.get(name),
                  request.headers.get('polluted'),
                  ...request.headers.getAll(name),
                ])
              : undefined,
        ],
      },
    })
    const { status, body } = await rawExchange(
      siege.port,
      `GET /look HTTP/1.1\r\nHost: a\r\n${name}: 1\r\n${name}: 2\r\n\r\n`,
    )
    expect([status, JSON.parse(body)]).toEqual([200, ['1, 2', null, '1', '2']])
    await rawExchange(siege.port, `GET / HTTP/1.1\r\nHost: a\r\n${name}: 1\r\n\r\n`)
    expect(valuesOf(siege.upstream.seen[0]?.lines ?? [], name.toLowerCase())).toEqual(['1'])
    await siege.unharmed()
  })

  it.each(NAMES)('is data as the name of a query parameter: %s', async (name) => {
    const { port } = await mount({
      name: 'a',
      hooks: { pre: [look(({ query }) => [query.get(name), query.getAll(name), query.get('valueOf2')])] },
    })
    const { body } = await rawExchange(
      port,
      `GET /?${name}=1&${name}[polluted]=2&${name}=3 HTTP/1.1\r\nHost: a\r\n\r\n`,
    )
    expect(JSON.parse(body)).toEqual({ seen: ['1', ['1', '3'], null] })
  })

  it.each(NAMES)('is data as the name of a cookie: %s', async (name) => {
    const { port, gateway } = await mount({
      name: 'a',
      authentication: { token: { header: false, cookie: name } },
      hooks: { post: [look(({ headers }) => headers.get('cookie'))] },
    })
    await gateway.sessions.create({}, { key: 'known-key' })
    const { status } = await rawExchange(port, `GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; ${name}=known-key\r\n\r\n`)
    const without = await rawExchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1\r\n\r\n')
    // Without the cookie there is no credential, whatever an object has by that name.
    expect([status, without.status]).toEqual([200, 401])
  })

  it.each(NAMES)('is data as the name and as the value of a path parameter: %s', async (name) => {
    const named: EndpointPlugin = (_, { params }) =>
      respond(200, { own: Object.hasOwn(params, name), value: params[name] })
    const { port } = await mount({
      name: 'a',
      endpoints: {
        [`GET /named/:${name}`]: [named],
        'GET /plain/:id': [(_, { params }) => respond(200, { id: params['id'], [`${name}!`]: typeof params[name] })],
      },
    })
    const byName = await rawExchange(port, 'GET /named/7 HTTP/1.1\r\nHost: a\r\n\r\n')
    const plain = await rawExchange(port, `GET /plain/${name} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(JSON.parse(byName.body)).toEqual({ own: true, value: '7' })
    expect(JSON.parse(plain.body)).toEqual({ id: name, [`${name}!`]: 'undefined' })
  })

  it.each(NAMES)('is data as a segment of the path: %s', async (name) => {
    const siege = await besiege(mount, { endpoints: { 'GET /known': [() => undefined] } })
    const { body } = await rawExchange(siege.port, `GET /${name}/${name} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect(body).toBe(`GET /${name}/${name}`)
    await siege.unharmed()
  })

  it.each(NAMES)('is data as the name of a form field and of a JSON key: %s', async (name) => {
    const siege = await besiege(mount, {
      hooks: {
        pre: [
          async (request) => {
            if (request.method !== 'POST') return undefined
            if (request.headers.get('content-type') === 'application/json') {
              const parsed = await request.json<Record<string, unknown>>()
              return respond(200, {
                own: Object.hasOwn(parsed, name),
                polluted: (parsed as { polluted?: unknown }).polluted ?? null,
              })
            }
            const form = new URLSearchParams(await request.text())
            return respond(200, { value: form.get(name) })
          },
        ],
      },
    })
    const send = async (type: string, body: string): Promise<unknown> => {
      const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`
      return JSON.parse((await rawExchange(siege.port, head + body)).body) as unknown
    }
    expect(await send('application/x-www-form-urlencoded', `${name}=1&${name}[polluted]=1`)).toEqual({ value: '1' })
    expect(await send('application/json', `{"${name}":{"polluted":1}}`)).toEqual({ own: true, polluted: null })
    await siege.unharmed()
  })
})

attack(MALFORMED_HTTP, 'A30', (mount) => {
  const request = (target: string, ...fields: readonly string[]): string =>
    `GET ${target} HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`

  describe.each([
    ['Authorization', { header: 'authorization', query: 'key' }],
    ['X-API-Key', { header: 'x-api-key', query: 'key' }],
  ] as const)('%s', (name, token) => {
    const withKeys = async () => {
      const siege = await besiege(mount, { authentication: { token } })
      for (const key of ['first', 'second']) await siege.gateway.sessions.create({}, { key })
      return siege
    }

    it.each([
      ['two lines', '/', [`${name}: first`, `${name}: second`]],
      ['two lines, the second unknown', '/', [`${name}: first`, `${name}: evil`]],
      ['two lines in odd case', '/', [`${name.toUpperCase()}: first`, `${name.toLowerCase()}: second`]],
      ['header and query', '/?key=second', [`${name}: first`]],
      ['twice in the query', '/?key=first&key=second', []],
    ])('is refused when it differs: %s', async (_, target, fields) => {
      const siege = await withKeys()
      const { status, body } = await rawExchange(siege.port, request(target, ...fields))
      expect([status, JSON.parse(body)]).toEqual([400, { error: 'More than one credential' }])
      expect(siege.upstream.seen).toEqual([])
    })

    it('passes when every place says the same', async () => {
      const siege = await withKeys()
      const { status } = await rawExchange(
        siege.port,
        request('/?key=first', `${name}: first`, `${name}: Bearer first`),
      )
      expect(status).toBe(200)
      expect(siege.upstream.violations).toEqual([])
    })
  })

  it('shows an auth plugin every line the upstream sees', async () => {
    const seen: string[][] = []
    const siege = await besiege(mount, {
      hooks: {
        auth: ({ headers }) => {
          seen.push([String(headers.get('authorization')), ...headers.getAll('authorization')])
          return { metadata: { token: 'caller' } }
        },
      },
    })
    await rawExchange(siege.port, request('/', 'Authorization: first', 'authorization: second'))
    expect(seen).toEqual([['first, second', 'first', 'second']])
    expect(valuesOf(siege.upstream.seen[0]?.lines ?? [], 'authorization')).toEqual(['first', 'second'])
  })
})
