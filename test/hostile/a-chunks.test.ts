import type { AuthPlugin } from '@postern/core'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { strictUpstream } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { MALFORMED_HTTP } from './catalogue/a.ts'
import { allSaid, expectRefusal, SMUGGLED, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'

attack(MALFORMED_HTTP, 'A07', (mount) => {
  it.each(['0x3', '3 ', ' 3', '3\t', '\t3', 'ffffffffffffffff1', '3_0', '', '-3', '+3', '3;\u0000', 'g', '3.0'])(
    'is refused: %j',
    async (size) => {
      await expectRefusal(await besiege(mount), `${HEAD}${size}\r\nabc\r\n0\r\n\r\n${SMUGGLED}`)
    },
  )

  it.each(['0x0', '0 ', ' 0', '-0', '00000000000000000g'])('is refused as the last one: %j', async (size) => {
    await expectRefusal(await besiege(mount), `${HEAD}3\r\nabc\r\n${size}\r\n\r\n${SMUGGLED}`)
  })
})

attack(MALFORMED_HTTP, 'A08', (mount) => {
  it.each([
    ['data longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['data shorter than its size', '5\r\nabc\r\n0\r\n\r\n'],
    ['no line end behind the data', '3\r\nabc0\r\n\r\n'],
    ['two letters for the line end', '3\r\nabcXY0\r\n\r\n'],
    ['LF CR for the line end', '3\r\nabc\n\r0\r\n\r\n'],
    ['LF LF for the line end', '3\r\nabc\n\n0\r\n\r\n'],
    ['CR CR for the line end', '3\r\nabc\r\r0\r\n\r\n'],
    ['CR and a letter for the line end', '3\r\nabc\rX0\r\n\r\n'],
    ['a letter and LF for the line end', '3\r\nabcX\n0\r\n\r\n'],
    ['LF for the line end', '3\r\nabc\n0\r\n\r\n'],
    ['LF behind the size', '3\nabc\r\n0\r\n\r\n'],
    ['CR behind the size', '3\rabc\r\n0\r\n\r\n'],
    ['LF behind the last size', '3\r\nabc\r\n0\n\r\n'],
    ['two letters for the last line end', '3\r\nabc\r\n0\r\nXY'],
  ])('is refused: %s', async (_, chunks) => {
    await expectRefusal(await besiege(mount), `${HEAD}${chunks}${SMUGGLED}`)
  })

  it('is refused by a chain that takes its time', async () => {
    const pre = [() => new Promise<void>((resolve) => setTimeout(resolve, 30))]
    await expectRefusal(await besiege(mount, { hooks: { pre } }), `${HEAD}3\r\nabcXY0\r\n\r\n${SMUGGLED}`)
  })
})

attack(MALFORMED_HTTP, 'A09', (mount) => {
  it.each(['3;a', '3;a=b', '3;a="b c"', '3;a=b;c=d', '3;a="b\\"c"'])('ignores a valid one: %j', async (size) => {
    const siege = await besiege(mount)
    const { status } = await rawExchange(siege.port, `${HEAD}${size}\r\nabc\r\n0;last\r\n\r\n`)
    expect(status).toBe(200)
    expect(siege.upstream.seen.map(({ body }) => body)).toEqual(['abc'])
    await siege.unharmed()
  })

  it.each([
    ['NUL', '3;a\u0000b'],
    ['CR', '3;a\rb'],
    ['a bare LF', '3;a\nb'],
    ['a bare LF behind a valid one', '3;a=b\n'],
    ['LF in a quoted value', '3;a="\n"'],
  ])('is refused: %s', async (_, size) => {
    await expectRefusal(await besiege(mount), `${HEAD}${size}\r\nabc\r\n0\r\n\r\n${SMUGGLED}`)
  })

  it.each([
    ['16 KiB', 16_384 + 1],
    ['1 MiB', 1_048_576],
  ])('is refused by its size: %s', async (_, bytes) => {
    await expectRefusal(
      await besiege(mount),
      `${HEAD}3;${'a'.repeat(bytes)}\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
      [400, 413],
    )
  })
})

attack(MALFORMED_HTTP, 'A10', (mount) => {
  const trailing = (field: string): string =>
    `${HEAD}3\r\nabc\r\n0\r\n${field}\r\n\r\nGET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`

  it.each([
    'X-Harmless: 1',
    'Host: evil.example',
    'Authorization: evil',
    'X-Forwarded-For: 203.0.113.9',
    '__proto__: evil',
  ])('is no header to plugins, to authentication or to the upstream: %s', async (field) => {
    const name = field.slice(0, field.indexOf(':')).toLowerCase()
    const seen: string[][] = []
    const upstream = await strictUpstream()
    const auth: AuthPlugin = async (request) => {
      const before = request.headers.getAll(name)
      await request.text()
      if (request.method === 'POST') seen.push(before, request.headers.getAll(name))
      return { metadata: { token: 'caller' } }
    }
    const definition = { underscoreHeaders: 'keep', upstream: { url: upstream.url, forwarded: 'off' } } as const
    const siege = await besiege(mount, { ...definition, hooks: { auth } }, { upstream })
    expect(statusesIn(await allSaid(siege.port, trailing(field)))).toEqual([200, 200])
    const own = name === 'host'
    expect(seen).toEqual(own ? [['a'], ['a']] : [[], []])
    const forwarded = upstream.seen.find(({ method }) => method === 'POST')!
    expect([forwarded.body, valuesOf(forwarded.lines, name)]).toEqual([
      'abc',
      own ? [`127.0.0.1:${upstream.port}`] : [],
    ])
    await siege.unharmed()
  })

  // Node's parser takes these for a second framing of the message.
  it.each(['Content-Length: 50', 'Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'])(
    'never frames anything: %s',
    async (field) => {
      const siege = await besiege(mount)
      const statuses = statusesIn(await allSaid(siege.port, trailing(field)))
      expect(['200,200', '400']).toContain(String(statuses))
      const forwarded = siege.upstream.seen.filter(({ method }) => method === 'POST')
      expect(forwarded.map(({ body, framing }) => [body, framing])).toEqual(
        statuses[0] === 200 ? [['abc', 'chunked']] : [],
      )
      await siege.unharmed()
    },
  )
})
