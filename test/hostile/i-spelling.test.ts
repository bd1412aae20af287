import type { ApiDefinitionInput } from '@postern/core'
import { expect, it } from 'vitest'
import type { Mount } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { type RawAnswer, rawExchange } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { pathMatching } from './catalogue/i.ts'

cleanUpAfterAttacks()

/** What is sent, and the one spelling it has; undefined where it is refused. */
type Spellings = readonly (readonly [target: string, spelling: string | undefined])[]

const ask = (port: number, target: string): Promise<RawAnswer> =>
  rawExchange(port, Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1'))

/** Whoever is asked for something in `/admin` has met the guard. */
const guarded = (met: string[]): Partial<ApiDefinitionInput> => ({
  hooks: { pre: [({ path }) => void met.push(path)] },
  endpoints: { 'GET /admin{/*rest}': [({ headers }) => headers.set('x-guarded', 'yes')] },
})

const isAdmin = (spelling: string): boolean => /^\/admin(?:\/|$)/.test(spelling)

/** Before an upstream: what is matched, seen by plugins, recorded and sent is one path. */
async function expectOneSpelling(mount: Mount, spellings: Spellings): Promise<void> {
  const met: string[] = []
  const { port, upstream, gateway, unharmed } = await besiege(mount, guarded(met))
  for (const [target, spelling] of spellings) {
    const before = upstream.seen.length
    const { status, body } = await ask(port, target)
    const sent = upstream.seen.slice(before)
    const guards = sent.flatMap(({ lines }) => valuesOf(lines, 'x-guarded'))
    const paths = spelling === undefined ? [] : [spelling]
    expect([target, status, sent.map((seen) => seen.target), met.splice(0), guards]).toEqual([
      target,
      spelling === undefined ? 400 : 200,
      paths,
      paths,
      paths.filter(isAdmin).map(() => 'yes'),
    ])
    expect([envelope('Malformed request path'), envelope('Malformed request'), `GET ${spelling}`]).toContain(body)
  }
  const recorded = spellings.flatMap(([, spelling]) => spelling ?? [])
  await expect.poll(() => gateway.records.list().map(({ path }) => path)).toEqual(recorded)
  await unharmed()
}

/** Before the application of the host: it is asked for the path that was matched. */
async function expectOneSpellingForHost(mount: Mount, spellings: Spellings): Promise<void> {
  const met: string[] = []
  const { port } = await mount(
    { name: 'a', ...guarded(met) },
    { route: ({ url, headers }) => ({ body: `${url} ${String(headers['x-guarded'])}` }) },
  )
  for (const [target, spelling] of spellings) {
    const { status, body } = await ask(port, target)
    const asked = spelling === undefined ? undefined : `${spelling} ${isAdmin(spelling) ? 'yes' : 'undefined'}`
    expect([target, status, status === 400 ? undefined : body, met.splice(0)]).toEqual([
      target,
      asked === undefined ? 400 : 200,
      asked,
      spelling === undefined ? [] : [spelling],
    ])
  }
}

const DEEP = '/1/2/3/4/5/6/7/8/9/10'

const SPELLINGS: Readonly<Record<'I01' | 'I02' | 'I03' | 'I04', Spellings>> = {
  I01: [
    ['/p/../x', '/x'],
    ['/p/./x', '/p/x'],
    ['/p/%2e%2e/x', '/x'],
    ['/p/.%2E/x', '/x'],
    ['/p/%2E./x', '/x'],
    ['/p/%2e/x', '/p/x'],
    ['/./x', '/x'],
    ['/%2e/admin/x', '/admin/x'],
    ['/p/../admin/x', '/admin/x'],
    ['/admin/../x', '/x'],
    ['/admin/%2e%2e/admin/x', '/admin/x'],
    ['/admin/x/..', '/admin/'],
    ['/admin/.', '/admin/'],
    ['/admin/%2E', '/admin/'],
    ['/admin/..', '/'],
    ['/x/..//admin/x', '/admin/x'],
    [`${DEEP}${'/..'.repeat(10)}/admin`, '/admin'],
    [`${DEEP}${'/%2e%2E'.repeat(10)}`, '/'],
    ['/p/...', '/p/...'],
    ['/p/..x/.y', '/p/..x/.y'],
    ['/..', undefined],
    ['/../admin', undefined],
    ['/%2e%2e/x', undefined],
    ['/.%2e', undefined],
    ['/p/../../x', undefined],
    [`${DEEP}${'/..'.repeat(11)}/x`, undefined],
  ],
  I02: [
    ['/a%2fb', '/a%2Fb'],
    ['/admin%2fx', '/admin%2Fx'],
    ['/p/%2Fadmin', '/p/%2Fadmin'],
    ['/a%5cb', '/a%5Cb'],
    ['/a%25b', '/a%25b'],
    ['/%2561dmin/x', '/%2561dmin/x'],
    ['/a/%252e%252e/b', '/a/%252e%252e/b'],
    ['/a/..%252fb', '/a/..%252fb'],
    ['/a%0d%0ab', '/a%0D%0Ab'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a/..%2fb', undefined],
    ['/a/%2e%2e%2fb', undefined],
    ['/a/..%5cb', undefined],
    ['/a%2f..', undefined],
    ['/a%2f../b', undefined],
    ['/.%2f', undefined],
    ['/%00', undefined],
    ['/admin%00', undefined],
    ['/%c0%af', undefined],
    ['/%c0%ae%c0%ae/x', undefined],
    ['/%e0%80%af', undefined],
    ['/%f0%80%80%af', undefined],
    ['/%ff', undefined],
    ['/%c3', undefined],
    ['/%c3%28', undefined],
    ['/%ed%a0%80', undefined],
    ['/%f4%90%80%80', undefined],
    ['/%', undefined],
    ['/a%2', undefined],
    ['/a%zz', undefined],
    ['/%u0061', undefined],
  ],
  I03: [
    ['//', '/'],
    ['///x', '/x'],
    ['//admin/x', '/admin/x'],
    ['//evil.example/x', '/evil.example/x'],
    ['/x//y', '/x//y'],
    ['/admin//x', '/admin//x'],
    ['/x/', '/x/'],
    ['/x//', '/x//'],
    ['/admin/', '/admin/'],
    ['/x;v=1', '/x;v=1'],
    ['/x;v=1/y', '/x;v=1/y'],
    ['/admin;v=1/x', '/admin;v=1/x'],
    ['/;/admin', '/;/admin'],
    ['/..;/admin', undefined],
    ['/a/..;x=1/admin', undefined],
    ['/%2e%2e;/admin', undefined],
    ['/a\\b', undefined],
    ['/\\evil.example', undefined],
    ['\\admin', undefined],
    ['/admin\\..\\x', undefined],
    ['/a#b', undefined],
  ],
  I04: [
    ['/%61dmin/x', '/admin/x'],
    ['/%41DMIN/x', '/ADMIN/x'],
    ['/Admin/x', '/Admin/x'],
    ['/%7euser/%2D%2e%5F', '/~user/-._'],
    ['/caf%C3%A9', '/caf%C3%A9'],
    ['/cafe%CC%81', '/cafe%CC%81'],
    ['/%EF%BC%A1dmin', '/%EF%BC%A1dmin'],
    ['/%E2%84%AA', '/%E2%84%AA'],
    ['http://xn--bcher-kva.example/admin/x', '/admin/x'],
    ['http://evil.example/x', '/x'],
    ['HTTP://EVIL.example:80/%61', '/a'],
    ['/caf\u00E9', undefined],
    ['/\u00FFadmin', undefined],
    ['http://b\u00FCcher.example/x', undefined],
    ['http://a@evil.example/x', undefined],
  ],
}

for (const [id, spellings] of Object.entries(SPELLINGS)) {
  attack(pathMatching, id, (mount) => {
    it('what is matched is what an upstream is sent, or nobody is sent anything', async () => {
      await expectOneSpelling(mount, spellings)
    })

    it('what is matched is what the host application is asked for, or it is not asked', async () => {
      await expectOneSpellingForHost(mount, spellings)
    })
  })
}

attack(pathMatching, 'I05', (mount) => {
  const TARGETS: readonly (readonly [target: string, below: string | undefined])[] = [
    ['/a', '/'],
    ['/a/', '/'],
    ['/a?x', '/?x'],
    ['/a/b', '/b'],
    ['/a//b', '/b'],
    ['/%61/b', '/b'],
    ['/x/../a/b', '/b'],
    ['/a/a', '/a'],
    ['/ab', undefined],
    ['/a.b', undefined],
    ['/a;v=1', undefined],
    ['/A', undefined],
    ['/A/b', undefined],
    ['/a%2Fb', undefined],
    ['/a%2f', undefined],
    ['/x/a', undefined],
    ['/x/a/b', undefined],
    ['/', undefined],
  ]

  it.each(['/a', '/a/'])('listening at %s, it answers whole segments only', async (listenPath) => {
    const { port, upstream } = await besiege(mount, { listenPath })
    const found: (readonly [string, string | undefined])[] = []
    for (const [target] of TARGETS) {
      const before = upstream.seen.length
      const { status } = await ask(port, target)
      const sent = upstream.seen.slice(before).map((seen) => seen.target)
      expect([target, status, sent.length]).toEqual([target, sent.length === 1 ? 200 : 404, sent.length])
      found.push([target, sent[0]])
    }
    expect([found, upstream.violations]).toEqual([TARGETS, []])
  })

  it('with ignoreCase it answers both cases, and nothing else that it did not answer before', async () => {
    const { port, upstream } = await besiege(mount, { listenPath: '/a', ignoreCase: true })
    const statuses: number[] = []
    for (const target of ['/A/b', '/%41/b', '/Ab', '/x/A']) statuses.push((await ask(port, target)).status)
    expect([statuses, upstream.seen.map(({ target }) => target)]).toEqual([
      [200, 200, 404, 404],
      ['/b', '/b'],
    ])
  })
})
