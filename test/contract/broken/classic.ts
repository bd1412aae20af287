import type { Broken } from './document.ts'

const GIVEN = 'options.plugins has stamp, checkKey, hello, Guard, limit'
const NO_UPSTREAM =
  'is no upstream; expected an http: or https: URL without credentials, query or fragment, such as "http://127.0.0.1:9000".'

/** Documents of Tyk Classic, and resources of Tyk Operator. */
export const classic: readonly Broken[] = [
  {
    what: 'a Classic document with next to nothing in it',
    files: { 'orders.json': '①{ "use_keyless": true }' },
    report: [
      ['①', 'proxy.listen_path', 'missing, expected a path such as "/orders/"'],
      ['①', 'name', 'missing, expected a name, such as "orders"'],
    ],
  },
  {
    what: 'Classic values of other types',
    files: {
      'orders.json': `
        {
          "name": ①17,
          "api_id": ②["orders"],
          "active": ③"yes",
          "use_keyless": ④"true",
          "proxy": { "listen_path": ⑤5, "target_url": ⑥{}, "strip_listen_path": ⑦1 },
          "custom_middleware": {
            "driver": ⑧5,
            "pre": ⑨{ "name": "stamp" },
            "post": [⑩"stamp", ⑪null, { "name": ⑫5 }],
            "response": ⑬"stamp"
          },
          "config_data": ⑭"text",
          "tags": ⑮"a",
          "session_lifetime": ⑯"60",
          "global_rate_limit": { "rate": ⑰"5", "per": 1 },
          "version_data": ⑱[],
          "auth_configs": ⑲"x"
        }
      `,
    },
    report: [
      ['①', 'name', 'found 17, expected text'],
      ['②', 'api_id', 'found an array of 1, expected text'],
      ['③', 'active', 'found "yes", expected true or false'],
      ['④', 'use_keyless', 'found "true", expected true or false'],
      ['⑤', 'proxy.listen_path', 'found 5, expected text'],
      ['⑥', 'proxy.target_url', 'found an empty object, expected text'],
      ['⑦', 'proxy.strip_listen_path', 'found 1, expected true or false'],
      ['⑧', 'custom_middleware.driver', 'found 5, expected text'],
      ['⑨', 'custom_middleware.pre', 'found an object with name, expected an array'],
      ['⑩', 'custom_middleware.post[0]', 'found "stamp", expected an object'],
      ['⑪', 'custom_middleware.post[1]', 'found null, expected an object'],
      ['⑫', 'custom_middleware.post[2].name', 'found 5, expected text'],
      ['⑬', 'custom_middleware.response', 'found "stamp", expected an array'],
      ['⑭', 'config_data', 'found "text", expected an object'],
      ['⑮', 'tags', 'found "a", expected an array'],
      ['⑯', 'session_lifetime', 'found "60", expected a number'],
      ['⑰', 'global_rate_limit.rate', 'found "5", expected a number'],
      ['⑱', 'version_data', 'found an array of 0, expected an object'],
      ['⑲', 'auth_configs', 'found "x", expected an object'],
    ],
  },
  {
    what: 'Classic fields that are misspelt',
    files: {
      'orders.json': `
        {
          "name": "orders",
          ①"use_keyles": true,
          "proxy": { "listen_path": "/orders/", ②"target_ulr": "http://127.0.0.1:9" },
          ③"custom_middelware": { "pre": [] },
          "custom_middleware": {
            ④"post_keyauth": [],
            "pre": [{ ⑤"nmae": "stamp" }]
          },
          "version_data": {
            "not_versioned": true,
            "versions": { "Default": { ⑥"use_extended_path": true, "extended_paths": { ⑦"go_plugins": [] } } }
          }
        }
      `,
    },
    report: [
      ['①', 'use_keyles', 'unknown key; did you mean "use_keyless"?'],
      ['②', 'proxy.target_ulr', 'unknown key; did you mean "target_url"?'],
      ['③', 'custom_middelware', 'unknown key; did you mean "custom_middleware"?'],
      ['④', 'custom_middleware.post_keyauth', 'unknown key; did you mean "post_key_auth"?'],
      ['⑤', 'custom_middleware.pre[0].nmae', 'unknown key; did you mean "name"?'],
      ['⑥', 'version_data.versions.Default.use_extended_path', 'unknown key; did you mean "use_extended_paths"?'],
      ['⑦', 'version_data.versions.Default.extended_paths.go_plugins', 'unknown key; did you mean "go_plugin"?'],
    ],
  },
  {
    what: 'Classic keys every object seems to have',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/" },
          "use_keyless": true,
          "custom_middleware": { "driver": ①"constructor", "pre": [{ "name": ②"constructor" }, { "name": ③"__proto__" }] },
          "auth_configs": { "constructor": { "prototype": 1 } },
          "custom_middleware_bundle": "",
          "version_data": {
            "not_versioned": true,
            "versions": { "constructor": { "name": "constructor", "constructor": { "prototype": { "polluted": true } } } }
          },
          "config_data": { "constructor": { "prototype": { "polluted": true } } }
        }
      `,
    },
    report: [
      [
        '①',
        'custom_middleware.driver',
        'found "constructor", expected one of "otto", "javascript", "python", "lua", "grpc", "goplugin"',
      ],
      ['②', 'custom_middleware.pre[0].name', `found "constructor", which is no function of options.plugins; ${GIVEN}`],
      ['③', 'custom_middleware.pre[1].name', `found "__proto__", which is no function of options.plugins; ${GIVEN}`],
    ],
  },
  {
    what: 'Classic ways to authenticate that nobody here knows',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "enable_jwt": ①true,
          "use_basic_auth": ②true,
          "use_oauth2": ③true,
          "use_openid": ④true,
          "external_oauth": ⑤{ "enabled": true },
          "enable_signature_checking": ⑥true,
          "use_mutual_tls_auth": ⑦true,
          "auth_configs": { "authToken": { "use_certificate": true } },
          "custom_middleware": { "post_key_auth": [{ "name": "stamp" }] }
        }
      `,
    },
    report: [
      [
        '①',
        'enable_jwt',
        'authentication by JWT is not supported; let a plugin at custom_middleware.auth_check check it',
      ],
      [
        '②',
        'use_basic_auth',
        'basic authentication is not supported; let a plugin at custom_middleware.auth_check check it',
      ],
      ['③', 'use_oauth2', 'OAuth 2 is not supported; let a plugin at custom_middleware.auth_check check it'],
      ['④', 'use_openid', 'OpenID Connect is not supported; let a plugin at custom_middleware.auth_check check it'],
      ['⑤', 'external_oauth', 'external OAuth is not supported; let a plugin at custom_middleware.auth_check check it'],
      [
        '⑥',
        'enable_signature_checking',
        'authentication by HMAC signature is not supported; let a plugin at custom_middleware.auth_check check it',
      ],
      [
        '⑦',
        'use_mutual_tls_auth',
        'authentication by client certificate is not supported; let the host application ask for certificates',
      ],
    ],
  },
  {
    what: 'Classic guards that nobody here knows',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "use_keyless": true,
          "enable_ip_whitelisting": ①true,
          "allowed_ips": ["10.0.0.1"],
          "enable_ip_blacklisting": ②true,
          "blacklisted_ips": ["10.0.0.2"],
          "domain": ③"orders.example",
          "expiration": ④"2030-01-01 00:00",
          "internal": ⑤true,
          "CORS": ⑥{ "enable": true },
          "request_signing": ⑦{ "is_enabled": true },
          "pinned_public_keys": ⑧{ "*": "key" },
          "graphql": ⑨{ "enabled": true },
          "version_data": {
            "not_versioned": true,
            "versions": {
              "Default": {
                "name": "Default",
                "use_extended_paths": true,
                "global_headers": ⑩{ "x-a": "b" },
                "extended_paths": {
                  "white_list": ⑪[{ "path": "/a", "method_actions": { "GET": { "action": "no_action" } } }],
                  "black_list": ⑫[{ "path": "/b" }],
                  "validate_json": ⑬[{ "path": "/c", "method": "POST", "schema": {} }],
                  "ignored": ⑭[{ "path": "/d" }],
                  "size_limits": ⑮[{ "path": "/e", "method": "POST", "size_limit": 5 }],
                  "url_rewrites": ⑯[{ "path": "/f", "method": "GET" }]
                }
              }
            }
          }
        }
      `,
    },
    report: [
      [
        '①',
        'enable_ip_whitelisting',
        'a list of allowed addresses is not supported; let a plugin at custom_middleware.pre look at request.clientAddress',
      ],
      [
        '②',
        'enable_ip_blacklisting',
        'a list of blocked addresses is not supported; let a plugin at custom_middleware.pre look at request.clientAddress',
      ],
      ['③', 'domain', 'a custom domain is not supported; let a plugin at custom_middleware.pre look at request.host'],
      [
        '④',
        'expiration',
        'a date on which the API ends is not supported; let a plugin at custom_middleware.pre deny from then on',
      ],
      ['⑤', 'internal', 'an internal API is not supported; take it out of what clients can reach'],
      ['⑥', 'CORS', 'CORS is not supported; let the host application answer it, before the gateway'],
      ['⑦', 'request_signing', 'signing of requests is not supported; let a plugin at custom_middleware.post do it'],
      ['⑧', 'pinned_public_keys', 'pinning of public keys is not supported; take it out if nobody relies on it'],
      ['⑨', 'graphql', 'GraphQL is not supported; take it out if nobody relies on it'],
      [
        '⑩',
        'version_data.versions.Default.global_headers',
        'changing request headers is not supported; let a plugin at custom_middleware.post do it',
      ],
      [
        '⑪',
        'version_data.versions.Default.extended_paths.white_list',
        'an allow list is not supported; let a plugin at custom_middleware.pre deny',
      ],
      [
        '⑫',
        'version_data.versions.Default.extended_paths.black_list',
        'a block list is not supported; let a plugin at custom_middleware.pre deny',
      ],
      [
        '⑬',
        'version_data.versions.Default.extended_paths.validate_json',
        'validation of bodies is not supported; let a go_plugin of that endpoint do it',
      ],
      [
        '⑭',
        'version_data.versions.Default.extended_paths.ignored',
        'an endpoint without authentication is not supported; make it a keyless API of its own',
      ],
      [
        '⑮',
        'version_data.versions.Default.extended_paths.size_limits',
        'a size limit of an endpoint is not supported; use global_size_limit',
      ],
      [
        '⑯',
        'version_data.versions.Default.extended_paths.url_rewrites',
        'rewriting URLs is not supported; let a go_plugin of that endpoint do it',
      ],
    ],
  },
  {
    what: 'Classic versions to choose from',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "use_keyless": true,
          "definition": { "location": "header", "key": "x-version" },
          "version_data": {
            "not_versioned": false,
            "versions": ①{ "v1": { "name": "v1", "expires": ②"2020-01-01 00:00" }, "v2": { "name": "v2" } }
          }
        }
      `,
      'more.json': `
        {
          "name": "more",
          "proxy": { "listen_path": "/more/", "target_url": "http://127.0.0.1:9" },
          "use_keyless": true,
          "definition": { "location": "header", "key": "x-version" },
          "version_data": { "not_versioned": ③false, "versions": { "v1": { "name": "v1" } } }
        }
      `,
    },
    report: [
      [
        '③',
        'version_data.not_versioned',
        'choosing a version is not supported: requests say it in "x-version"; expected true',
      ],
      [
        '①',
        'version_data.versions',
        'choosing a version is not supported: found "v1", "v2"; make each version an API of its own',
      ],
      [
        '②',
        'version_data.versions.v1.expires',
        'a date on which the version ends is not supported; let a plugin at custom_middleware.pre deny from then on',
      ],
    ],
  },
  {
    what: 'a Classic authentication by a plugin without a plugin',
    files: {
      'a.json': `
        {
          "name": "a",
          "proxy": { "listen_path": "/a/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          ①"custom_middleware": { "pre": [{ "name": "stamp" }] }
        }
      `,
      'b.json': `
        {
          "name": "b",
          "proxy": { "listen_path": "/b/", "target_url": "http://127.0.0.1:9" },
          "use_go_plugin_auth": true,
          "custom_middleware": { ②"auth_check": { "path": "guards.so" } }
        }
      `,
      'c.json': `
        {
          "name": "c",
          "proxy": { "listen_path": "/c/", "target_url": "http://127.0.0.1:9" },
          "enable_coprocess_auth": true,
          "custom_middleware": { "driver": "grpc", "auth_check": { "name": ③"remoteCheck" } }
        }
      `,
    },
    report: [
      ['①', 'custom_middleware.auth_check', 'missing, expected the plugin that custom_plugin_auth_enabled asks for'],
      ['②', 'custom_middleware.auth_check.name', 'missing, expected the name of a function'],
      [
        '③',
        'custom_middleware.auth_check.name',
        'found "remoteCheck" behind gRPC, which is not called; hand in a function of that name as options.plugins',
      ],
    ],
  },
  {
    what: 'a Classic identity of a method that is off',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "base_identity_provided_by": ①"auth_token",
          "custom_middleware": { "auth_check": { "name": "checkKey" } }
        }
      `,
      'more.json': `
        {
          "name": "more",
          "proxy": { "listen_path": "/more/", "target_url": "http://127.0.0.1:9" },
          "use_standard_auth": true,
          "base_identity_provided_by": ②"jwt_claim"
        }
      `,
    },
    report: [
      [
        '②',
        'base_identity_provided_by',
        'found "jwt_claim", by which nobody is asked here, so nobody would be let in; expected "auth_token"',
      ],
      [
        '①',
        'base_identity_provided_by',
        'found "auth_token", by which nobody is asked here, so nobody would be let in; expected "custom_auth"',
      ],
    ],
  },
  {
    what: 'Classic plugins that cannot be run',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "use_keyless": true,
          "custom_middleware": {
            "driver": ①"rust",
            "pre": [
              { "name": "inline", "code": ②"dmFyIHggPSAxOw==" },
              { "name": ③"", "path": "guards.so" },
              { "name": ④"stmap", "path": "" },
              { "name": "leaves", "path": ⑤"../outside.so" },
              { "name": "leaves", "path": ⑥"/opt/../../outside.so" },
              { "name": "leaves", "path": ⑦"opt\\\\..\\\\..\\\\outside.so" }
            ],
            "post": [{ "name": ⑧"stmap" }]
          },
          "analytics_plugin": { "enable": true, "func_name": "leaves", "plugin_path": ⑨"../outside.so" },
          "extended_paths": {
            "go_plugin": [
              { "method": "GET", "path": "/a", "func_name": "leaves", "plugin_path": ⑩"../outside.so" },
              { "method": "GET", "path": "/a", "func_name": ⑪"Guard" }
            ],
            "virtual": [
              { "method": "GET", "path": "/b", "response_function_name": ⑫"stmap" },
              {
                "method": "GET",
                "path": "/c",
                "response_function_name": "inline",
                "function_source_type": "blob",
                "function_source_uri": ⑬"dmFyIHggPSAxOw=="
              }
            ]
          }
        }
      `,
    },
    report: [
      [
        '①',
        'custom_middleware.driver',
        'found "rust", expected one of "otto", "javascript", "python", "lua", "grpc", "goplugin"',
      ],
      [
        '②',
        'custom_middleware.pre[0].code',
        'source in a document is not run; hand in a function "inline" as options.plugins',
      ],
      ['③', 'custom_middleware.pre[1].name', 'missing, expected the name of a function'],
      [
        '④',
        'custom_middleware.pre[2].name',
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑤',
        'custom_middleware.pre[3].path',
        'found "../outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
      [
        '⑥',
        'custom_middleware.pre[4].path',
        'found "/opt/../../outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
      [
        '⑦',
        'custom_middleware.pre[5].path',
        'found "opt\\\\..\\\\..\\\\outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
      [
        '⑧',
        'custom_middleware.post[0].name',
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑨',
        'analytics_plugin.plugin_path',
        'found "../outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
      [
        '⑩',
        'extended_paths.go_plugin[0].plugin_path',
        'found "../outside.so", which leads out of the plugins directory; expected a path below it, or a function "leaves" of options.plugins',
      ],
      ['⑪', 'extended_paths.go_plugin[1].func_name', 'found "Guard", but options.plugins.Guard is the class Guard'],
      [
        '⑫',
        'extended_paths.virtual[0].response_function_name',
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      [
        '⑬',
        'extended_paths.virtual[1].function_source_uri',
        'source in a document is not run; hand in a function "inline" as options.plugins',
      ],
    ],
  },
  {
    what: 'Classic endpoints that no request meets',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "use_keyless": true,
          "extended_paths": {
            "go_plugin": [
              { "method": ①"get", "path": "/a", "func_name": "stamp" },
              ②{ "path": "/b", "func_name": "stamp" },
              { "method": ③"G T", "path": "/c", "func_name": "stamp" },
              { "method": ④"FETCH", "path": "/d", "func_name": "stamp" },
              ⑤{ "method": "GET", "func_name": "stamp" },
              { "method": "GET", "path": ⑥"e", "func_name": "stamp" },
              { "method": "GET", "path": ⑦"/f?x=1", "func_name": "stamp" },
              { "method": "GET", "path": ⑧"/g/{id:[0-9]{2}}", "func_name": "stamp" },
              { "method": "GET", "path": ⑨"/h/(", "func_name": "stamp" },
              { "method": "GET", "path": ⑩"/i/(?=x)", "func_name": "stamp" },
              { "method": "GET", "path": ⑪"(.*)", "func_name": "stamp" },
              { "method": "GET", "path": ⑫"/j/[z-a]", "func_name": "stamp" }
            ],
            "rate_limit": [{ "method": "GET", "path": ⑬"/l/[", "rate": 1, "per": 1 }]
          }
        }
      `,
    },
    report: [
      ['①', 'extended_paths.go_plugin[0].method', 'found "get", which no request has, expected "GET"'],
      ['②', 'extended_paths.go_plugin[1].method', 'missing, expected a method such as "GET"'],
      ['③', 'extended_paths.go_plugin[2].method', 'found "G T", which no request has, expected a method such as "GET"'],
      [
        '④',
        'extended_paths.go_plugin[3].method',
        'found "FETCH", which no request has, expected a method such as "GET"',
      ],
      ['⑤', 'extended_paths.go_plugin[4].path', 'missing, expected a path such as "/stock/{sku}"'],
      ['⑥', 'extended_paths.go_plugin[5].path', 'found "e", expected a path that starts with "/"'],
      ['⑦', 'extended_paths.go_plugin[6].path', 'found "/f?x=1"; endpoints are paths, without query and fragment'],
      [
        '⑧',
        'extended_paths.go_plugin[7].path',
        'found "/g/{id:[0-9]{2}}", whose braces are not balanced or lie within each other; write parameters as "{name}"',
      ],
      ['⑨', 'extended_paths.go_plugin[8].path', 'The expression "^/h/($" is not RE2: missing closing ): `^/h/($`.'],
      [
        '⑩',
        'extended_paths.go_plugin[9].path',
        'The expression "^/i/(?=x)$" is not RE2: invalid or unsupported Perl syntax: `(?=`. RE2 has no backreferences, no lookaheads or lookbehinds, and no atomic or possessive groups: write it without.',
      ],
      [
        '⑪',
        'extended_paths.go_plugin[10].path',
        'found "(.*)", an expression that matches the empty path, so every request',
      ],
      [
        '⑫',
        'extended_paths.go_plugin[11].path',
        'The expression "^/j/[z-a]$" is not RE2: invalid character class range: `z-a`.',
      ],
      ['⑬', 'extended_paths.rate_limit[0].path', 'The expression "^/l/[$" is not RE2: missing closing ]: `[$`.'],
    ],
  },
  {
    what: 'Classic extractors that would take everybody for the same',
    files: {
      'a.json': `
        {
          "name": "a",
          "proxy": { "listen_path": "/a/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware": {
            "auth_check": { "name": "checkKey" },
            "id_extractor": { "extract_from": "body", "extract_with": ①"value" }
          }
        }
      `,
      'b.json': `
        {
          "name": "b",
          "proxy": { "listen_path": "/b/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware": {
            "auth_check": { "name": "checkKey" },
            "id_extractor": {
              "extract_from": "header",
              "extract_with": "regex",
              "extractor_config": { "header_name": "x-id", "regex_expression": ②"(" }
            }
          }
        }
      `,
      'c.json': `
        {
          "name": "c",
          "proxy": { "listen_path": "/c/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware": {
            "auth_check": { "name": "checkKey" },
            "id_extractor": {
              "extract_from": ③"querystring",
              "extract_with": ④"json",
              "extractor_config": { "regex_match_index": ⑤"1" }
            }
          }
        }
      `,
      'd.json': `
        {
          "name": "d",
          "proxy": { "listen_path": "/d/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware": {
            "auth_check": { "name": "checkKey" },
            "id_extractor": {
              "extract_from": "form",
              "extract_with": "xpath",
              ⑥"extractor_config": { "xpath_expression": ⑦"//[" }
            }
          }
        }
      `,
    },
    report: [
      [
        '①',
        'custom_middleware.id_extractor.extract_with',
        'found "value" for a whole body, expected "regex" or "xpath" to find the id in it',
      ],
      [
        '②',
        'custom_middleware.id_extractor.extractor_config.regex_expression',
        'The expression "(" is not RE2: missing closing ): `(`.',
      ],
      [
        '③',
        'custom_middleware.id_extractor.extract_from',
        'found "querystring", expected "header" or "form" or "body"',
      ],
      ['④', 'custom_middleware.id_extractor.extract_with', 'found "json", expected "value" or "regex" or "xpath"'],
      ['⑤', 'custom_middleware.id_extractor.extractor_config.regex_match_index', 'found "1", expected a number'],
      ['⑥', 'custom_middleware.id_extractor.extractor_config.param_name', 'missing, expected the name of a form field'],
      [
        '⑦',
        'custom_middleware.id_extractor.extractor_config.xpath_expression',
        'The XPath expression "//[" cannot be used: XPath parse error.',
      ],
    ],
  },
  {
    what: 'a bundle nobody has handed in',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware_bundle": ①"guard.zip, __proto__"
        }
      `,
    },
    report: [
      [
        '①',
        'custom_middleware_bundle',
        'nobody fetches bundles; hand in the manifest of this one as options.bundles["guard.zip"]',
      ],
      [
        '①',
        'custom_middleware_bundle',
        'nobody fetches bundles; hand in the manifest of this one as options.bundles["__proto__"]',
      ],
    ],
  },
  {
    what: 'bundles with two plugins for authentication',
    bundles: {
      'one.zip': { custom_middleware: { driver: 'goplugin', auth_check: { name: 'checkKey' } } },
      'two.zip': { custom_middleware: { driver: 'otto', auth_check: { name: 'checkKey' }, pre: [{ name: 'stmap' }] } },
    },
    files: {
      'orders.json': `
        {
          "name": "orders",
          "proxy": { "listen_path": "/orders/", "target_url": "http://127.0.0.1:9" },
          "custom_plugin_auth_enabled": true,
          "custom_middleware_bundle": ①"one.zip,two.zip"
        }
      `,
    },
    report: [
      [
        '①',
        'custom_middleware_bundle',
        'in "two.zip", custom_middleware.auth_check: a bundle before it has one already; an API has one',
      ],
      [
        '①',
        'custom_middleware_bundle',
        `in "two.zip", custom_middleware.pre[0].name: found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
    ],
  },
  {
    what: 'bundles whose manifests are none',
    bundles: {
      'a.zip': { custom_middlewares: { pre: [] } },
      'b.zip': {
        custom_middleware: {
          pre: { name: 'stamp' },
          post: [{ nmae: 'stamp' }],
          response: [{ name: '../x', path: '../x.so' }],
        },
      },
      'c.zip': ['stamp'],
    },
    files: {
      'a.json': `
        {
          "name": "a",
          "use_keyless": true,
          "proxy": { "listen_path": "/a/", "target_url": "http://127.0.0.1:9" },
          "custom_middleware_bundle": ①"a.zip"
        }
      `,
      'b.json': `
        {
          "name": "b",
          "use_keyless": true,
          "proxy": { "listen_path": "/b/", "target_url": "http://127.0.0.1:9" },
          "custom_middleware_bundle": ②"b.zip"
        }
      `,
      'c.json': `
        {
          "name": "c",
          "use_keyless": true,
          "proxy": { "listen_path": "/c/", "target_url": "http://127.0.0.1:9" },
          "custom_middleware_bundle": ③"c.zip"
        }
      `,
    },
    report: [
      [
        '①',
        'custom_middleware_bundle',
        'in "a.zip", custom_middlewares: unknown key; did you mean "custom_middleware"?',
      ],
      [
        '②',
        'custom_middleware_bundle',
        'in "b.zip", custom_middleware.pre: found an object with name, expected an array',
      ],
      [
        '②',
        'custom_middleware_bundle',
        'in "b.zip", custom_middleware.post[0].nmae: unknown key; did you mean "name"?',
      ],
      [
        '②',
        'custom_middleware_bundle',
        'in "b.zip", custom_middleware.response[0].path: found "../x.so", which leads out of the plugins directory; expected a path below it, or a function "../x" of options.plugins',
      ],
      ['③', 'custom_middleware_bundle', 'in "c.zip": found an array of 1, expected an object'],
    ],
  },
  {
    what: 'Classic paths and upstreams the native form does not take either',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "api_id": ①"../orders",
          "use_keyless": true,
          "proxy": { "listen_path": ②"/orders/{id}", "target_url": ③"tyk://self" },
          ④"global_rate_limit": { "rate": 5 },
          "tag_headers": [⑤"x tag"]
        }
      `,
      'more.json': `
        {
          "name": "more",
          "use_keyless": true,
          "proxy": {
            "listen_path": "/more/",
            "enable_load_balancing": true,
            "target_list": ["http://127.0.0.1:9", ⑥"ftp://127.0.0.1"]
          }
        }
      `,
    },
    report: [
      ['⑥', 'proxy.target_list[1]', `"ftp://127.0.0.1" ${NO_UPSTREAM}`],
      ['①', 'api_id', 'found "../orders", expected an id of letters, digits, ".", "_" and "-"'],
      [
        '②',
        'proxy.listen_path',
        'found "/orders/{id}", expected a path without "{": a listen path is no pattern, and everything below it is met',
      ],
      ['③', 'proxy.target_url', `"tyk://self" ${NO_UPSTREAM}`],
      ['④', 'global_rate_limit.per', 'missing; a rate limit is { rate, per }: requests per seconds'],
      ['⑤', 'tag_headers[0]', 'found "x tag", expected a header name'],
    ],
  },
  {
    what: 'a resource of Tyk Operator of another kind',
    files: {
      'orders.yaml': `
        apiVersion: tyk.tyk.io/v1alpha1
        kind: ①TykOasApiDefinition
        metadata: { name: orders }
        spec: { tykOAS: { configmapRef: { name: orders } } }
      `,
      'shop.yaml': `
        apiVersion: apps/v1
        kind: ②Deployment
        metadata: { name: shop }
        spec: { replicas: 2 }
      `,
    },
    report: [
      ['①', 'kind', 'found "TykOasApiDefinition", expected "ApiDefinition"'],
      ['②', 'kind', 'found "Deployment", expected "ApiDefinition"'],
    ],
  },
  {
    what: 'resources of Tyk Operator that are broken inside',
    files: {
      'orders.yaml': `
        apiVersion: tyk.tyk.io/v1alpha1
        kind: ApiDefinition
        metadata: { name: orders }
        spec:
          name: orders
          use_keyless: true
          enable_jwt: true
          proxy: { listen_path: ①/orders?x, target_url: ②127.0.0.1 }
          custom_middleware:
            driver: goplugin
            pre:
              - { name: ③stmap }
              - { name: stamp, path: guards.so, ④require_sesion: true }
        ---
        ⑤apiVersion: tyk.tyk.io/v1alpha1
        kind: ApiDefinition
        metadata: { name: empty }
        ---
        apiVersion: tyk.tyk.io/v1alpha1
        kind: ApiDefinition
        metadata: { name: text }
        spec: ⑥text
      `,
    },
    report: [
      ['①', 'spec.proxy.listen_path', 'found "/orders?x", expected a path that starts with "/", such as "/orders/"'],
      ['②', 'spec.proxy.target_url', `"127.0.0.1" ${NO_UPSTREAM}`],
      [
        '③',
        'spec.custom_middleware.pre[0].name',
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      ['④', 'spec.custom_middleware.pre[1].require_sesion', 'unknown key; did you mean "require_session"?'],
      ['⑤', 'spec', 'missing, expected a Tyk Classic definition'],
      ['⑥', 'spec', 'found "text", expected a Tyk Classic definition'],
    ],
  },
]
