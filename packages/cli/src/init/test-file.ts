/** The test of a starter: plugins called as the functions they are, and the definition asked through HTTP. */
export function testFile(typescript: boolean): string {
  const typed = (text: string): string => (typescript ? text : '')
  return `import assert from 'node:assert/strict'
${typed("import type { AddressInfo } from 'node:net'\n")}import { test } from 'node:test'
import { createContext, createRequest, deny${typed(', type AuthContext')} } from '@postern/core'
import { readDefinitions } from '@postern/files'
import { createGateway, createServer } from '@postern/http'
import { checkKey, stampRequest } from '../plugins/orders.${typescript ? 'ts' : 'js'}'

test('every request gets an id', async () => {
  const request = createRequest('/stock/apple')
  await stampRequest(request, createContext())
  assert.match(request.headers.get('x-request-id') ?? '', /^[\\da-f-]{36}$/)
})

test('an unknown key is refused', async () => {
  const request = createRequest('/stock/apple', { headers: { authorization: 'wrong' } })
  assert.deepEqual(await checkKey(request, createContext${typed('<AuthContext>')}()), deny(401, 'Unknown key'))
})

test('the definition puts them together', async (t) => {
  const definitions = await readDefinitions(new URL('../orders.json', import.meta.url))
  const gateway = createGateway(definitions, { pluginsDirectory: new URL('../plugins/', import.meta.url) })
  await gateway.ready()
  const server = createServer(gateway).listen(0)
  t.after(async () => {
    server.close()
    await gateway.close()
  })
  const { port } = ${typescript ? 'server.address() as AddressInfo' : 'server.address()'}
  const url = \`http://localhost:\${port}/orders/stock/apple\`

  const stranger = await fetch(url)
  assert.equal(stranger.status, 401)
  await stranger.text()

  const known = await fetch(url, { headers: { authorization: 'secret', connection: 'close' } })
  assert.deepEqual(await known.json(), { sku: 'apple', left: 3, tier: 'gold' })
})
`
}
