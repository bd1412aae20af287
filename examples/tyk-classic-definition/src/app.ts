import { createGateway, type ExpressGateway } from '@postern/express'
import { readDefinitions } from '@postern/files'
import express, { type Express } from 'express'
import * as plugins from './plugins.ts'

const APIS = new URL('../apis/', import.meta.url)

export async function createApp(apis: string | URL = APIS): Promise<{ app: Express; gateway: ExpressGateway }> {
  const gateway = createGateway(await readDefinitions(apis), {
    plugins,
    pluginsDirectory: new URL('../plugins/', import.meta.url),
  })
  await gateway.ready()
  const app: Express = express().disable('x-powered-by').use(gateway)
  app.get('/health', (_req, res) => void res.send('ok')) // routes of the service itself stay as they are
  return { app, gateway }
}
