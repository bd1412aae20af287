import { respond, type EndpointPlugin } from '@postern/core'
import { expect, it } from 'vitest'
import { connect, run } from './harness.ts'

const echo: EndpointPlugin = (_, { params }) => respond(200, { ...params })

it.each<[key: `GET ~${string}`, target: string, params: Record<string, string>]>([
  ['GET ~^/users/(?<id>[0-9]+)$', '/users/7', { id: '7' }],
  ['GET ~^/users/(?P<id>[^/]+)/(?P<what>.*)$', '/users/a%20b/c/d', { id: 'a b', what: 'c/d' }],
  ['GET ~^/a(?<b>/b)?$', '/a', { b: '' }],
  ['GET ~^/slash/(?<kept>.+)$', '/slash/x%2Fy', { kept: 'x%2Fy' }],
  // An expression may cut an escape in two; what it has then is no text in any encoding.
  ['GET ~^/cut/(?<half>.)', '/cut/%C3%A9', { half: '%' }],
])('%s gives %s its named groups as params', async (key, target, params) => {
  const { port } = await run({ name: 'a', endpoints: { [key]: [echo] } })
  const client = await connect(port)
  expect(JSON.parse((await client.request('GET', target)).body)).toEqual(params)
})

it('two spellings of one path of Tyk are one endpoint, whose plugins all run', async () => {
  const seen: string[] = []
  const goPlugin = [
    { path: '/x/{a}', method: 'GET', func_name: 'first', plugin_path: 'x.so' },
    { path: '/x/{b}', method: 'GET', func_name: 'second', plugin_path: 'x.so' },
  ]
  const { port } = await run(
    {
      name: 'a',
      use_keyless: true,
      proxy: { listen_path: '/', target_url: 'http://127.0.0.1:9' },
      version_data: {
        not_versioned: true,
        versions: { Default: { use_extended_paths: true, extended_paths: { go_plugin: goPlugin } } },
      },
    },
    {
      tykPathMatching: 'contains',
      plugins: {
        first: () => void seen.push('first'),
        second: (_: unknown, { params }: { readonly params: object }) => {
          seen.push('second')
          return respond(200, { ...params })
        },
      },
    },
  )
  const client = await connect(port)
  expect(JSON.parse((await client.request('GET', '/x/7')).body)).toEqual({ a: '7' })
  expect(seen).toEqual(['first', 'second'])
})
