import { expect, it } from 'vitest'
import { rawExchange } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { strictUpstream } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { pathMatching } from './catalogue/i.ts'

cleanUpAfterAttacks()

attack(pathMatching, 'I10', (mount) => {
  const rewritten = async (
    rewrite: (rest: string, upstream: string) => { readonly path?: string; readonly upstream?: string },
    targets: readonly string[],
  ): Promise<{ readonly statuses: readonly number[]; readonly sent: readonly string[] }> => {
    const evil = await listenRaw((socket) => socket.destroy())
    const upstream = await strictUpstream()
    const { port } = await besiege(
      mount,
      {
        upstream: `${upstream.url}/base`,
        endpoints: {
          'GET /go/*rest': [
            (request, { params }) => {
              const changes = rewrite(params['rest'] ?? '', upstream.url)
              if (changes.path !== undefined) request.path = changes.path
              if (changes.upstream !== undefined) request.upstream = changes.upstream
            },
          ],
        },
      },
      { upstream },
    )
    const statuses: number[] = []
    for (const target of targets) {
      const { status } = await rawExchange(
        port,
        `GET ${target.replaceAll('EVIL', `127.0.0.1:${evil.port}`)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      )
      statuses.push(status)
    }
    expect([evil.connections(), upstream.violations]).toEqual([0, []])
    const sent = upstream.seen.map(({ target }) => target.replaceAll(`127.0.0.1:${evil.port}`, 'EVIL'))
    return { statuses, sent }
  }

  const HOSTILE: readonly (readonly [target: string, behindSlash: string | 400 | 500, alone: string | 400 | 500])[] = [
    ['/go/x', '/base/app/x', 500],
    ['/go//EVIL/x', '/base/app//EVIL/x', '/base/EVIL/x'],
    ['/go/http:%2F%2FEVIL/', '/base/app/http:%2F%2FEVIL/', 500],
    ['/go/http://EVIL/', '/base/app/http://EVIL/', 500],
    ['/go/@EVIL', '/base/app/@EVIL', 500],
    ['/go/%40EVIL', '/base/app/@EVIL', 500],
    ['/go/%5C%5CEVIL', 500, 500],
    ['/go/x%0d%0aX-Evil:%201', '/base/app/x%0D%0AX-Evil:%201', 500],
    ['/go//x%0d%0a%0d%0aGET%20/', '/base/app//x%0D%0A%0D%0AGET%20/', '/base/x%0D%0A%0D%0AGET%20/'],
    ['/go/x%3Fadmin=1', 500, 500],
    ['/go/x%23y', 500, 500],
    ['/go/%252e%252e/%252e%252e/x', 500, 500],
    ['/go/%252e%252e/x', '/base/x', 500],
    ['/go/../../x', 400, 400],
    ['/go/..%2fx', 400, 400],
    ['/go/%00', 400, 400],
  ]
  const statusOf = (result: string | number): number => (typeof result === 'string' ? 200 : result)

  it('a path made of captures stays under the upstream and its base path', async () => {
    const targets = HOSTILE.map(([target]) => target)
    const behind = await rewritten((rest) => ({ path: `/app/${rest}` }), targets)
    expect(behind.statuses).toEqual(HOSTILE.map(([, result]) => statusOf(result)))
    expect(behind.sent).toEqual(HOSTILE.map(([, result]) => result).filter((result) => typeof result === 'string'))
    const alone = await rewritten((rest) => ({ path: rest }), targets)
    expect(alone.statuses).toEqual(HOSTILE.map(([, , result]) => statusOf(result)))
    expect(alone.sent).toEqual(HOSTILE.map(([, , result]) => result).filter((result) => typeof result === 'string'))
  })

  it('a path can never name another host', async () => {
    const { statuses, sent } = await rewritten((rest) => ({ path: `http://${rest}` }), ['/go/EVIL/', '/go/x@EVIL/'])
    expect([statuses, sent]).toEqual([[500, 500], []])
    const slashes = await rewritten((rest) => ({ path: `//${rest}` }), ['/go/EVIL/', '/go//EVIL'])
    expect([slashes.statuses, slashes.sent]).toEqual([
      [200, 200],
      ['/base/EVIL/', '/base/EVIL'],
    ])
  })

  it('an upstream made of captures is refused with credentials, a query, a fragment or a broken host', async () => {
    const { statuses, sent } = await rewritten(
      (rest, upstream) => ({ upstream: upstream + rest }),
      ['@EVIL', ':x@EVIL', '%5C@EVIL', '%3Fx', '%23x', '.evil.example', '%20', '%0d%0aEVIL', '%09', '%5C'].map(
        (rest) => `/go/${rest}`,
      ),
    )
    expect(statuses.filter((status) => status !== 500)).toEqual([])
    expect(sent).toEqual([])
  })
})
