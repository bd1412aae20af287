import { describe, expect, it } from 'vitest'
import { classic, oas, oasDocument, translated } from '../support/tyk.ts'

/* What would have protected something is never passed over in silence. */

const operation = (fields: object): object => ({ middleware: { operations: { stock: fields } } })

describe('a switch', () => {
  it('of Tyk OAS is "enabled" alone', () => {
    const both = { enabled: true, disabled: true }
    const { problems } = translated(oas(operation({ block: both, validateRequest: both })))
    expect(problems.map((problem) => problem.split(': ')[1])).toEqual([
      'a block list is not supported; let a plugin at prePlugins deny',
      'validation of requests is not supported; let a plugin at postPlugins of that operation do it',
    ])
    expect(translated(oas(operation({ block: { enabled: false, disabled: true } }))).problems).toEqual([])
    expect(translated(oas(operation({ block: { disabled: true } }))).problems).toEqual([])
  })

  it('of Tyk Classic is "disabled" as well', () => {
    const paths = (entry: object): object => ({ extended_paths: { black_list: [entry] } })
    expect(translated(classic(paths({ path: '/x', disabled: true }))).problems).toEqual([])
    expect(translated(classic(paths({ path: '/x', disabled: false }))).problems).toHaveLength(1)
  })
})

describe('plugins of a document beside a bundle', () => {
  const bundles = { 'b.zip': { custom_middleware: { driver: 'goplugin' } } }
  const guard = { name: 'guard', path: 'a.so' }
  const hidden = 'without effect: the bundle takes the place of all plugins of the document but those of endpoints'

  it('are named in warnings of Tyk Classic', () => {
    const document = classic({
      custom_middleware_bundle: 'b.zip',
      custom_middleware: { pre: [guard], post: [{ ...guard, disabled: true }, guard] },
    })
    expect(translated(document, { bundles }).warnings).toEqual([
      `custom_middleware.pre[0]: ${hidden}`,
      `custom_middleware.post[1]: ${hidden}`,
    ])
  })

  it('are named in warnings of Tyk OAS, but for the analytics plugins that stay', () => {
    const on = { enabled: true, functionName: 'guard', path: 'a.so' }
    const global = {
      pluginConfig: { bundle: { enabled: true, path: 'b.zip' } },
      prePlugins: [on],
      trafficLogs: { enabled: true, plugins: [on] },
    }
    const { warnings, input } = translated(oas({ middleware: { global } }), { bundles })
    expect(warnings).toEqual([`["x-tyk-api-gateway"].middleware.global.prePlugins[0]: ${hidden}`])
    expect(input).toMatchObject({ hooks: { analytics: [{ functionName: 'guard' }] } })
  })
})

describe('several keys that one request has to have', () => {
  const key = (name: string): object => ({ type: 'apiKey', in: 'header', name })
  const asking = (security: object[]): readonly string[] =>
    translated(
      oasDocument(
        { components: { securitySchemes: { a: key('X-A'), b: key('X-B') } }, security },
        {
          server: {
            authentication: { enabled: true, securitySchemes: { a: { enabled: true }, b: { enabled: true } } },
          },
        },
      ),
    ).problems

  it('are refused', () => {
    expect(asking([{ a: [], b: [] }])).toEqual([
      'security[0]: asks for 2 keys of one request, "a" and "b", and only one would be asked for; name one, and let a plugin check the others',
    ])
  })
})

describe('an unknown key', () => {
  const NAMES = [
    'hmacSignature',
    'mtls',
    'mutualTls',
    'ipRestriction',
    'acl',
    'deny',
    'rateLimiting',
    'csrf',
    'waf',
    'rbac',
  ]

  it.each([...NAMES, 'threatProtection'])('is refused where it reads as a guard and is on: %s', (name) => {
    for (const document of [classic({ [name]: true }), oas({ middleware: { global: { [name]: { enabled: true } } } })])
      expect(translated(document).problems).toHaveLength(1)
    expect(translated(classic({ [name]: false })).problems).toEqual([])
  })

  it('is refused where it means something elsewhere and is on', () => {
    const { problems } = translated(
      oas({ middleware: { global: { validateRequest: { enabled: true }, urlRewrite: {} } } }),
    )
    expect(problems).toEqual([
      '["x-tyk-api-gateway"].middleware.global.validateRequest: unknown key, which belongs elsewhere: middleware.operations.*.validateRequest means something',
    ])
  })
})
