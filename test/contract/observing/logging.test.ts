import { setTimeout as sleep } from 'node:timers/promises'
import { format } from 'node:util'
import createDebug from 'debug'
import { getLogger, type LogTarget, type PrePlugin } from '@postern/core'
import { createGateway } from '@postern/http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { run } from '../harness.ts'

interface Line extends Record<string, unknown> {
  readonly level: string
  readonly message: string
}

/** A logger of pino's shape that keeps what it gets. */
function keeping(): { readonly log: LogTarget; readonly lines: Line[] } {
  const lines: Line[] = []
  const at =
    (level: string) =>
    (fields: Record<string, unknown>, message: string): void =>
      void lines.push({ level, message, ...fields })
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

/** What is printed under `DEBUG=<namespaces>`. */
function printed(namespaces: string): string[] {
  const lines: string[] = []
  const spy = vi.spyOn(createDebug, 'log').mockImplementation((...args: unknown[]) => void lines.push(format(...args)))
  createDebug.enable(namespaces)
  onTestFinished(() => {
    createDebug.disable()
    spy.mockRestore()
  })
  return lines
}

const module = getLogger('prices')

describe('context.log', () => {
  it('writes to the logger of the host, with api, hook, plugin and the id of the request', async () => {
    const { log, lines } = keeping()
    const plugin: PrePlugin = (_request, context) => {
      context.log.info('seen', { sku: 7 })
      const { error } = context.log
      error('taken out of it')
    }
    const { url } = await run({ name: 'orders', hooks: { pre: [{ plugin, name: 'look' }] } }, { log })
    await fetch(url, { headers: { 'x-request-id': 'r-1' } })
    const fields = { api: 'orders', hook: 'pre', plugin: 'look', requestId: 'r-1' }
    expect(lines).toEqual([
      { level: 'info', message: 'seen', sku: 7, ...fields },
      { level: 'error', message: 'taken out of it', ...fields },
    ])
  })

  it('writes through debug where the host has no logger', async () => {
    const lines = printed('postern:plugin:look')
    const plugin: PrePlugin = (_request, { log }) => log.warn('seen', { sku: 7 })
    const { url } = await run({ name: 'orders', hooks: { pre: [{ plugin, name: 'look' }] } })
    await fetch(url, { headers: { 'x-request-id': 'r-1' } })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('postern:plugin:look')
    expect(lines[0]).toMatch(/warn seen .*api: 'orders', hook: 'pre', requestId: 'r-1', sku: 7/)
  })

  it('does not ask for the id of a request where nothing is written', async () => {
    const plugin: PrePlugin = (_request, { log }) => log.warn('seen')
    const asked = vi.spyOn(crypto, 'randomUUID')
    const { url } = await run({ name: 'orders', hooks: { pre: [plugin] } })
    await fetch(url)
    expect(asked).not.toHaveBeenCalled()
  })
})

describe('getLogger', () => {
  it('adds the fields of the call it is used in, however deep below it and after whatever it waited for', async () => {
    const { log, lines } = keeping()
    const price = async (sku: string): Promise<void> => {
      module.info('asked', { sku })
      await sleep(5)
      module.info('told', { sku })
    }
    const plugin: PrePlugin = async ({ path }) => {
      await price(path)
    }
    const { url } = await run({ name: 'orders', hooks: { pre: [{ plugin, name: 'look' }] } }, { log })
    await Promise.all(['a', 'b'].map((id) => fetch(`${url}/${id}`, { headers: { 'x-request-id': id } })))
    for (const id of ['a', 'b'])
      expect(lines.filter(({ requestId }) => requestId === id)).toEqual(
        ['asked', 'told'].map((message) => ({
          level: 'info',
          message,
          logger: 'prices',
          api: 'orders',
          hook: 'pre',
          plugin: 'look',
          requestId: id,
          sku: `/${id}`,
        })),
      )
  })

  it('writes to the logger of the gateway it is called in, where there are several', async () => {
    const [one, two] = [keeping(), keeping()]
    const definition = { name: 'orders', hooks: { pre: [() => module.info('here')] } }
    const first = await run(definition, { log: one.log })
    await run(definition, { log: two.log })
    await fetch(first.url)
    expect([one.lines.length, two.lines.length]).toEqual([1, 0])
  })

  it('writes outside of calls to the logger of the gateway made last, until that one is closed', async () => {
    const lines = printed('postern:plugin:prices')
    module.info('before')
    const kept = keeping()
    const gateway = createGateway({ name: 'orders' }, { log: kept.log })
    module.info('meanwhile', { sku: 7 })
    await gateway.close()
    module.info('after')
    expect(kept.lines).toEqual([{ level: 'info', message: 'meanwhile', logger: 'prices', sku: 7 }])
    expect(lines.map((line) => /before|meanwhile|after/.exec(line)?.[0])).toEqual(['before', 'after'])
  })

  it('is debug within a call of a gateway without a logger, with the fields of the call', async () => {
    const lines = printed('postern:plugin:prices')
    createGateway({ name: 'other' }, { log: keeping().log })
    const { url } = await run({ name: 'orders', hooks: { pre: [() => module.info('here')] } })
    await fetch(url, { headers: { 'x-request-id': 'r-1' } })
    expect(lines[0]).toMatch(/info here .*api: 'orders', hook: 'pre', plugin: .*requestId: 'r-1'/)
  })
})
