import type { Broken } from './document.ts'

const KEYS =
  'name, id, orgId, listenPath, stripListenPath, upstream, hooks, responseScope, endpoints, authentication, limits, policies, version, sessionLifetime, keepUntilExpiry, ignoreCase, endpointOrder, config, pluginTimeoutMs, maxBufferedBytes, maxBodyBytes, bodyTimeoutMs, requestTimeoutMs, sendTimeoutMs, upgradeIdleTimeoutMs, underscoreHeaders, trustedProxies, records, secrets, $schema'
const UPSTREAM =
  'url, targets, preserveHost, forwarded, connectTimeoutMs, headersTimeoutMs, bodyTimeoutMs, verifyTls, balance, retries, ejectAfter, ejectMs, health, circuitBreaker, maxConnections, maxQueued, queueTimeoutMs'
const HOOKS = 'pre, auth, postAuth, post, response, analytics'
const NO_UPSTREAM =
  'is no upstream; expected an http: or https: URL without credentials, query or fragment, such as "http://127.0.0.1:9000".'
const PLUGIN = 'expected a function, { plugin, name, timeoutMs }, or { functionName, path, name, timeoutMs }'
const PATH_SYNTAX =
  'write ":name" for a parameter, "*name" for the rest of a path, "{...}" for what may be left out, and "\\" in front of a character that stands for itself'
const GIVEN = 'options.plugins has stamp, checkKey, hello, Guard, limit'

/** Documents of the native form. */
export const native: readonly Broken[] = [
  {
    what: 'a list instead of a definition',
    files: { 'orders.yaml': '①[{ name: orders }]' },
    report: [['①', '', 'found an array of 1, expected an object: the definition of an API']],
  },
  {
    what: 'a text instead of a definition',
    files: { 'orders.yaml': '①orders' },
    report: [['①', '', 'found "orders", expected an object: the definition of an API']],
  },
  {
    what: 'nothing instead of a definition',
    files: { 'orders.json': '①null' },
    report: [['①', '', 'found null, expected an object: the definition of an API']],
  },
  {
    what: 'a definition with nothing in it',
    files: { 'orders.json': '①{}' },
    report: [['①', 'name', 'missing, expected a name, such as "orders"']],
  },
  {
    what: 'values of other types',
    files: {
      'orders.yaml': `
        name: ①17
        id: ②[orders]
        listenPath: ③true
        stripListenPath: ④"yes"
        upstream: ⑤9000
        hooks: ⑥[stamp]
        endpoints: ⑦"GET /x"
        authentication: ⑧yes
        limits: ⑨5
        policies: ⑩[gold]
        config: ⑪text
        pluginTimeoutMs: ⑫5s
        maxBodyBytes: ⑬-1
        trustedProxies: ⑭10.0.0.0/8
        records: ⑮maybe
        underscoreHeaders: ⑯no
        sessionLifetime: ⑰0.5
        $schema: ⑱1
      `,
    },
    report: [
      ['①', 'name', 'found 17, expected a name, such as "orders"'],
      ['②', 'id', 'found an array of 1, expected an id, such as "orders-v1"'],
      ['③', 'listenPath', 'found true, expected a path such as "/orders/"'],
      ['④', 'stripListenPath', 'found "yes", expected true or false'],
      ['⑤', 'upstream', 'found 9000, expected a URL, or { url, ... }'],
      ['⑥', 'hooks', 'found an array of 1, expected an object of plugins by hook'],
      ['⑦', 'endpoints', 'found "GET /x", expected an object of plugin arrays by "METHOD /path"'],
      ['⑧', 'authentication', 'found "yes", expected an object: who may call'],
      ['⑨', 'limits', 'found 5, expected an object of limits'],
      ['⑩', 'policies', 'found an array of 1, expected an object of policies by id'],
      ['⑪', 'config', 'found "text", expected an object'],
      ['⑫', 'pluginTimeoutMs', 'found "5s", expected an integer of milliseconds from 1 to 2147483647'],
      ['⑬', 'maxBodyBytes', 'found -1, expected a number of bytes, 0 or more'],
      ['⑭', 'trustedProxies', 'found "10.0.0.0/8", expected an array of IP addresses and CIDR ranges'],
      [
        '⑮',
        'records',
        'found "maybe", expected true, false, or { tags, tagHeaders, track, skip, detailed, maxDetailedBytes, retention }',
      ],
      ['⑯', 'underscoreHeaders', 'found "no", expected "drop" or "keep"'],
      ['⑰', 'sessionLifetime', 'found 0.5, expected an integer of seconds, 1 or more'],
      ['⑱', '$schema', 'found 1, expected the address of a JSON Schema'],
    ],
  },
  {
    what: 'values of other types further down',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "upstream": { "url": ①["http://127.0.0.1:9"], "retries": ②11, ③"health": { "intervalMs": ④0 } },
          "hooks": {
            "pre": ⑤{ "functionName": "stamp" },
            "auth": ⑥[{ "functionName": "checkKey" }],
            "post": [⑦"stamp", ⑧null, ⑨[], ⑩{ "name": "x" }, { "functionName": ⑪5, "timeoutMs": ⑫"1s" }]
          },
          "limits": { "rate": ⑬"10", "per": ⑭0, "algorithm": ⑮"leaky" },
          "records": { "tags": [⑯""], "tagHeaders": ⑰"x-tag", "retention": ⑱0 }
        }
      `,
    },
    report: [
      ['①', 'upstream.url', 'found an array of 1, expected an http: or https: URL such as "http://127.0.0.1:9000"'],
      ['②', 'upstream.retries', 'found 11, expected an integer from 0 to 10'],
      ['③', 'upstream.health.path', 'missing, expected a path such as "/health"'],
      ['④', 'upstream.health.intervalMs', 'found 0, expected an integer of milliseconds from 1 to 2147483647'],
      ['⑤', 'hooks.pre', 'found an object with functionName, expected an array of plugins'],
      ['⑥', 'hooks.auth', `found an array of 1, ${PLUGIN}`],
      ['⑦', 'hooks.post[0]', `found "stamp", ${PLUGIN}`],
      ['⑧', 'hooks.post[1]', `found null, ${PLUGIN}`],
      ['⑨', 'hooks.post[2]', `found an array of 0, ${PLUGIN}`],
      ['⑩', 'hooks.post[3]', `found an object with name, ${PLUGIN}`],
      ['⑪', 'hooks.post[4].functionName', 'found 5, expected the name of a function'],
      ['⑫', 'hooks.post[4].timeoutMs', 'found "1s", expected an integer of milliseconds from 1 to 2147483647'],
      ['⑬', 'limits.rate', 'found "10", expected a number of requests above 0'],
      ['⑭', 'limits.per', 'found 0, expected a number of seconds above 0'],
      ['⑮', 'limits.algorithm', 'found "leaky", expected "sliding-window" or "fixed-window" or "gcra"'],
      ['⑯', 'records.tags[0]', 'found "", expected a tag'],
      ['⑰', 'records.tagHeaders', 'found "x-tag", expected an array of header names'],
      ['⑱', 'records.retention', 'found 0, expected an integer of seconds, 1 or more'],
    ],
  },
  {
    what: 'misspelt keys',
    files: {
      'orders.yaml': `
        name: orders
        ①listenpath: /orders/
        ②upstraem: http://127.0.0.1:9
        ③hook:
          pre: []
        ④timeout: 5
        ⑤authentification: { token: true }
      `,
    },
    report: [
      ['①', 'listenpath', `unknown key; did you mean "listenPath"? known keys are ${KEYS}`],
      ['②', 'upstraem', `unknown key; did you mean "upstream"? known keys are ${KEYS}`],
      ['③', 'hook', `unknown key; did you mean "hooks"? known keys are ${KEYS}`],
      ['④', 'timeout', `unknown key; known keys are ${KEYS}`],
      ['⑤', 'authentification', `unknown key; did you mean "authentication"? known keys are ${KEYS}`],
    ],
  },
  {
    what: 'misspelt keys further down',
    files: {
      'orders.yaml': `
        name: orders
        upstream: { ①ulr: http://127.0.0.1:9 }
        hooks:
          pre:
            - { ②functionname: stamp }
            - { functionName: stamp, ③timeout: 5 }
        limits: { rate: 5, ④pre: 10 }
        authentication: { ⑤tokens: true }
        records: { ⑥tagheaders: [x-tag] }
      `,
    },
    report: [
      ['①', 'upstream.ulr', `unknown key; did you mean "url"? known keys are ${UPSTREAM}`],
      [
        '②',
        'hooks.pre[0].functionname',
        'unknown key; did you mean "functionName"? known keys are functionName, path, name, timeoutMs',
      ],
      [
        '③',
        'hooks.pre[1].timeout',
        'unknown key; did you mean "timeoutMs"? known keys are functionName, path, name, timeoutMs',
      ],
      [
        '④',
        'limits.pre',
        'unknown key; did you mean "per"? known keys are rate, per, endpoints, algorithm, headers, keyRate, keyQuota',
      ],
      [
        '⑤',
        'authentication.tokens',
        'unknown key; did you mean "token"? known keys are token, credential, idExtractor, baseIdentity',
      ],
      [
        '⑥',
        'records.tagheaders',
        'unknown key; did you mean "tagHeaders"? known keys are tags, tagHeaders, track, skip, detailed, maxDetailedBytes, retention',
      ],
    ],
  },
  {
    what: 'hooks that do not exist',
    files: {
      'orders.yaml': `
        name: orders
        hooks:
          ①postauth: [{ functionName: stamp }]
          ②onRequest: [{ functionName: stamp }]
          ③constructor: [{ functionName: stamp }]
      `,
    },
    report: [
      ['①', 'hooks.postauth', `unknown key; did you mean "postAuth"? known keys are ${HOOKS}`],
      ['②', 'hooks.onRequest', `unknown key; known keys are ${HOOKS}`],
      ['③', 'hooks.constructor', `unknown key; known keys are ${HOOKS}`],
    ],
  },
  {
    what: 'keys every object seems to have, at every level',
    files: {
      'orders.json': `
        {
          "name": "orders",
          ①"constructor": { "prototype": { "polluted": true } },
          ②"hasOwnProperty": true,
          "upstream": { "url": "http://127.0.0.1:9", ③"toString": 1 },
          "hooks": {
            ④"prototype": [],
            "pre": [{ "functionName": "stamp", ⑤"constructor": { "prototype": { "polluted": true } } }]
          },
          "endpoints": { "constructor": ⑥[{ "functionName": "stamp" }] },
          "limits": { "rate": 1, "per": 1, ⑦"valueOf": 1, "endpoints": { "toString": ⑧{ "rate": 1, "per": 1 } } },
          "policies": { "constructor": { "prototype": ⑨{ "polluted": true } } }
        }
      `,
    },
    report: [
      ['①', 'constructor', `unknown key; known keys are ${KEYS}`],
      ['②', 'hasOwnProperty', `unknown key; known keys are ${KEYS}`],
      ['③', 'upstream.toString', `unknown key; known keys are ${UPSTREAM}`],
      ['④', 'hooks.prototype', `unknown key; known keys are ${HOOKS}`],
      ['⑤', 'hooks.pre[0].constructor', 'unknown key; known keys are functionName, path, name, timeoutMs'],
      ['⑥', 'endpoints["constructor"]', 'expected "METHOD /path", such as "GET /stock/:sku" or "* /health"'],
      [
        '⑦',
        'limits.valueOf',
        'unknown key; known keys are rate, per, endpoints, algorithm, headers, keyRate, keyQuota',
      ],
      ['⑧', 'limits.endpoints["toString"]', 'expected "METHOD /path", such as "GET /stock/:sku" or "* /health"'],
      [
        '⑨',
        'policies["constructor"].prototype',
        'this policy has no field "prototype"; known: id, name, orgId, rate, per, throttleInterval, throttleRetryLimit, quotaMax, quotaRenewalRate, maxQueryDepth, smoothing, accessRights, partitions, isInactive, tags, metadata, keyExpiresIn, postExpiryAction, postExpiryGracePeriod, lastUpdated, hmacEnabled, enableHttpSignatureValidation, active, graphqlAccessRights.',
      ],
    ],
  },
  {
    what: 'functions every object seems to have',
    files: {
      'orders.yaml': `
        name: orders
        hooks:
          pre:
            - { functionName: ①constructor }
            - { functionName: ②__proto__ }
            - { functionName: ③toString }
            - { functionName: ④hasOwnProperty }
      `,
    },
    report: [
      ['①', 'hooks.pre[0].functionName', `found "constructor", which is no function of options.plugins; ${GIVEN}`],
      ['②', 'hooks.pre[1].functionName', `found "__proto__", which is no function of options.plugins; ${GIVEN}`],
      ['③', 'hooks.pre[2].functionName', `found "toString", which is no function of options.plugins; ${GIVEN}`],
      ['④', 'hooks.pre[3].functionName', `found "hasOwnProperty", which is no function of options.plugins; ${GIVEN}`],
    ],
  },
  {
    what: 'functions nobody has, and what is none',
    files: {
      'orders.yaml': `
        name: orders
        hooks:
          pre:
            - { functionName: ①stmap }
            - { functionName: ②somethingElse }
          auth: { functionName: ③CheckKey }
          post:
            - { functionName: ④Guard }
            - { functionName: ⑤limit }
            - { functionName: ⑥"" }
        endpoints:
          GET /x:
            - { functionName: stamp }
            - { functionName: ⑦helo }
      `,
    },
    report: [
      [
        '①',
        'hooks.pre[0].functionName',
        `found "stmap", which is no function of options.plugins; did you mean stamp? ${GIVEN}`,
      ],
      ['②', 'hooks.pre[1].functionName', `found "somethingElse", which is no function of options.plugins; ${GIVEN}`],
      [
        '③',
        'hooks.auth.functionName',
        `found "CheckKey", which is no function of options.plugins; did you mean checkKey? ${GIVEN}`,
      ],
      ['④', 'hooks.post[0].functionName', 'found "Guard", but options.plugins.Guard is the class Guard'],
      ['⑤', 'hooks.post[1].functionName', 'found "limit", but options.plugins.limit is 5'],
      ['⑥', 'hooks.post[2].functionName', 'found "", expected the name of a function'],
      [
        '⑦',
        'endpoints["GET /x"][1].functionName',
        `found "helo", which is no function of options.plugins; did you mean hello? ${GIVEN}`,
      ],
    ],
  },
  {
    what: 'functions and files where nobody has handed in either',
    nothingGiven: true,
    files: {
      'orders.yaml': `
        name: orders
        hooks:
          pre:
            - { functionName: ①stamp }
            - { functionName: stamp, path: ②stamp.mjs }
      `,
    },
    report: [
      [
        '①',
        'hooks.pre[0].functionName',
        'found "stamp", which is no function of options.plugins; options.plugins has none',
      ],
      [
        '②',
        'hooks.pre[1].path',
        'found "stamp.mjs", but no directory for plugins; set options.pluginsDirectory, or hand in stamp as options.plugins',
      ],
    ],
  },
  {
    what: 'upstreams that are none',
    files: {
      'a.yaml': 'name: a\nlistenPath: /a/\nupstream: ①ftp://127.0.0.1/\n',
      'b.yaml': 'name: b\nlistenPath: /b/\nupstream: { url: ②"http://user:secret@127.0.0.1:9" }\n',
      'c.yaml': 'name: c\nlistenPath: /c/\nupstream: { url: ③"http://127.0.0.1:9/?q=1" }\n',
      'd.yaml': 'name: d\nlistenPath: /d/\n④upstream: {}\n',
      'e.yaml': 'name: e\nlistenPath: /e/\nupstream: ⑤127.0.0.1:9000\n',
      'f.yaml': 'name: f\nlistenPath: /f/\nupstream: { url: http://127.0.0.1:9, targets: ⑥["http://127.0.0.1:9"] }\n',
      'g.yaml': 'name: g\nlistenPath: /g/\nupstream: { targets: ["http://127.0.0.1:9", ⑦"http://127.0.0.1:9/"] }\n',
      'h.yaml': 'name: h\nlistenPath: /h/\nupstream: { targets: ⑧[] }\n',
    },
    report: [
      ['①', 'upstream', `"ftp://127.0.0.1/" ${NO_UPSTREAM}`],
      ['②', 'upstream.url', `"http://***@127.0.0.1:9" ${NO_UPSTREAM}`],
      ['③', 'upstream.url', `"http://127.0.0.1:9/?q=1" ${NO_UPSTREAM}`],
      [
        '④',
        'upstream.url',
        'missing, expected an http: or https: URL such as "http://127.0.0.1:9000", or targets: several of them',
      ],
      ['⑤', 'upstream', `"127.0.0.1:9000" ${NO_UPSTREAM}`],
      ['⑥', 'upstream.targets', 'found beside upstream.url; put all URLs here, or leave this out'],
      [
        '⑦',
        'upstream.targets[1]',
        'found "http://127.0.0.1:9/", which upstream.targets[0] already is; give a target a weight',
      ],
      ['⑧', 'upstream.targets', 'found an array of 0, expected at least one URL'],
    ],
  },
  {
    what: 'listen paths that are none',
    files: {
      'a.yaml': 'name: a\nlistenPath: ①orders\n',
      'b.yaml': 'name: b\nlistenPath: ②/orders/*\n',
      'c.yaml': 'name: c\nlistenPath: ③/orders/:id\n',
      'e.yaml': 'name: e\nlistenPath: ④"/orders?x"\n',
      'f.yaml': 'name: f\nlistenPath: ⑤""\n',
    },
    report: [
      ['①', 'listenPath', 'found "orders", expected a path that starts with "/", such as "/orders/"'],
      [
        '②',
        'listenPath',
        'found "/orders/*", expected a path without "*": a listen path is no pattern, and everything below it is met',
      ],
      [
        '③',
        'listenPath',
        'found "/orders/:id", expected a path without ":": a listen path is no pattern, and everything below it is met',
      ],
      ['④', 'listenPath', 'found "/orders?x", expected a path that starts with "/", such as "/orders/"'],
      ['⑤', 'listenPath', 'found "", expected a path such as "/orders/"'],
    ],
  },
  {
    what: 'endpoints that no request meets',
    files: {
      'orders.yaml': `
        name: orders
        endpoints:
          get /a: ①[{ functionName: stamp }]
          FETCH /a: ②[{ functionName: stamp }]
          /a: ③[{ functionName: stamp }]
          GET a: ④[{ functionName: stamp }]
          GET /a/:: ⑤[{ functionName: stamp }]
          "GET /a/{b": ⑥[{ functionName: stamp }]
          GET /:a:b: ⑦[{ functionName: stamp }]
          GET /:a/:a: ⑧[{ functionName: stamp }]
          GET /%zz: ⑨[{ functionName: stamp }]
          "": ⑩[{ functionName: stamp }]
          "GET /admin/{id}": ⑪[{ functionName: stamp }]
      `,
    },
    report: [
      ['①', 'endpoints["get /a"]', 'found the method "get", expected "GET" (methods are case-sensitive)'],
      ['②', 'endpoints["FETCH /a"]', 'found the method "FETCH", which no request has; write "*" for any method'],
      ['③', 'endpoints["/a"]', 'expected "METHOD /path", such as "GET /stock/:sku" or "* /health"'],
      ['④', 'endpoints["GET a"]', 'found the path "a", expected one that starts with "/"'],
      ['⑤', 'endpoints["GET /a/:"]', `Missing parameter name at index 4 of the path; ${PATH_SYNTAX}`],
      ['⑥', 'endpoints["GET /a/{b"]', `Unexpected end at index 5 of the path, expected }; ${PATH_SYNTAX}`],
      ['⑦', 'endpoints["GET /:a:b"]', `Missing text before "b" param; ${PATH_SYNTAX}`],
      ['⑧', 'endpoints["GET /:a/:a"]', 'uses the parameter "a" twice'],
      ['⑨', 'endpoints["GET /%zz"]', '"/%zz" has no canonical spelling'],
      ['⑩', 'endpoints[""]', 'expected "METHOD /path", such as "GET /stock/:sku" or "* /health"'],
      [
        '⑪',
        'endpoints["GET /admin/{id}"]',
        'found "{id}", which is the word "id" or nothing; write "/:id" for a parameter, "{/id}" for an optional segment',
      ],
    ],
  },
  {
    what: 'endpoints that meet the same requests',
    files: {
      'orders.yaml': `
        name: orders
        ignoreCase: true
        endpoints:
          GET /a/:id: [{ functionName: stamp }]
          GET /A/:key: ①[{ functionName: stamp }]
        limits:
          endpoints:
            GET /b: { rate: 1, per: 1 }
            GET /B: ②{ rate: 1, per: 1 }
      `,
    },
    report: [
      [
        '①',
        'endpoints["GET /A/:key"]',
        'meets the same requests as "GET /a/:id"; put all of an endpoint under one key',
      ],
      ['②', 'limits.endpoints["GET /B"]', 'meets the same requests as "GET /b"; put all of an endpoint under one key'],
    ],
  },
  {
    what: 'regular expressions of endpoints that are none',
    files: {
      'orders.yaml': `
        name: orders
        endpoints:
          GET ~(: ①[{ functionName: stamp }]
          GET ~^/a(?=b): ②[{ functionName: stamp }]
          GET ~^/(a)\\1: ③[{ functionName: stamp }]
          GET ~: ④[{ functionName: stamp }]
          GET ~^/[z-a]$: ⑤[{ functionName: stamp }]
          GET ~^/a{1000}{1000}$: ⑥[{ functionName: stamp }]
          "GET ~^/a{2,1}$": ⑦[{ functionName: stamp }]
        limits:
          endpoints:
            GET ~[: ⑧{ rate: 1, per: 1 }
      `,
    },
    report: [
      ['①', 'endpoints["GET ~("]', 'The expression "(" is not RE2: missing closing ): `(`.'],
      [
        '②',
        'endpoints["GET ~^/a(?=b)"]',
        'The expression "^/a(?=b)" is not RE2: invalid or unsupported Perl syntax: `(?=`. RE2 has no backreferences, no lookaheads or lookbehinds, and no atomic or possessive groups: write it without.',
      ],
      [
        '③',
        'endpoints["GET ~^/(a)\\\\1"]',
        'The expression "^/(a)\\\\1" is not RE2: invalid escape sequence: `\\1`. RE2 has no backreferences, no lookaheads or lookbehinds, and no atomic or possessive groups: write it without.',
      ],
      ['④', 'endpoints["GET ~"]', 'expected an RE2 expression behind "~", such as "GET ~^/users/[0-9]+$"'],
      [
        '⑤',
        'endpoints["GET ~^/[z-a]$"]',
        'The expression "^/[z-a]$" is not RE2: invalid character class range: `z-a`.',
      ],
      [
        '⑥',
        'endpoints["GET ~^/a{1000}{1000}$"]',
        'The expression "^/a{1000}{1000}$" is not RE2: invalid nested repetition operator: `{1000}{1000}`.',
      ],
      ['⑦', 'endpoints["GET ~^/a{2,1}$"]', 'The expression "^/a{2,1}$" is not RE2: invalid repeat count: `{2,1}`.'],
      ['⑧', 'limits.endpoints["GET ~["]', 'The expression "[" is not RE2: missing closing ]: `[`.'],
    ],
  },
  {
    what: 'keys a message must not be torn apart by',
    files: {
      'orders.json': `
        {
          "name": "orders",
          ①"a\\nb": 1,
          ②"a.b[0]": 2,
          ③"\\u0000": 3,
          "hooks": { ④"x\\n  - forged": [], ⑤"\\u001b[31mred": [] },
          "records": { ⑥"a\\n  - forged": 1 },
          "listenPath": ⑦{ "a\\n  - forged": 1 },
          "orgId": ⑧{ "constructor": { "name": "Forged" } }
        }
      `,
    },
    report: [
      ['①', '["a\\nb"]', `unknown key; known keys are ${KEYS}`],
      ['②', '["a.b[0]"]', `unknown key; known keys are ${KEYS}`],
      ['③', '["\\u0000"]', `unknown key; known keys are ${KEYS}`],
      ['④', 'hooks["x\\n  - forged"]', `unknown key; known keys are ${HOOKS}`],
      ['⑤', 'hooks["\\u001b[31mred"]', `unknown key; known keys are ${HOOKS}`],
      [
        '⑥',
        'records["a\\n  - forged"]',
        'unknown key; known keys are tags, tagHeaders, track, skip, detailed, maxDetailedBytes, retention',
      ],
      ['⑦', 'listenPath', 'found an object with "a\\n  - forged", expected a path such as "/orders/"'],
      ['⑧', 'orgId', 'found an object with constructor, expected text'],
    ],
  },
  {
    what: 'plugins behind an authentication that never takes place',
    files: {
      'orders.yaml': `
        name: orders
        hooks:
          postAuth: ①[{ functionName: stamp }]
      `,
    },
    report: [
      [
        '①',
        'hooks.postAuth',
        'would never run: this API has no hooks.auth and no authentication.token, so it is keyless; add one, or move these plugins to hooks.pre or hooks.post',
      ],
    ],
  },
  {
    what: 'an authentication that asks nobody',
    files: {
      'orders.yaml': `
        name: orders
        authentication: ①{ token: false }
      `,
    },
    report: [
      [
        '①',
        'authentication',
        'asks nobody who they are: expected token, or a plugin at hooks.auth; leave it out for a keyless API',
      ],
    ],
  },
  {
    what: 'an authentication by a plugin where there is none',
    files: {
      'orders.yaml': `
        name: orders
        hooks: { pre: [{ functionName: stamp }] }
        authentication:
          credential: ①{ header: x-key }
          idExtractor: ②{ source: header, mode: value, header: x-key }
          baseIdentity: ③plugin
      `,
    },
    report: [
      ['①', 'authentication.credential', 'says where the auth plugin finds its credential; this API has no hooks.auth'],
      ['②', 'authentication.idExtractor', 'vouches for what the auth plugin has decided; this API has no hooks.auth'],
      [
        '③',
        'authentication.baseIdentity',
        'says whose session counts where both token and hooks.auth ask; here is neither',
      ],
    ],
  },
  {
    what: 'a choice between two identities where there is one',
    files: {
      'orders.yaml': `
        name: orders
        hooks: { auth: { functionName: checkKey } }
        authentication:
          baseIdentity: ①token
      `,
    },
    report: [
      [
        '①',
        'authentication.baseIdentity',
        'says whose session counts where both token and hooks.auth ask; here is only hooks.auth',
      ],
    ],
  },
  {
    what: 'keys that are nowhere, or in fields nobody sees',
    files: {
      'a.yaml': `
        name: a
        listenPath: /a/
        hooks: { auth: { functionName: checkKey } }
        authentication:
          token: ①{ header: false }
          credential: ②{ header: false }
      `,
      'b.yaml': `
        name: b
        listenPath: /b/
        authentication:
          token: { header: ③x_key }
      `,
      'c.yaml': `
        name: c
        listenPath: /c/
        authentication:
          token: { header: ④"x key", strip: ⑤always }
      `,
    },
    report: [
      ['①', 'authentication.token', 'names no place for the key; give header, query or cookie'],
      ['②', 'authentication.credential', 'names no place for the key; give header, query or cookie'],
      [
        '③',
        'authentication.token.header',
        'found "x_key", but fields with "_" are dropped; set underscoreHeaders: "keep"',
      ],
      ['④', 'authentication.token.header', 'found "x key", expected a header name, or false'],
      ['⑤', 'authentication.token.strip', 'found "always", expected "query" or "all" or "none"'],
    ],
  },
  {
    what: 'extractors that would take everybody for the same',
    files: {
      'a.yaml': `
        name: a
        listenPath: /a/
        hooks: { auth: { functionName: checkKey } }
        authentication: { idExtractor: { source: body, mode: ①value } }
      `,
      'b.yaml': `
        name: b
        listenPath: /b/
        hooks: { auth: { functionName: checkKey } }
        authentication: { idExtractor: { source: header, mode: regex, header: x-id, expression: ②"x*" } }
      `,
      'c.yaml': `
        name: c
        listenPath: /c/
        hooks: { auth: { functionName: checkKey } }
        authentication: { idExtractor: { source: header, mode: regex, header: x-id, expression: ③"(" } }
      `,
      'd.yaml': `
        name: d
        listenPath: /d/
        hooks: { auth: { functionName: checkKey } }
        authentication: { ④idExtractor: { source: header, mode: regex } }
      `,
      'e.yaml': `
        name: e
        listenPath: /e/
        hooks: { auth: { functionName: checkKey } }
        authentication: { idExtractor: { source: body, mode: xpath, expression: ⑤"//[" } }
      `,
      'f.yaml': `
        name: f
        listenPath: /f/
        hooks: { auth: { functionName: checkKey } }
        authentication:
          idExtractor: { source: ⑥cookie, mode: ⑦jsonpath, header: x-id, expression: "(a)", matchIndex: ⑧-1 }
      `,
    },
    report: [
      [
        '①',
        'authentication.idExtractor.mode',
        'found "value" for a whole body, expected "regex" or "xpath" to find the id in it',
      ],
      [
        '②',
        'authentication.idExtractor.expression',
        'found "x*", which matches the empty string; expected one that takes a character, such as "[0-9]+"',
      ],
      ['③', 'authentication.idExtractor.expression', 'The expression "(" is not RE2: missing closing ): `(`.'],
      ['④', 'authentication.idExtractor.header', 'missing, expected a header name such as "authorization"'],
      ['④', 'authentication.idExtractor.expression', 'missing, expected an RE2 expression such as "[0-9]+"'],
      ['⑤', 'authentication.idExtractor.expression', 'The XPath expression "//[" cannot be used: XPath parse error.'],
      ['⑥', 'authentication.idExtractor.source', 'found "cookie", expected "header" or "form" or "body"'],
      ['⑦', 'authentication.idExtractor.mode', 'found "jsonpath", expected "value" or "regex" or "xpath"'],
      ['⑧', 'authentication.idExtractor.matchIndex', 'found -1, expected an integer from 0 to 99'],
    ],
  },
  {
    what: 'limits by halves',
    files: {
      'a.yaml': 'name: a\nlistenPath: /a/\n①limits: { rate: 5 }\n',
      'b.yaml':
        'name: b\nlistenPath: /b/\nlimits: { endpoints: { ②GET /x: { rate: 5 }, post /x: ③{ rate: 5, per: 1 } } }\n',
    },
    report: [
      ['①', 'limits.per', 'missing; a rate limit is { rate, per }: requests per seconds'],
      ['②', 'limits.endpoints["GET /x"].per', 'missing, expected a number of seconds above 0'],
      ['③', 'limits.endpoints["post /x"]', 'found the method "post", expected "POST" (methods are case-sensitive)'],
    ],
  },
  {
    what: 'policies that are none',
    files: {
      'orders.yaml': `
        name: orders
        policies:
          gold: { rate: ①many, quotaMaxx: ②5, tags: ③none }
          silver: ④{ rate: 5, per: 60 }
          bronze: ⑤5
      `,
    },
    report: [
      ['①', 'policies["gold"].rate', 'this policy\'s rate is "many"; expected a number.'],
      ['②', 'policies["gold"].quotaMaxx', 'this policy has no field "quotaMaxx"; did you mean "quotaMax"?'],
      ['③', 'policies["gold"].tags', 'this policy\'s tags is "none"; expected an array of text.'],
      [
        '④',
        'policies["silver"]',
        'this policy gives access to no API; expected accessRights such as { orders: {} }, or partitions without acl.',
      ],
      ['⑤', 'policies["bronze"]', 'this policy is 5; expected a policy.'],
    ],
  },
  {
    what: 'proxies to trust that have no address',
    files: { 'orders.yaml': 'name: orders\ntrustedProxies: [10.0.0.0/8, ①localhost, ②10.0.0.0/33, ③5]\n' },
    report: [
      ['①', 'trustedProxies[1]', '"localhost" is no IP address or CIDR range such as "10.0.0.0/8".'],
      ['②', 'trustedProxies[2]', '"10.0.0.0/33" is no IP address or CIDR range such as "10.0.0.0/8".'],
      ['③', 'trustedProxies[3]', 'found 5, expected an IP address or CIDR range'],
    ],
  },
  {
    what: 'data for plugins that is too deep',
    files: {
      'orders.json': `{ "name": "orders", "config": ①{ "a": ${'['.repeat(120)}${']'.repeat(120)} } }`,
    },
    report: [['①', 'config', 'is more than 100 levels deep']],
  },
]
