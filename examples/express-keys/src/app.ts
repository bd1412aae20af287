import { defineApi, type Store } from '@postern/core'
import { createGateway, type ExpressGateway } from '@postern/express'
import express, { type Express } from 'express'

const api = defineApi({
  name: 'notes',
  listenPath: '/notes/',
  authentication: { token: { header: 'x-api-key' } }, // keys made with gateway.sessions
  limits: { rate: 1000, per: 1 }, // all callers together
  policies: {
    free: {
      rate: 2,
      per: 60,
      accessRights: { notes: { allowedUrls: [{ url: '/{id}', methods: ['GET'] }] } },
    },
    gold: {
      quotaMax: 3,
      quotaRenewalRate: 3600,
      accessRights: { notes: {} },
    },
  },
})

/** Without a store, keys and counters live in this process. */
export function createApp(store?: Store): { app: Express; gateway: ExpressGateway } {
  const gateway = createGateway(api, { store })
  const app: Express = express().disable('x-powered-by').use(gateway)
  app.get('/notes/:id', (req, res) => void res.json({ id: req.params.id, text: 'Buy milk' }))
  app.post('/notes', (_req, res) => void res.status(201).json({ id: '8' }))
  return { app, gateway }
}
