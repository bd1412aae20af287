/* The plugins of the contract, section 1, as they are written there. */
import { deny, respond, type AuthPlugin, type EndpointPlugin, type PrePlugin, type ResponsePlugin } from '@postern/core'
import { createGateway } from '@postern/express'
import { expectTypeOf, test } from 'vitest'

declare function findUser(credential: string | null): Promise<{ id: string; tier: 'free' | 'gold' } | undefined>

const stampRequest: PrePlugin = (request) => {
  request.headers.set('x-request-id', crypto.randomUUID())
}

const checkKey: AuthPlugin = async (request) => {
  const user = await findUser(request.headers.get('authorization'))
  if (!user) return deny(401, 'Unknown key')
  return { rate: 5, per: 10, quotaMax: 1000, quotaRenewalRate: 3600, metadata: { token: user.id, tier: user.tier } }
}

const stock: EndpointPlugin = (_request, { params, session }) =>
  respond(200, { sku: params['sku'], left: 3, tier: session?.metadata['tier'] })

const hideServer: ResponsePlugin = (response) => {
  response.headers.delete('server')
}

test('the plugins and the definition of the first page compile', () => {
  const gateway = createGateway({
    name: 'orders',
    listenPath: '/orders/',
    upstream: { url: 'http://127.0.0.1:9000' },
    hooks: {
      pre: [stampRequest],
      auth: checkKey,
      response: [hideServer],
    },
    endpoints: { 'GET /stock/:sku': [stock] },
  })
  expectTypeOf(gateway.close()).resolves.toBeVoid()
  expectTypeOf(gateway.ready()).resolves.toBeVoid()
})
