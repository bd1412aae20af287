import { createServer, type Server } from 'node:http'
import { type EndpointPlugin, respond } from '@postern/core'
import { createGateway } from '@postern/http'

interface Quote {
  readonly sku: string
  readonly count: number
}

const PRICES = new Map([
  ['apple', 2],
  ['pear', 3],
])

const price: EndpointPlugin = (_request, { params }) => {
  const found = PRICES.get(params['sku'] ?? '')
  return found === undefined
    ? respond(404, { error: `No price for ${params['sku']}` })
    : respond(200, { sku: params['sku'], price: found }, { 'cache-control': 'max-age=60' })
}

/** Passes for a valid quote; `quote` comes next and need not check again. */
const validQuote: EndpointPlugin = async (request, { state }) => {
  const { sku, count } = await request.json<Quote>()
  if (!PRICES.has(sku) || !(count > 0)) return respond(422, { error: 'Send {"sku": "apple", "count": 1}' })
  state['quote'] = { sku, count }
  return undefined
}

const quote: EndpointPlugin = (_request, { state }) => {
  const { sku, count } = state['quote'] as Quote
  return respond(201, { sku, count, total: count * (PRICES.get(sku) ?? 0) })
}

/** A WHATWG Response is a decision as well. */
const anything: EndpointPlugin = (request, { params }) =>
  Response.json({ method: request.method, rest: params['rest'] })

/** Nothing stands behind this gateway: what no endpoint answers is a 404. */
export function createApp(): Server {
  const gateway = createGateway({
    name: 'prices',
    endpoints: {
      'GET /prices/:sku': [price],
      'POST /quotes': [validQuote, quote],
      '* /anything/*rest': [anything],
    },
  })
  return createServer(gateway)
}
