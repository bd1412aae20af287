import { type EndpointPlugin, respond, type TykPathMatching } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { classic, dialects, oas, type TykApi, type TykDocument } from '../../support/tyk-documents.ts'
import { connect, run } from '../harness.ts'

/* Which endpoint a request comes to. Every plugin answers with its own name. */

const LISTEN_PATH = '/api/'

interface Asking {
  /** The name of the endpoint that answered; undefined where none did. */
  readonly ask: (target: string, method?: string) => Promise<string | undefined>
  /** Keys of the native definition. */
  readonly keys: readonly string[]
}

/** A gateway with endpoints that answer with their own key in the document. */
async function asking(
  write: (api: TykApi) => TykDocument,
  endpoints: readonly string[],
  tykPathMatching?: TykPathMatching,
  ignoreCase = false,
): Promise<Asking> {
  const plugins = Object.fromEntries(
    endpoints.map((key, i) => [`answer${i}`, (() => respond(200, key)) satisfies EndpointPlugin]),
  )
  const document = write({
    listenPath: LISTEN_PATH,
    ignoreCase,
    endpoints: Object.fromEntries(endpoints.map((key, i) => [key, [{ name: `answer${i}` }]])),
  })
  const { gateway, port } = await run(document, { plugins, tykPathMatching })
  const connection = await connect(port)
  return {
    ask: async (target, method = 'GET') => {
      const { status, body } = await connection.request(method, `/api${target}`)
      return status === 200 ? body : undefined
    },
    keys: Object.keys(gateway.apis()[0]!.definition.endpoints),
  }
}

async function meets(
  write: (api: TykApi) => TykDocument,
  path: string,
  targets: readonly string[],
  matching?: TykPathMatching,
): Promise<readonly string[]> {
  const { ask } = await asking(write, [`GET ${path}`], matching)
  const met: string[] = []
  for (const target of targets) if ((await ask(target)) !== undefined) met.push(target)
  return met
}

describe('one path under every setting', () => {
  // Which of the targets `/users/{id}/posts` meets. The real gateway's own default is `contains`; ours is `whole`.
  const TARGETS = ['/users/7/posts', '/users/7/posts/8', '/v1/users/7/posts', '/v1/users/7/posts/8', '/users/7/8/posts']
  const ROWS: readonly (readonly [matching: TykPathMatching | undefined, met: readonly number[]])[] = [
    [undefined, [0]],
    ['whole', [0]],
    ['prefix', [0, 1]],
    ['suffix', [0, 2]],
    ['contains', [0, 1, 2, 3]],
  ]

  describe.each(dialects)('in a %s document', (_, write) => {
    it.each(ROWS)('with %s', async (matching, met) => {
      expect(await meets(write, '/users/{id}/posts', TARGETS, matching)).toEqual(met.map((i) => TARGETS[i]))
    })
  })
})

describe('a Classic path', () => {
  /** `prefix`, as the rows of the real gateway's test of its expressions have it. */
  const PREFIX: readonly (readonly [path: string, met: readonly string[], passed: readonly string[]])[] = [
    ['/users*.', ['/users', '/user1', '/usersss/7'], ['/user', '/x/users']],
    ['/users', ['/users', '/users/7', '/usersabc'], ['/x/users', '/user']],
    ['users', ['/users', '/x/users/7'], ['/user']],
    ['^/test/users', ['/test/users', '/test/users/7'], ['/a/test/users']],
    ['/users$', ['/users'], ['/users/7', '/a/users']],
    ['/users/.*', ['/users/', '/users/7/8'], ['/users']],
    ['/users/{id}', ['/users/7', '/users/7/8'], ['/users', '/users/']],
    ['/users/{id}$', ['/users/7'], ['/users/7/8', '/users/']],
    ['/users/{id}/profile/{type:[a-zA-Z]+}', ['/users/7/profile/full', '/users/7/profile/42'], ['/users/7/profile']],
    ['/static/{path}/assets/{file}', ['/static/a/assets/b.css'], ['/static/a/b/assets/c', '/static/assets/b']],
    ['/items/{itemID:[0-9]+}/details/{detail}', ['/items/abc/details/x'], ['/items/7/details', '/items/7/details/']],
  ]

  it.each(PREFIX)('%s, compared at its start, meets %j and not %j', async (path, met, passed) => {
    expect(await meets(classic, path, [...met, ...passed], 'prefix')).toEqual(met)
  })

  /** `whole`, as with both settings of the real gateway. */
  const WHOLE: readonly (readonly [path: string, met: readonly string[], passed: readonly string[]])[] = [
    ['/v1/users', ['/v1/users', '/v1/users/'], ['/v1/admin', '/v1/users/7', '/v1/user', '/x/v1/users']],
    [String.raw`/v1/users/\d+`, ['/v1/users/123'], ['/v1/users/abc', '/v1/users/123a', '/x/v1/users/123']],
    ['/v1/users/{id}', ['/v1/users/123', '/v1/users/abc'], ['/v1/users/', '/v1/users', '/v1/users/1/2']],
    ['/v1/*', ['/v1/users', '/v1/a/b', '/v1/'], ['/v2/users']],
    ['/v1/*/edit', ['/v1/a/edit'], ['/v1/edit', '/v1/a/b/edit']],
    ['/', ['/'], ['/users', '/a/']],
    ['/(cats|dogs)', ['/cats', '/dogs'], ['/cows', '/cats/7', '/']],
    ['/cats|/dogs', ['/cats', '/dogs'], ['/cats/7', '/x/dogs']],
    ['^/a$', ['/a'], ['/a/b', '/b/a']],
    ['/a.b', ['/a.b'], ['/axb', '/a/b']],
  ]

  it.each(WHOLE)('%s, compared whole, meets %j and not %j', async (path, met, passed) => {
    expect(await meets(classic, path, [...met, ...passed])).toEqual(met)
  })

  // In the real gateway an expression that is none breaks every request to the API, and an empty path meets them all.
  it.each<[path: string, matching: TykPathMatching, problem: string]>([
    ['/v1/[users', 'whole', '/v1/[users'],
    ['/items/{id:[0-9]{2}}', 'whole', 'braces are not balanced or lie within each other'],
    ['/items/{id', 'contains', 'braces are not balanced or lie within each other'],
    ['', 'whole', 'found "", expected a path that starts with "/"'],
    ['', 'contains', 'found an empty path, which meets every request'],
    ['users', 'whole', 'found "users", expected a path that starts with "/"'],
    ['/users?full=1', 'whole', 'endpoints are paths, without query'],
    ['.*', 'contains', 'matches the empty path, so every request'],
  ])('%j, compared %s, is refused at load', async (path, matching, problem) => {
    await expect(asking(classic, [`GET ${path}`], matching)).rejects.toMatchObject({
      code: 'PSTN_DEFINITION_INVALID',
      message: expect.stringMatching(/go_plugin\[0\]\.path: /),
      cause: [{ message: expect.stringContaining(problem) }],
    })
  })

  it.each(['get', 'Get', ''])('with the method "%s" is refused: no request has it', async (method) => {
    await expect(asking(classic, [`${method} /users`])).rejects.toThrow(/go_plugin\[0\]\.method/)
  })
})

describe.each(dialects)('of several paths of a %s document', (_, write) => {
  /** Most telling first. */
  const SORTED = [
    '/test/abc/def',
    '/anything/mine',
    '/anything/{id}',
    '/test/abc',
    '/test/{id}',
    '/anything',
    '/test',
  ].map((path) => `GET ${path}`)

  const REQUESTS: readonly (readonly [target: string, endpoint: string])[] = [
    ['/test/abc/def', '/test/abc/def'],
    ['/anything/mine', '/anything/mine'],
    ['/anything/7', '/anything/{id}'],
    ['/test/abc', '/test/abc'],
    ['/test/7', '/test/{id}'],
    ['/anything', '/anything'],
    ['/test', '/test'],
  ]

  it.each(REQUESTS)('%s comes to %s', async (target, endpoint) => {
    const { ask } = await asking(write, SORTED)
    expect(await ask(target)).toBe(`GET ${endpoint}`)
  })

  it('the first that matches is met where several could be: Classic as listed, OAS sorted', async () => {
    const { ask } = await asking(write, [
      'GET /admin/*',
      'GET /employees/{id}',
      'GET /employees/static',
      'GET /admin/x',
    ])
    const isClassic = write === classic
    expect([await ask('/employees/static'), await ask('/employees/123'), await ask('/admin/x')]).toEqual([
      isClassic ? 'GET /employees/{id}' : 'GET /employees/static',
      'GET /employees/{id}',
      'GET /admin/*',
    ])
  })

  it('one that matches for another method only gives way to the next', async () => {
    const { ask } = await asking(write, ['POST /metadata/purge', 'GET /metadata/{id}'], 'contains')
    const below = '/documents/metadata'
    expect([
      await ask(`${below}/purge`, 'POST'),
      await ask(`${below}/purge`),
      await ask(`${below}/7`),
      await ask(`${below}/7`, 'POST'),
    ]).toEqual(['POST /metadata/purge', 'GET /metadata/{id}', 'GET /metadata/{id}', undefined])
  })

  it('upper and lower case make two, unless the document says otherwise', async () => {
    const strict = await asking(write, ['GET /Foo', 'GET /bar'])
    const loose = await asking(write, ['GET /Foo', 'GET /bar'], 'whole', true)
    const looseParts = await asking(write, ['GET /Foo', 'GET /bar'], 'contains', true)
    const met: (string | undefined)[][] = []
    for (const { ask } of [strict, loose, looseParts])
      met.push([await ask('/foo'), await ask('/Foo'), await ask('/bar'), await ask('/Bar')])
    const both = ['GET /Foo', 'GET /Foo', 'GET /bar', 'GET /bar']
    expect(met).toEqual([[undefined, 'GET /Foo', 'GET /bar', undefined], both, both])
  })
})

describe('where paths are not compared whole', () => {
  const ENDPOINTS = ['GET /test', 'GET /anything/{id}', 'GET /test/{id}', 'GET /test/abc', 'GET /anything/mine']

  it('a Tyk OAS document tries deeper paths first, then longer ones, and parameters last', async () => {
    const { ask, keys } = await asking(oas, ENDPOINTS, 'prefix')
    expect(keys).toEqual([
      'GET ~^/anything/mine',
      'GET ~^/anything/(?P<id>[^/]+)',
      'GET ~^/test/abc',
      'GET ~^/test/(?P<id>[^/]+)',
      'GET ~^/test',
    ])
    expect([await ask('/test/abc/def'), await ask('/anything/mine/7'), await ask('/tester')]).toEqual([
      'GET /test/abc',
      'GET /anything/mine',
      'GET /test',
    ])
  })

  it('a Classic document tries them in its own order', async () => {
    const { ask } = await asking(classic, ENDPOINTS, 'prefix')
    expect([await ask('/test/abc/def'), await ask('/anything/mine'), await ask('/tester')]).toEqual([
      'GET /test',
      'GET /anything/{id}',
      'GET /test',
    ])
  })

  it('an operation meets what is below its path', async () => {
    const { ask } = await asking(oas, ['GET /users'], 'prefix')
    expect([await ask('/users/123'), await ask('/v1/users')]).toEqual(['GET /users', undefined])
  })
})

describe('an endpoint without plugins', () => {
  it('does not keep a request from those of a path with a parameter', async () => {
    // As in the real gateway: an operation that has no plugin is none that a plugin could be chosen by.
    const document = oas({
      listenPath: LISTEN_PATH,
      endpoints: { 'GET /employees/static': [], 'GET /employees/{id}': [{ name: 'answer' }] },
    })
    const { port } = await run(document, { plugins: { answer: () => respond(200, 'with parameter') } })
    const { body } = await (await connect(port)).request('GET', '/api/employees/static')
    expect(body).toBe('with parameter')
  })
})

describe('endpoints without authentication', () => {
  it.each([
    [
      'a Classic document',
      {
        name: 'orders',
        proxy: { listen_path: '/' },
        version_data: {
          not_versioned: true,
          versions: {
            Default: {
              name: 'Default',
              use_extended_paths: true,
              extended_paths: { ignored: [{ path: '/ignored', method_actions: { GET: { action: 'no_action' } } }] },
            },
          },
        },
      },
      'version_data.versions.Default.extended_paths.ignored',
    ],
    [
      'a Classic document, in the older form',
      {
        name: 'orders',
        proxy: { listen_path: '/' },
        version_data: {
          not_versioned: true,
          versions: { Default: { name: 'Default', paths: { ignored: ['/ignored'] } } },
        },
      },
      'version_data.versions.Default.paths',
    ],
    [
      'a Tyk OAS document',
      {
        openapi: '3.0.3',
        paths: { '/ignored': { get: { operationId: 'open' } } },
        'x-tyk-api-gateway': {
          info: { name: 'orders' },
          server: { listenPath: { value: '/' } },
          middleware: { operations: { open: { ignoreAuthentication: { enabled: true } } } },
        },
      },
      '["x-tyk-api-gateway"].middleware.operations.open.ignoreAuthentication',
    ],
  ])('of %s are refused, because nobody would find out that they ask for a key', async (_, document, path) => {
    await expect(run(document)).rejects.toMatchObject({
      cause: [
        {
          path,
          message: expect.stringMatching(/(?:endpoint without authentication|ignored paths) is not supported; /),
        },
      ],
    })
  })
})
