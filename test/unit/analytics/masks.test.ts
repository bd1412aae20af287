import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Masks } from '../../../packages/core/src/analytics/masks.ts'

const masks = new Masks(
  { headers: ['authorization', 'x-key'], query: ['key'], bodyFields: ['Password', 'kartënr'] },
  false,
)

const bytes = (text: string): string => Buffer.from(text).toString('latin1')
const text = (latin1: string): string => Buffer.from(latin1, 'latin1').toString()
const body = (content: string, type = 'application/json'): string => text(masks.body(bytes(content), type))

describe('a header', () => {
  it.each([
    ['Authorization', 'Bearer abc', '***'],
    ['X-KEY', 'abc', '***'],
    ['x-keys', 'abc', 'abc'],
    ['referer', 'http://a/b?key=abc&x=1#top', 'http://a/b?key=***&x=1#top'],
    ['location', '/next?x=1&key=a"b', '/next?x=1&key=***'],
    ['link', '<http://a/?key=abc>; rel=next', '<http://a/?key=***>; rel=next'],
    ['accept', 'text/html;q=0.5', 'text/html;q=0.5'],
  ])('%s: %s is shown as %s', (name, value, shown) => {
    expect(masks.header(name, value)).toBe(shown)
  })
})

describe('a request target', () => {
  it.each([
    ['/a?key=abc', '/a?key=***'],
    ['/a?x=1&key=abc&y=2&key=def', '/a?x=1&key=***&y=2&key=***'],
    ['/a?KEY=abc', '/a?KEY=***'],
    ['/a?%6bey=abc', '/a?%6bey=***'],
    ['/a?key=a"b<c\'d e', '/a?key=***'],
    ['/a?key', '/a?key'],
    ['/a?key=', '/a?key=***'],
    ['/a?keys=abc&monkey=1', '/a?keys=abc&monkey=1'],
    ['/a?next=/b?key=abc&x=1', '/a?next=/b?key=***&x=1'],
    ['/a?next=%2Fb%3Fkey%3Dabc%26x%3D1&y=2', '/a?next=%2Fb%3Fkey%3D***%26x%3D1&y=2'],
    ['/a?next=%252Fb%253Fkey%253Dabc', '/a?next=%252Fb%253Fkey%253D***'],
    ['/a?a=%&key=abc', '/a?a=%&key=***'],
    ['/key=abc', '/key=abc'],
  ])('%s is shown as %s', (target, shown) => {
    expect(masks.url(target)).toBe(shown)
  })
})

describe('a body', () => {
  it.each([
    ['{"password":"abc","x":1}', '{"password":"***","x":1}'],
    ['{"PASSWORD" : "a\\"b\\\\" , "x":1}', '{"PASSWORD" : "***" , "x":1}'],
    ['{"password":{"is":["a",{"b":"}"}]},"x":1}', '{"password":"***","x":1}'],
    [
      '[{"password":123},{"password":null},{"password":true}]',
      '[{"password":"***"},{"password":"***"},{"password":"***"}]',
    ],
    ['{"pass\\u0077ord":"abc"}', '{"pass\\u0077ord":"***"}'],
    ['{"kartënr":"abc"}', '{"kartënr":"***"}'],
    ['{"kart\\u00ebnr":"abc"}', '{"kart\\u00ebnr":"***"}'],
    ['{"say":"{\\"password\\":\\"abc\\",\\"x\\":1}"}', '{"say":"{\\"password\\":\\"***\\",\\"x\\":1}"}'],
    ['{"passwords":"abc","x":"password"}', '{"passwords":"abc","x":"password"}'],
    [
      '{"x":"{\\n  \\"password\\": {\\n    \\"a\\": \\"abc\\"\\n  }\\n}"}',
      '{"x":"{\\n  \\"password\\": \\"***\\"\\n}"}',
    ],
    ['{"password":"abc', '{"password":"***"'],
    ['{"password":["abc","de', '{"password":"***"'],
    ['{"url":"http://a/?key=abc","x":1}', '{"url":"http://a/?key=***","x":1}'],
  ])('in JSON, %s, is shown as %s', (content, shown) => {
    expect(body(content)).toBe(shown)
  })

  it.each([
    ['<a><password>abc</password><b>1</b></a>', '<a><password>***</password><b>1</b></a>'],
    ['<s:Password n="1"><![CDATA[a</s:Password>b]]></s:Password>', '<s:Password n="1">***</s:Password>'],
    ['<password><password>a</password>b</password>c', '<password>***</password>c'],
    ['<user password="abc" name=\'Ann\'/>', '<user password="***" name=\'Ann\'/>'],
    ["<user s:password = 'a\"bc'>", "<user s:password = '***'>"],
    ['<password>abc', '<password>***'],
    ['<password/>abc', '<password/>abc'],
    ['<!-- <password> --><b>1</b>', '<!-- <password> --><b>1</b>'],
  ])('in XML, %s, is shown as %s', (content, shown) => {
    expect(body(content, 'application/xml')).toBe(shown)
  })

  it.each([
    ['user=ann&password=a"b c&x=1', 'user=ann&password=***&x=1'],
    ['password=abc', 'password=***'],
    ['pass%77ord=abc', 'pass%77ord=***'],
    ['kart%C3%ABnr=abc&x=1', 'kart%C3%ABnr=***&x=1'],
  ])('in a form, %s, is shown as %s', (content, shown) => {
    expect(body(content, 'application/x-www-form-urlencoded')).toBe(shown)
  })

  it.each([
    ['password="a b&c" x=1', 'password="***" x=1'],
    ["say password='a b'", "say password='***'"],
    ['password="abc', 'password="***'],
    ['a,password=abc x', 'a,password=*** x'],
  ])('in any text, %s, is shown as %s', (content, shown) => {
    expect(body(content, 'text/plain')).toBe(shown)
  })

  it('in a form of several parts shows the others', () => {
    const parts = (value: string, file: string): string =>
      [
        '--xyz',
        'Content-Disposition: form-data; name="user"',
        '',
        'ann',
        '--xyz',
        'Content-Disposition: form-data; name="Password"',
        'Content-Type: text/plain',
        '',
        value,
        '--xyz',
        `Content-Disposition: form-data; name*=utf-8''pass%77ord; filename="a.bin"`,
        '',
        file,
        '--xyz--',
        '',
      ].join('\r\n')
    const type = 'multipart/form-data; boundary=xyz'
    expect(body(parts('abc\r\n--abc', '\u0000abc'), type)).toBe(parts('***', '***'))
    const cut = parts('abcdef', '').split('def')[0]!
    expect(body(cut, type)).toBe(cut.replace('abc', '***'))
  })
})

// ---- whatever a client sends, and wherever it is cut off

const CANARY = 'c4n4ry-v4lue'
const word = fc.string({ maxLength: 8 }).filter((value) => !CANARY.includes(value) || value === '')
const secretName = fc.constantFrom('password', 'Password', 'PASSWORD', 'kartënr')
const harmless = fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null))

/** Data in which the canary stands under a secret name, as itself or further down. */
const withSecret: fc.Arbitrary<unknown> = fc.letrec<{ hidden: unknown; tree: unknown }>((tie) => ({
  hidden: fc.oneof(
    fc.constant(CANARY),
    fc.record({ [CANARY]: word }),
    fc.array(fc.constantFrom(CANARY, `"${CANARY}"`, `}${CANARY}]`, `\\${CANARY}\\`), { minLength: 1, maxLength: 3 }),
    word.map((before) => `${before}"${CANARY}\\`),
  ),
  tree: fc.oneof(
    { maxDepth: 4 },
    fc
      .tuple(secretName, tie('hidden'), word, harmless)
      .map(([name, value, other, plain]) => ({ [other]: plain, [name]: value })),
    fc.tuple(word, tie('tree')).map(([name, inner]) => ({ [name]: inner, after: 1 })),
    fc.array(tie('tree'), { minLength: 1, maxLength: 2 }),
    // A text that is JSON.
    tie('tree').map((inner) => ({ text: JSON.stringify(inner) })),
    tie('tree').map((inner) => ({ text: JSON.stringify(inner, null, 2) })),
  ),
})).tree

/** Anything that may stand in a JSON text for the letters of a key. */
const withEscapes = (json: string): string =>
  json.replaceAll(/(?<=(?<!\\)")p(?=assword")/gi, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)

describe('a value under a secret name', () => {
  const runs = { numRuns: 2_000 }

  it('is in no JSON, however it is nested, escaped, written, or cut off', () => {
    fc.assert(
      fc.property(withSecret, fc.boolean(), fc.boolean(), fc.nat(), fc.nat(), (data, pretty, escaped, cut, type) => {
        const json = pretty ? JSON.stringify(data, null, 2) : JSON.stringify(data)
        const written = bytes(escaped ? withEscapes(json) : json)
        const part = written.slice(0, cut % 2 === 0 ? written.length : cut % (written.length + 1))
        const shown = masks.body(part, ['application/json', 'text/plain', '', 'multipart/form-data'][type % 4]!)
        expect(shown).not.toContain('n4ry')
        // What was whole is still JSON.
        return part !== written || escaped || JSON.parse(text(shown)) !== undefined
      }),
      runs,
    )
  })

  it('is in no form and no query', () => {
    const pairs = fc.array(fc.tuple(fc.oneof(word, secretName, fc.constant('key')), word), { maxLength: 4 })
    fc.assert(
      fc.property(pairs, pairs, fc.oneof(secretName, fc.constant('Key')), fc.nat(), (before, after, name, cut) => {
        const form = new URLSearchParams([...before, [name, `${CANARY} "&'=<${CANARY}`], ...after]).toString()
        const part = form.slice(0, cut % 2 === 0 ? form.length : cut % (form.length + 1))
        expect(masks.body(part, 'application/x-www-form-urlencoded')).not.toContain('n4ry')
        expect(masks.body(part, 'application/octet-stream')).not.toContain('n4ry')
        return name !== 'Key' || !masks.url(`/a?${part}`).includes('n4ry')
      }),
      runs,
    )
  })

  it('is in no XML', () => {
    const inner = fc.constantFrom(CANARY, `<b>${CANARY}</b>`, `<![CDATA[</password>${CANARY}]]>`, `<b x="${CANARY}"/>`)
    const tree = fc.letrec<{ node: string }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc
          .tuple(fc.constantFrom('password', 'x:Password'), inner)
          .map(([name, value]) => `<${name}>${value}</${name}>`),
        fc.constantFrom('"', "'").map((quote) => `<user name="a" password=${quote}${CANARY}${quote}>b</user>`),
        fc
          .tuple(fc.constantFrom('a', 'passwords'), tie('node'))
          .map(([name, value]) => `<${name} x="1">${value}</${name}>`),
        fc.tuple(tie('node'), tie('node')).map(([first, second]) => `${first}<c/>${second}`),
      ),
    })).node
    fc.assert(
      fc.property(tree, fc.nat(), (xml, cut) => {
        const part = xml.slice(0, cut % 2 === 0 ? xml.length : cut % (xml.length + 1))
        expect(masks.body(part, 'text/xml')).not.toContain('n4ry')
      }),
      runs,
    )
  })
})

describe('a body made to be slow', () => {
  it.each([
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['backslashes and quotes', '\\"'],
    ['tags that never end', '<password '],
    ['attributes that never end', '<a b="'],
    ['brackets', '{"password":['],
    ['ampersands', '&'],
    ['escapes', '%3F'],
    ['names', '&password'],
    ['escaped names', '%25253Fkey'],
    ['parts', 'Content-Disposition: form-data; name="password"\n'],
    ['blanks', '"password" '],
    ['many blanks', '                                    '],
    ['comments', '<!--'],
    ['sections', '<![CDATA['],
  ])('of %s is masked while nobody waits', (_, piece) => {
    const content = piece.repeat(Math.ceil(65_536 / piece.length))
    // What takes more than one look at each character would take minutes, and the test has seconds.
    expect(masks.body(content, 'multipart/form-data; boundary=xyz')).toBeTypeOf('string')
  })
})
