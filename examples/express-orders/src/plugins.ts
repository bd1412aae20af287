import { setTimeout as sleep } from 'node:timers/promises'
import { deny, respond, type AnalyticsPlugin, type AuthPlugin, type EndpointPlugin } from '@postern/core'
import type { PostAuthPlugin, PostPlugin, PrePlugin, ResponsePlugin } from '@postern/core'

const CALLERS = new Map([
  ['gold-key', { id: 'user-ada', name: 'ada', tier: 'gold', region: 'eu' }],
  ['free-key', { id: 'user-bob', name: 'bob', tier: 'free', region: 'us' }],
])

export const stampRequest: PrePlugin = (request) => request.headers.set('x-request-id', crypto.randomUUID())

export const checkKey: AuthPlugin = async (request) => {
  await sleep(2) // stands for a database
  const caller = CALLERS.get(request.headers.get('authorization') ?? '')
  if (caller === undefined) return deny(401, 'Unknown key')
  return { alias: caller.name, metadata: { token: caller.id, tier: caller.tier, region: caller.region } }
}

export const freeTierReads: PostAuthPlugin = (request, { session }) =>
  session.metadata['tier'] === 'free' && request.method !== 'GET' ? deny(403, 'The free tier only reads') : undefined

/** A virtual endpoint: it answers, so nothing behind it is asked. */
export const whoAmI: EndpointPlugin = (_request, { session }) => respond(200, { name: session?.alias })

/** One answer made of two: the order over HTTP, the stock through another API of this gateway. */
export function summary(orders: string): EndpointPlugin {
  return async (_request, context) => {
    const { id } = context.params
    const ofOrder = fetch(`${orders}/${id}`, { signal: context.signal }).then((answer) => answer.json())
    const ofStock = context.call('stock', `/of-order/${id}`).then((answer) => answer.json())
    const [order, stock] = await Promise.all([ofOrder, ofStock])
    return respond(200, { order, stock })
  }
}

/** Passes, so the request goes on: to the invoices of the caller's own region. */
export function toRegion(invoices: Readonly<Record<string, string>>): EndpointPlugin {
  return (request, { session }) => void (request.upstream = invoices[String(session?.metadata['region'])] ?? '')
}

export const forUpstream: PostPlugin = (request, { session }) => {
  request.headers.delete('authorization')
  request.headers.set('x-tier', String(session?.metadata['tier']))
  request.query.delete('debug')
}

export const hideServer: ResponsePlugin = (response) => response.headers.delete('server')
export const maskClient: AnalyticsPlugin = (r) => void (r.clientAddress = r.clientAddress.replace(/\d+$/, '0'))
