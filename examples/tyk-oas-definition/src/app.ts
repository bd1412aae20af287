import { createServer, type Server } from 'node:http'
import { readDefinitions } from '@postern/files'
import { createGateway, type HttpGateway } from '@postern/http'
import * as plugins from './plugins.ts'

const APIS = new URL('../apis/', import.meta.url)

/** Every document of the directory, as a Tyk gateway would load it. */
export async function createApp(apis: string | URL = APIS): Promise<{ server: Server; gateway: HttpGateway }> {
  const gateway = createGateway(await readDefinitions(apis), {
    plugins, // those that are named without a path
    pluginsDirectory: new URL('../plugins/', import.meta.url), // all others
  })
  await gateway.ready() // the files are loaded
  return { server: createServer(gateway), gateway }
}
