import type { Broken } from './document.ts'

const FILES =
  'There are: auth/check-key.mjs, guards.mjs, imports.mjs, nothing.mjs, odd-init.mjs, throws.mjs, twice.js, twice.mjs.'
const EXPORTS = 'The functions it exports: checkKey, stamp.'
const INSTEAD = 'Write the path of a file below <plugins>, like "auth.mjs".'
const X = '["x-tyk-api-gateway"]'

/** What is in the directory of plugins; `outside` is beside it. */
export const PLUGIN_FILES: Readonly<Record<string, string>> = {
  'guards.mjs': `
    export const checkKey = () => ({})
    export const stamp = () => undefined
    export class Guard {}
    export const limit = 5
    export const init = (api) => globalThis.posternInits.push(api.id)
  `,
  'auth/check-key.mjs': 'export const checkKey = () => ({})',
  'nothing.mjs': 'export const limit = 5',
  'throws.mjs': 'throw new Error("no database")',
  'imports.mjs': 'import "./nowhere.mjs"',
  'twice.mjs': 'export const stamp = () => undefined',
  'twice.js': 'exports.stamp = () => undefined',
  'odd-init.mjs': 'export const stamp = () => undefined\nexport const init = 5',
  'node_modules/pack/index.mjs': 'export const stamp = () => undefined',
}

/** The definitions are right, or nearly; what they name in files is not there, or not what it should be. */
export const plugins: readonly Broken[] = [
  {
    what: 'plugin files that are not there',
    files: {
      'orders.yaml': `
        name: orders
        listenPath: /orders/
        hooks:
          pre:
            - { functionName: stamp, path: ①gaurds.mjs }
            - { functionName: stamp, path: ②opt/other.so }
          auth: { functionName: checkKey, path: ③check-key.mjs }
        endpoints:
          GET /x: [{ functionName: stamp, path: ④gaurds.mjs }]
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      [
        '①',
        'hooks.pre[0].path',
        `There is no plugin file for "gaurds.mjs" below <plugins>. Did you mean "guards.mjs"? ${FILES}`,
      ],
      [
        '②',
        'hooks.pre[1].path',
        `There is no plugin file for "opt/other.so" below <plugins>. Looked for opt/other.ts, opt/other.mts, opt/other.cts, opt/other.js, opt/other.mjs, opt/other.cjs, other.ts, other.mts, other.cts, other.js, other.mjs, other.cjs. ${FILES}`,
      ],
      [
        '③',
        'hooks.auth.path',
        `There is no plugin file for "check-key.mjs" below <plugins>. Did you mean "auth/check-key.mjs"? ${FILES}`,
      ],
      [
        '④',
        'endpoints["GET /x"][0].path',
        `There is no plugin file for "gaurds.mjs" below <plugins>. Did you mean "guards.mjs"? ${FILES}`,
      ],
    ],
  },
  {
    what: 'functions that plugin files do not export',
    files: {
      'orders.yaml': `
        name: orders
        listenPath: /orders/
        hooks:
          pre:
            - { functionName: ①stmap, path: guards.mjs }
            - { functionName: ②limit, path: guards.mjs }
            - { functionName: ③Guard, path: guards.mjs }
            - { functionName: ④default, path: guards.mjs }
            - { functionName: ⑤__proto__, path: guards.mjs }
            - { functionName: ⑥toString, path: nothing.mjs }
            - { functionName: stamp, path: guards.mjs }
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      [
        '①',
        'hooks.pre[0].functionName',
        `The plugin file "guards.mjs" does not export "stmap". Did you mean "stamp"? ${EXPORTS}`,
      ],
      ['②', 'hooks.pre[1].functionName', `"limit" of the plugin file "guards.mjs" is no function but 5. ${EXPORTS}`],
      [
        '③',
        'hooks.pre[2].functionName',
        `"Guard" of the plugin file "guards.mjs" is no function but the class Guard. ${EXPORTS}`,
      ],
      ['④', 'hooks.pre[3].functionName', `The plugin file "guards.mjs" does not export "default". ${EXPORTS}`],
      ['⑤', 'hooks.pre[4].functionName', `The plugin file "guards.mjs" does not export "__proto__". ${EXPORTS}`],
      [
        '⑥',
        'hooks.pre[5].functionName',
        'The plugin file "nothing.mjs" does not export "toString". It exports no functions.',
      ],
    ],
  },
  {
    what: 'plugin files that do not load',
    files: {
      'orders.yaml': `
        name: orders
        listenPath: /orders/
        hooks:
          pre:
            - { functionName: stamp, path: ①throws.mjs }
            - { functionName: stamp, path: ②imports.mjs }
            - { functionName: stamp, path: ③odd-init.mjs }
            - { functionName: ④nothing, path: guards.mjs }
      `,
    },
    code: 'PSTN_PLUGIN_UNLOADABLE',
    report: [
      [
        '①',
        'hooks.pre[0].path',
        'The plugin file <plugins>/throws.mjs cannot be loaded: Error: no database (throws.mjs:1)',
      ],
      [
        '②',
        'hooks.pre[1].path',
        "The plugin file <plugins>/imports.mjs cannot be loaded: Error: Cannot find module '<plugins>/nowhere.mjs' imported from <plugins>/imports.mjs",
      ],
      ['③', 'hooks.pre[2].path', '<plugins>/odd-init.mjs exports "init", which is no function but 5.'],
      ['④', 'hooks.pre[3].functionName', `The plugin file "guards.mjs" does not export "nothing". ${EXPORTS}`],
    ],
  },
  {
    what: 'a plugin path that two files fit',
    files: {
      'orders.yaml': 'name: orders\nlistenPath: /orders/\nhooks: { pre: [{ functionName: stamp, path: ①twice }] }\n',
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      [
        '①',
        'hooks.pre[0].path',
        'Several files fit the plugin path "twice": twice.js and twice.mjs. Keep one of them, or write its name with its ending.',
      ],
    ],
  },
  {
    what: 'plugin paths that lead out by ".."',
    files: {
      'orders.yaml': `
        name: orders
        listenPath: /orders/
        hooks:
          pre:
            - { functionName: stamp, path: ①../outside.mjs }
            - { functionName: stamp, path: ②auth/../../outside.mjs }
            - { functionName: stamp, path: ③'..\\outside.mjs' }
            - { functionName: stamp, path: ④/../outside.mjs }
            - { functionName: stamp, path: ⑤.. }
      `,
    },
    report: [
      [
        '①',
        'hooks.pre[0].path',
        'found "../outside.mjs", which leads out of the plugins directory; expected a path below it',
      ],
      [
        '②',
        'hooks.pre[1].path',
        'found "auth/../../outside.mjs", which leads out of the plugins directory; expected a path below it',
      ],
      [
        '③',
        'hooks.pre[2].path',
        'found "..\\\\outside.mjs", which leads out of the plugins directory; expected a path below it',
      ],
      [
        '④',
        'hooks.pre[3].path',
        'found "/../outside.mjs", which leads out of the plugins directory; expected a path below it',
      ],
      ['⑤', 'hooks.pre[4].path', 'found "..", which leads out of the plugins directory; expected a path below it'],
    ],
  },
  {
    what: 'plugin paths that lead out in other ways',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "listenPath": "/orders/",
          "hooks": {
            "pre": [
              { "functionName": "stamp", "path": ①"/etc/outside.mjs" },
              { "functionName": "stamp", "path": ②"file:///outside.mjs" },
              { "functionName": "stamp", "path": ③"https://plugins.example/outside.mjs" },
              { "functionName": "stamp", "path": ④"data:text/javascript,export const stamp = 1" },
              { "functionName": "stamp", "path": ⑤"node:fs" },
              { "functionName": "stamp", "path": ⑥"guards.mjs\\u0000.so" },
              { "functionName": "stamp", "path": ⑦"%2e%2e/outside.mjs" },
              { "functionName": "stamp", "path": ⑧"link.mjs" },
              { "functionName": "stamp", "path": ⑨"up/outside.mjs" },
              { "functionName": "stamp", "path": ⑩"node_modules/pack/index.mjs" },
              { "functionName": "stamp", "path": ⑪"auth/" },
              { "functionName": "stamp", "path": ⑫"C:/outside.mjs" }
            ]
          }
        }
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      ['①', 'hooks.pre[0].path', `There is no plugin file for "/etc/outside.mjs" below <plugins>. ${FILES}`],
      [
        '②',
        'hooks.pre[1].path',
        `The plugin path "file:///outside.mjs" is refused: it is a URL, or names a drive. ${INSTEAD}`,
      ],
      [
        '③',
        'hooks.pre[2].path',
        `The plugin path "https://plugins.example/outside.mjs" is refused: it is a URL, or names a drive. ${INSTEAD}`,
      ],
      [
        '④',
        'hooks.pre[3].path',
        `The plugin path "data:text/javascript,export const stamp = 1" is refused: it is a URL, or names a drive. ${INSTEAD}`,
      ],
      ['⑤', 'hooks.pre[4].path', `The plugin path "node:fs" is refused: it is a URL, or names a drive. ${INSTEAD}`],
      [
        '⑥',
        'hooks.pre[5].path',
        `The plugin path "guards.mjs\\u0000.so" is refused: it contains a NUL character. ${INSTEAD}`,
      ],
      [
        '⑦',
        'hooks.pre[6].path',
        `The plugin path "%2e%2e/outside.mjs" is refused: it contains percent-encoding, which nothing here decodes. ${INSTEAD}`,
      ],
      [
        '⑧',
        'hooks.pre[7].path',
        'The plugin path "link.mjs" is refused: a symbolic link leads out of <plugins>, to <folder>/outside.mjs.',
      ],
      [
        '⑨',
        'hooks.pre[8].path',
        'The plugin path "up/outside.mjs" is refused: a symbolic link leads out of <plugins>, to <folder>/outside.mjs.',
      ],
      [
        '⑩',
        'hooks.pre[9].path',
        `The plugin path "node_modules/pack/index.mjs" is refused: packages in node_modules are no plugins. ${INSTEAD}`,
      ],
      ['⑪', 'hooks.pre[10].path', `The plugin path "auth/" is refused: it names a directory. ${INSTEAD}`],
      [
        '⑫',
        'hooks.pre[11].path',
        `The plugin path "C:/outside.mjs" is refused: it is a URL, or names a drive. ${INSTEAD}`,
      ],
    ],
  },
  {
    what: 'one API whose plugin is missing among others that are right',
    files: {
      'good.yaml': `
        name: good
        listenPath: /good/
        hooks: { pre: [{ functionName: stamp, path: guards.mjs }] }
      `,
      'orders.yaml': `
        name: orders
        listenPath: /orders/
        hooks: { pre: [{ functionName: ①nothing, path: guards.mjs }] }
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [['①', 'hooks.pre[0].functionName', `The plugin file "guards.mjs" does not export "nothing". ${EXPORTS}`]],
  },
  {
    what: 'plugins of Tyk Classic that are missing, each where the document names it',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "api_id": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware": {
            "driver": "goplugin",
            "pre": [{ "name": ①"nothing", "path": "guards.so" }, { "name": "other", "path": ②"gone.so" }],
            "auth_check": { "name": ③"nothing", "path": "guards.so" },
            "post_key_auth": [{ "disabled": true, "name": "off" }, { "name": ④"nothing", "path": "guards.so" }],
            "post": [{ "name": "other", "path": ⑤"gone.so" }],
            "response": [{ "name": ⑥"nothing", "path": "guards.so" }]
          },
          "analytics_plugin": { "enable": true, "func_name": "other", "plugin_path": ⑦"gone.so" },
          "version_data": {
            "not_versioned": true,
            "versions": {
              "Default": {
                "name": "Default",
                "use_extended_paths": true,
                "extended_paths": {
                  "go_plugin": [
                    { "method": "GET", "path": "/x.y", "func_name": ⑧"nothing", "plugin_path": "guards.so" }
                  ],
                  "virtual": [
                    {
                      "method": "GET",
                      "path": "/x.y",
                      "response_function_name": "other",
                      "function_source_type": "file",
                      "function_source_uri": ⑨"gone.js"
                    }
                  ]
                }
              }
            }
          }
        }
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      ['①', 'custom_middleware.pre[0].name', `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`],
      [
        '②',
        'custom_middleware.pre[1].path',
        `There is no plugin file for "gone.so" below <plugins>. Looked for gone.ts, gone.mts, gone.cts, gone.js, gone.mjs, gone.cjs. ${FILES}`,
      ],
      ['③', 'custom_middleware.auth_check.name', `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`],
      [
        '④',
        'custom_middleware.post_key_auth[1].name',
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '⑤',
        'custom_middleware.post[0].path',
        `There is no plugin file for "gone.so" below <plugins>. Looked for gone.ts, gone.mts, gone.cts, gone.js, gone.mjs, gone.cjs. ${FILES}`,
      ],
      ['⑥', 'custom_middleware.response[0].name', `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`],
      [
        '⑦',
        'analytics_plugin.plugin_path',
        `There is no plugin file for "gone.so" below <plugins>. Looked for gone.ts, gone.mts, gone.cts, gone.js, gone.mjs, gone.cjs. ${FILES}`,
      ],
      [
        '⑧',
        'version_data.versions.Default.extended_paths.go_plugin[0].func_name',
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '⑨',
        'version_data.versions.Default.extended_paths.virtual[0].function_source_uri',
        `There is no plugin file for "gone.js" below <plugins>. ${FILES}`,
      ],
    ],
  },
  {
    what: 'plugins of Tyk OAS that are missing, each where the document names it',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths:
          /stock/{sku}:
            get: { operationId: stock }
        x-tyk-api-gateway:
          info: { name: orders, id: orders }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /orders/ }
            authentication:
              enabled: true
              custom:
                enabled: true
                config: { enabled: true, functionName: ①nothing, path: guards.so }
          middleware:
            global:
              pluginConfig: { driver: goplugin }
              prePlugin:
                plugins:
                  - { enabled: true, functionName: ②nothing, path: guards.so }
              postAuthenticationPlugins:
                - { enabled: false, functionName: off }
                - { enabled: true, functionName: other, path: ③gone.so }
              responsePlugins:
                - { enabled: true, functionName: ④nothing, path: guards.so }
              trafficLogs:
                enabled: true
                plugins:
                  - { enabled: true, functionName: other, path: ⑤gone.so }
            operations:
              stock:
                postPlugins:
                  - { enabled: true, functionName: ⑥nothing, path: guards.so }
                  - { enabled: true, name: ⑦nothing, path: guards.so }
                virtualEndpoint: { enabled: true, functionName: other, path: ⑧gone.js }
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      [
        '①',
        `${X}.server.authentication.custom.config.functionName`,
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '②',
        `${X}.middleware.global.prePlugin.plugins[0].functionName`,
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '③',
        `${X}.middleware.global.postAuthenticationPlugins[1].path`,
        `There is no plugin file for "gone.so" below <plugins>. Looked for gone.ts, gone.mts, gone.cts, gone.js, gone.mjs, gone.cjs. ${FILES}`,
      ],
      [
        '④',
        `${X}.middleware.global.responsePlugins[0].functionName`,
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '⑤',
        `${X}.middleware.global.trafficLogs.plugins[0].path`,
        `There is no plugin file for "gone.so" below <plugins>. Looked for gone.ts, gone.mts, gone.cts, gone.js, gone.mjs, gone.cjs. ${FILES}`,
      ],
      [
        '⑥',
        `${X}.middleware.operations.stock.postPlugins[0].functionName`,
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '⑦',
        `${X}.middleware.operations.stock.postPlugins[1].name`,
        `The plugin file "guards.so" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '⑧',
        `${X}.middleware.operations.stock.virtualEndpoint.path`,
        `There is no plugin file for "gone.js" below <plugins>. ${FILES}`,
      ],
    ],
  },
  {
    what: 'plugins of a bundle that are missing',
    bundles: {
      'guard.zip': {
        custom_middleware: {
          pre: [
            { name: 'nothing', path: 'guards.mjs' },
            { name: 'other', path: 'gone.mjs' },
          ],
        },
      },
    },
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "use_keyless": true,
          "custom_middleware_bundle": ①"guard.zip"
        }
      `,
    },
    code: 'PSTN_PLUGIN_NOT_FOUND',
    report: [
      [
        '①',
        'custom_middleware_bundle',
        `in "guard.zip", custom_middleware.pre[0].name: The plugin file "guards.mjs" does not export "nothing". ${EXPORTS}`,
      ],
      [
        '①',
        'custom_middleware_bundle',
        `in "guard.zip", custom_middleware.pre[1].path: There is no plugin file for "gone.mjs" below <plugins>. ${FILES}`,
      ],
    ],
  },
]
