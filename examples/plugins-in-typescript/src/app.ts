import { createServer, type Server } from 'node:http'
import { defineApi } from '@postern/core'
import { createGateway } from '@postern/http'
import { asReader, blockAgents, countHit, replyWithHits } from './plugins.ts'

const hits = defineApi({
  name: 'hits',
  hooks: { pre: [{ plugin: blockAgents(/badbot/i), name: 'blockAgents' }], auth: asReader },
  endpoints: { '* /*rest': [countHit, replyWithHits] },
})

export function createApp(): Server {
  return createServer(createGateway(hits))
}
