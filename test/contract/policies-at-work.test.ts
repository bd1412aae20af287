import {
  type ApiDefinitionInput,
  type GatewayError,
  type GatewayOptions,
  type KeyInput,
  memoryStore,
  type PolicyInput,
  type Problem,
  type SessionView,
} from '@postern/core'
import { decodeSession } from '@postern/core/store'
import type { HttpGateway } from '@postern/http'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect, type Connection, envelope, fields, listenTo, run, startUpstream, type Upstream } from './harness.ts'

/* What a key may do: its access rights, and the policies it names, as requests meet them. */

const API = [403, envelope('Access to this API has been disallowed')]
const RESOURCE = [403, envelope('Access to this resource has been disallowed')]
const KEY = 'k-3f9a'
const HOUR = 3_600

let upstream: Upstream
beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(() => {
  upstream.received.length = 0
})

interface Asking {
  readonly gateway: HttpGateway
  /** Status, and the body where it is a refusal. */
  readonly ask: (target: string, method?: string) => Promise<readonly (number | string)[]>
}

/** A gateway whose one key is `KEY`. */
async function withKey(
  key: KeyInput,
  definitions: Partial<ApiDefinitionInput> | readonly Partial<ApiDefinitionInput>[] = {},
  options?: GatewayOptions,
): Promise<Asking> {
  const list = Array.isArray(definitions) ? (definitions as readonly Partial<ApiDefinitionInput>[]) : [definitions]
  const common: ApiDefinitionInput = { name: 'orders', upstream: upstream.url, authentication: { token: true } }
  const { gateway, port } = await run(
    list.map((definition) => Object.assign({}, common, definition)),
    options,
  )
  await gateway.sessions.create(key, { key: KEY })
  const connection: Connection = await connect(port)
  return {
    gateway,
    ask: async (target, method = 'GET') => {
      const { status, body } = await connection.request(method, target, [`Authorization: ${KEY}`])
      return status === 200 ? [200] : [status, body]
    },
  }
}

const THREE = ['orders', 'prices', 'stock'].map((name) => ({ name, listenPath: `/${name}` }))
const PATHS = ['/orders/1', '/prices/1', '/stock/1']

async function reached(key: KeyInput, options?: GatewayOptions): Promise<readonly number[]> {
  const { ask } = await withKey(key, THREE, options)
  const statuses: number[] = []
  for (const path of PATHS) {
    const [status, body = API[1]] = await ask(path)
    expect(body).toBe(API[1])
    statuses.push(Number(status))
  }
  return statuses
}

describe('access rights', () => {
  it.each<[string, KeyInput, readonly number[]]>([
    ['that name no API allow every one', {}, [200, 200, 200]],
    ['that name one refuse all others', { accessRights: { prices: {} } }, [403, 200, 403]],
    ['that name two allow both', { accessRights: { orders: {}, stock: {} } }, [200, 403, 200]],
    ['that name an API nobody has allow nothing', { accessRights: { elsewhere: {} } }, [403, 403, 403]],
    [
      'are meant for the id that is their key, whatever they call it',
      { accessRights: { orders: { apiId: 'prices', apiName: 'prices' } } },
      [200, 403, 403],
    ],
    ['are taken for no field every object has', { accessRights: { toString: {} } }, [403, 403, 403]],
  ])('%s', async (_, key, expected) => {
    expect(await reached(key)).toEqual(expected)
  })

  it('go by the id of an API, not by its name', async () => {
    const definition = { name: 'orders', id: 'orders-v1' }
    expect(await (await withKey({ accessRights: { orders: {} } }, definition)).ask('/')).toEqual(API)
    expect(await (await withKey({ accessRights: { 'orders-v1': {} } }, definition)).ask('/')).toEqual([200])
  })

  it.each<[string, string | undefined, readonly string[], number]>([
    ['a version among those of the right', 'v2', ['v1', 'v2'], 200],
    ['another version', 'v2', ['v1'], 403],
    ['any version where the right names none', 'v2', [], 200],
    ['an API without versions', undefined, ['v1'], 200],
    ['a version in another case', 'v2', ['V2'], 403],
  ])('allow or refuse %s', async (_, version, versions, status) => {
    const { ask } = await withKey({ accessRights: { orders: { versions } } }, { version })
    expect((await ask('/'))[0]).toBe(status)
  })

  it('hold for sessions of an auth plugin as well', async () => {
    const { ask } = await withKey(
      {},
      {
        authentication: undefined,
        hooks: { auth: () => ({ accessRights: { prices: {} }, metadata: { token: 'ann' } }) },
      },
    )
    expect(await ask('/')).toEqual(API)
  })
})

describe('allowed URLs', () => {
  async function allowed(
    url: string,
    target: string,
    methods = ['GET'],
    definition: Partial<ApiDefinitionInput> = {},
  ): Promise<readonly (number | string)[]> {
    const { ask } = await withKey(
      { accessRights: { orders: { allowedUrls: [{ url, methods }] } } },
      { listenPath: '/orders', ...definition },
    )
    return ask(target)
  }

  it.each<[string, string]>([
    ['/stock', '/orders/stock'],
    ['/orders/stock', '/orders/stock'],
    ['/stock', '/orders/stock?a=1'],
    ['/stock', '/orders/a/../stock'],
    ['/stock', '/orders/%73tock'],
    ['/{sku}', '/orders/stock'],
    ['/{sku}/notes/*', '/orders/stock/notes/1/2'],
    ['/*/notes', '/orders/stock/notes'],
    ['/*', '/orders/stock/notes'],
    ['^/stock$', '/orders/stock'],
    ['/(stock|prices)', '/orders/prices'],
    ['/stock.*', '/orders/stockpile'],
    ['(?i)/STOCK', '/orders/stock'],
    ['/', '/orders'],
  ])('%s lets %s pass', async (url, target) => {
    expect(await allowed(url, target)).toEqual([200])
  })

  it.each<[string, string]>([
    ['/stock', '/orders/stockpile'],
    ['/stock', '/orders/a/stock'],
    ['/stock', '/orders/stock/1'],
    ['/stock', '/orders/STOCK'],
    ['/stock', '/orders/'],
    ['/{sku}', '/orders/stock/1'],
    ['/{sku}/notes/*', '/orders/stock'],
    ['/*/notes', '/orders/a/b/notes'],
    ['/sto.k', '/orders/stoock'],
    ['/stock', '/orders/prices?x=/stock'],
    ['/orders', '/orders/stock'],
  ])('%s does not let %s pass', async (url, target) => {
    expect(await allowed(url, target)).toEqual(RESOURCE)
  })

  it('are asked for the path after pre and postAuth plugins, not for what comes later', async () => {
    for (const [hook, status] of [
      ['pre', 200],
      ['postAuth', 200],
      ['post', 403],
    ] as const) {
      const rewrite = { [hook]: [(request: { path: string }) => void (request.path = '/stock')] }
      const [met] = await allowed('/stock', '/orders/elsewhere', ['GET'], { hooks: rewrite })
      expect([hook, met]).toEqual([hook, status])
    }
  })

  it.each<[method: string, methods: readonly string[], status: number]>([
    ['GET', ['GET'], 200],
    ['GET', ['POST', 'GET'], 200],
    ['HEAD', ['GET'], 200],
    ['HEAD', ['HEAD'], 200],
    ['GET', ['HEAD'], 403],
    ['POST', ['GET'], 403],
    ['OPTIONS', ['GET'], 403],
    ['PROPFIND', ['PROPFIND'], 200],
  ])('let %s pass with %j: %i', async (method, methods, status) => {
    const { ask } = await withKey({ accessRights: { orders: { allowedUrls: [{ url: '/stock', methods }] } } })
    expect((await ask('/stock', method))[0]).toBe(status)
  })

  it.each<[string, string, readonly string[]]>([
    ['a URL that begins with a letter', 'stock', ['GET']],
    ['a parameter in the way of routers', '/:sku', ['GET']],
    ['a method in small letters', '/stock', ['get']],
    ['no methods', '/stock', []],
    ['a URL that is no pattern', '/(', ['GET']],
  ])('with %s let nothing pass where they are stored all the same', async (_, url, methods) => {
    const store = memoryStore()
    const { ask, gateway } = await withKey({}, {}, { store })
    const document = { access_rights: { orders: { allowed_urls: [{ url, methods }] } } }
    const { id } = (await gateway.sessions.get(KEY))!
    store.save(id, decodeSession(JSON.stringify(document)), Infinity, 'present')
    expect(await ask('/stock')).toEqual(RESOURCE)
  })

  it('are tried one after the other', async () => {
    const { ask } = await withKey({
      accessRights: {
        orders: {
          allowedUrls: [
            { url: '/stock', methods: ['POST'] },
            { url: '/{id}', methods: ['GET'] },
            { url: '/stock', methods: ['DELETE'] },
          ],
        },
      },
    })
    const met: unknown[] = []
    for (const method of ['GET', 'POST', 'DELETE', 'PUT']) met.push((await ask('/stock', method))[0])
    expect(met).toEqual([200, 200, 200, 403])
  })

  it('of one API say nothing about another', async () => {
    const { ask } = await withKey(
      { accessRights: { orders: { allowedUrls: [{ url: '/1', methods: ['GET'] }] }, prices: {} } },
      THREE,
    )
    expect([await ask('/orders/1'), await ask('/orders/2'), await ask('/prices/2'), await ask('/stock/1')]).toEqual([
      [200],
      RESOURCE,
      [200],
      API,
    ])
  })
})

const everything: PolicyInput = { accessRights: { orders: {}, prices: {}, stock: {} } }

describe('a policy', () => {
  it('gives its key what it may do, and takes away what the key itself was given', async () => {
    const policies = { prices: { accessRights: { prices: {} } } }
    expect(await reached({ applyPolicies: ['prices'], accessRights: { orders: {} } }, { policies })).toEqual([
      403, 200, 403,
    ])
  })

  it('named by applyPolicyId counts only where applyPolicies names none', async () => {
    const policies = { prices: { accessRights: { prices: {} } }, stock: { accessRights: { stock: {} } } }
    expect(await reached({ applyPolicyId: 'prices' }, { policies })).toEqual([403, 200, 403])
    expect(await reached({ applyPolicyId: 'prices', applyPolicies: ['stock'] }, { policies })).toEqual([403, 403, 200])
  })

  it('together with another gives what either allows', async () => {
    const policies = { prices: { accessRights: { prices: {} } }, stock: { accessRights: { stock: {} } } }
    expect(await reached({ applyPolicies: ['prices', 'stock'] }, { policies })).toEqual([403, 200, 200])
  })

  it('of limits alone leaves the rights of the key where it has none of its own', async () => {
    const policies: Record<string, PolicyInput> = {
      limits: { rate: 1, per: HOUR, partitions: { rateLimit: true } },
      access: { partitions: { acl: true }, accessRights: { orders: {} } },
    }
    const { ask } = await withKey({ applyPolicies: ['limits', 'access'] }, THREE, { policies })
    expect([await ask('/orders/1'), (await ask('/orders/1'))[0], await ask('/prices/1')]).toEqual([[200], 429, API])
  })

  it('of the definition goes before that of the options', async () => {
    const { ask } = await withKey(
      { applyPolicies: ['gold'] },
      [
        {
          ...THREE[0],
          policies: { gold: { accessRights: { orders: { allowedUrls: [{ url: '/1', methods: ['GET'] }] } } } },
        },
        THREE[1]!,
      ],
      { policies: { gold: everything } },
    )
    expect([await ask('/orders/1'), await ask('/orders/2'), await ask('/prices/2')]).toEqual([[200], RESOURCE, [200]])
  })

  it('that is changed holds for every key once the gateway is made with it', async () => {
    const store = memoryStore()
    const strict = await withKey(
      { applyPolicies: ['gold'] },
      {},
      { store, policies: { gold: { rate: 1, per: HOUR, ...everything } } },
    )
    expect([await strict.ask('/'), (await strict.ask('/'))[0]]).toEqual([[200], 429])
    const { gateway, port } = await run(
      { name: 'orders', upstream: upstream.url, authentication: { token: true } },
      { store, policies: { gold: { rate: 3, per: HOUR, ...everything } } },
    )
    const connection = await connect(port)
    const met: number[] = []
    for (let i = 0; i < 3; i += 1) met.push((await connection.request('GET', '/', [`Authorization: ${KEY}`])).status)
    expect([met, (await gateway.sessions.get(KEY))?.session.rate]).toEqual([[200, 200, 429], 0])
  })

  it('that is inactive makes its keys inactive, and none of it makes an inactive key active', async () => {
    for (const [key, gold] of [
      [{}, { isInactive: true }],
      [{ isInactive: true }, {}],
    ] satisfies readonly (readonly [KeyInput, PolicyInput])[]) {
      const { ask } = await withKey(
        { ...key, applyPolicies: ['gold'] },
        {},
        { policies: { gold: { ...gold, ...everything } } },
      )
      expect(await ask('/')).toEqual([403, envelope('Key is inactive, please renew')])
    }
  })

  it('shows its metadata and tags to plugins and in the record, where the later policy wins', async () => {
    const seen: SessionView[] = []
    const { ask, gateway } = await withKey(
      { applyPolicies: ['free', 'gold'], tags: ['ann'], alias: 'Ann', metadata: { level: 'own', mine: 1 } },
      { hooks: { post: [(_request, { session }) => void seen.push(session!)] } },
      {
        policies: {
          free: { ...everything, tags: ['free'], metadata: { level: 'free', token: 'not yours' } },
          gold: { ...everything, tags: ['gold', 'ann'], metadata: { level: 'gold' } },
        },
      },
    )
    expect(await ask('/')).toEqual([200])
    expect([seen[0]?.metadata, seen[0]?.tags, seen[0]?.keyId]).toEqual([
      { level: 'gold', mine: 1 },
      ['ann', 'free', 'gold'],
      KEY,
    ])
    await vi.waitFor(() =>
      expect(gateway.records.list()).toMatchObject([
        { alias: 'Ann', tags: ['pol-free', 'pol-gold', 'ann', 'free', 'gold'] },
      ]),
    )
  })

  it('holds for sessions of an auth plugin as well', async () => {
    const definition: Partial<ApiDefinitionInput> = {
      authentication: undefined,
      policies: {
        gold: { rate: 1, per: HOUR, accessRights: { orders: { allowedUrls: [{ url: '/1', methods: ['GET'] }] } } },
      },
      hooks: { auth: () => ({ applyPolicies: ['gold'], metadata: { token: 'ann' } }) },
    }
    const { ask } = await withKey({}, definition)
    expect([await ask('/2'), await ask('/1'), (await ask('/1'))[0]]).toEqual([RESOURCE, [200], 429])
  })

  it('written out in the metadata of the key counts instead of those it names', async () => {
    const metadata = { policies: [{ id: 'own', access_rights: { prices: { versions: [] } } }] }
    expect(
      await reached({ applyPolicies: ['stock'], metadata }, { policies: { stock: { accessRights: { stock: {} } } } }),
    ).toEqual([403, 200, 403])
  })
})

describe('limits of policies', () => {
  async function limitOf(policies: Record<string, PolicyInput>, key: KeyInput = {}): Promise<readonly string[]> {
    const { gateway, port } = await run(
      { name: 'orders', upstream: upstream.url, authentication: { token: true } },
      {
        policies: Object.fromEntries(
          Object.entries(policies).map(([id, policy]) => [id, { ...policy, accessRights: { orders: {} } }]),
        ),
      },
    )
    await gateway.sessions.create({ applyPolicies: Object.keys(policies), ...key }, { key: KEY })
    const answer = await (await connect(port)).request('GET', '/', [`Authorization: ${KEY}`])
    expect(answer.status).toBe(200)
    return fields(answer, 'ratelimit-policy')
  }

  it.each<[string, Record<string, PolicyInput>, KeyInput, readonly string[]]>([
    ["a rate takes the place of the key's", { gold: { rate: 5, per: 60 } }, { rate: 1, per: 60 }, ['"key";q=5;w=60']],
    ['the higher rate wins', { free: { rate: 10, per: 60 }, gold: { rate: 20, per: 60 } }, {}, ['"key";q=20;w=60']],
    [
      'the higher rate wins in any order',
      { gold: { rate: 20, per: 60 }, free: { rate: 10, per: 60 } },
      {},
      ['"key";q=20;w=60'],
    ],
    [
      'a rate is compared by the time between requests',
      { burst: { rate: 100, per: 3_600 }, steady: { rate: 2, per: 60 } },
      {},
      ['"key";q=2;w=60'],
    ],
    ['a rate below 0 lifts all others', { free: { rate: 10, per: 60 }, none: { rate: -1, per: 60 } }, {}, []],
    [
      'a policy without a rate says nothing about it',
      { free: { rate: 10, per: 60 }, other: {} },
      {},
      ['"key";q=10;w=60'],
    ],
    [
      'the larger quota wins, with its own period',
      { day: { quotaMax: 100, quotaRenewalRate: 86_400 }, hour: { quotaMax: 1_000, quotaRenewalRate: HOUR } },
      {},
      ['"quota";q=1000;w=3600'],
    ],
    [
      'a quota below 0 lifts all others',
      { day: { quotaMax: 100, quotaRenewalRate: 86_400 }, none: { quotaMax: -1 } },
      {},
      [],
    ],
    [
      'a policy for the rate leaves the quota of the key',
      {
        fast: { rate: 5, per: 60, quotaMax: 7, quotaRenewalRate: HOUR, partitions: { rateLimit: true } },
        access: { partitions: { acl: true } },
      },
      { rate: 1, per: 60, quotaMax: 3, quotaRenewalRate: HOUR },
      ['"key";q=5;w=60, "quota";q=3;w=3600'],
    ],
    [
      'a policy that says nothing leaves the key its own',
      { gold: {} },
      { rate: 1, per: 60, quotaMax: 3, quotaRenewalRate: HOUR },
      ['"key";q=1;w=60, "quota";q=3;w=3600'],
    ],
    [
      'a policy of a rate leaves the key its quota, without partitions as well',
      { gold: { rate: 5, per: 60 } },
      { rate: 1, per: 60, quotaMax: 3, quotaRenewalRate: HOUR },
      ['"key";q=5;w=60, "quota";q=3;w=3600'],
    ],
    [
      'a policy frees the key from its own by saying so',
      { gold: { rate: -1, quotaMax: -1 } },
      { rate: 1, per: 60, quotaMax: 3, quotaRenewalRate: HOUR },
      [],
    ],
  ])('%s', async (_, policies, key, expected) => {
    expect(await limitOf(policies, key)).toEqual(expected)
  })

  it('count over all APIs of a policy, and with perApi for each apart', async () => {
    const limits = { rate: 2, per: HOUR, accessRights: { orders: {}, prices: {} } }
    const together = await withKey({ applyPolicies: ['gold'] }, THREE, { policies: { gold: limits } })
    const apart = await withKey({ applyPolicies: ['gold'] }, THREE, {
      policies: {
        gold: {
          partitions: { perApi: true },
          accessRights: { orders: { limit: { rate: 1, per: HOUR } }, prices: { limit: { rate: 2, per: HOUR } } },
        },
      },
    })
    const script = ['/orders/1', '/prices/1', '/orders/1', '/prices/1', '/prices/1']
    const met = async ({ ask }: Asking): Promise<unknown[]> => {
      const statuses: unknown[] = []
      for (const target of script) statuses.push((await ask(target))[0])
      return statuses
    }
    expect([await met(together), await met(apart)]).toEqual([
      [200, 200, 429, 429, 429],
      [200, 200, 429, 200, 429],
    ])
  })
})

describe('policies that cannot be applied', () => {
  const gold: PolicyInput = { rate: 5, per: 60, accessRights: { orders: {} } }

  /** The key was made where its policies were in order; here they are not. */
  async function later(
    names: readonly string[],
    policies: Record<string, PolicyInput>,
  ): Promise<{
    readonly met: readonly (number | string)[]
    readonly warned: string
    readonly codes: readonly unknown[]
  }> {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warnings.mockRestore())
    const store = memoryStore()
    await withKey(
      { applyPolicies: names },
      {},
      { store, policies: Object.fromEntries(names.map((name) => [name, gold])) },
    )
    const { gateway, port } = await run(
      { name: 'orders', upstream: upstream.url, authentication: { token: true } },
      { store, policies },
    )
    const refusals = listenTo(gateway, 'authFailure')
    const connection = await connect(port)
    const { status, body } = await connection.request('GET', '/', [`Authorization: ${KEY}`])
    await connection.request('GET', '/', [`Authorization: ${KEY}`])
    return {
      met: status === 200 ? [200] : [status, body],
      warned: warnings.mock.calls.map(([text]) => String(text)).join('\n'),
      codes: refusals.map(({ code }) => code),
    }
  }

  it.each<[string, readonly string[], Record<string, PolicyInput>, RegExp]>([
    ['the only one is gone', ['gold'], {}, /"gold"/],
    ['all are gone', ['gold', 'free'], {}, /"gold", "free"/],
    [
      'one belongs to another organisation',
      ['gold', 'free'],
      { gold, free: { ...gold, orgId: 'elsewhere' } },
      /"free".*"elsewhere"/,
    ],
    ['none decides access', ['gold'], { gold: { ...gold, partitions: { quota: true } } }, /gives access/],
    [
      'perApi and partitions stand in two of them, whatever comes between',
      ['quota', 'gold', 'apart'],
      {
        quota: { ...gold, partitions: { quota: true, acl: true } },
        gold,
        apart: { ...gold, partitions: { perApi: true } },
      },
      /perApi/,
    ],
  ])('keep their key out where %s, and say why once', async (_, names, policies, reason) => {
    const { met, warned, codes } = await later(names, policies)
    expect([met, codes]).toEqual([API, ['PSTN_POLICY_INVALID', 'PSTN_POLICY_INVALID']])
    expect(warned).toMatch(reason)
    expect(warned.split('\n')).toHaveLength(1)
  })

  it('are skipped where others are left, with one warning', async () => {
    const { met, warned, codes } = await later(['gold', 'free'], { gold })
    expect([met, codes]).toEqual([[200], []])
    expect(warned).toMatch(/^\[PSTN_POLICY_INVALID\].*"free"[^\n]*$/)
  })

  it('are refused where a key is to be made or changed with them', async () => {
    const { gateway } = await withKey(
      {},
      {},
      {
        policies: {
          gold,
          foreign: { ...gold, orgId: 'elsewhere' },
          apart: { ...gold, partitions: { perApi: true } },
          quota: { ...gold, partitions: { quota: true, acl: true } },
        },
      },
    )
    for (const names of [['foreign'], ['quota', 'apart'], ['apart', 'quota'], ['gold', 'nobody']]) {
      await expect(gateway.sessions.create({ applyPolicies: names }), `under ${names.join()}`).rejects.toMatchObject({
        name: 'GatewayError',
      })
      await expect(
        gateway.sessions.update(KEY, { applyPolicies: names }),
        `under ${names.join()}`,
      ).rejects.toMatchObject({
        name: 'GatewayError',
      })
    }
    expect((await gateway.sessions.get(KEY))?.session.applyPolicies).toEqual([])
  })

  const WRITTEN_OUT: readonly [string, unknown, RegExp][] = [
    ['that is none', { rate: '5' }, /metadata\.policies\[0\]\.rate is "5"; expected a number/],
    ['of another organisation', { org_id: 'elsewhere', access_rights: { orders: {} } }, /"elsewhere"/],
    ['without access to anything', { rate: 5, per: 60 }, /gives access/],
    [
      'with perApi beside another partition',
      { partitions: { per_api: true, quota: true }, access_rights: { orders: {} } },
      /perApi together with other partitions/,
    ],
  ]

  it.each(WRITTEN_OUT)('%s are refused where a key is to be made with them written out', async (_, policy, message) => {
    const { gateway } = await withKey({})
    const refused = gateway.sessions.create({ metadata: { policies: [policy] } })
    await expect(refused).rejects.toMatchObject({ name: 'GatewayError', code: 'PSTN_SESSION_INVALID' })
    await expect(refused).rejects.toThrow(message)
    expect((await gateway.sessions.list()).keys).toHaveLength(1)
  })

  it.each(WRITTEN_OUT)(
    '%s keep out whom an auth plugin gives them written out, who is told that it is forbidden',
    async (_, policy, message) => {
      const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
      onTestFinished(() => warnings.mockRestore())
      const auth = { plugin: () => ({ metadata: { token: 'ann', policies: [policy] } }), name: 'check' }
      const { ask, gateway } = await withKey({}, { authentication: undefined, hooks: { auth } })
      const refusals = listenTo(gateway, 'authFailure')
      expect(await ask('/')).toEqual([403, envelope('Forbidden')])
      expect(refusals.map(({ code, plugin, message: told }) => [code, plugin, told])).toEqual([
        ['PSTN_POLICY_INVALID', 'check', 'Forbidden'],
      ])
      expect(warnings.mock.calls.map(([text]) => String(text)).join('\n')).toMatch(message)
    },
  )
})

describe('a policy that is none', () => {
  it.each<[string, unknown, RegExp]>([
    ['an unknown field', { colour: 5 }, / has no field "colour"; known: /],
    ['a misspelt field', { quota_max: 5 }, / has no field "quota_max"; did you mean "quotaMax"\?/],
    ['a number as text', { rate: '5' }, /'s rate is "5"; expected a number/],
    ['null', null, / is null; expected a policy/],
    [
      'a right that is none',
      { accessRights: { orders: { versions: 'v1' } } },
      /'s accessRights\.orders\.versions is "v1"/,
    ],
    [
      'a rate without per',
      { rate: 5, accessRights: { orders: {} } },
      /'s rate is 5 without per; expected per, in seconds, above 0/,
    ],
    [
      'a URL that is no pattern',
      { accessRights: { orders: { allowedUrls: [{ url: '/(', methods: ['GET'] }] } } },
      /'s accessRights\.orders\.allowedUrls\[0\]\.url: .*"\/\("/,
    ],
    [
      'a URL that would be ruinous elsewhere',
      { accessRights: { orders: { allowedUrls: [{ url: '/(a+)+', methods: ['GET'] }] } } },
      /'s accessRights\.orders\.allowedUrls\[0\]\.url: .*repeats what repeats already/,
    ],
    [
      'an endpoint that is no path',
      {
        accessRights: {
          orders: { endpoints: [{ path: 'x', methods: [{ name: 'GET', limit: { rate: 1, per: 1 } }] }] },
        },
      },
      /'s accessRights\.orders\.endpoints\[0\]\.path is "x", which no path starts with; expected "\/x"/,
    ],
    [
      'perApi beside another partition',
      { partitions: { perApi: true, acl: true }, accessRights: { orders: {} } },
      / has perApi together with other partitions; expected perApi alone/,
    ],
    ['access to nothing', { rate: 5, per: 60 }, / gives access to no API; expected accessRights such as /],
    ['nothing to say', {}, / gives access to no API; expected accessRights such as /],
    ['access alone, and to nothing', { partitions: { acl: true } }, / gives access to no API; /],
    [
      'a limit for an API without perApi',
      { accessRights: { orders: { limit: { rate: 1, per: 1 } } } },
      / has accessRights\.orders\.limit, which counts with partitions\.perApi only; /,
    ],
  ])(
    'with %s is refused when the gateway is made, in the options and in the definition',
    async (_, policy, { source }) => {
      const gold = policy as PolicyInput
      const definition = { name: 'orders', authentication: { token: true } }
      await expect(run(definition, { policies: { gold } })).rejects.toMatchObject({
        code: 'PSTN_OPTIONS_INVALID',
        message: expect.stringMatching(`^The policy "gold"${source}`) as string,
      })
      await expect(run({ ...definition, policies: { gold } })).rejects.toMatchObject({
        code: 'PSTN_DEFINITION_INVALID',
        message: expect.stringMatching(String.raw`policies\["gold"\][^:]*: this policy${source}`) as string,
      })
    },
  )

  it('is told beside every other problem of the definition', async () => {
    const refused = run({
      name: 'orders',
      policies: { gold: {}, free: { rate: 5, accessRights: { orders: {} } } },
      id: '!',
    })
    const { cause } = await refused.then(
      () => ({ cause: 'none' }),
      (error: unknown) => error as GatewayError,
    )
    expect((cause as readonly Problem[]).map(({ path }) => path)).toEqual([
      'id',
      'policies["gold"]',
      'policies["free"]',
    ])
  })
})
