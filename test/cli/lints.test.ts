import {
  type ApiDefinitionInput,
  type Decision,
  type EndpointKey,
  type ApiInfo,
  checkDefinitions,
  type GatewayOptions,
  respond,
} from '@postern/core'
import { describe, expect, it } from 'vitest'
import { LINTS } from '../../packages/cli/src/lint/lints.ts'
import { routesOf } from '../../packages/cli/src/lint/routes.ts'

const UPSTREAM = 'http://127.0.0.1:9000'
const answer = (): Decision => respond(200)
const pass = (): void => undefined

interface Remarked {
  readonly remark: string
  readonly message: string
}

/** What the lints say. `document`: what the first API was translated from. */
async function lint(
  inputs: readonly ApiDefinitionInput[],
  options: GatewayOptions = {},
  document?: ApiInfo['document'],
): Promise<Remarked[]> {
  const report = await checkDefinitions(inputs, options)
  expect(report.problems).toEqual([])
  const apis = report.apis.map((info, i) => (i === 0 ? { ...info, document } : info))
  const linted = { apis, routes: routesOf(report), options }
  return LINTS.flatMap((one) =>
    one.run(linted).map(({ api, path, message }) => ({ remark: `${one.id} ${api?.name ?? '-'} ${path}`, message })),
  )
}

/** As `lint API path`. */
async function remarks(...parameters: Parameters<typeof lint>): Promise<string[]> {
  return (await lint(...parameters)).map(({ remark }) => remark)
}

async function messages(inputs: readonly ApiDefinitionInput[]): Promise<string[]> {
  return (await lint(inputs)).map(({ message }) => message)
}

const keys = (...names: readonly string[]): Record<EndpointKey, (typeof answer)[]> =>
  Object.fromEntries(names.map((name) => [name, [answer]])) as Record<EndpointKey, (typeof answer)[]>

const api = (fields: Partial<ApiDefinitionInput> = {}): ApiDefinitionInput => ({
  name: 'shop',
  upstream: UPSTREAM,
  ...fields,
})

describe('an ordinary definition', () => {
  it('is nobody’s business', async () => {
    const shop = api({
      listenPath: '/shop/',
      hooks: {
        auth: () => ({ metadata: { token: 'a' } }),
        postAuth: [pass],
        response: [(r) => r.headers.delete('server')],
      },
      endpoints: keys('GET /stock/:sku', 'GET /stock/mine', 'GET /files{/*path}', '* /health', 'GET /*rest'),
      policies: { free: { quotaMax: 10, quotaRenewalRate: 60, accessRights: { shop: {} } } },
      trustedProxies: ['10.0.0.0/8', '::1'],
    })
    const other = api({ name: 'other', listenPath: '/shop/other/', endpoints: keys('GET /stock/:sku') })
    expect(await remarks([shop, other])).toEqual([])
  })
})

describe('optional-word', () => {
  it('finds words in braces', async () => {
    const shop = api({ endpoints: keys('GET /users{id}', 'GET /a{/b{c}}', 'GET /files{/*path}', 'GET /v{/all}') })
    expect(await lint([shop])).toEqual([
      { remark: 'optional-word shop endpoints["GET /users{id}"]', message: '`{id}` is an optional word; write `:id`' },
      { remark: 'optional-word shop endpoints["GET /a{/b{c}}"]', message: '`{c}` is an optional word; write `:c`' },
    ])
  })
})

describe('unreachable-endpoint', () => {
  const at = (key: string, where = 'endpoints'): string => `unreachable-endpoint shop ${where}["${key}"]`

  it.each(['GET /v2', 'GET /v2/:id', '* /v2/*rest', 'GET /v2{/:id}/x'])('finds %s below another API', async (key) => {
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    expect(await remarks([api({ listenPath: '/shop', endpoints: keys(key) }), other])).toEqual([at(key)])
    expect(await messages([api({ listenPath: '/shop', endpoints: keys(key) }), other])).toEqual([
      'nothing reaches it: "other" listens at /shop/v2',
    ])
  })

  it.each(['GET /v2x', 'GET /:version', 'GET /*rest', 'GET /v{2}/x', 'GET /V2'])(
    'leaves %s beside it alone',
    async (key) => {
      const other = api({ name: 'other', listenPath: '/shop/v2' })
      expect(await remarks([api({ listenPath: '/shop', endpoints: keys(key) }), other])).toEqual([])
    },
  )

  it('knows where case does not count', async () => {
    const loose = api({ listenPath: '/shop', ignoreCase: true, endpoints: keys('GET /v2/x') })
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    // `/shop/V2/x` is for the shop.
    expect(await remarks([loose, other])).toEqual([])
    expect(await remarks([loose, { ...other, ignoreCase: true }])).toEqual([at('GET /v2/x')])
  })

  it('finds a wildcard whose requests other keys take, and names them', async () => {
    const shop = api({ endpoints: keys('GET /*all', 'GET /:one', 'GET /:one/*more') })
    expect(await remarks([shop])).toEqual([at('GET /*all')])
    expect(await messages([shop])).toEqual([
      'nothing reaches it: more specific keys take its requests: "GET /:one", "GET /:one/*more"',
    ])
  })

  it.each([
    ['GET /*all', 'GET /:one'],
    ['GET /*all', 'POST /:one', 'POST /:one/*more'],
    ['* /*all', 'GET /:one', 'GET /:one/*more'],
    ['GET /:name', 'GET /:name.json', 'GET /one'],
  ])('leaves %s alone where a request is left for it', async (...names) => {
    expect(await remarks([api({ endpoints: keys(...names) })])).toEqual([])
  })

  it.each([
    ['GET /*all', 'GET /one'],
    ['* /:one', 'GET /one'],
    ['GET ~^/one', 'GET /one'],
    ['GET ~.*', 'GET /:one'],
  ])('finds the last of %s, %s where the first that is listed counts', async (...names) => {
    const listed = api({ endpoints: keys(...names), endpointOrder: 'listed' })
    expect(await remarks([listed])).toContain(at(names.at(-1) ?? ''))
    expect((await messages([listed])).join()).toContain(`earlier keys take its requests: "${names[0] ?? ''}"`)
    expect(await remarks([api({ endpoints: keys(...names) })])).not.toContain(at(names.at(-1) ?? ''))
  })

  it.each([
    ['GET /:one', 'GET /*all'],
    ['GET /one', 'GET /*all'],
    ['GET ~^/[a-z0-9]+/?$', 'GET /:one'],
  ])('leaves all of %s, %s alone where the first that is listed counts', async (...names) => {
    const listed = api({ endpoints: keys(...names), endpointOrder: 'listed' })
    expect(await remarks([listed])).toEqual([])
  })

  it('finds limits of endpoints as well', async () => {
    const limits = { endpoints: { 'GET /v2/x': { rate: 1, per: 1 }, 'GET /x': { rate: 1, per: 1 } } }
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    expect(await remarks([api({ listenPath: '/shop', limits }), other])).toEqual([at('GET /v2/x', 'limits.endpoints')])
  })
})

describe('shadowed-expression', () => {
  const at = (key: string): string => `shadowed-expression shop endpoints["${key}"]`
  /** Risks of single expressions are for another lint. */
  const shadowed = async (...names: readonly string[]): Promise<string[]> =>
    (await remarks([api({ endpoints: keys(...names) })])).filter((remark) => remark.startsWith('shadowed'))

  it.each([
    ['* ~^/a', 'GET ~^/a'],
    ['GET ~.*', 'GET ~^/a'],
    ['GET ~/a', 'GET ~^/x/a$'],
    ['GET ~^/a', 'GET ~^/ab+$'],
    ['GET /', 'GET /*all', 'GET ~^/a'],
  ])('finds the last of %s, %s', async (...names) => {
    expect(await shadowed(...names)).toEqual([at(names.at(-1) ?? '')])
  })

  it.each([
    ['GET ~^/a', 'POST ~^/a'],
    ['GET ~^/a', '* ~^/a'],
    ['GET ~^/a', 'GET ~/a'],
    ['GET ~^/x/a$', 'GET ~/a'],
    ['GET ~^/a', 'GET ~^/[ab]'],
    ['GET /*all', 'GET ~^/a'],
    ['POST /', 'POST /*all', 'GET ~^/a'],
  ])('leaves those of %s, %s alone', async (...names) => {
    expect(await shadowed(...names)).toEqual([])
  })

  it('counts only the paths before it where the first that is listed counts', async () => {
    const listed = (...names: readonly string[]): Promise<string[]> =>
      remarks([api({ endpoints: keys(...names), endpointOrder: 'listed' })])
    expect(await listed('GET /', 'GET /*all', 'GET ~^/a')).toEqual([at('GET ~^/a')])
    expect(await listed('GET /', 'GET ~^/a', 'GET /*all')).toEqual([])
  })

  it('finds one below another API', async () => {
    const other = api({ name: 'other', listenPath: '/shop/v2' })
    const below = (key: string): Promise<string[]> =>
      remarks([api({ listenPath: '/shop', endpoints: keys(key) }), other])
    expect(await below('GET ~^/v2/[0-9]+$')).toEqual([at('GET ~^/v2/[0-9]+$')])
    expect(await below('GET ~^/v2[0-9]+$')).toEqual([])
    expect(await below('GET ~^/v[0-9]/')).toEqual([])
  })
})

describe('risky-expression', () => {
  const at = (key: string): string => `risky-expression shop endpoints["${key}"]`

  it.each(['GET ~/a', 'GET ~^.*', 'GET ~.+', 'GET ~^/a|/b'])('finds %s', async (key) => {
    expect(await remarks([api({ endpoints: keys(key) })])).toEqual([at(key)])
  })

  it.each(['GET ~^/a', 'GET ~^/(?:a|b)$', 'GET ~(?i)^/a', 'GET ~^/a|^/b'])('leaves %s alone', async (key) => {
    expect(await remarks([api({ endpoints: keys(key) })])).toEqual([])
  })

  it('leaves it to the options how the paths of documents of Tyk are anchored', async () => {
    expect(await remarks([api({ endpoints: keys('GET ~/a') })], {}, {})).toEqual([])
    expect(await remarks([api({ endpoints: keys('GET ~.*') })], {}, {})).toEqual([at('GET ~.*')])
  })

  it('finds extractors that take everything for the id', async () => {
    const extracting = (expression: string): ApiDefinitionInput =>
      api({
        hooks: { auth: () => ({ metadata: { token: 'a' } }) },
        authentication: { idExtractor: { source: 'header', header: 'authorization', mode: 'regex', expression } },
      })
    expect(await remarks([extracting('.+')])).toEqual(['risky-expression shop authentication.idExtractor.expression'])
    expect(await remarks([extracting('[0-9]+')])).toEqual([])
  })
})

describe('quota-without-renewal', () => {
  it('finds policies of APIs and of the options, and rights of policies', async () => {
    const free = { quotaMax: 5, accessRights: { shop: {} } }
    const each = { partitions: { perApi: true }, accessRights: { shop: { limit: { quotaMax: 2 } } } }
    const found = await remarks([api({ policies: { free, each } })], {
      policies: { 'a"b': { quotaMax: 1, accessRights: { shop: {} } } },
    })
    expect(found).toEqual([
      'quota-without-renewal shop policies["free"].quotaMax',
      'quota-without-renewal shop policies["each"].accessRights["shop"].limit.quotaMax',
      'quota-without-renewal - options.policies["a\\"b"].quotaMax',
    ])
  })

  it.each([{ quotaMax: -1 }, { quotaMax: 0 }, { quotaRenewalRate: 60 }, {}])('leaves %j alone', async (quota) => {
    const free = { ...quota, accessRights: { shop: {} } }
    expect(await remarks([api({ policies: { free } })])).toEqual([])
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

  it('are a mistake where the document says that events are streamed', async () => {
    const shop = api({ hooks: { response: [asks, reads] } })
    expect(await remarks([shop], {}, document('text/event-stream'))).toEqual([
      'body-read-on-event-stream shop hooks.response[1]',
    ])
  })

  it('are worth a hint where nothing is known, unless they look at the content type', async () => {
    const shop = api({ hooks: { response: [asks, reads] } })
    expect(await remarks([shop], {}, document('application/json'))).toEqual([
      'body-read-unasked shop hooks.response[1]',
    ])
    expect(await remarks([api({ hooks: { response: [reads] } })])).toEqual(['body-read-unasked shop hooks.response[0]'])
    expect(await remarks([api({ hooks: { response: [asks] } })])).toEqual([])
  })
})

describe('json-of-no-body', () => {
  interface Answer {
    readonly hasBody: boolean
    json(): Promise<unknown>
  }
  const parsing = {
    anArrow: async (response: Answer) => void (await response.json()),
    async aMethod(given: Answer) {
      await given.json()
    },
    aFunction: async function named(given: Answer) {
      await given.json()
    },
  }
  const fine = {
    asks: async (response: Answer) => void (response.hasBody && (await response.json())),
    parsesAnother: async (_: Answer, { fetched }: { fetched: Response }) => void (await fetched.json()),
    takesNothing: async () => void (await new Response('1').json()),
  }

  it.each(Object.entries(parsing))('finds %s', async (_, plugin) => {
    expect(await remarks([api({ hooks: { response: [plugin as never] } })])).toContain(
      'json-of-no-body shop hooks.response[0]',
    )
  })

  it.each(Object.entries(fine))('finds nothing in one that %s', async (_, plugin) => {
    expect(await remarks([api({ hooks: { response: [plugin as never] } })])).not.toContain(
      'json-of-no-body shop hooks.response[0]',
    )
  })
})

describe('unverified-upstream', () => {
  it('finds TLS that is not verified, where there is TLS', async () => {
    const upstream = (url: string): ApiDefinitionInput['upstream'] => ({ url, verifyTls: false })
    expect(await remarks([api({ upstream: upstream('https://shop.example') })])).toEqual([
      'unverified-upstream shop upstream.verifyTls',
    ])
    expect(await remarks([api({ upstream: upstream('http://shop.example') })])).toEqual([])
  })
})

describe('trusts-everybody', () => {
  it.each(['0.0.0.0/0', '::/0', '10.1.2.3/0', '::ffff:0:0/96'])('finds %s', async (range) => {
    expect(await remarks([api({ trustedProxies: ['127.0.0.1', range] })])).toEqual([
      'trusts-everybody shop trustedProxies[1]',
    ])
  })

  it.each(['10.0.0.0/8', '::1', '2001:db8::/32', '127.0.0.1', '::ffff:10.0.0.0/104'])(
    'leaves %s alone',
    async (range) => {
      expect(await remarks([api({ trustedProxies: [range] })])).toEqual([])
    },
  )
})
