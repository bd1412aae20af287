import { defineApi } from '@postern/core'
import { createGateway, type ExpressGateway } from '@postern/express'
import express, { type Express } from 'express'
import * as plugins from './plugins.ts'

type Upstreams = { orders: string; stock: string; invoices: Record<string, string> }

export function createApp({ orders, stock, invoices }: Upstreams): { app: Express; gateway: ExpressGateway } {
  const api = defineApi({
    name: 'orders',
    listenPath: '/orders/',
    upstream: orders,
    hooks: {
      pre: [plugins.stampRequest],
      auth: plugins.checkKey,
      postAuth: [plugins.freeTierReads],
      post: [plugins.forUpstream],
      response: [plugins.hideServer],
      analytics: [plugins.maskClient],
    },
    endpoints: {
      'GET /me': [plugins.whoAmI],
      'GET /:id/summary': [{ plugin: plugins.summary(orders), name: 'summary' }],
      'GET /:id/invoice': [{ plugin: plugins.toRegion(invoices), name: 'toRegion' }],
    },
  })
  const gateway = createGateway([api, { name: 'stock', listenPath: '/stock/', upstream: stock }])
  const app: Express = express().use(gateway)
  app.get('/health', (_req, res) => void res.send('ok')) // routes of the service itself stay as they are
  return { app, gateway }
}
