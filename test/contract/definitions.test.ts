import {
  type ApiDefinition,
  type ApiDefinitionInput,
  type GatewayError,
  isGatewayError,
  type Problem,
} from '@postern/core'
import { createGateway } from '@postern/http'
import { describe, expect, it } from 'vitest'
import * as harness from './harness.ts'
import { connect, run } from './harness.ts'

const stamp = (): undefined => undefined
const KEYS =
  'name, id, orgId, listenPath, stripListenPath, upstream, hooks, responseScope, endpoints, authentication, limits, policies, version, sessionLifetime, keepUntilExpiry, ignoreCase, endpointOrder, config, pluginTimeoutMs, maxBufferedBytes, maxBodyBytes, bodyTimeoutMs, requestTimeoutMs, sendTimeoutMs, upgradeIdleTimeoutMs, underscoreHeaders, trustedProxies, records, secrets, $schema'
const URL_WANTED =
  'expected an http: or https: URL without credentials, query or fragment, such as "http://127.0.0.1:9000".'
const PLUGIN = 'expected a function, { plugin, name, timeoutMs }, or { functionName, path, name, timeoutMs }'
const MILLISECONDS = 'expected an integer of milliseconds from 1 to 2147483647'
const UPSTREAM_KEYS =
  'url, targets, preserveHost, forwarded, connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs, verifyTls, balance, retries, ejectAfter, ejectMs, health, circuitBreaker, maxConnections, maxQueued, queueTimeoutMs'
const HOOKS = 'pre, auth, postAuth, post, response, analytics'

function errorOf(build: () => unknown): GatewayError {
  try {
    build()
  } catch (error) {
    if (isGatewayError(error)) return error
    throw error
  }
  throw new Error('It was accepted.')
}

function refusal(definition: unknown): GatewayError {
  return errorOf(() => createGateway(definition as ApiDefinitionInput))
}

const cyclic: Record<string, unknown> = { list: [] }
;(cyclic['list'] as unknown[]).push({ back: cyclic })

/** What is wrong, beside a name that is right. */
const FIELD_PROBLEMS: readonly (readonly [fields: Record<string, unknown>, problem: string])[] = [
  [
    {
      hooks: {
        pre: [
          class Stamp {
            run(): void {}
          },
        ],
      },
    },
    `hooks.pre[0]: found the class Stamp, ${PLUGIN}`,
  ],
  [{ listenpath: '/a' }, `listenpath: unknown key; did you mean "listenPath"? known keys are ${KEYS}`],
  [{ listen_path: '/a' }, `listen_path: unknown key; did you mean "listenPath"? known keys are ${KEYS}`],
  [{ endpoint: {} }, `endpoint: unknown key; did you mean "endpoints"? known keys are ${KEYS}`],
  [{ zzzzqqq: 1 }, `zzzzqqq: unknown key; known keys are ${KEYS}`],
  [{ 'x-note': 1 }, `["x-note"]: unknown key; known keys are ${KEYS}`],
  [{ store: {} }, 'store: unknown key; it is an option: createGateway(definition, { store: ... })'],
  [{ hooks: { store: [] } }, `hooks.store: unknown key; known keys are ${HOOKS}`],
  [{ pre: [stamp] }, 'pre: unknown key; it is a hook: { hooks: { pre: ... } }'],
  [{ auth: stamp }, 'auth: unknown key; it is a hook: { hooks: { auth: ... } }'],
  [
    { hooks: { endpoint: [stamp] } },
    'hooks.endpoint: unknown key; those of endpoints stand beside hooks: { endpoints: { "GET /stock/:sku": [...] } }',
  ],

  [{ name: '' }, 'name: found "", expected a name, such as "orders"'],
  [{ name: 5 }, 'name: found 5, expected a name, such as "orders"'],
  [{ name: undefined }, 'name: missing, expected a name, such as "orders"'],
  [{ id: 'a b' }, 'id: found "a b", expected an id of letters, digits, ".", "_" and "-"'],
  [{ id: '' }, 'id: found "", expected an id of letters, digits, ".", "_" and "-"'],
  [{ id: 7 }, 'id: found 7, expected an id, such as "orders-v1"'],
  [{ orgId: 7 }, 'orgId: found 7, expected text'],

  [{ listenPath: '' }, 'listenPath: found "", expected a path such as "/orders/"'],
  [{ listenPath: 1 }, 'listenPath: found 1, expected a path such as "/orders/"'],
  [{ listenPath: 'orders/' }, 'listenPath: found "orders/", expected a path that starts with "/", such as "/orders/"'],
  [{ listenPath: '/a?b' }, 'listenPath: found "/a?b", expected a path that starts with "/", such as "/orders/"'],
  [{ listenPath: '/../a' }, 'listenPath: found "/../a", expected a path that starts with "/", such as "/orders/"'],
  [{ listenPath: '/a%zz' }, 'listenPath: found "/a%zz", expected a path that starts with "/", such as "/orders/"'],
  [
    { listenPath: '/a\\b' },
    String.raw`listenPath: found "/a\\b", expected a path that starts with "/", such as "/orders/"`,
  ],
  [{ stripListenPath: 'yes' }, 'stripListenPath: found "yes", expected true or false'],
  [{ ignoreCase: 1 }, 'ignoreCase: found 1, expected true or false'],
  [{ records: { track: 'GET /x' } }, 'records.track: found "GET /x", expected an array of endpoints'],
  [{ records: { skip: [5] } }, 'records.skip[0]: found 5, expected an endpoint, such as "GET /stock/:sku"'],
  [
    { records: { track: ['get /x'] } },
    'records.track[0]: found the method "get", expected "GET" (methods are case-sensitive)',
  ],
  [
    { records: { skip: ['GET /x/:a', 'GET /x/:b'] } },
    'records.skip[1]: meets the same requests as "GET /x/:a"; put all of an endpoint under one key',
  ],
  [{ secrets: [] }, 'secrets: found an array of 0, expected { headers, query, bodyFields }'],
  [{ secrets: { headers: ['x y'] } }, 'secrets.headers[0]: found "x y", expected a header name'],
  [{ secrets: { query: 'key' } }, 'secrets.query: found "key", expected an array of names'],
  [{ secrets: { bodyFields: [''] } }, 'secrets.bodyFields[0]: found "", expected the name of a field'],
  [
    { secrets: { header: [] } },
    'secrets.header: unknown key; did you mean "headers"? known keys are headers, query, bodyFields',
  ],
  [
    { records: 'off' },
    'records: found "off", expected true, false, or { tags, tagHeaders, track, skip, detailed, maxDetailedBytes, retention }',
  ],

  [{ upstream: 5 }, 'upstream: found 5, expected a URL, or { url, ... }'],
  [{ upstream: null }, 'upstream: found null, expected a URL, or { url, ... }'],
  [{ upstream: ['http://h'] }, 'upstream: found an array of 1, expected a URL, or { url, ... }'],
  [{ upstream: '' }, 'upstream: found "", expected an http: or https: URL such as "http://127.0.0.1:9000"'],
  [{ upstream: 'ftp://h' }, `upstream: "ftp://h" is no upstream; ${URL_WANTED}`],
  [{ upstream: '127.0.0.1:9000' }, `upstream: "127.0.0.1:9000" is no upstream; ${URL_WANTED}`],
  [{ upstream: 'http://u:password@h/' }, `upstream: "http://***@h/" is no upstream; ${URL_WANTED}`],
  [{ upstream: 'http://h/?a=1' }, `upstream: "http://h/?a=1" is no upstream; ${URL_WANTED}`],
  [{ upstream: 'http://h/#a' }, `upstream: "http://h/#a" is no upstream; ${URL_WANTED}`],
  [
    { upstream: {} },
    'upstream.url: missing, expected an http: or https: URL such as "http://127.0.0.1:9000", or targets: several of them',
  ],
  [{ upstream: 'http://h:0' }, `upstream: "http://h:0" is no upstream; ${URL_WANTED}`],
  [
    { upstream: { url: 'http://h', targets: ['http://i'] } },
    'upstream.targets: found beside upstream.url; put all URLs here, or leave this out',
  ],
  [{ upstream: { targets: 'http://h' } }, 'upstream.targets: found "http://h", expected an array of URLs'],
  [{ upstream: { targets: [] } }, 'upstream.targets: found an array of 0, expected at least one URL'],
  [
    { upstream: { targets: ['http://h', 7] } },
    'upstream.targets[1]: found 7, expected an http: or https: URL, or { url, weight }',
  ],
  [{ upstream: { targets: ['http://h', 'ws://h'] } }, `upstream.targets[1]: "ws://h" is no upstream; ${URL_WANTED}`],
  [
    { upstream: { targets: [{ url: 'http://u:p@h' }, 'http://i'] } },
    `upstream.targets[0].url: "http://***@h" is no upstream; ${URL_WANTED}`,
  ],
  [
    { upstream: { targets: ['http://h/a', { url: 'http://H:80/a/' }] } },
    'upstream.targets[1].url: found "http://H:80/a/", which upstream.targets[0] already is; give a target a weight',
  ],
  [
    { upstream: { targets: [{ url: 'http://h', weight: 0 }] } },
    'upstream.targets[0].weight: found 0, expected an integer from 1 to 1000',
  ],
  [
    { upstream: { targets: [{ url: 'http://h', wieght: 2 }] } },
    'upstream.targets[0].wieght: unknown key; did you mean "weight"? known keys are url, weight',
  ],
  [
    { upstream: { url: 'http://h', balance: 'random' } },
    'upstream.balance: found "random", expected "round-robin" or "least-pending"',
  ],
  [{ upstream: { url: 'http://h', retries: 11 } }, 'upstream.retries: found 11, expected an integer from 0 to 10'],
  [{ upstream: { url: 'http://h', ejectAfter: 0 } }, 'upstream.ejectAfter: found 0, expected an integer, 1 or more'],
  [{ upstream: { url: 'http://h', ejectMs: 0 } }, `upstream.ejectMs: found 0, ${MILLISECONDS}`],
  [{ upstream: { url: 'http://h', health: true } }, 'upstream.health: found true, expected an object: { path, ... }'],
  [{ upstream: { url: 'http://h', health: {} } }, 'upstream.health.path: missing, expected a path such as "/health"'],
  [
    { upstream: { url: 'http://h', health: { path: 'health' } } },
    'upstream.health.path: found "health", expected a path such as "/health"',
  ],
  [
    { upstream: { url: 'http://h', health: { path: '/health', interval: 5 } } },
    'upstream.health.interval: unknown key; did you mean "intervalMs"? known keys are path, intervalMs, timeoutMs, unhealthyAfter, healthyAfter',
  ],
  [
    { upstream: { url: 'http://h', circuitBreaker: 'on' } },
    'upstream.circuitBreaker: found "on", expected true, or { failureRatio, minRequests, windowMs, openMs }',
  ],
  [
    { upstream: { url: 'http://h', circuitBreaker: { failureRatio: 50 } } },
    'upstream.circuitBreaker.failureRatio: found 50, expected a number above 0, up to 1',
  ],
  [
    { upstream: { url: 'http://h', maxConnections: 0 } },
    'upstream.maxConnections: found 0, expected an integer, 1 or more',
  ],
  [{ upstream: { url: 'http://h', maxQueued: -1 } }, 'upstream.maxQueued: found -1, expected an integer, 0 or more'],
  [{ upstream: { url: 'http://h', queueTimeoutMs: 0 } }, `upstream.queueTimeoutMs: found 0, ${MILLISECONDS}`],
  [{ upstream: { url: 'ws://h' } }, `upstream.url: "ws://h" is no upstream; ${URL_WANTED}`],
  [
    { upstream: { url: 'http://h', connectTimeout: 4 } },
    `upstream.connectTimeout: unknown key; did you mean "connectTimeoutMs"? known keys are ${UPSTREAM_KEYS}`,
  ],
  [
    { upstream: { url: 'http://h', forwarded: 'add' } },
    'upstream.forwarded: found "add", expected "append", "set", "remove" or "off"',
  ],
  [{ upstream: { url: 'http://h', connectTimeoutMs: 0 } }, `upstream.connectTimeoutMs: found 0, ${MILLISECONDS}`],
  [{ upstream: { url: 'http://h', headersTimeoutMs: 1.5 } }, `upstream.headersTimeoutMs: found 1.5, ${MILLISECONDS}`],
  [{ upstream: { url: 'http://h', bodyTimeoutMs: '5s' } }, `upstream.bodyTimeoutMs: found "5s", ${MILLISECONDS}`],
  [{ upstream: { url: 'http://h', verifyTls: 0 } }, 'upstream.verifyTls: found 0, expected true or false'],

  [{ hooks: [] }, 'hooks: found an array of 0, expected an object of plugins by hook'],
  [{ hooks: null }, 'hooks: found null, expected an object of plugins by hook'],
  [{ hooks: { Pre: [] } }, `hooks.Pre: unknown key; did you mean "pre"? known keys are ${HOOKS}`],
  [{ hooks: { post_auth: [] } }, `hooks.post_auth: unknown key; did you mean "postAuth"? known keys are ${HOOKS}`],
  [{ hooks: { pre: stamp } }, 'hooks.pre: found the function stamp, expected an array of plugins: write [stamp]'],
  [{ hooks: { pre: null } }, 'hooks.pre: found null, expected an array of plugins'],
  [{ hooks: { pre: ['stamp'] } }, `hooks.pre[0]: found "stamp", ${PLUGIN}`],
  [{ hooks: { post: [stamp, undefined] } }, `hooks.post[1]: missing, ${PLUGIN}`],
  [{ hooks: { auth: [stamp] } }, `hooks.auth: found an array of 1, ${PLUGIN}`],
  [{ hooks: { pre: [{ plugin: 'x' }] } }, 'hooks.pre[0].plugin: found "x", expected the plugin function'],
  [{ hooks: { pre: [{ plugin: stamp, name: '' }] } }, 'hooks.pre[0].name: found "", expected a name'],
  [
    { hooks: { pre: [{ plugin: stamp, timeout: 5 }] } },
    'hooks.pre[0].timeout: unknown key; did you mean "timeoutMs"? known keys are plugin, name, timeoutMs',
  ],
  [
    { hooks: { response: [{ plugin: stamp, timeoutMs: Number.POSITIVE_INFINITY }] } },
    `hooks.response[0].timeoutMs: found Infinity, ${MILLISECONDS}`,
  ],
  [
    { hooks: { postAuth: [stamp] } },
    'hooks.postAuth: would never run: this API has no hooks.auth and no authentication.token, so it is keyless; add one, or move these plugins to hooks.pre or hooks.post',
  ],

  [{ endpoints: [] }, 'endpoints: found an array of 0, expected an object of plugin arrays by "METHOD /path"'],
  [
    { endpoints: { 'GET /x': stamp } },
    'endpoints["GET /x"]: found the function stamp, expected an array of plugins: write [stamp]',
  ],
  [{ endpoints: { 'GET /x': ['y'] } }, `endpoints["GET /x"][0]: found "y", ${PLUGIN}`],
  [
    { endpoints: { '/x': [stamp] } },
    'endpoints["/x"]: expected "METHOD /path", such as "GET /stock/:sku" or "* /health"',
  ],
  [
    { endpoints: { 'get /x': [stamp] } },
    'endpoints["get /x"]: found the method "get", expected "GET" (methods are case-sensitive)',
  ],
  [{ endpoints: { 'GET x': [stamp] } }, 'endpoints["GET x"]: found the path "x", expected one that starts with "/"'],
  [
    { endpoints: { 'GET /a': [stamp], 'GET /a{/b}': [stamp] } },
    'endpoints["GET /a{/b}"]: meets the same requests as "GET /a"; put all of an endpoint under one key',
  ],
  [
    { endpoints: { 'GET /:a': [stamp], 'GET /:b': [stamp] } },
    'endpoints["GET /:b"]: meets the same requests as "GET /:a"; put all of an endpoint under one key',
  ],
  [
    { ignoreCase: true, endpoints: { 'GET /A': [stamp], 'GET /a': [stamp] } },
    'endpoints["GET /a"]: meets the same requests as "GET /A"; put all of an endpoint under one key',
  ],
  [
    { limits: { endpoints: { 'GET /A': { rate: 1, per: 1 }, 'GET /a': { rate: 2, per: 1 } } } },
    'limits.endpoints["GET /a"]: meets the same requests as "GET /A"; put all of an endpoint under one key',
  ],

  ...['/orders/*', '/orders/:id', '/orders{/x}', '/*splat'].map(
    (listenPath) =>
      [
        { listenPath },
        `listenPath: found "${listenPath}", expected a path without "${/[*:{]/.exec(listenPath)![0]}": a listen path is no pattern, and everything below it is met`,
      ] as const,
  ),
  ...['ANY', 'ALL', 'any'].map(
    (method) =>
      [
        { endpoints: { [`${method} /x`]: [stamp] } },
        `endpoints["${method} /x"]: found the method "${method}", which no request has; write "*" for any method`,
      ] as const,
  ),
  [
    { hooks: { auth: undefined } },
    'hooks.auth: found undefined, expected a plugin; is its import misspelt? leave the key out for a keyless API',
  ],
  [
    { version: { length: Object.create(null) as object } },
    'version: found an object with length, expected the name of a version',
  ],
  [{ config: cyclic }, 'config: contains itself; expected data that ends somewhere'],

  [{ limits: { rate: 5 } }, 'limits.per: missing; a rate limit is { rate, per }: requests per seconds'],
  [{ limits: { per: 5 } }, 'limits.rate: missing; a rate limit is { rate, per }: requests per seconds'],
  [
    { policies: { gold: { rate: 5, accessRights: { orders: {} } } } },
    'policies["gold"]: this policy\'s rate is 5 without per; expected per, in seconds, above 0.',
  ],
  [
    { policies: { gold: { partitions: { acl: true } } } },
    'policies["gold"]: this policy gives access to no API; expected accessRights such as { orders: {} }, or partitions without acl.',
  ],
  [
    { authentication: { token: { header: 5 } } },
    'authentication.token.header: found 5, expected a header name, or false',
  ],

  [{ config: [] }, 'config: found an array of 0, expected an object'],
  [{ config: 'x' }, 'config: found "x", expected an object'],
  [{ pluginTimeoutMs: -1 }, `pluginTimeoutMs: found -1, ${MILLISECONDS}`],
  [{ pluginTimeoutMs: 2_147_483_648 }, `pluginTimeoutMs: found 2147483648, ${MILLISECONDS}`],
  [{ maxBufferedBytes: -1 }, 'maxBufferedBytes: found -1, expected a number of bytes, 0 or more'],
  [{ maxBodyBytes: '1mb' }, 'maxBodyBytes: found "1mb", expected a number of bytes, 0 or more'],
  [
    { trustedProxies: '10.0.0.0/8' },
    'trustedProxies: found "10.0.0.0/8", expected an array of IP addresses and CIDR ranges',
  ],
  [{ trustedProxies: [''] }, 'trustedProxies[0]: found "", expected an IP address or CIDR range'],
  ...[
    'localhost',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/0x8',
    '10.0.0.0/-1',
    '10.0.0/8',
  ].map(
    (range) =>
      [
        { trustedProxies: ['127.0.0.1', range] },
        `trustedProxies[1]: "${range}" is no IP address or CIDR range such as "10.0.0.0/8".`,
      ] as const,
  ),
]

describe('a definition with a wrong field', () => {
  it.each(FIELD_PROBLEMS.map(([fields, problem]) => [problem, fields] as const))(
    'is refused: %s',
    (problem, fields) => {
      const title = 'name' in fields ? 'The definition' : 'The definition of "orders"'
      const error = refusal({ name: 'orders', ...fields })
      expect([error.code, error.message]).toEqual([
        'PSTN_DEFINITION_INVALID',
        `${title} has a problem:\n  - ${problem}`,
      ])
    },
  )

  it.each([
    ['an unclosed group', 'GET /{x'],
    ['a wildcard without a name', 'GET /x/*'],
    ['a parameter without a name', 'GET /:'],
    ['two parameters with nothing between them', 'GET /:a:b'],
    ['a regular expression', String.raw`GET /:id(\d+)`],
    ['an unescaped question mark', 'GET /a?'],
    ['dot segments', 'GET /a/../../b'],
    ['a question mark that is text', String.raw`GET /q\?b`],
    ['a parameter twice', 'GET /:a/:a'],
    ['more optional groups than could be matched', `GET ${'{/a}'.repeat(9)}`],
  ])('is refused when an endpoint path has %s, and the endpoint is named', (_, key) => {
    const error = refusal({ name: 'orders', endpoints: { [key]: [stamp] } })
    expect(error.code).toBe('PSTN_DEFINITION_INVALID')
    expect((error.cause as Problem[]).map(({ path }) => path)).toEqual([`endpoints[${JSON.stringify(key)}]`])
  })
})

describe('a definition', () => {
  it.each([
    ['undefined', undefined, 'missing'],
    ['null', null, 'found null'],
    ['text', 'orders', 'found "orders"'],
    ['a number', 5, 'found 5'],
    ['a function', stamp, 'found the function stamp'],
  ])('that is %s is refused', (_, definition, found) => {
    expect(refusal(definition).message).toBe(
      `The definition has a problem:\n  - ${found}, expected an object: the definition of an API`,
    )
  })

  it('is refused with all its problems at once, for people and for programs', () => {
    const error = refusal({
      name: 'orders',
      id: '!',
      listenPath: 'x',
      upstream: 'ftp://h',
      hooks: { pre: ['a'], postAuth: [stamp] },
      endpoints: { 'get /x': [5] },
      trustedProxies: ['localhost'],
      foo: 1,
    })
    const problems = [
      { path: 'id', message: 'found "!", expected an id of letters, digits, ".", "_" and "-"' },
      { path: 'hooks.pre[0]', message: `found "a", ${PLUGIN}` },
      { path: 'endpoints["get /x"][0]', message: `found 5, ${PLUGIN}` },
      { path: 'foo', message: `unknown key; known keys are ${KEYS}` },
      { path: 'listenPath', message: 'found "x", expected a path that starts with "/", such as "/orders/"' },
      { path: 'upstream', message: `"ftp://h" is no upstream; ${URL_WANTED}` },
      {
        path: 'hooks.postAuth',
        message:
          'would never run: this API has no hooks.auth and no authentication.token, so it is keyless; add one, or move these plugins to hooks.pre or hooks.post',
      },
      { path: 'endpoints["get /x"]', message: 'found the method "get", expected "GET" (methods are case-sensitive)' },
      { path: 'trustedProxies[0]', message: '"localhost" is no IP address or CIDR range such as "10.0.0.0/8".' },
    ]
    expect(error.cause).toEqual(problems)
    expect(error.message).toBe(
      `The definition of "orders" has 9 problems:\n${problems.map(({ path, message }) => `  - ${path}: ${message}`).join('\n')}`,
    )
  })

  it('names every unknown key', () => {
    const error = refusal({ name: 'orders', hook: {}, configs: {} })
    expect(
      (error.cause as Problem[]).map(({ path, message }) => [path, /did you mean "(\w+)"/.exec(message)?.[1]]),
    ).toEqual([
      ['hook', 'hooks'],
      ['configs', 'config'],
    ])
  })

  it('with an own __proto__ key, as JSON.parse makes it, is refused and pollutes nothing', () => {
    const definition = JSON.parse('{"name":"orders","__proto__":{"listenPath":"/evil/"}}') as unknown
    expect(refusal(definition).message).toBe(
      `The definition of "orders" has a problem:\n  - __proto__: unknown key; known keys are ${KEYS}`,
    )
    expect(({} as Record<string, unknown>)['listenPath']).toBeUndefined()
  })
})

describe('several definitions', () => {
  it('are refused where the list has holes', () => {
    const holes: ApiDefinitionInput[] = Object.assign([], { length: 2 })
    expect(refusal(holes).message).toContain('The list of 2 definitions has 2 problems')
  })

  it('are refused when there are none', () => {
    expect(refusal([]).message).toBe(
      'The list of definitions has a problem:\n  - found an empty array, expected at least one definition',
    )
  })

  it('are refused with the problems of all of them, by their position', () => {
    const error = refusal([{ name: 'orders' }, { name: '' }, null])
    expect(error.message).toBe(
      'The list of 3 definitions has 2 problems:\n' +
        '  - [1].name: found "", expected a name, such as "orders"\n' +
        '  - [2]: found null, expected an object: the definition of an API',
    )
  })

  it('are refused when two share an id, a name or a listen path', () => {
    const error = refusal([
      { name: 'a', listenPath: '/a' },
      { name: 'b', id: 'a', listenPath: '/b' },
      { name: 'b', id: 'c', listenPath: '/c' },
      { name: 'd', listenPath: '/b/' },
    ])
    expect(error.cause).toEqual([
      { path: '[1].id', message: 'found "a", which [0] already has' },
      { path: '[2].name', message: 'found "b", which [1] already has' },
      { path: '[3].listenPath', message: 'found "/b/", which [1] already has' },
    ])
  })

  it('clash also when two listen paths are spelled differently', () => {
    const error = refusal([
      { name: 'a', listenPath: '/caf%c3%a9/' },
      { name: 'b', listenPath: '/café' },
    ])
    expect((error.cause as Problem[]).map(({ path }) => path)).toEqual(['[1].listenPath'])
  })
})

describe('what is no definition at all', () => {
  it.each([
    ['a Promise', Promise.resolve([{ name: 'a' }]), 'found a Promise; await it'],
    [
      'an export of the Tyk Dashboard',
      { api_model: {}, api_definition: { api_id: 'a' }, hook_references: [] },
      'found an export of the Tyk Dashboard; take out what is in "api_definition", which is the definition',
    ],
    [
      'a package.json',
      { name: 'shop', private: true, type: 'module', scripts: {}, dependencies: {} },
      'this is no definition: it has private, type, scripts, and nothing that a definition has',
    ],
    [
      'a tsconfig.json',
      { compilerOptions: {} },
      'this is no definition: it has compilerOptions, and nothing that a definition has',
    ],
  ])('is told once: %s', (_, input, message) => {
    expect(refusal(input).cause).toEqual([{ path: '', message }])
  })

  it('is not what a misspelt definition is', () => {
    expect((refusal({ name: 'a', listenpath: '/a', upsteam: 'x' }).cause as Problem[]).length).toBe(2)
  })
})

describe('options', () => {
  it.each([
    ['null', null, 'The options are null; expected an object.'],
    ['text', 'x', 'The options are "x"; expected an object.'],
    ['an array', [], 'The options are an array of 0; expected an object.'],
    [
      'an unknown key',
      { foo: 1 },
      'Unknown option "foo"; known: log, forward, engine, store, policies, onStoreError, recordCapacity, sinks, recordQueue, plugins, pluginsDirectory, bundles, tykPathMatching.',
    ],
    [
      'a key that is misspelt',
      { pluginDirectory: 'x' },
      'Unknown option "pluginDirectory"; did you mean "pluginsDirectory"? known: log, forward, engine, store, policies, onStoreError, recordCapacity, sinks, recordQueue, plugins, pluginsDirectory, bundles, tykPathMatching.',
    ],
    ['a forwarder that is no function', { forward: 5 }, 'options.forward is 5; expected a function.'],
    ['an unknown engine', { engine: 'http2' as never }, 'options.engine is "http2"; expected one of http1, undici.'],
    ['a negative capacity', { recordCapacity: -1 }, 'options.recordCapacity is -1; expected an integer, 0 or more.'],
    ['sinks that are no array', { sinks: 5 }, 'options.sinks is 5; expected an array of sinks.'],
    [
      'a sink that is none',
      { sinks: [() => undefined, {}] },
      'options.sinks[1] is an empty object; expected a function, or a sink such as jsonLines(stream).',
    ],
    ['a queue that is none', { recordQueue: [] }, 'options.recordQueue is an array of 0; expected an object.'],
    [
      'an unknown setting of the queue',
      { recordQueue: { size: 1 } },
      'Unknown option recordQueue.size; known: maxQueued, maxQueuedBytes, batchSize, flushMs, overflow.',
    ],
    [
      'a queue that holds nothing',
      { recordQueue: { maxQueued: 0 } },
      'options.recordQueue.maxQueued is 0; expected an integer, 1 or more.',
    ],
    [
      'an unknown way out of a full queue',
      { recordQueue: { overflow: 'wait' } },
      'options.recordQueue.overflow is "wait"; expected "drop-oldest" or "drop-newest".',
    ],
    ['half a record', { recordCapacity: 1.5 }, 'options.recordCapacity is 1.5; expected an integer, 0 or more.'],
    [
      'a list of plugins',
      { plugins: [] },
      'options.plugins is an array of 0; expected an object of functions by name.',
    ],
    [
      'a function for plugins',
      { plugins: stamp },
      'options.plugins is the function stamp; expected an object of functions by name.',
    ],
    [
      'no name of a directory',
      { pluginsDirectory: '' },
      'options.pluginsDirectory is ""; expected a path, or a file: URL.',
    ],
    [
      'a directory that is far away',
      { pluginsDirectory: new URL('https://example.org/plugins') },
      'options.pluginsDirectory is an instance of URL; expected a path, or a file: URL.',
    ],
    [
      'bundles that are none',
      { bundles: 'a' },
      'options.bundles is "a"; expected an object of manifests by the name of their bundle.',
    ],
    [
      'another way to match',
      { tykPathMatching: 'regex' },
      'options.tykPathMatching is "regex"; expected one of whole, prefix, suffix, contains.',
    ],
  ])('that are or have %s are refused', (_, options, message) => {
    const error = errorOf(() => createGateway({ name: 'orders' }, options as never))
    expect([error.code, error.message]).toEqual(['PSTN_OPTIONS_INVALID', message])
  })

  it.each([
    [
      'undefined for all of them',
      { plugins: undefined, pluginsDirectory: undefined, bundles: undefined, tykPathMatching: undefined },
    ],
    ['a module namespace for plugins', { plugins: harness }],
    ['a directory by URL', { pluginsDirectory: new URL('file:///plugins') }],
    ['every way to match', { tykPathMatching: 'suffix' } as const],
  ])('may have %s', (_, options) => {
    expect(createGateway({ name: 'orders' }, options).apis()).toHaveLength(1)
  })

  it.each([
    ['no object', 5],
    ['without its methods', {}],
    ['with only some of its methods', { info: () => undefined }],
  ])('with a log that is %s are refused', (_, log) => {
    const error = errorOf(() => createGateway({ name: 'orders' }, { log: log as never }))
    expect([error.code, error.message]).toEqual(['PSTN_OPTIONS_INVALID', expect.stringContaining('options.log')])
  })
})

/** The validated form, as plugins are shown it. */
async function validated(input: ApiDefinitionInput): Promise<ApiDefinition> {
  let seen: ApiDefinition | undefined
  const { port } = await run({
    ...input,
    hooks: {
      ...input.hooks,
      pre: [
        ...(input.hooks?.pre ?? []),
        function look(_request, { api }) {
          seen = api.definition
          return { responseCode: 200 }
        },
      ],
    },
  })
  await (await connect(port)).request('GET', input.listenPath ?? '/')
  return seen!
}

describe('the validated definition', () => {
  it('has every default filled in', async () => {
    const definition = await validated({ name: 'orders' })
    expect(definition).toMatchObject({
      name: 'orders',
      id: 'orders',
      orgId: '',
      listenPath: '/',
      stripListenPath: true,
      keyless: true,
      hooks: { postAuth: [], post: [], response: [], analytics: [] },
      endpoints: {},
      ignoreCase: false,
      config: {},
      pluginTimeoutMs: 5_000,
      maxBufferedBytes: 10 * 1024 * 1024,
      maxBodyBytes: Number.POSITIVE_INFINITY,
      trustedProxies: [],
      records: {
        tags: [],
        tagHeaders: [],
        track: [],
        skip: [],
        detailed: false,
        maxDetailedBytes: 65_536,
        retention: undefined,
      },
      secrets: {
        headers: ['authorization', 'proxy-authorization', 'cookie', 'set-cookie'],
        query: [],
        bodyFields: [],
      },
    })
    expect([definition.upstream, definition.hooks.auth]).toEqual([undefined, undefined])
  })

  it('has the defaults of its upstream filled in', async () => {
    const { upstream } = await validated({ name: 'orders', upstream: 'http://127.0.0.1:9000/api/' })
    expect(upstream).toEqual({
      url: 'http://127.0.0.1:9000/api/',
      preserveHost: false,
      forwarded: 'append',
      connectTimeoutMs: 10_000,
      headersTimeoutMs: 60_000,
      bodyTimeoutMs: 300_000,
      verifyTls: true,
      targets: [{ url: 'http://127.0.0.1:9000/api/', weight: 1 }],
      balance: 'round-robin',
      retries: 1,
      ejectAfter: 3,
      ejectMs: 10_000,
      health: undefined,
      circuitBreaker: undefined,
      maxConnections: 1_024,
      maxQueued: 1_024,
      queueTimeoutMs: 5_000,
    })
  })

  it('has the defaults of health checks and of the circuit breaker filled in, and its targets in one shape', async () => {
    const { upstream } = await validated({
      name: 'orders',
      upstream: {
        targets: ['http://127.0.0.1:9000/', { url: 'http://127.0.0.1:9001', weight: 2 }],
        health: { path: '/health', timeoutMs: 500, intervalMs: undefined },
        circuitBreaker: true,
      },
    })
    expect(upstream).toMatchObject({
      url: 'http://127.0.0.1:9000',
      targets: [
        { url: 'http://127.0.0.1:9000', weight: 1 },
        { url: 'http://127.0.0.1:9001', weight: 2 },
      ],
      health: { path: '/health', intervalMs: 5_000, timeoutMs: 500, unhealthyAfter: 2, healthyAfter: 2 },
      circuitBreaker: { failureRatio: 0.5, minRequests: 20, windowMs: 10_000, openMs: 10_000 },
    })
  })

  it('has its listen path in the one spelling requests are compared in', async () => {
    const { listenPath } = await validated({ name: 'orders', listenPath: '/a/./caf%C3%A9//' })
    expect(listenPath).toBe('/a/caf%C3%A9')
  })

  it('is protected as soon as there is an auth plugin', async () => {
    const { keyless } = await validated({ name: 'orders', hooks: { auth: () => ({ metadata: { token: 'a' } }) } })
    expect(keyless).toBe(false)
  })

  it('is frozen to its last corner, and leaves the object of its author alone', async () => {
    const input = {
      name: 'orders',
      upstream: { url: 'http://127.0.0.1:9000' },
      hooks: { pre: [stamp], post: [{ plugin: stamp, name: 'second' }] },
      endpoints: { 'GET /x': [stamp] },
      config: { limits: [{ tier: 'gold', max: 5 }], nested: { deep: { deeper: true } } },
      trustedProxies: ['127.0.0.1'],
    }
    const definition = await validated(input)
    expect(unfrozen(definition)).toEqual([])
    expect(definition.config).toEqual(input.config)

    expect(Object.values(input).filter((value) => Object.isFrozen(value) && typeof value === 'object')).toEqual([])
    input.config.limits[0]!.max = 6
    input.config.nested.deep.deeper = false
    input.endpoints['GET /x'].push(stamp)
    expect(definition.config).toEqual({ limits: [{ tier: 'gold', max: 5 }], nested: { deep: { deeper: true } } })
    expect(definition.endpoints['GET /x']).toHaveLength(1)
  })

  it('keeps an own __proto__ key of its config as data', async () => {
    const config = JSON.parse('{"__proto__":{"admin":true}}') as Record<string, unknown>
    const definition = await validated({ name: 'orders', config })
    expect(definition.config['admin']).toBeUndefined()
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
    expect(Object.keys(definition.config)).toEqual(['__proto__'])
  })
})

/** The paths of everything that is not frozen; functions are their authors'. */
function unfrozen(value: unknown, path = 'definition'): string[] {
  if (typeof value !== 'object' || value === null) return []
  const inner = Object.entries(value).flatMap(([key, child]) => unfrozen(child, `${path}.${key}`))
  return Object.isFrozen(value) ? inner : [path, ...inner]
}
