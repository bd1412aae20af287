import type { TykClassicDocument, TykOasDocument } from '@postern/core'

/** A plugin as Tyk's documents name it: a function, and where it is. */
export interface TykPlugin {
  readonly name: string
  readonly path?: string
  readonly off?: boolean
}

/** What an API of a test is. Each dialect says it in its own words. */
export interface TykApi {
  readonly name?: string
  readonly listenPath?: string
  /** The upstream gets the path with the listen path. */
  readonly keepListenPath?: boolean
  /** Left out: the host application. */
  readonly upstream?: string
  readonly pre?: readonly TykPlugin[]
  /** Its presence makes the API a protected one. */
  readonly auth?: TykPlugin
  readonly postAuth?: readonly TykPlugin[]
  readonly post?: readonly TykPlugin[]
  readonly response?: readonly TykPlugin[]
  /** Records are kept where there is one. */
  readonly analytics?: TykPlugin
  /** By `METHOD /path`, the path in Tyk's syntax. */
  readonly endpoints?: Readonly<Record<string, readonly TykPlugin[]>>
  readonly config?: object
  readonly ignoreCase?: boolean
}

export type TykDocument = TykOasDocument | TykClassicDocument

/** Both dialects, by name. */
export const dialects: readonly (readonly [name: string, write: (api: TykApi) => TykDocument])[] = [
  ['Tyk OAS', oas],
  ['Tyk Classic', classic],
]

interface Endpoint {
  readonly method: string
  readonly path: string
  readonly plugins: readonly TykPlugin[]
}

function endpointsOf({ endpoints = {} }: TykApi): Endpoint[] {
  return Object.entries(endpoints).map(([key, plugins]) => {
    const space = key.indexOf(' ')
    return { method: key.slice(0, space), path: key.slice(space + 1), plugins }
  })
}

export function oas(api: TykApi): TykOasDocument {
  const { name = 'orders', listenPath = '/', upstream, auth, analytics, config, ignoreCase = false } = api
  const endpoints = endpointsOf(api)
  const paths: Record<string, Record<string, object>> = {}
  for (const [i, { method, path }] of endpoints.entries())
    (paths[path] ??= {})[method.toLowerCase()] = { operationId: `operation${i}`, responses: {} }
  const list = (plugins: readonly TykPlugin[] = []): object[] => plugins.map(oasPlugin)
  return {
    openapi: '3.0.3',
    info: { title: name, version: '1.0.0' },
    paths,
    'x-tyk-api-gateway': {
      info: { name, id: name, orgId: 'org-1', state: { active: true } },
      upstream: { url: upstream ?? '' },
      server: {
        listenPath: { value: listenPath, strip: api.keepListenPath !== true },
        ...(auth === undefined
          ? {}
          : { authentication: { enabled: true, custom: { enabled: true, config: oasPlugin(auth) } } }),
      },
      middleware: {
        global: {
          pluginConfig: {
            driver: 'goplugin',
            data: { enabled: config !== undefined, value: config ?? {} },
          },
          prePlugins: list(api.pre),
          postAuthenticationPlugins: list(api.postAuth),
          postPlugins: list(api.post),
          responsePlugins: list(api.response),
          ...(analytics === undefined ? {} : { trafficLogs: { enabled: true, plugins: [oasPlugin(analytics)] } }),
          ignoreCase: { enabled: ignoreCase },
        },
        operations: Object.fromEntries(
          endpoints.map(({ plugins }, i) => [`operation${i}`, { postPlugins: list(plugins) }]),
        ),
      },
    },
  }
}

function oasPlugin({ name, path = '', off = false }: TykPlugin): object {
  return { enabled: !off, functionName: name, path }
}

export function classic(api: TykApi): TykClassicDocument {
  const { name = 'orders', listenPath = '/', upstream, auth, analytics, config, ignoreCase = false } = api
  const list = (plugins: readonly TykPlugin[] = []): object[] => plugins.map(classicPlugin)
  const document = {
    name,
    api_id: name,
    org_id: 'org-1',
    active: true,
    use_keyless: auth === undefined,
    custom_plugin_auth_enabled: auth !== undefined,
    proxy: { listen_path: listenPath, target_url: upstream ?? '', strip_listen_path: api.keepListenPath !== true },
    custom_middleware: {
      driver: 'goplugin',
      pre: list(api.pre),
      ...(auth === undefined ? {} : { auth_check: classicPlugin(auth) }),
      post_key_auth: list(api.postAuth),
      post: list(api.post),
      response: list(api.response),
    },
    version_data: {
      not_versioned: true,
      versions: {
        Default: {
          name: 'Default',
          use_extended_paths: true,
          ignore_endpoint_case: ignoreCase,
          extended_paths: {
            go_plugin: endpointsOf(api).flatMap(({ method, path, plugins }) =>
              plugins.map((plugin) => ({
                disabled: plugin.off ?? false,
                method,
                path,
                plugin_path: plugin.path ?? '',
                func_name: plugin.name,
              })),
            ),
          },
        },
      },
    },
    do_not_track: analytics === undefined,
    analytics_plugin: {
      enable: analytics !== undefined && analytics.off !== true,
      plugin_path: analytics?.path ?? '',
      func_name: analytics?.name ?? '',
    },
    config_data_disabled: config === undefined,
    config_data: config ?? {},
  }
  return document
}

function classicPlugin({ name, path = '', off = false }: TykPlugin): object {
  return { disabled: off, name, path, require_session: false, raw_body_only: false }
}
