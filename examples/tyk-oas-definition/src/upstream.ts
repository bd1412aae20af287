import { createServer, type Server } from 'node:http'

/** What stands behind the gateway. */
export function createUpstream(): Server {
  return createServer((req, res) => {
    res.writeHead(200, { 'content-type': 'application/json', server: 'orders/1.0' })
    res.end(JSON.stringify({ path: req.url, api: req.headers['x-api'], request: req.headers['x-request-id'] }))
  })
}
