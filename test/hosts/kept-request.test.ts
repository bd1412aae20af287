import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { type ApiDefinitionInput, deny, type GatewayRequest } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { remaining } from '../support/collect.ts'
import { hosts, type Mounted } from '../support/hosts.ts'
import { signalled } from '../support/promises.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

/* With one request kept, what V8 has compiled for requests stays where it is while there are none; no more than one is. */

const LARGE = 'x'.repeat(100_000)

interface Started extends Mounted {
  /** Every request, as plugins have seen it. */
  readonly seen: readonly WeakRef<GatewayRequest>[]
  readonly definition: ApiDefinitionInput
}

describe.each(hosts)('%s', (_, mount) => {
  async function start(
    answer: (res: ServerResponse, target: string) => void = (res) => res.end('answer'),
    more: Omit<ApiDefinitionInput, 'name'> = {},
  ): Promise<Started> {
    const upstream = await startUpstream((res, { target }) => answer(res, target))
    const seen: WeakRef<GatewayRequest>[] = []
    const look = async (request: GatewayRequest): Promise<void> => {
      seen.push(new WeakRef(request))
      await request.text()
    }
    const definition: ApiDefinitionInput = {
      name: 'a',
      upstream: upstream.url,
      ...more,
      hooks: { ...more.hooks, pre: [look, ...(more.hooks?.pre ?? [])] },
    }
    const mounted = await mount(definition, { route: () => ({ body: 'host' }) })
    return { ...mounted, seen, definition }
  }

  it('keeps one request that is over, and no more', async () => {
    const { url, seen } = await start()
    for (let i = 0; i < 5; i++) expect((await send(url, '/', { method: 'POST', body: 'small' })).status).toBe(200)
    expect((await remaining(seen)).filter((isThere) => isThere)).toEqual([true])
  })

  it('keeps another one in its place, later', async () => {
    const { url, seen } = await start()
    const isFirstThere = async (): Promise<boolean> => {
      expect((await send(url, '/')).status).toBe(200)
      return (await remaining(seen))[0]!
    }
    expect(await isFirstThere()).toBe(true)
    await expect.poll(isFirstThere, { timeout: 5_000 }).toBe(false)
  })

  it.each<readonly [what: string, status: number, more: Omit<ApiDefinitionInput, 'name'>]>([
    ['a large request', 200, {}],
    ['a large answer', 200, {}],
    ['an answer that a plugin made large', 200, { hooks: { response: [(response) => response.setBody(LARGE)] } }],
    [
      'an answer that a plugin has decoded',
      200,
      {
        hooks: {
          response: [
            async (response) => {
              await response.text()
            },
          ],
        },
      },
    ],
    ['one that is recorded word for word', 200, { records: { detailed: true } }],
    ['a refusal', 403, { hooks: { pre: [() => deny(403, 'no')] } }],
    ['one that the host application answers', 200, { upstream: undefined }],
  ])('does not keep %s', async (what, status, more) => {
    const { url, seen } = await start((res) => {
      if (what.includes('decoded')) res.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(LARGE))
      else res.end(what === 'a large answer' ? LARGE : 'answer')
    }, more)
    const body = what === 'a large request' ? LARGE : 'small'
    expect((await send(url, '/', { method: 'POST', body })).status).toBe(status)
    expect(await remaining(seen)).toEqual([false])
  })

  it('does not keep one whose client has left', async () => {
    const { promise: left, signal } = signalled()
    const { port, seen } = await start((res) => void res.once('close', () => signal()))
    const client = connect(port, '127.0.0.1', () => client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
    await expect.poll(() => seen).toHaveLength(1)
    client.destroy()
    await left
    expect(await remaining(seen)).toEqual([false])
  })

  it.each(['reload', 'close'] as const)('lets go of it: %s', async (way) => {
    const { url, seen, gateway, definition } = await start()
    expect((await send(url, '/')).status).toBe(200)
    expect(await remaining(seen)).toEqual([true])
    await (way === 'reload' ? gateway.reload(definition) : gateway.close())
    expect(await remaining(seen)).toEqual([false])
  })

  it.each(['reload', 'close'] as const)('does not keep one that ends later than that: %s', async (way) => {
    let waiting: ServerResponse | undefined
    const { url, seen, gateway, definition } = await start((res) => void (waiting = res))
    const answer = send(url, '/')
    await expect.poll(() => waiting).toBeDefined()
    const done = way === 'reload' ? gateway.reload(definition) : gateway.close()
    if (way === 'reload') await done
    waiting?.end('late')
    expect((await answer).text).toBe('late')
    await done
    expect(await remaining(seen)).toEqual([false])
  })
})
