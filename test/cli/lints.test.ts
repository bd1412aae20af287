import { type ApiDefinitionInput, type ApiInfo, type GatewayOptions, respond } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { LINTS } from '../../packages/cli/src/lint/lints.ts'
import { routesOf } from '../../packages/cli/src/lint/routes.ts'
import { parseDefinitions } from '../../packages/core/src/definition/parse.ts'

const UPSTREAM = 'http://127.0.0.1:9000'
const answer = (): object => respond(200)

type Input = ApiDefinitionInput & { readonly document?: Readonly<Record<string, unknown>> }

function infos(inputs: readonly Input[]): ApiInfo[] {
  const definitions = parseDefinitions(inputs.map(({ document: _, ...definition }) => definition))
  return definitions.map((definition, i): ApiInfo => {
    const { id, orgId, name } = definition
    return Object.assign({ id, orgId, name, definition }, { document: inputs[i]?.document })
  })
}

/** What the lints say, as `lint API path`. */
function remarks(inputs: readonly Input[], options: GatewayOptions = {}): string[] {
  const apis = infos(inputs)
  const linted = { apis, routes: routesOf(apis), options }
  return LINTS.flatMap((lint) => lint.run(linted).map(({ api, path }) => `${lint.id} ${api?.name ?? '-'} ${path}`))
}

function messages(inputs: readonly Input[]): string[] {
  const apis = infos(inputs)
  const linted = { apis, routes: routesOf(apis), options: {} }
  return LINTS.flatMap((lint) => lint.run(linted).map(({ message }) => message))
}

const keys = (...names: readonly string[]): ApiDefinitionInput['endpoints'] =>
  Object.fromEntries(names.map((name) => [name, [answer]]))

const api = (fields: Partial<Input> = {}): Input => ({ name: 'shop', upstream: UPSTREAM, ...fields }) as Input

describe('an ordinary definition', () => {
  it('is nobody’s business', () => {
    const shop = api({
      listenPath: '/shop/',
      hooks: {
        auth: () => ({ metadata: { token: 'a' } }),
        postAuth: [answer],
        response: [(r) => r.headers.delete('server')],
      },
      endpoints: keys('GET /stock/:sku', 'GET /stock/mine', 'GET /files{/*path}', '* /health', 'GET /*rest'),
      policies: { free: { quotaMax: 10, quotaRenewalRate: 60, accessRights: { shop: {} } } },
      trustedProxies: ['10.0.0.0/8', '::1'],
    })
    const other = api({ name: 'other', listenPath: '/shop/other/', endpoints: keys('GET /stock/:sku') })
    expect(remarks([shop, other])).toEqual([])
  })
})

describe('unreachable-api', () => {
  it('finds listen paths that differ by case only, where case does not count', () => {
    const [one, two] = [
      { name: 'one', listenPath: '/Shop' },
      { name: 'two', listenPath: '/shop' },
    ]
    expect(remarks([one, two])).toEqual(['unreachable-api one listenPath'])
    expect(remarks([api({ ...one }), api({ ...two })])).toEqual([])
  })
})

describe('unreachable-endpoint', () => {
  const at = (key: string, where = 'endpoints'): string => `unreachable-endpoint shop ${where}["${key}"]`

  it.each(['GET /v2', 'GET /v2/:id', '* /v2/*rest', 'GET /v2{/:id}/x'])('finds %s below another API', (key) => {
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    expect(remarks([api({ listenPath: '/shop', endpoints: keys(key) }), other])).toEqual([at(key)])
    expect(messages([api({ listenPath: '/shop', endpoints: keys(key) }), other])).toEqual([
      'nothing reaches it: "other" listens at /shop/v2',
    ])
  })

  it.each(['GET /v2x', 'GET /:version', 'GET /*rest', 'GET /v{2}/x', 'GET /V2'])('leaves %s beside it alone', (key) => {
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    expect(remarks([api({ listenPath: '/shop', endpoints: keys(key) }), other])).toEqual([])
  })

  it('knows where case does not count', () => {
    const loose = api({ listenPath: '/shop', ignoreCase: true, endpoints: keys('GET /v2/x') })
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    // `/shop/V2/x` is for the shop.
    expect(remarks([loose, other])).toEqual([])
    expect(remarks([loose, { ...other, ignoreCase: true }])).toEqual([at('GET /v2/x')])
  })

  it('finds a wildcard whose requests other keys take, and names them', () => {
    const shop = api({ endpoints: keys('GET /*all', 'GET /:one', 'GET /:one/*more') })
    expect(remarks([shop])).toEqual([at('GET /*all')])
    expect(messages([shop])).toEqual([
      'nothing reaches it: more specific keys take its requests: "GET /:one", "GET /:one/*more"',
    ])
  })

  it.each([
    ['GET /*all', 'GET /:one'],
    ['GET /*all', 'POST /:one', 'POST /:one/*more'],
    ['* /*all', 'GET /:one', 'GET /:one/*more'],
    ['GET /:name', 'GET /:name.json', 'GET /one'],
  ])('leaves %s alone where a request is left for it', (...names) => {
    expect(remarks([api({ endpoints: keys(...names) })])).toEqual([])
  })

  it('finds limits of endpoints as well', () => {
    const limits = { endpoints: { 'GET /v2/x': { rate: 1, per: 1 }, 'GET /x': { rate: 1, per: 1 } } }
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    expect(remarks([api({ listenPath: '/shop', limits }), other])).toEqual([at('GET /v2/x', 'limits.endpoints')])
  })
})

describe('quota-without-renewal', () => {
  it('finds policies of APIs and of the options, and rights of policies', () => {
    const free = { quotaMax: 5, accessRights: { shop: {} } }
    const each = { partitions: { perApi: true }, accessRights: { shop: { limit: { quotaMax: 2 } } } }
    const found = remarks([api({ policies: { free, each } })], { policies: { 'a"b': { quotaMax: 1 } } })
    expect(found).toEqual([
      'quota-without-renewal shop policies["free"].quotaMax',
      'quota-without-renewal shop policies["each"].accessRights["shop"].limit.quotaMax',
      'quota-without-renewal - options.policies["a\\"b"].quotaMax',
    ])
  })

  it.each([{ quotaMax: -1 }, { quotaMax: 0 }, { quotaRenewalRate: 60 }, {}])('leaves %j alone', (quota) => {
    const free = { ...quota, accessRights: { shop: {} } }
    expect(remarks([api({ policies: { free } })])).toEqual([])
  })
})

describe('plugins that read bodies', () => {
  const document = (type: string): Readonly<Record<string, unknown>> => ({
    paths: { '/events': { get: { responses: { 200: { content: { [type]: {} } } } } } },
  })
  const reads = async (response: { text(): Promise<string> }): Promise<void> => void (await response.text())
  const asks = async (response: { text(): Promise<string>; headers: { get(name: string): string | null } }) => {
    if (response.headers.get('content-type') === 'text/plain') await response.text()
  }

  it('are a mistake where the document says that events are streamed', () => {
    const shop = api({ hooks: { response: [asks, reads] }, document: document('text/event-stream') })
    expect(remarks([shop])).toEqual(['body-read-on-event-stream shop hooks.response[1]'])
  })

  it('are worth a hint where nothing is known, unless they look at the content type', () => {
    const shop = api({ hooks: { response: [asks, reads] }, document: document('application/json') })
    expect(remarks([shop])).toEqual(['body-read-unasked shop hooks.response[1]'])
    expect(remarks([api({ hooks: { response: [reads] } })])).toEqual(['body-read-unasked shop hooks.response[0]'])
    expect(remarks([api({ hooks: { response: [asks] } })])).toEqual([])
  })
})

describe('unverified-upstream', () => {
  it('finds TLS that is not verified, where there is TLS', () => {
    const upstream = (url: string): Input['upstream'] => ({ url, verifyTls: false })
    expect(remarks([api({ upstream: upstream('https://shop.example') })])).toEqual([
      'unverified-upstream shop upstream.verifyTls',
    ])
    expect(remarks([api({ upstream: upstream('http://shop.example') })])).toEqual([])
  })
})

describe('trusts-everybody', () => {
  it.each(['0.0.0.0/0', '::/0', '10.1.2.3/0', '::ffff:0:0/96'])('finds %s', (range) => {
    expect(remarks([api({ trustedProxies: ['127.0.0.1', range] })])).toEqual([
      'trusts-everybody shop trustedProxies[1]',
    ])
  })

  it.each(['10.0.0.0/8', '::1', '2001:db8::/32', '127.0.0.1', '::ffff:10.0.0.0/104'])('leaves %s alone', (range) => {
    expect(remarks([api({ trustedProxies: [range] })])).toEqual([])
  })
})
