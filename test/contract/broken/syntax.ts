import type { Broken } from './document.ts'

/** Nothing can be read from them. */
export const syntax: readonly Broken[] = [
  {
    what: 'JSON with a comma too many',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "listenPath": "/orders/",
        ①}
      `,
    },
    report: [['①', '', 'found "}" after a comma; JSON has no trailing commas']],
  },
  {
    what: 'JSON with a comment',
    files: {
      'orders.json': `
        {
          ①// the shop
          "name": "orders"
        }
      `,
    },
    report: [['①', '', 'found a comment, which JSON does not have, expected a key in double quotes']],
  },
  {
    what: 'JSON as JavaScript writes it',
    files: { 'orders.json': "{ ①name: 'orders' }" },
    report: [['①', '', 'found "name", expected a key in double quotes']],
  },
  {
    what: 'JSON with values of JavaScript',
    files: { 'orders.json': '{ "name": ①undefined }' },
    report: [['①', '', 'found "undefined", expected a value']],
  },
  {
    what: 'JSON whose text has no end',
    files: {
      'orders.json': `
        {
          "name": "orders①
        }
      `,
    },
    report: [['①', '', 'found the end of the line in a text; close it with a quote, or write \\n for a new line']],
  },
  {
    what: 'JSON that ends early',
    files: { 'orders.json': '{ "name": "orders", "hooks": { "pre": []①' },
    report: [['①', '', 'found the end of the file, expected "," or "}"']],
  },
  {
    what: 'JSON without a comma between',
    files: {
      'orders.json': `
        {
          "name": "orders"
          ①"listenPath": "/orders/"
        }
      `,
    },
    report: [['①', '', 'found "\\"", expected "," or "}"']],
  },
  {
    what: 'JSON with two documents',
    files: { 'orders.json': '{ "name": "orders" }\n①{ "name": "more" }' },
    report: [['①', '', 'found "{", expected nothing after the document']],
  },
  {
    what: 'JSON with a number of another language',
    files: { 'orders.json': '{ "name": "orders", "pluginTimeoutMs": ①0x10 }' },
    report: [['①', '', 'found "0x10", expected a number as JSON writes it']],
  },
  {
    what: 'JSON with an escape that is none',
    files: { 'orders.json': String.raw`{ "name": "orders", "listenPath": "/orders\/①\d+" }` },
    report: [['①', '', 'found "\\\\d", which is no escape of JSON']],
  },
  {
    what: 'JSON with keys that stand there twice, at every level',
    files: {
      'orders.json': `
        {
          "name": "orders",
          "hooks": { "pre": [], ①"pre": [{ "functionName": "stamp", ②"functionName": "hello" }] },
          ③"hooks": {}
        }
      `,
    },
    report: [
      ['①', '', 'found the key "pre" for the second time'],
      ['②', '', 'found the key "functionName" for the second time'],
      ['③', '', 'found the key "hooks" for the second time'],
    ],
  },
  {
    what: 'JSON with "__proto__" at every level',
    files: {
      'orders.json': `
        {
          "name": "orders",
          ①"__proto__": { "polluted": true },
          "hooks": { ②"__proto__": { "pre": [] } },
          "config": { "deep": [{ ③"\\u005f_proto__": { "polluted": true } }] },
          "endpoints": { ④"__proto__": [{ "functionName": "stamp" }] },
          "policies": { ⑤"__proto__": { "rate": 1, "per": 1 } }
        }
      `,
    },
    report: [
      ['①', '', 'found the key "__proto__", which nothing may have'],
      ['②', '', 'found the key "__proto__", which nothing may have'],
      ['③', '', 'found the key "__proto__", which nothing may have'],
      ['④', '', 'found the key "__proto__", which nothing may have'],
      ['⑤', '', 'found the key "__proto__", which nothing may have'],
    ],
  },
  {
    what: 'JSON that is too deep',
    files: { 'orders.json': `{ "name": "orders", "config": ${'['.repeat(200)}①[] }` },
    report: [['①', '', 'is more than 200 levels deep']],
  },
  {
    what: 'JSON so deep that no stack holds it',
    files: { 'orders.json': `${'['.repeat(201)}①${'['.repeat(100_000)}` },
    report: [['①', '', 'is more than 200 levels deep']],
  },
  {
    what: 'YAML indented by a tab',
    files: { 'orders.yaml': 'name: orders\nhooks:\n①\tpre: []\n' },
    report: [['①', '', 'Tabs are not allowed as indentation']],
  },
  {
    what: 'YAML indented by chance',
    files: { 'orders.yaml': 'name: orders\nhooks:\n  pre: []\n①   post: []\n' },
    report: [['①', '', 'All mapping items must start at the same column']],
  },
  {
    what: 'YAML with a list that has no end',
    files: { 'orders.yaml': 'name: orders\nhooks:\n  pre: [{ functionName: stamp }\n①' },
    report: [['①', '', 'Flow sequence in block collection must be sufficiently indented and end with a ]']],
  },
  {
    what: 'YAML with a colon too many',
    files: { 'orders.yaml': 'name: ①orders: v2\nlistenPath: /orders/\n' },
    report: [['①', '', 'Nested mappings are not allowed in compact mappings']],
  },
  {
    what: 'YAML with a text that has no end',
    files: { 'orders.yaml': 'name: "orders\nlistenPath: /orders/\n①' },
    report: [['①', '', 'Missing closing "quote']],
  },
  {
    what: 'YAML with keys that stand there twice, at every level',
    files: {
      'orders.yaml': `
        name: orders
        hooks:
          pre: []
          ①pre: [{ functionName: stamp, ②functionName: hello }]
        ③hooks: {}
      `,
    },
    report: [
      ['①', '', 'found the key "pre" for the second time'],
      ['②', '', 'found the key "functionName" for the second time'],
      ['③', '', 'found the key "hooks" for the second time'],
    ],
  },
  {
    what: 'YAML with "__proto__" at every level',
    files: {
      'orders.yaml': `
        name: orders
        ①__proto__: { polluted: true }
        hooks:
          ②__proto__: { pre: [] }
        config:
          deep: [{ ③"__proto__": { polluted: true } }]
      `,
    },
    report: [
      ['①', '', 'found the key "__proto__", which nothing may have'],
      ['②', '', 'found the key "__proto__", which nothing may have'],
      ['③', '', 'found the key "__proto__", which nothing may have'],
    ],
  },
  {
    what: 'YAML that contains itself',
    files: {
      'orders.yaml': `
        name: orders
        config: &all
          shop:
            again: ①*all
      `,
    },
    report: [['①', '', 'found *all inside &all itself']],
  },
  {
    what: 'YAML whose few lines stand for billions',
    files: {
      'orders.yaml': `
        name: orders
        config:
          a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]
          b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
          c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
          d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
          e: &e [*d, *d, *d, *d, *d, *d, *d, ①*d, *d, *d]
          f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
          g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]
          h: &h [*g, *g, *g, *g, *g, *g, *g, *g, *g, *g]
          i: &i [*h, *h, *h, *h, *h, *h, *h, *h, *h, *h]
      `,
    },
    report: [['①', '', 'the aliases up to here stand for more than 100000 values']],
  },
  {
    what: 'YAML with an alias of nothing',
    files: { 'orders.yaml': 'name: orders\nhooks:\n  pre: ①*guards\n' },
    report: [['①', '', 'found *guards, but nothing above is &guards']],
  },
  {
    what: 'YAML with a merge key',
    files: {
      'orders.yaml': `
        name: orders
        hooks: &hooks { pre: [] }
        config:
          ①<<: *hooks
      `,
    },
    report: [['①', '', 'found the merge key "<<", which YAML 1.2 does not have']],
  },
  {
    what: 'YAML with types of a program',
    files: { 'orders.yaml': 'name: orders\nhooks:\n  pre: ①!!js/function "() => process.exit()"\n' },
    report: [['①', '', 'Unresolved tag: tag:yaml.org,2002:js/function']],
  },
  {
    what: 'YAML with keys that are no text',
    files: { 'orders.yaml': 'name: orders\nconfig:\n  ①[a, b]: list\n' },
    report: [['①', '', 'found a key that is no text']],
  },
  {
    what: 'YAML that is too deep',
    files: { 'orders.yaml': `name: orders\nconfig: ${'['.repeat(200)}①[]${']'.repeat(200)}\n` },
    report: [['①', '', 'is more than 200 levels deep']],
  },
  {
    what: 'YAML with a control character',
    files: { 'orders.yaml': 'name: "ord①\u0000ers"\n' },
    report: [['①', '', 'found the control character U+0000']],
  },
  {
    what: 'YAML of another version',
    files: { 'orders.yaml': '①%YAML 1.1\n---\nname: orders\nstripListenPath: yes\n' },
    report: [['①', '', 'found %YAML 1.1, expected 1.2']],
  },
  {
    what: 'YAML with nothing but comments',
    files: { 'orders.yaml': '# name: orders\n---\n# later\n' },
    report: [['orders.yaml', '', 'has no definition in it']],
  },
  {
    what: 'a file of more than 10 MB',
    files: { 'orders.json': `{ "name": "${'o'.repeat(10 * 1024 * 1024)}" }` },
    report: [['orders.json', '', 'is 10485774 bytes long, expected at most 10485760']],
  },
  {
    what: 'a file that is not UTF-8',
    files: { 'orders.yaml': new Uint8Array([0x6e, 0x61, 0x6d, 0x65, 0x3a, 0x20, 0xfc, 0x0a]) },
    report: [['orders.yaml', '', 'is not UTF-8']],
  },
  {
    what: 'several files, each broken in its own way, among one that is right',
    files: {
      'a.json': '{ "name": "a", ①}',
      'b.yaml': 'name: b\n②name: c\n',
      'c.yml': '   \n',
      'good.yaml': 'name: good\nlistenPath: /good/\nhooks: { pre: [{ functionName: stamp }] }\n',
    },
    report: [
      ['①', '', 'found "}" after a comma; JSON has no trailing commas'],
      ['②', '', 'found the key "name" for the second time'],
      ['c.yml', '', 'is empty'],
    ],
  },
]
