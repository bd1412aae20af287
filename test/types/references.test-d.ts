/* Plugins by name, and what else a gateway takes for a definition. */
import {
  type ApiDefinitionInput,
  type ApiInfo,
  checkDefinitions,
  type DefinitionSource,
  defineApi,
  type EndpointKey,
  type Gateway,
  type GatewayOptions,
  type PluginReference,
  type PrePlugin,
  type ReloadReport,
} from '@postern/core'
import { createGateway as createExpress } from '@postern/express'
import { createGateway as createHttp } from '@postern/http'
import { createGateway as createKoa } from '@postern/koa'
import { describe, expectTypeOf, test } from 'vitest'
import * as plugins from '../contract/harness.ts'

declare const pre: PrePlugin
declare const source: DefinitionSource
const reference: PluginReference = { functionName: 'f', path: 'a.js', name: 'a', timeoutMs: 5 }

const oas = {
  openapi: '3.0.3',
  info: { title: 'a', version: '1' },
  paths: {},
  'x-tyk-api-gateway': { info: { name: 'a' } },
}
const classic = { name: 'a', api_id: 'a', proxy: { listen_path: '/a/', target_url: 'http://h' }, whatever: [1] }

describe('a reference', () => {
  test('stands wherever a plugin may', () => {
    const definition = defineApi({
      name: 'a',
      hooks: {
        pre: [pre, reference, { plugin: pre, timeoutMs: 5 }, { functionName: 'f' }],
        auth: reference,
        postAuth: [reference],
        post: [reference],
        response: [reference],
        analytics: [reference],
      },
      endpoints: { 'GET /x': [reference], 'GET ~^/x': [{ functionName: 'f' }] },
    })
    expectTypeOf(definition).toExtend<ApiDefinitionInput>()
  })

  test('has a name, and no function beside it', () => {
    expectTypeOf<{ path: string }>().not.toExtend<PluginReference>()
    // @ts-expect-error -- a path alone names no function
    defineApi({ name: 'a', hooks: { pre: [{ path: 'a.js' }] } })
    // @ts-expect-error -- which of the two is it
    defineApi({ name: 'a', hooks: { pre: [{ functionName: 'f', plugin: pre }] } })
    // @ts-expect-error -- a name alone could be of anything
    defineApi({ name: 'a', hooks: { pre: ['f'] } })
  })
})

describe('an endpoint key', () => {
  test('is a method and a path, or a method and an expression', () => {
    expectTypeOf<'GET /x' | '* ~x'>().toExtend<EndpointKey>()
    defineApi({
      name: 'a',
      endpoints: { 'GET /x': [], '* ~x': [] },
      limits: { endpoints: { 'GET ~^/x': { rate: 1, per: 1 } } },
    })
    // @ts-expect-error -- no method
    defineApi({ name: 'a', endpoints: { '~^/x': [] } })
    // @ts-expect-error -- neither a path nor an expression
    defineApi({ name: 'a', endpoints: { 'GET x': [] } })
  })
})

describe('settings of definitions', () => {
  test('say what they may be', () => {
    const settings: Partial<ApiDefinitionInput> = {
      $schema: './definition.schema.json',
      keepUntilExpiry: true,
      records: { tags: ['a'], tagHeaders: ['x-a'], detailed: false, retention: 5 },
      authentication: { credential: { header: false, query: 'key', cookie: 'key', strip: 'all' } },
      limits: { keyRate: false, keyQuota: false },
    }
    expectTypeOf(settings.records).toExtend<unknown>()
    // @ts-expect-error -- a text is no list
    defineApi({ name: 'a', records: { tags: 'a' } })
    // @ts-expect-error -- the places are query, all and none
    defineApi({ name: 'a', authentication: { credential: { strip: 'header' } } })
  })
})

describe('a gateway', () => {
  test('takes documents of Tyk, sources and native definitions, alone and together', () => {
    for (const createGateway of [createHttp, createExpress, createKoa]) {
      createGateway(oas)
      createGateway(classic)
      createGateway(source)
      const gateway = createGateway([oas, classic, source, defineApi({ name: 'b' })], { plugins })
      expectTypeOf(gateway.reload([classic, oas])).resolves.toEqualTypeOf<ReloadReport>()
      expectTypeOf(gateway.reload(source)).resolves.toEqualTypeOf<ReloadReport>()
      expectTypeOf(gateway.apis()).toEqualTypeOf<readonly ApiInfo[]>()
    }
    expectTypeOf(checkDefinitions([oas, classic])).resolves.toHaveProperty('problems')
    // @ts-expect-error -- neither of Tyk's, nor native
    createHttp({ title: 'a' })
  })

  test('is told where plugins are', () => {
    const options: GatewayOptions = {
      plugins,
      pluginsDirectory: new URL('file:///plugins'),
      bundles: { b: {} },
      tykPathMatching: 'prefix',
    }
    expectTypeOf(createHttp(oas, options)).toExtend<Gateway>()
    // @ts-expect-error -- no such way to match
    createHttp(oas, { tykPathMatching: 'regex' })
  })

  test('tells listeners what a reload has changed, and what could not be loaded', () => {
    const gateway = createHttp(classic)
    gateway.on('reload', (report) => {
      expectTypeOf(report).toEqualTypeOf<ReloadReport>()
      expectTypeOf(report.changed[0]!.keys).toEqualTypeOf<readonly string[]>()
    })
    gateway.on('loadError', ({ error }) => expectTypeOf(error.code).toExtend<string>())
  })
})
