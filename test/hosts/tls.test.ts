import { createServer, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { listen } from '../support/server.ts'
import { SELF_SIGNED } from '../support/tls.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = request(url, { ca: SELF_SIGNED.cert, agent: false }, (res) => text(res).then(resolve, reject))
    req.on('error', reject).end()
  })
}

describe.each(hosts)('%s', (_, mount) => {
  it('sends nothing to an upstream whose certificate it cannot verify', async () => {
    let asked = 0
    const upstream = await listen(createServer(SELF_SIGNED, (__, res) => res.end(String((asked += 1)))))
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url })
    const codes: string[] = []
    gateway.on('upstreamError', ({ error }) => codes.push(error.code))
    const reply = await send(url)
    expect([reply.status, reply.text, asked, codes.length]).toEqual([502, '{\n    "error": "Bad Gateway"\n}', 0, 1])
  })

  it('speaks TLS to an upstream whose certificate it is told not to verify', async () => {
    const upstream = await listen(
      createServer(SELF_SIGNED, (req, res) => res.end(`${req.url} ${req.headers['x-forwarded-proto']}`)),
    )
    const { url } = await mount({ name: 'a', upstream: { url: upstream.url, verifyTls: false } })
    expect((await send(url, '/x')).text).toBe('/x http')
  })

  it('tells the upstream and the plugins that the client came over HTTPS', async () => {
    const upstream = await startUpstream((res, seen) =>
      res.end(`${seen.headers['x-forwarded-proto']} ${seen.headers['x-scheme']}`),
    )
    const { url } = await mount(
      { name: 'a', upstream: upstream.url, hooks: { pre: [(req) => req.headers.set('x-scheme', req.scheme)] } },
      { secure: true },
    )
    expect(await get(url)).toBe('https https')
  })
})
