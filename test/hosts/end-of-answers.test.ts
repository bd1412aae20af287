import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const targets = Array.from({ length: 30 }, (_, i) => `/${i}`)

describe.each(hosts)('the end of an answer on %s', (_, mount) => {
  it.each(['GET', 'HEAD'])('of many at once is heard in the context of its own request: %s', async (method) => {
    const store = new AsyncLocalStorage<string>()
    const heard: string[] = []
    const upstream = await startUpstream((res, { target }) => res.end(`answer to ${target}`))
    const { url } = await mount(
      { name: 'a', upstream: upstream.url },
      {
        above: (req, res) => {
          store.enterWith(req.url!)
          for (const event of ['finish', 'close'])
            res.on(event, () => heard.push(`${event} of ${req.url} in ${store.getStore()}`))
        },
      },
    )
    await Promise.all(targets.map((target) => send(url, target, { method })))
    await expect.poll(() => heard.length).toBe(targets.length * 2)
    expect(heard.toSorted()).toEqual(
      targets.flatMap((target) => [`close of ${target} in ${target}`, `finish of ${target} in ${target}`]).toSorted(),
    )
  })

  it.each([
    ['whole', (res: ServerResponse) => void res.setHeader('content-length', 7).end(Buffer.from('all bye'))],
    ['in pieces', (res: ServerResponse) => (res.write(Buffer.from('all ')), void res.end(Buffer.from('bye')))],
  ])('reaches a client whose connection the host destroys behind it: %s', async (__, answer) => {
    const { url } = await mount(
      { name: 'a', hooks: { pre: [(request) => request.headers.set('x', '1')] } },
      {
        raw: (_req, res) => {
          res.statusCode = 200
          answer(res)
          res.socket?.destroy()
        },
      },
    )
    const { status, text, complete } = await send(url, '/')
    expect([status, text, complete]).toEqual([200, 'all bye', true])
  })
})
