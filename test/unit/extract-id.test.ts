import { describe, expect, it } from 'vitest'
import { isGatewayError } from '../../packages/core/src/errors.ts'
import { Cancellation } from '../../packages/core/src/http/cancellation.ts'
import { Client, compileTrust } from '../../packages/core/src/http/client.ts'
import { buildRequest, createRequest, type RequestInput } from '../../packages/core/src/http/create.ts'
import { GatewayHeaders } from '../../packages/core/src/http/headers.ts'
import { GatewayRequest } from '../../packages/core/src/http/request.ts'
import {
  compileExtractor,
  type Extracted,
  extractorProblems,
  type IdExtractor,
} from '../../packages/core/src/session/extract-id.ts'

const FORM = 'application/x-www-form-urlencoded'
const SMILE = '😀'

const byHeader: IdExtractor = { source: 'header', header: 'Authorization', mode: 'value', proof: 'source' }
const byForm: IdExtractor = { source: 'form', param: 'id', mode: 'value', proof: 'source' }
const digits: IdExtractor = {
  source: 'header',
  header: 'authorization',
  mode: 'regex',
  expression: '[0-9]+',
  proof: 'source',
}
const userOf: IdExtractor = { source: 'body', mode: 'xpath', expression: '//user/@id', proof: 'source' }

const idOf = (extracted: Extracted | undefined): string | undefined => extracted?.id

function withHeaders(...lines: string[]): GatewayRequest {
  return buildRequest('/', {}, lines, {
    client: new Client({ address: '127.0.0.1', encrypted: false }, lines, compileTrust([])),
    upstream: undefined,
    cancellation: new Cancellation(),
    maxBufferedBytes: 1024,
  })
}

const form = (body: string | Buffer, path = '/', type = FORM): GatewayRequest =>
  createRequest(path, { body, headers: { 'content-type': type } })

const xml = (body: RequestInput['body']): GatewayRequest =>
  createRequest('/', { body, headers: { 'content-type': 'text/xml' } })

function problems(input: unknown): Record<string, string> {
  const found = extractorProblems(input)
  const byPath = Object.fromEntries(found.map(({ path, message }) => [path, message]))
  expect(Object.keys(byPath)).toHaveLength(found.length)
  return byPath
}

describe('an id in a header', () => {
  const extract = compileExtractor(byHeader)

  it.each([
    ['the one value there is', ['authorization', 'abc'], 'abc'],
    ['in any case of its name', ['AUTHORIZATION', 'abc'], 'abc'],
    ['with its scheme', ['authorization', 'Bearer abc'], 'Bearer abc'],
    ['once where it is said twice', ['authorization', 'abc', 'authorization', 'abc'], 'abc'],
    ['nobody where two differ', ['authorization', 'abc', 'authorization', 'abd'], undefined],
    ['nobody where two differ in case', ['authorization', 'abc', 'authorization', 'Abc'], undefined],
    ['nobody where one of two is empty', ['authorization', 'abc', 'authorization', ''], undefined],
    ['nobody where it is empty', ['authorization', ''], undefined],
    ['nobody where there is none', ['x-authorization', 'abc'], undefined],
    ['up to 8,192 characters', ['authorization', 'a'.repeat(8_192)], 'a'.repeat(8_192)],
    ['nobody above', ['authorization', 'a'.repeat(8_193)], undefined],
  ])('is %s', (_, lines, id) => {
    const extracted = extract(withHeaders(...lines))
    expect(extracted).toEqual(id === undefined ? undefined : { id, proof: id })
  })

  it.each(['__proto__', 'constructor', 'toString'])('is no property of an object: %s', (header) => {
    const named = compileExtractor({ ...byHeader, header })
    expect(named(withHeaders('authorization', 'abc'))).toBeUndefined()
    expect(named(withHeaders(header, 'own'))).toEqual({ id: 'own', proof: 'own' })
  })
})

describe('an id in a form', () => {
  const extract = compileExtractor(byForm)

  it.each<[string, GatewayRequest, string | undefined]>([
    ['a field of the body', form('a=1&id=x+%C3%A9&b=2'), 'x é'],
    ['a parameter of the query', createRequest('/?id=x%20y'), 'x y'],
    ['a parameter where the body has no such field', form('other=1', '/?id=q'), 'q'],
    ['the same in body and query', form('id=x', '/?id=x'), 'x'],
    ['nobody where body and query differ', form('id=x', '/?id=y'), undefined],
    ['nobody where two fields differ', form('id=x&id=y'), undefined],
    ['nobody where two parameters differ', createRequest('/?id=x&id=y'), undefined],
    ['nobody where one of two is empty', form('id=&id=y'), undefined],
    ['nobody where it is empty', form('id='), undefined],
    ['nobody where there is none', form('ids=x&Id=y'), undefined],
    ['none of another name', form('?id=x'), undefined],
    [
      'read from a form with parameters of its type',
      form('id=x', '/', 'Application/X-WWW-Form-Urlencoded ; charset=utf-8'),
      'x',
    ],
    ['not read from other types', form('id=x', '/', 'text/plain'), undefined],
    [
      'not read from multipart',
      form(
        '--b\r\nContent-Disposition: form-data; name="id"\r\n\r\nx\r\n--b--',
        '/?id=q',
        'multipart/form-data; boundary=b',
      ),
      'q',
    ],
    ['nobody where bytes are no UTF-8', form('id=%FF'), undefined],
    ['nobody where raw bytes are no UTF-8', form(Buffer.from([0x69, 0x64, 0x3d, 0xff])), undefined],
    ['nobody in a form of more than a mebibyte', form(`id=x&${'a'.repeat(1024 * 1024)}`), undefined],
  ])('is %s', async (_, request, id) => {
    expect(await extract(request)).toEqual(id === undefined ? undefined : { id, proof: id })
  })

  it('is what an earlier plugin made of it', async () => {
    const request = form('id=x')
    request.setBody('id=y')
    request.headers.set('content-type', FORM)
    expect(await extract(request)).toEqual({ id: 'y', proof: 'y' })
  })

  it.each(['__proto__', 'constructor', 'toString'])('may be called %s and pollutes nothing', async (param) => {
    const named = compileExtractor({ ...byForm, param })
    expect(await named(form('a=1'))).toBeUndefined()
    expect(await named(form(`${param}=own`))).toEqual({ id: 'own', proof: 'own' })
    expect(({} as Record<string, unknown>)['own']).toBeUndefined()
  })
})

describe('a body', () => {
  const words: IdExtractor = { source: 'body', mode: 'regex', expression: '[a-z]+', proof: 'source' }

  it('is searched as text', async () => {
    expect(await compileExtractor(words)(createRequest('/', { body: '12 abc 34' }))).toEqual({
      id: 'abc',
      proof: '12 abc 34',
    })
  })

  it('may be JSON', async () => {
    const extract = compileExtractor({ ...words, expression: '"user":"[^"]+"' })
    expect(idOf(await extract(createRequest('/', { body: { user: 'ann' } })))).toBe('"user":"ann"')
  })

  it.each<[string, RequestInput]>([
    ['empty', { body: '' }],
    ['missing', {}],
    ['no UTF-8', { body: Buffer.from([0x61, 0xff]) }],
    ['longer than 65,536 characters', { body: 'a'.repeat(65_537) }],
  ])('names nobody when it is %s', async (_, input) => {
    expect(await compileExtractor(words)(createRequest('/', input))).toBeUndefined()
  })

  it('may have 65,536 characters', async () => {
    const extract = compileExtractor({ ...words, expression: 'b' })
    expect(idOf(await extract(createRequest('/', { body: `${'a'.repeat(65_535)}b` })))).toBe('b')
  })

  it('that cannot be read is an error, not nobody', async () => {
    const client = new Client({ address: '127.0.0.1', encrypted: false }, [], compileTrust([]))
    const request = new GatewayRequest({
      method: 'POST',
      path: '/',
      search: '',
      originalUrl: '/',
      headers: new GatewayHeaders(['content-type', FORM]),
      body: () => {
        throw new Error('broken off')
      },
      client,
      upstream: undefined,
      cancellation: new Cancellation(),
      maxBufferedBytes: 8,
    })
    await expect(compileExtractor(words)(request)).rejects.toThrow('broken off')
    await expect(compileExtractor(byForm)(request)).rejects.toThrow('broken off')
    expect(compileExtractor({ ...byHeader, header: 'content-type' })(request)).toMatchObject({ id: FORM })
  })
})

describe('an id by expression', () => {
  it.each([
    [undefined, '12'],
    [0, '12'],
    [1, '34'],
    [2, undefined],
    [99, undefined],
  ])('is the whole match with the number %s', (matchIndex, id) => {
    const extract = compileExtractor({ ...digits, expression: '(\\d)\\d', matchIndex })
    expect(extract(withHeaders('authorization', 'a12b34'))).toEqual(
      id === undefined ? undefined : { id, proof: 'a12b34' },
    )
  })

  it('tells two credentials with one id apart by their proof', () => {
    const extract = compileExtractor(digits)
    expect(['good-42', 'evil-42'].map((value) => extract(withHeaders('authorization', value)))).toEqual([
      { id: '42', proof: 'good-42' },
      { id: '42', proof: 'evil-42' },
    ])
  })

  it('is a proof itself where its author says so', () => {
    const extract = compileExtractor({ ...digits, proof: 'id' })
    expect(extract(withHeaders('authorization', 'at 10:42 42'))).toEqual({ id: '10', proof: '10' })
  })

  it.each(['^(a|aa)+$', '(a|b|ab)*c', '.*,.*,.*x', '[a-z]+[0-9]', '(?:a?){100}b$'])(
    'is looked for in time linear in the text: %s',
    (expression) => {
      const extract = compileExtractor({ ...digits, expression })
      expect(extract(withHeaders('authorization', `${'a'.repeat(8_192)}!`))).toBeUndefined()
    },
  )
})

describe('an id in XML', () => {
  const login = '<?xml version="1.0"?><login><user id="7">Ann <b>B</b>&amp;<![CDATA[<C>]]></user><user id="8"/></login>'

  it.each([
    ['//user/@id', '7'],
    ['//user', 'Ann B&<C>'],
    ['/login/user[2]/@id', '8'],
    ['//user[@id="8"]/@id', '8'],
    ['//user[last()]/@id', '8'],
    ['//@id | //user', 'Ann B&<C>'],
    ['string(//user/@id)', '7'],
    ['normalize-space(//user)', 'Ann B&<C>'],
    ['substring-before(//user, " ")', 'Ann'],
    ['name(/*)', 'login'],
    ['//nobody', undefined],
    ['//user[@id="9"]', undefined],
    ['/login/user[2]', undefined],
  ])('is the text of the first match: %s', async (expression, id) => {
    expect(idOf(await compileExtractor({ ...userOf, expression })(xml(login)))).toBe(id)
  })

  it('proves itself by the whole document', async () => {
    expect(await compileExtractor(userOf)(xml(login))).toEqual({ id: '7', proof: login })
  })

  it.each([
    ['/Envelope/Body/user/@id', '7'],
    ['//Body/*/@id', '7'],
    ['name(//Body)', 's:Body'],
    ['local-name(/*)', 'Envelope'],
    ['//user/@other', undefined],
  ])('is found by element names of any namespace and attributes of none: %s', async (expression, id) => {
    const soap = '<s:Envelope xmlns:s="urn:soap"><s:Body><user xmlns="urn:x" s:other="8" id="7"/></s:Body></s:Envelope>'
    expect(idOf(await compileExtractor({ ...userOf, expression })(xml(soap)))).toBe(id)
  })

  it('is found in a header and in a form field', async () => {
    const inHeader = compileExtractor({ ...byHeader, mode: 'xpath', expression: '//@id' })
    const inForm = compileExtractor({ ...byForm, mode: 'xpath', expression: '//@id' })
    expect(inHeader(withHeaders('authorization', '<a id="7"/>'))).toEqual({ id: '7', proof: '<a id="7"/>' })
    expect(await inForm(form(`id=${encodeURIComponent('<a id="7"/>')}`))).toEqual({ id: '7', proof: '<a id="7"/>' })
  })

  it('is found behind a byte order mark', async () => {
    expect(idOf(await compileExtractor(userOf)(xml('\uFEFF<user id="7"/>')))).toBe('7')
  })

  const wide = (count: number): string => `<r>${'<a/>'.repeat(count)}<user id="7"/></r>`
  const deep = (count: number): string => `${'<a>'.repeat(count)}<user id="7"/>${'</a>'.repeat(count)}`
  const bomb = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')

  it.each([
    ['text', 'user id 7'],
    ['JSON', '{"user":7}'],
    ['cut off', '<login><user id="7"/>'],
    ['crossed', '<a><user id="7"></a></user>'],
    ['given an attribute twice', '<user id="7" id="8"/>'],
    ['given an attribute without quotes', '<user id=7/>'],
    ['given an unknown entity', '<user id="7">&who;</user>'],
    ['given a document type', '<!DOCTYPE a><user id="7"/>'],
    ['given one in lower case', '<!doctype a><user id="7"/>'],
    ['given an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><user id="&x;"/>'],
    ['a billion laughs', `<!DOCTYPE a [<!ENTITY l0 "lol">${bomb}]><user id="&l9;"/>`],
    ['given half a character', '<user id="&#xD800;"/>'],
    ['100,000 levels deep', deep(100_000)],
    ['30,000 levels deep', deep(30_000)],
    ['65 levels deep', deep(65)],
    ['60,000 elements wide', wide(60_000)],
    ['1,000 elements wide', wide(1_000)],
    ['1,000 attributes wide', `<user id="7" ${Array.from({ length: 1_000 }, (_, i) => `a${i}=""`).join(' ')}/>`],
    ['more than 256 Ki characters long', `<user id="7">${'x'.repeat(256 * 1024)}</user>`],
    ['an unclosed tag many times', '<user id="7">'.repeat(19_000)],
    ['many brackets', '<'.repeat(250_000)],
    ['unclosed comments', `<r>${'<!--'.repeat(60_000)}`],
    ['unclosed sections', `<r>${'<![CDATA['.repeat(28_000)}`],
  ])('is not found in what is %s', async (_, body) => {
    const extract = compileExtractor(userOf)
    expect(await extract(xml(body))).toBeUndefined()
    expect(idOf(await extract(xml('<user id="7"/>')))).toBe('7')
  })

  it.each([
    ['900 elements wide', wide(900)],
    ['60 levels deep', deep(60)],
    ['250,000 characters long', `<r><user id="7"/>${'x'.repeat(250_000)}</r>`],
    ['full of character references', `<r><user id="7"/>${'&lt;'.repeat(60_000)}</r>`],
  ])('is found in what is %s', async (_, body) => {
    expect(idOf(await compileExtractor(userOf)(xml(body)))).toBe('7')
  })

  it.each([
    '//a[. = //user/@id]',
    '//a[following::user]',
    '//a[last()]',
    '//a/following-sibling::user/@id',
    '//a//a',
    '//namespace::*[. = "x"]',
  ])('ends on as many nodes as there may be: %s', async (expression) => {
    const id = await compileExtractor({ ...userOf, expression })(xml(wide(990)))
    expect(idOf(id)).toBe(expression === '//a/following-sibling::user/@id' ? '7' : undefined)
  })

  it('is nobody above 8,192 characters', async () => {
    const extract = compileExtractor({ ...userOf, expression: '//user' })
    expect(idOf(await extract(xml(`<user>${'x'.repeat(8_192)}</user>`)))).toBe('x'.repeat(8_192))
    expect(await extract(xml(`<user>${'x'.repeat(8_193)}</user>`))).toBeUndefined()
  })

  it('may have characters beyond the basic plane', async () => {
    expect(idOf(await compileExtractor(userOf)(xml(`<user id="${SMILE}"/>`)))).toBe(SMILE)
    expect(idOf(await compileExtractor(userOf)(xml('<user id="&#x1F600;"/>')))).toBe(SMILE)
  })
})

describe('an extractor in a definition', () => {
  it.each<unknown>([
    { source: 'header', header: 'authorization', mode: 'value' },
    { source: 'header', header: 'authorization', mode: 'value', proof: 'id', param: undefined },
    { source: 'form', param: '__proto__', mode: 'value' },
    { source: 'body', mode: 'regex', expression: '[0-9]+', matchIndex: 99 },
    { source: 'header', header: 'x', mode: 'regex', expression: '^Bearer ([a-z]+\\.)+', proof: 'source' },
    { source: 'body', mode: 'xpath', expression: 'string(//user/@id)' },
    { source: 'form', param: 'saml', mode: 'xpath', expression: "//Attribute[@Name='a:b']/AttributeValue" },
    { source: 'body', mode: 'xpath', expression: 'descendant::user/attribute::id' },
  ])('is fine: %j', (input) => {
    expect(extractorProblems(input)).toEqual([])
  })

  it.each<unknown>([undefined, null, 'header', 7, true, [], [byHeader], () => byHeader])(
    'has to be an object: %s',
    (input) => {
      expect(problems(input)).toEqual({ '': expect.stringContaining('expected an extractor such as { source:') })
    },
  )

  it('may be an object nobody can read', () => {
    const input = new Proxy({}, { ownKeys: () => { throw new Error('no') } }) // prettier-ignore
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const getter = { get source(): never { throw new Error('no') } } // prettier-ignore
    for (const unreadable of [input, proxy, getter]) expect(Object.keys(problems(unreadable))).toEqual([''])
  })

  it.each<[string, unknown, Record<string, string>]>([
    [
      'nothing',
      {},
      {
        source: 'missing, expected "header" or "form" or "body"',
        mode: 'missing, expected "value" or "regex" or "xpath"',
      },
    ],
    [
      'names of properties',
      { source: 'constructor', mode: '__proto__' },
      {
        source: 'found "constructor", expected "header" or "form" or "body"',
        mode: 'found "__proto__", expected "value" or "regex" or "xpath"',
      },
    ],
    [
      'objects for names',
      { source: Object.create(null), mode: Symbol('value') },
      {
        source: 'found an empty object, expected "header" or "form" or "body"',
        mode: 'found symbol, expected "value" or "regex" or "xpath"',
      },
    ],
    [
      'another source',
      { source: 'cookie', header: 'x', mode: 'value' },
      { source: 'found "cookie", expected "header" or "form" or "body"' },
    ],
    [
      'no header',
      { source: 'header', mode: 'value' },
      { header: 'missing, expected a header name such as "authorization"' },
    ],
    [
      'no header name',
      { source: 'header', header: 'a b', mode: 'value' },
      { header: 'found "a b", expected a header name such as "authorization"' },
    ],
    ['no field', { source: 'form', mode: 'value' }, { param: 'missing, expected the name of a form field' }],
    [
      'an empty field',
      { source: 'form', param: '', mode: 'value' },
      { param: 'found "", expected the name of a form field' },
    ],
    [
      'a whole body',
      { source: 'body', mode: 'value' },
      { mode: 'found "value" for a whole body, expected "regex" or "xpath" to find the id in it' },
    ],
    ['another proof', { ...byHeader, proof: 'none' }, { proof: 'found "none", expected "source" or "id"' }],
    [
      'no expression',
      { source: 'body', mode: 'regex' },
      { expression: 'missing, expected an RE2 expression such as "[0-9]+"' },
    ],
    [
      'an empty one',
      { source: 'body', mode: 'xpath', expression: '' },
      { expression: 'found "", expected an XPath expression such as "//user/@id"' },
    ],
    [
      'the header of a body',
      { source: 'body', header: 'x', mode: 'regex', expression: 'a' },
      { header: 'does not belong here; expected source, mode, expression, matchIndex, proof' },
    ],
    [
      'the expression of a value',
      { ...byHeader, expression: 'a', matchIndex: 0 },
      {
        expression: 'does not belong here; expected source, header, mode, proof',
        matchIndex: 'does not belong here; expected source, header, mode, proof',
      },
    ],
    [
      'the index of a path',
      { ...userOf, matchIndex: 0 },
      { matchIndex: 'does not belong here; expected source, mode, expression, proof' },
    ],
    [
      'a key nobody knows',
      { ...byHeader, regexp: 'a' },
      { regexp: 'does not belong here; expected source, header, mode, proof' },
    ],
  ])('is refused with %s', (_, input, expected) => {
    expect(problems(input)).toEqual(expected)
  })

  it.each([-1, 100, 0.5, Number.NaN, '1', null])('is refused with the index %s', (matchIndex) => {
    expect(problems({ ...digits, matchIndex })).toEqual({
      matchIndex: expect.stringMatching(/^found .+, expected an integer from 0 to 99$/),
    })
  })

  it.each([
    ['a*', 'found "a*", which matches the empty string; expected one that takes a character, such as "[0-9]+"'],
    ['.*', 'found ".*", which matches the empty string; expected one that takes a character, such as "[0-9]+"'],
    ['\\b', 'found "\\\\b", which matches the empty string; expected one that takes a character, such as "[0-9]+"'],
    ['(a', 'The expression "(a" is not RE2: missing closing ): `(a`.'],
    ['(?=a)', expect.stringContaining('RE2 has no backreferences')],
    ['^(a+)+$', expect.stringContaining('repeats what repeats already: "(a+)+"')],
    ['(.*)*x', expect.stringContaining('repeats what repeats already: "(.*)*"')],
    ['a'.repeat(1_001), 'An expression has 1001 characters; expected at most 1000.'],
  ])('is refused with the expression %s', (expression, message) => {
    expect(problems({ ...digits, expression })).toEqual({ expression: message })
  })

  it.each([
    ['//user[', /^The XPath expression "\/\/user\[" cannot be used: XPath parse error\.$/],
    ['$user', /cannot be used: Undeclared variable/],
    ['document("http://127.0.0.1/")', /cannot be used: Unknown function document/],
    ['count(//user)', /gives a number or a truth value; expected nodes or text/],
    ['//user = "ann"', /gives a number or a truth value/],
    ['"ann"', /finds "ann" in an empty document; every caller without an id would be the same one\.$/],
    ['concat("u-", //user)', /finds "u-" in an empty document/],
    ['//a[count(//b[. = //c]) > 0]', /searches the document for each node of a search/],
    ['//soap:Body', /has a namespace prefix, "soap:"; write names without one/],
    ['//child::soap:Body', /has a namespace prefix, "soap:"/],
    [`//${'a'.repeat(999)}`, /^An XPath expression has 1001 characters; expected at most 1000\.$/],
  ])('is refused with the path %s', (expression, message) => {
    expect(problems({ ...userOf, expression })).toEqual({ expression: expect.stringMatching(message) })
  })

  it('that was not checked is refused when it is compiled', () => {
    for (const bad of [
      { ...digits, expression: '(' },
      { ...userOf, expression: '//(' },
    ]) {
      let error: unknown
      try {
        compileExtractor(bad)
      } catch (thrown) {
        error = thrown
      }
      expect(isGatewayError(error) && error.code).toBe('PSTN_DEFINITION_INVALID')
    }
  })
})
