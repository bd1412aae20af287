import type { Broken } from './document.ts'

const X = '["x-tyk-api-gateway"]'
const GIVEN = 'options.plugins has stamp, checkKey, hello, Guard, limit'

/** OpenAPI documents with the extension of Tyk. */
export const oas: readonly Broken[] = [
  {
    what: 'an OpenAPI document no gateway is told of',
    files: { 'orders.yaml': '①openapi: 3.0.3\ninfo: { title: orders, version: "1" }\npaths: {}\n' },
    report: [['①', X, 'missing, expected the part of an OpenAPI document that a gateway reads']],
  },
  {
    what: 'an extension that is none',
    files: {
      'a.json': '{ "openapi": "3.0.3", "paths": {}, "x-tyk-api-gateway": ①"orders" }',
      'b.json': '{ "openapi": "3.0.3", "paths": {}, "x-tyk-api-gateway": ②[] }',
      'c.json': '{ "openapi": "3.0.3", "paths": {}, ③"x-tyk-api-gateway": {} }',
    },
    report: [
      ['①', X, 'found "orders", expected an object'],
      ['②', X, 'found an array of 0, expected an object'],
      ['③', `${X}.server.listenPath.value`, 'missing, expected a path such as "/orders/"'],
      ['③', `${X}.info.name`, 'missing, expected a name, such as "orders"'],
    ],
  },
  {
    what: 'OAS values of other types',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths: ①[]
        x-tyk-api-gateway:
          info: { name: ②[], id: ③5, orgId: ④true, state: { active: ⑤"yes" } }
          upstream:
            url: ⑥5
            rateLimit: { enabled: true, rate: ⑦five, per: ⑧ten seconds }
          server:
            listenPath: ⑨/orders/
            authentication:
              enabled: ⑩"true"
              customKeyLifetime: { enabled: true, value: ⑪60 }
          middleware:
            global:
              pluginConfig: { driver: ⑫5, data: { enabled: true, value: ⑬text } }
              prePlugins: ⑭{ enabled: true, functionName: stamp }
              postPlugins: [⑮stamp, { enabled: ⑯"yes", functionName: stamp }, { enabled: true, functionName: ⑰[] }]
              skipRateLimit: ⑱1
              trafficLogs: { enabled: true, tagHeaders: ⑲x-tag, plugins: ⑳5 }
      `,
    },
    report: [
      ['①', 'paths', 'found an array of 0, expected an object'],
      ['②', `${X}.info.name`, 'found an array of 0, expected text'],
      ['③', `${X}.info.id`, 'found 5, expected text'],
      ['④', `${X}.info.orgId`, 'found true, expected text'],
      ['⑤', `${X}.info.state.active`, 'found "yes", expected true or false'],
      ['⑥', `${X}.upstream.url`, 'found 5, expected text'],
      ['⑦', `${X}.upstream.rateLimit.rate`, 'found "five", expected a number'],
      ['⑧', `${X}.upstream.rateLimit.per`, 'found "ten seconds", expected a duration such as "1m30s"'],
      ['⑨', `${X}.server.listenPath`, 'found "/orders/", expected an object'],
      ['⑩', `${X}.server.authentication.enabled`, 'found "true", expected true or false'],
      ['⑪', `${X}.server.authentication.customKeyLifetime.value`, 'found 60, expected a duration such as "1m30s"'],
      ['⑫', `${X}.middleware.global.pluginConfig.driver`, 'found 5, expected text'],
      ['⑬', `${X}.middleware.global.pluginConfig.data.value`, 'found "text", expected an object'],
      ['⑭', `${X}.middleware.global.prePlugins`, 'found an object with enabled, functionName, expected an array'],
      ['⑮', `${X}.middleware.global.postPlugins[0]`, 'found "stamp", expected an object'],
      ['⑯', `${X}.middleware.global.postPlugins[1].enabled`, 'found "yes", expected true or false'],
      ['⑰', `${X}.middleware.global.postPlugins[2].functionName`, 'found an array of 0, expected text'],
      ['⑱', `${X}.middleware.global.skipRateLimit`, 'found 1, expected true or false'],
      ['⑲', `${X}.middleware.global.trafficLogs.tagHeaders`, 'found "x-tag", expected an array'],
      ['⑳', `${X}.middleware.global.trafficLogs.plugins`, 'found 5, expected an array'],
    ],
  },
  {
    what: 'OAS fields that are misspelt',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths:
          /a:
            get: { operationId: a }
        x-tyk-api-gateway:
          info: { ①nmae: orders, name: orders }
          ②upstraem: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /orders/, ③stirp: true }
            ④authentification: { enabled: true }
          middleware:
            global:
              ⑤prePlugns: []
              postPlugins: [{ enabled: true, ⑥functionname: stamp }]
              pluginConfig: { ⑦dirver: goplugin }
            operations:
              a: { ⑧postPlugin: [{ enabled: true, functionName: stamp }] }
      `,
    },
    report: [
      ['①', `${X}.info.nmae`, 'unknown key; did you mean "name"?'],
      ['②', `${X}.upstraem`, 'unknown key; did you mean "upstream"?'],
      ['③', `${X}.server.listenPath.stirp`, 'unknown key; did you mean "strip"?'],
      ['④', `${X}.server.authentification`, 'unknown key; did you mean "authentication"?'],
      ['⑤', `${X}.middleware.global.prePlugns`, 'unknown key; did you mean "prePlugins"?'],
      ['⑥', `${X}.middleware.global.postPlugins[0].functionname`, 'unknown key; did you mean "functionName"?'],
      ['⑦', `${X}.middleware.global.pluginConfig.dirver`, 'unknown key; did you mean "driver"?'],
      ['⑧', `${X}.middleware.operations.a.postPlugin`, 'unknown key; did you mean "postPlugins"?'],
    ],
  },
  {
    what: 'OAS keys every object seems to have',
    files: {
      'orders.json': `
        {
          "openapi": "3.0.3",
          "paths": { "/a": { "get": { "operationId": "constructor" }, "constructor": { "operationId": "b" } } },
          "x-tyk-api-gateway": {
            "info": { "name": "orders", "constructor": { "prototype": { "polluted": true } } },
            "server": { "listenPath": { "value": "/orders/" } },
            "middleware": {
              "operations": {
                "constructor": { "postPlugins": [{ "enabled": true, "functionName": ①"constructor" }] },
                "toString": ②{ "postPlugins": [{ "enabled": true, "functionName": "stamp" }] },
                "b": ③{ "postPlugins": [{ "enabled": true, "functionName": "stamp" }] }
              }
            }
          }
        }
      `,
    },
    report: [
      [
        '①',
        `${X}.middleware.operations.constructor.postPlugins[0].functionName`,
        `found "constructor", which is no function of options.plugins; ${GIVEN}`,
      ],
      [
        '②',
        `${X}.middleware.operations.toString`,
        'names an operation that no path of the document has; its operationIds are "constructor"',
      ],
      [
        '③',
        `${X}.middleware.operations.b`,
        'names an operation that no path of the document has; its operationIds are "constructor"',
      ],
    ],
  },
  {
    what: 'operations that no path has, or several',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths:
          /a:
            get: { operationId: twice }
            post: { operationId: once }
          /b:
            get: { operationId: twice }
        x-tyk-api-gateway:
          info: { name: orders }
          server: { listenPath: { value: /orders/ } }
          middleware:
            operations:
              twice: ①{ postPlugins: [{ enabled: true, functionName: stamp }] }
              onec: ②{ postPlugins: [{ enabled: true, functionName: stamp }] }
              ③none:
                virtualEndpoint: { enabled: true, functionName: stamp }
              off: { postPlugins: [{ enabled: false, functionName: stamp }] }
      `,
    },
    report: [
      [
        '①',
        `${X}.middleware.operations.twice`,
        'names an operation that several have: GET /a and GET /b; an operationId is unique',
      ],
      [
        '②',
        `${X}.middleware.operations.onec`,
        'names an operation that no path of the document has; did you mean "once"? its operationIds are "twice", "once"',
      ],
      [
        '③',
        `${X}.middleware.operations.none`,
        'names an operation that no path of the document has; its operationIds are "twice", "once"',
      ],
    ],
  },
  {
    what: 'OAS ways to authenticate that nobody here knows',
    files: {
      'a.yaml': `
        openapi: 3.0.3
        paths: {}
        security: [{ jwt: [] }]
        components:
          securitySchemes:
            jwt: { type: http, scheme: bearer, bearerFormat: JWT }
        x-tyk-api-gateway:
          info: { name: a }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /a/ }
            authentication:
              enabled: true
              securitySchemes:
                jwt: ①{ enabled: true, source: c2VjcmV0 }
      `,
      'b.yaml': `
        openapi: 3.0.3
        paths: {}
        security: [{ oauth: [] }]
        components:
          securitySchemes:
            oauth: { type: oauth2, flows: {} }
            key: { type: apiKey, in: header, name: x-key }
        x-tyk-api-gateway:
          info: { name: b }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /b/ }
            clientCertificates: ②{ enabled: true, allowlist: [] }
            authentication:
              enabled: true
              hmac: ③{ enabled: true }
              oidc: ④{ enabled: true }
              securitySchemes:
                oauth: ⑤{ enabled: true }
                key: ⑥{ enabled: true }
      `,
      'c.yaml': `
        openapi: 3.0.3
        paths: {}
        security: [{ key: [] }, { other: [] }]
        components:
          securitySchemes:
            key: { type: apiKey, in: ⑦body, name: x-key }
            other: { type: apiKey, in: header, name: x-other }
        x-tyk-api-gateway:
          info: { name: c }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /c/ }
            authentication:
              enabled: true
              securityProcessingMode: ⑧compliant
              securitySchemes:
                key:
                  enabled: true
                  enableClientCertificate: ⑨true
                  signatureValidation: ⑩{ enabled: true }
      `,
    },
    report: [
      [
        '①',
        `${X}.server.authentication.securitySchemes.jwt`,
        'authentication by JWT (type "http", scheme "bearer") is not supported, only keys (type "apiKey"); let a plugin at server.authentication.custom check it',
      ],
      [
        '②',
        `${X}.server.clientCertificates`,
        'authentication by client certificate is not supported; let the host application ask for certificates',
      ],
      [
        '③',
        `${X}.server.authentication.hmac`,
        'authentication by HMAC signature is not supported; let a plugin at server.authentication.custom check it',
      ],
      [
        '④',
        `${X}.server.authentication.oidc`,
        'OpenID Connect is not supported; let a plugin at server.authentication.custom check it',
      ],
      [
        '⑤',
        `${X}.server.authentication.securitySchemes.oauth`,
        'OAuth 2 (type "oauth2") is not supported, only keys (type "apiKey"); let a plugin at server.authentication.custom check it',
      ],
      [
        '⑥',
        `${X}.server.authentication.securitySchemes.key`,
        'is switched on, but "security" of the document asks for "oauth"; name it there, in the first entry',
      ],
      ['⑦', 'components.securitySchemes.key.in', 'found "body", expected "header", "query" or "cookie"'],
      [
        '⑧',
        `${X}.server.authentication.securityProcessingMode`,
        'a choice of 2 ways to authenticate is not supported; name one',
      ],
      [
        '⑨',
        `${X}.server.authentication.securitySchemes.key.enableClientCertificate`,
        'keys made of client certificates are not supported; let a custom authentication plugin check them',
      ],
      [
        '⑩',
        `${X}.server.authentication.securitySchemes.key.signatureValidation`,
        'signatures of keys are not supported; let a custom authentication plugin check them',
      ],
    ],
  },
  {
    what: 'OAS guards that nobody here knows',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths:
          /a:
            get: { operationId: a }
        x-tyk-api-gateway:
          info:
            name: orders
            expiration: ①2030-01-01 00:00
            state: { active: true, internal: ②true }
            versioning: { enabled: ③true }
          upstream:
            url: http://127.0.0.1:9
            mutualTLS: ④{ enabled: true }
            certificatePinning: ⑤{ enabled: true }
          server:
            listenPath: { value: /orders/ }
            customDomain: ⑥{ enabled: true, name: orders.example }
            ipAccessControl: ⑦{ enabled: true, allow: [10.0.0.1] }
          middleware:
            global:
              cors: ⑧{ enabled: true }
              transformRequestHeaders: ⑨{ enabled: true, add: [{ name: x-a, value: b }] }
            operations:
              a:
                allow: ⑩{ enabled: true }
                block: ⑪{ enabled: true }
                validateRequest: ⑫{ enabled: true }
                ignoreAuthentication: ⑬{ enabled: true }
                requestSizeLimit: ⑭{ enabled: true, value: 5 }
                mockResponse: ⑮{ enabled: true, code: 200 }
      `,
    },
    report: [
      [
        '①',
        `${X}.info.expiration`,
        'a date on which the API ends is not supported; let a plugin at prePlugins deny from then on',
      ],
      ['②', `${X}.info.state.internal`, 'an internal API is not supported; take it out of what clients can reach'],
      ['③', `${X}.info.versioning.enabled`, 'choosing a version is not supported; make each version an API of its own'],
      [
        '④',
        `${X}.upstream.mutualTLS`,
        'a client certificate for the upstream is not supported; take it out if nobody relies on it',
      ],
      [
        '⑤',
        `${X}.upstream.certificatePinning`,
        'pinning of public keys is not supported; take it out if nobody relies on it',
      ],
      [
        '⑥',
        `${X}.server.customDomain`,
        'a custom domain is not supported; let a plugin at prePlugins look at request.host',
      ],
      [
        '⑦',
        `${X}.server.ipAccessControl`,
        'a list of addresses is not supported; let a plugin at prePlugins look at request.clientAddress',
      ],
      [
        '⑧',
        `${X}.middleware.global.cors`,
        'CORS is not supported; let the host application answer it, before the gateway',
      ],
      [
        '⑨',
        `${X}.middleware.global.transformRequestHeaders`,
        'changing request headers is not supported; let a plugin at middleware.global.postPlugins do it',
      ],
      ['⑩', `${X}.middleware.operations.a.allow`, 'an allow list is not supported; let a plugin at prePlugins deny'],
      ['⑪', `${X}.middleware.operations.a.block`, 'a block list is not supported; let a plugin at prePlugins deny'],
      [
        '⑫',
        `${X}.middleware.operations.a.validateRequest`,
        'validation of requests is not supported; let a plugin at postPlugins of that operation do it',
      ],
      [
        '⑬',
        `${X}.middleware.operations.a.ignoreAuthentication`,
        'an endpoint without authentication is not supported; make it a keyless API of its own',
      ],
      [
        '⑭',
        `${X}.middleware.operations.a.requestSizeLimit`,
        'a size limit of an endpoint is not supported; use requestSizeLimit of middleware.global',
      ],
      [
        '⑮',
        `${X}.middleware.operations.a.mockResponse`,
        'a mock response is not supported; let a plugin at postPlugins of that operation answer',
      ],
    ],
  },
  {
    what: 'an OAS authentication by a plugin without a plugin',
    files: {
      'a.yaml': `
        openapi: 3.0.3
        paths: {}
        x-tyk-api-gateway:
          info: { name: a }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /a/ }
            authentication:
              enabled: true
              ①custom: { enabled: true }
      `,
      'b.yaml': `
        openapi: 3.0.3
        paths: {}
        x-tyk-api-gateway:
          info: { name: b }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /b/ }
            authentication:
              enabled: true
              baseIdentityProvider: ②auth_token
              custom: { enabled: true, ③config: { enabled: true, path: guards.so } }
          middleware:
            global:
              postAuthenticationPlugins: [{ enabled: true, functionName: stamp }]
      `,
      'c.yaml': `
        openapi: 3.0.3
        paths: {}
        x-tyk-api-gateway:
          info: { name: c }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /c/ }
            authentication:
              enabled: true
              baseIdentityProvider: ④auth_token
              custom: { enabled: true, config: { enabled: true, functionName: checkKey } }
      `,
    },
    report: [
      [
        '①',
        `${X}.server.authentication.custom.config`,
        `missing, expected the plugin that ${X}.server.authentication.custom.enabled asks for`,
      ],
      [
        '②',
        `${X}.server.authentication.baseIdentityProvider`,
        'found "auth_token", by which nobody is asked here, so nobody would be let in; expected "custom_auth"',
      ],
      ['③', `${X}.server.authentication.custom.config.functionName`, 'missing, expected the name of a function'],
      [
        '④',
        `${X}.server.authentication.baseIdentityProvider`,
        'found "auth_token", by which nobody is asked here, so nobody would be let in; expected "custom_auth"',
      ],
    ],
  },
  {
    what: 'OAS plugins that cannot be run',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths:
          /a:
            get: { operationId: a }
        x-tyk-api-gateway:
          info: { name: orders }
          upstream: { url: "http://127.0.0.1:9" }
          server:
            listenPath: { value: /orders/ }
            authentication:
              enabled: true
              custom:
                enabled: true
                config:
                  enabled: true
                  functionName: ①checkKye
                  idExtractor: { enabled: true, source: header, with: regex, config: { headerName: x-id, regexp: ②"[" } }
          middleware:
            global:
              pluginConfig: { driver: ③rust }
              prePlugin:
                plugins:
                  - { enabled: true, functionName: ④stmap }
                  - { enabled: true, functionName: inline, code: ⑤dmFyIHggPSAxOw== }
              postAuthenticationPlugins:
                - { enabled: true, functionName: leaves, path: ⑥../outside.so }
              postPlugins:
                - ⑦{ enabled: true }
              responsePlugins:
                - { enabled: true, functionName: ⑧Guard }
              trafficLogs:
                enabled: true
                plugins:
                  - { enabled: true, functionName: ⑨stmap }
            operations:
              a:
                virtualEndpoint: { enabled: true, functionName: inline, body: ⑩dmFyIHggPSAxOw== }
                postPlugins:
                  - { enabled: true, functionName: ⑪stmap }
                  - { enabled: true, name: ⑫stmap }
                  - { enabled: true, functionName: leaves, path: ⑬../outside.so }
      `,
    },
    report: [
      [
        '①',
        `${X}.server.authentication.custom.config.functionName`,
        `found "checkKye", which is no function of options.plugins; did you mean checkKey? ${GIVEN}`,
      ],
      [
        '②',
        `${X}.server.authentication.custom.config.idExtractor.config.regexp`,
        'The expression "[" is not RE2: missing closing ]: `[`.',
      ],
      [
        '③',
        `${X}.middleware.global.pluginConfig.driver`,
        'found "rust", expected one of "otto", "javascript", "python", "lua", "grpc", "goplugin"',
      ],
      [
        '④',
        `${X}.middleware.global.prePlugin.plugins[0].functionName`,
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑤',
        `${X}.middleware.global.prePlugin.plugins[1].code`,
        'source in a document is not run; hand in a function "inline" as options.plugins',
      ],
      [
        '⑥',
        `${X}.middleware.global.postAuthenticationPlugins[0].path`,
        'found "../outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
      ['⑦', `${X}.middleware.global.postPlugins[0].functionName`, 'missing, expected the name of a function'],
      [
        '⑧',
        `${X}.middleware.global.responsePlugins[0].functionName`,
        'found "Guard", but options.plugins.Guard is the class Guard',
      ],
      [
        '⑨',
        `${X}.middleware.global.trafficLogs.plugins[0].functionName`,
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑩',
        `${X}.middleware.operations.a.virtualEndpoint.body`,
        'source in a document is not run; hand in a function "inline" as options.plugins',
      ],
      [
        '⑪',
        `${X}.middleware.operations.a.postPlugins[0].functionName`,
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑫',
        `${X}.middleware.operations.a.postPlugins[1].name`,
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑬',
        `${X}.middleware.operations.a.postPlugins[2].path`,
        'found "../outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
    ],
  },
  {
    what: 'OAS paths that no request meets',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths:
          a: ①{ get: { operationId: a } }
          /b?x=1: ②{ get: { operationId: b } }
          /c/{d: ③{ get: { operationId: c } }
          /e*: ④{ get: { operationId: e } }
          /f:
            get: { operationId: f }
        x-tyk-api-gateway:
          info: { name: orders }
          upstream: { url: "http://127.0.0.1:9" }
          server: { listenPath: { value: /orders/ } }
          middleware:
            operations:
              a: { postPlugins: [{ enabled: true, functionName: stamp }] }
              b: { postPlugins: [{ enabled: true, functionName: stamp }] }
              c: { postPlugins: [{ enabled: true, functionName: stamp }] }
              e: { postPlugins: [{ enabled: true, functionName: stamp }] }
              f: { rateLimit: { enabled: true, rate: ⑤-2, per: ⑥0s } }
      `,
    },
    report: [
      ['①', 'paths.a', 'found "a", expected a path that starts with "/"'],
      ['②', 'paths["/b?x=1"]', 'found "/b?x=1"; endpoints are paths, without query and fragment'],
      [
        '③',
        'paths["/c/{d"]',
        'found "/c/{d", whose braces are not balanced or lie within each other; write parameters as "{name}"',
      ],
      ['④', 'paths["/e*"]', 'found "/e*", where "*" is not the start of a segment; "/*" meets any rest'],
      ['⑤', `${X}.middleware.operations.f.rateLimit.rate`, 'found -2, expected a number of requests above 0'],
      ['⑥', `${X}.middleware.operations.f.rateLimit.per`, 'found 0, expected a number of seconds above 0'],
    ],
  },
  {
    what: 'an OAS bundle nobody has handed in',
    files: {
      'orders.yaml': `
        openapi: 3.0.3
        paths: {}
        x-tyk-api-gateway:
          info: { name: orders }
          upstream: { url: "http://127.0.0.1:9" }
          server: { listenPath: { value: /orders/ } }
          middleware:
            global:
              pluginConfig: { bundle: { enabled: true, path: ①guard.zip } }
      `,
    },
    report: [
      [
        '①',
        `${X}.middleware.global.pluginConfig.bundle.path`,
        'nobody fetches bundles; hand in the manifest of this one as options.bundles["guard.zip"]',
      ],
    ],
  },
]
