/** Which of the three forms a starter is written in. */
export type Form = 'native' | 'tyk-oas' | 'tyk-classic'

const UPSTREAM = 'http://127.0.0.1:9000'

/** The same API in every form; its plugins are exports of `file`, below `plugins/`. */
export function definition(form: Form, file: string): object {
  return DEFINITIONS[form](file)
}

const DEFINITIONS: Readonly<Record<Form, (file: string) => object>> = {
  native(path) {
    const plugin = (functionName: string): object => ({ path, functionName })
    return {
      $schema: './node_modules/@postern/core/definition.schema.json',
      name: 'orders',
      listenPath: '/orders/',
      upstream: UPSTREAM,
      hooks: { pre: [plugin('stampRequest')], auth: plugin('checkKey'), response: [plugin('hideServer')] },
      endpoints: { 'GET /stock/:sku': [plugin('stock')] },
    }
  },

  'tyk-oas'(path) {
    const plugin = (functionName: string): object => ({ enabled: true, functionName, path })
    return {
      openapi: '3.0.3',
      info: { title: 'orders', version: '1.0.0' },
      paths: {
        '/stock/{sku}': {
          get: {
            operationId: 'getStock',
            parameters: [{ name: 'sku', in: 'path', required: true, schema: { type: 'string' } }],
            responses: { 200: { description: 'How many are left' } },
          },
        },
      },
      'x-tyk-api-gateway': {
        info: { id: 'orders', name: 'orders', state: { active: true } },
        upstream: { url: UPSTREAM },
        server: {
          listenPath: { value: '/orders/', strip: true },
          authentication: { enabled: true, custom: { enabled: true, config: plugin('checkKey') } },
        },
        middleware: {
          global: {
            pluginConfig: { driver: 'goplugin' },
            prePlugins: [plugin('stampRequest')],
            responsePlugins: [plugin('hideServer')],
            trafficLogs: { enabled: true },
          },
          operations: { getStock: { postPlugins: [plugin('stock')] } },
        },
      },
    }
  },

  'tyk-classic'(path) {
    const plugin = (name: string): object => ({ name, path })
    const endpoint = { path: '/stock/{sku}', method: 'GET', plugin_path: path, func_name: 'stock' }
    return {
      name: 'orders',
      api_id: 'orders',
      active: true,
      use_keyless: false,
      custom_plugin_auth_enabled: true,
      auth_configs: { coprocess: { auth_header_name: 'Authorization' } },
      proxy: { listen_path: '/orders/', target_url: UPSTREAM, strip_listen_path: true },
      version_data: {
        not_versioned: true,
        versions: {
          Default: { name: 'Default', use_extended_paths: true, extended_paths: { go_plugin: [endpoint] } },
        },
      },
      custom_middleware: {
        driver: 'goplugin',
        pre: [plugin('stampRequest')],
        auth_check: plugin('checkKey'),
        response: [plugin('hideServer')],
      },
    }
  },
}
