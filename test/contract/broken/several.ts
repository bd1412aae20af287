import type { Broken } from './document.ts'

const X = '["x-tyk-api-gateway"]'

const tyk = (name: string, listenPath: string): string => `
  {
    "openapi": "3.0.3",
    "paths": {},
    "x-tyk-api-gateway": {
      "info": { "name": ${name} },
      "upstream": { "url": "http://127.0.0.1:9" },
      "server": { "listenPath": { "value": ${listenPath} } }
    }
  }
`

/** Files that are right each by itself, and broken ones among them. */
export const several: readonly Broken[] = [
  {
    what: 'files whose APIs have the same id, name or listen path, in any dialect',
    files: {
      'a.yaml': 'name: orders\nid: orders\nlistenPath: /orders/\n',
      'b.json': tyk('①"orders"', '②"/orders"'),
      'c.json': `
        {
          "name": "more",
          "api_id": ③"orders",
          "use_keyless": true,
          "proxy": { "listen_path": "/more/", "target_url": "http://127.0.0.1:9" }
        }
      `,
      'd.yaml': 'name: ④more\nlistenPath: ⑤/more/\n',
    },
    report: [
      ['③', 'api_id', 'found "orders", which <apis>/a.yaml:2 already has'],
      ['①', `${X}.info.name`, 'found "orders", which <apis>/a.yaml:1 already has'],
      ['④', 'name', 'found "more", which <apis>/c.json:2 already has'],
      ['②', `${X}.server.listenPath.value`, 'found "/orders", which <apis>/a.yaml:3 already has'],
      ['⑤', 'listenPath', 'found "/more/", which <apis>/c.json:5 already has'],
    ],
  },
  {
    what: 'documents of one file that clash',
    files: {
      'orders.yaml': `
        name: a
        listenPath: /orders/
        ---
        name: b
        listenPath: ①/orders/
      `,
    },
    report: [['①', 'listenPath', 'found "/orders/", which <apis>/orders.yaml:2 already has']],
  },
  {
    what: 'one broken definition among others that are right',
    files: {
      'good.yaml': `
        name: good
        listenPath: /good/
        hooks: { pre: [{ functionName: stamp, path: guards.mjs }] }
      `,
      'orders.yaml': 'name: orders\nlistenPath: ①orders\n',
      'tyk.json': tyk('"tyk"', '"/tyk/"'),
    },
    report: [['①', 'listenPath', 'found "orders", expected a path that starts with "/", such as "/orders/"']],
  },
  {
    what: 'broken definitions of every dialect, and clashes between the others, in one report',
    files: {
      'a.yaml': 'name: a\nlistenPath: /same/\n',
      'b.yaml': 'name: b\nlistenPath: ①/same/\n',
      'c.yaml': 'name: c\nlistenPath: ②c\n',
      'd.json':
        '{ "name": "d", "use_keyless": true, "proxy": { "listen_path": ③"/d?x", "target_url": "http://127.0.0.1:9" } }',
      'e.json': tyk('"e"', '④"/e?x"'),
    },
    report: [
      ['②', 'listenPath', 'found "c", expected a path that starts with "/", such as "/orders/"'],
      ['③', 'proxy.listen_path', 'found "/d?x", expected a path that starts with "/", such as "/orders/"'],
      ['④', `${X}.server.listenPath.value`, 'found "/e?x", expected a path that starts with "/", such as "/orders/"'],
      ['①', 'listenPath', 'found "/same/", which <apis>/a.yaml:2 already has'],
    ],
  },
  {
    what: 'what must not be served beside what is switched off',
    files: {
      'off.json':
        '{ "name": "off", "active": false, "use_keyless": true, "enable_ip_whitelisting": ①true, "allowed_ips": ["10.0.0.1"], "proxy": { "listen_path": "/off/" } }',
      'good.yaml': 'name: good\nlistenPath: /good/\n',
    },
    report: [
      [
        '①',
        'enable_ip_whitelisting',
        'a list of allowed addresses is not supported; let a plugin at custom_middleware.pre look at request.clientAddress',
      ],
    ],
  },
]
