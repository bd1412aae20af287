import { type ApiDefinitionInput, type EndpointKey, type EndpointPlugin, respond } from '@postern/core'
import { createGateway } from '@postern/http'
import { describe, expect, it } from 'vitest'
import { connect, run } from './harness.ts'

const named = (name: string): readonly EndpointPlugin[] => [
  (_request, { params }) => respond(200, `${name} ${JSON.stringify(params)}`),
]

/** Endpoints that answer with their key. */
function api(keys: readonly EndpointKey[], fields: Partial<ApiDefinitionInput> = {}): ApiDefinitionInput {
  return {
    name: 'a',
    listenPath: '/api',
    endpoints: Object.fromEntries(keys.map((key) => [key, named(key)])),
    ...fields,
  }
}

/** What each request is answered with; `-` where no endpoint does. */
async function answers(definition: ApiDefinitionInput, requests: readonly string[]): Promise<string[]> {
  const { port } = await run({
    ...definition,
    hooks: { post: [() => ({ responseCode: 404, responseBody: '-', overrideError: true })] },
  })
  const connection = await connect(port)
  const told: string[] = []
  for (const request of requests) {
    const [method = '', target = ''] = request.split(' ')
    const { status, body } = await connection.request(method, target)
    told.push(method === 'HEAD' ? `${status}` : body)
  }
  return told
}

describe('an endpoint that is an expression', () => {
  it('is looked for in the path below the listen path, and has no params', async () => {
    expect(
      await answers(api(['GET ~^/users/[0-9]+$', 'GET ~/admin']), [
        'GET /api/users/7',
        'GET /api/users/7/x',
        'GET /api/a/users/7',
        'GET /api/users/x',
        'GET /api/deep/administration',
        'GET /api/api/users/7?x=/admin',
        'GET /api/%75sers/7',
        'GET /api/x/../users/7',
      ]),
    ).toEqual([
      'GET ~^/users/[0-9]+$ {}',
      '-',
      '-',
      '-',
      'GET ~/admin {}',
      '-',
      'GET ~^/users/[0-9]+$ {}',
      'GET ~^/users/[0-9]+$ {}',
    ])
  })

  it('comes after every path, and in the order of the definition among its like', async () => {
    const keys: readonly EndpointKey[] = [
      'GET ~^/a',
      'GET ~^/a/b',
      'GET /a/:x',
      '* /a/b/*rest',
      'GET ~.',
      'POST ~^/a/c$',
    ]
    expect(
      await answers(api(keys), [
        'GET /api/a/b',
        'GET /api/a',
        'GET /api/a/b/c',
        'GET /api/b',
        'POST /api/a/c',
        'PUT /api/x',
      ]),
    ).toEqual(['GET /a/:x {"x":"b"}', 'GET ~^/a {}', '* /a/b/*rest {"rest":"c"}', 'GET ~. {}', 'POST ~^/a/c$ {}', '-'])
  })

  it('gives way to a later one where its method is another, and GET is for HEAD as well', async () => {
    const keys: readonly EndpointKey[] = ['POST ~^/x', 'GET ~^/x', '* ~^/x']
    expect(await answers(api(keys), ['GET /api/x', 'POST /api/x', 'DELETE /api/x'])).toEqual([
      'GET ~^/x {}',
      'POST ~^/x {}',
      '* ~^/x {}',
    ])
    expect(await answers(api(['GET ~^/x']), ['HEAD /api/x', 'HEAD /api/y', 'POST /api/x'])).toEqual(['200', '404', '-'])
  })

  it('is looked for as it is escaped or not, and in the decoded path as well', async () => {
    const keys: EndpointKey[] = ['GET ~^/list;(?<n>[0-9]+)$', 'GET ~^/my docs/', 'GET ~/café/(?<x>.*)', 'GET ~^/q%3B$']
    const requests = ['list;7', 'list%3B7', 'my%20docs/a', 'my%2Fdocs/a', 'caf%c3%a9/a%2541%2Fb', 'q%3b', 'q;']
    expect(
      await answers(
        api(keys),
        requests.map((path) => `GET /api/${path}`),
      ),
    ).toEqual([
      `${keys[0]} {"n":"7"}`,
      `${keys[0]} {"n":"7"}`,
      `${keys[1]} {}`,
      '-',
      `${keys[2]} {"x":"a%41%2Fb"}`,
      `${keys[3]} {}`,
      '-',
    ])
  })
  it('ignores case where the definition does', async () => {
    const keys: readonly EndpointKey[] = ['GET ~^/users/[a-f]+$|^/Other$']
    expect(await answers(api(keys), ['GET /api/Users/AB', 'GET /api/other'])).toEqual(['-', '-'])
    const ignoring = await answers(api(keys, { ignoreCase: true }), ['GET /api/Users/AB', 'GET /API/oTher'])
    expect(ignoring).toEqual([`${keys[0]!} {}`, `${keys[0]!} {}`])
  })

  it('is explained as any other', () => {
    const gateway = createGateway(api(['GET ~^/users/']))
    expect(gateway.explain('GET', '/api/users/7').endpoint).toEqual({ key: 'GET ~^/users/', params: {} })
    expect(String(gateway.explain('POST', '/api/users/7'))).toContain('the path matches, but only for GET')
  })

  it('can have a limit of its own, which takes the place of the one of the API', async () => {
    const rare = { rate: 1, per: 60 }
    const limits = {
      rate: 100,
      per: 60,
      endpoints: { 'GET ~^/rare': rare, 'GET /rare/but/not/this': { rate: 50, per: 60 } },
    }
    const { port } = await run(api(['GET ~.'], { limits }))
    const connection = await connect(port)
    const statuses: number[] = []
    for (const target of ['/rare/1', '/rare/2', '/rare/but/not/this', '/other'])
      statuses.push((await connection.request('GET', `/api${target}`)).status)
    expect(statuses).toEqual([200, 429, 200, 200])
  })

  it.each<[key: string, message: string]>([
    ['GET ~', 'expected an RE2 expression behind "~"'],
    ['GET ~^', 'expected an RE2 expression behind "~"'],
    ['GET ~^$', 'expected an RE2 expression behind "~"'],
    ['GET ~[', 'is not RE2'],
    ['GET ~(?=x)', 'RE2 has no backreferences, no lookaheads'],
    ['GET ~(a+)+$', 'repeats what repeats already'],
    [`GET ~^/[a-z]{1,900}$`, 'steps'],
    [`GET ~${'x'.repeat(1_001)}`, 'expected at most 1000'],
    ['get ~^/x', 'methods are case-sensitive'],
    ['~^/x', 'expected "METHOD /path"'],
    ['GET  ~^/x', 'starts with "/"'],
  ])('%s is refused', (key, message) => {
    for (const fields of [{ endpoints: { [key]: [] } }, { limits: { endpoints: { [key]: { rate: 1, per: 1 } } } }]) {
      const input = { name: 'a', ...fields } as ApiDefinitionInput
      expect(() => createGateway(input)).toThrow(message)
    }
  })

  it('is taken at the greatest length, also where case is ignored', () => {
    const key: EndpointKey = `GET ~${'Aa'.repeat(200)}`
    const longest: EndpointKey = `GET ~^/[${'a'.repeat(994)}]$`
    for (const fields of [{}, { ignoreCase: true }]) {
      for (const one of [key, longest]) {
        const limits = { endpoints: { [one]: { rate: 1, per: 1 } } }
        expect(createGateway(api([one], { limits, ...fields })).apis()).toHaveLength(1)
      }
    }
  })

  it('takes the time of its path, however bad that is', async () => {
    const keys: readonly EndpointKey[] = ['GET ~^/(?:a|b|ab)+c$', 'GET ~(?:x.*){1,30}y']
    const { port } = await run(api(keys))
    const connection = await connect(port)
    const started = performance.now()
    expect((await connection.request('GET', `/api/${'ab'.repeat(6_000)}`)).status).toBe(404)
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
