import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LARGE, SMALL } from './payloads.ts'

/*
 * The upstream where there is no nginx, and behind nginx what looks at a body: `/echo` says what has come.
 */
const small = Buffer.from(SMALL)
const server = createServer((req, res) => {
  const path = (req.url ?? '/').split('?')[0]
  if (path === '/echo') {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      res.writeHead(200, { 'Content-Type': 'application/json', 'X-Upstream': 'bench' })
      res.end(JSON.stringify({ method: req.method, headers: req.headers, body: Buffer.concat(chunks).toString() }))
    })
    return
  }
  req.resume()
  const body = path === '/large.bin' ? LARGE : small
  res.writeHead(200, {
    'Content-Type': path === '/large.bin' ? 'application/octet-stream' : 'application/json',
    'Content-Length': body.length,
    'X-Upstream': 'bench',
  })
  res.end(body)
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', 4_096, () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit())
