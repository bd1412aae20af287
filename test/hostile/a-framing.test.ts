import { expect, it } from 'vitest'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { MALFORMED_HTTP } from './catalogue/a.ts'
import { allSaid, expectRefusal, SMUGGLED, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const post = (...fields: readonly string[]): string =>
  `POST / HTTP/1.1\r\nHost: a\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`

attack(MALFORMED_HTTP, 'A01', (mount) => {
  const chunked = 'Transfer-Encoding: chunked'
  it.each([
    ['the length first, the request behind the chunks', post('Content-Length: 50', chunked) + `0\r\n\r\n${SMUGGLED}`],
    ['the coding first, the request behind the chunks', post(chunked, 'Content-Length: 50') + `0\r\n\r\n${SMUGGLED}`],
    ['the length first, the request in a chunk', post('Content-Length: 4', chunked) + `27\r\n${SMUGGLED}\r\n0\r\n\r\n`],
    ['the coding first, the request in a chunk', post(chunked, 'Content-Length: 4') + `27\r\n${SMUGGLED}\r\n0\r\n\r\n`],
  ])('is refused: %s', async (_, bytes) => {
    await expectRefusal(await besiege(mount), bytes)
  })

  it('is refused on a server of Node as well', async () => {
    const siege = await besiege(mount, {}, { safe: false })
    const said = await allSaid(siege.port, `${post('Content-Length: 5', chunked)}0\r\n\r\n${SMUGGLED}`)
    expect([statusesIn(said), siege.upstream.seen]).toEqual([[400], []])
    await siege.unharmed()
  })
})

attack(MALFORMED_HTTP, 'A02', (mount) => {
  it.each([
    ['differing', post('Content-Length: 7', 'Content-Length: 8')],
    ['differing in case only by name', post('Content-Length: 7', 'content-length: 8')],
    ['equal', post('Content-Length: 7', 'Content-Length: 7')],
    ['an equal list', post('Content-Length: 7, 7')],
    ['a differing list', post('Content-Length: 7, 8')],
  ])('is refused: %s', async (_, head) => {
    await expectRefusal(await besiege(mount), `${head}1234567${SMUGGLED}`)
  })
})

attack(MALFORMED_HTTP, 'A03', (mount) => {
  it.each([
    '+3',
    '-0',
    '-3',
    '0x3',
    '3.0',
    '3e0',
    '3\u00A0',
    '\u00A03',
    '3 3',
    '3;',
    '',
    '9223372036854775808',
    '18446744073709551619',
    '9'.repeat(400),
  ])('is refused: %j', async (length) => {
    const bytes = Buffer.from(`${post(`Content-Length: ${length}`)}abc${SMUGGLED}`, 'latin1')
    await expectRefusal(await besiege(mount), bytes)
  })
})

attack(MALFORMED_HTTP, 'A04', (mount) => {
  it.each([
    ['another coding', ['cow']],
    ['chunked, then another', ['chunked, cow']],
    ['another, then chunked', ['cow, chunked']],
    ['gzip, then chunked', ['gzip, chunked']],
    ['chunked twice', ['chunked, chunked']],
    ['identity', ['identity']],
    ['a parameter', ['chunked;q=1']],
    ['quotes', ['"chunked"']],
    ['nothing', ['']],
    ['a comma', ['chunked,']],
    ['a vertical tab', ['\u000Bchunked']],
    ['two lines', ['chunked', 'chunked']],
    ['two lines that differ', ['identity', 'chunked']],
  ])('is refused: %s', async (_, codings) => {
    const head = post(...codings.map((coding) => `Transfer-Encoding: ${coding}`))
    await expectRefusal(await besiege(mount), `${head}3\r\nabc\r\n0\r\n\r\n${SMUGGLED}`, [400, 501])
  })

  it.each([
    ['nothing', ['']],
    ['another, then chunked', ['cow, chunked']],
    ['two lines', ['chunked', 'chunked']],
  ])('is refused on a server of Node as well: %s', async (_, codings) => {
    const siege = await besiege(mount, {}, { safe: false })
    const head = post(...codings.map((coding) => `Transfer-Encoding: ${coding}`))
    const said = await allSaid(siege.port, `${head}3\r\nabc\r\n0\r\n\r\n${SMUGGLED}`)
    expect([400, 501]).toContain(statusesIn(said)[0])
    expect([statusesIn(said).length, siege.upstream.seen]).toEqual([1, []])
  })
})

attack(MALFORMED_HTTP, 'A05', (mount) => {
  it.each([
    'Transfer-Encoding: Chunked',
    'Transfer-Encoding: CHUNKED',
    'Transfer-Encoding:\tchunked',
    'TRANSFER-ENCODING: chunked',
  ])('is accepted: %j', async (field) => {
    const siege = await besiege(mount)
    const said = await allSaid(
      siege.port,
      `${post(field)}3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nGET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    expect(statusesIn(said)).toEqual([200, 200])
    expect(siege.upstream.seen.map(({ method, target, body }) => `${method} ${target} ${body}`).toSorted()).toEqual([
      'GET /end ',
      'POST / abc0123456789',
    ])
    await siege.unharmed()
  })
})

attack(MALFORMED_HTTP, 'A06', (mount) => {
  const bytes = `POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n${SMUGGLED}`

  it('is refused', async () => {
    await expectRefusal(await besiege(mount), bytes)
  })

  it('is refused on a server of Node as well', async () => {
    await expectRefusal(await besiege(mount, {}, { safe: false }), bytes)
  })
})
