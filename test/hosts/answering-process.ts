import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { respond } from '@postern/core'
import { createGateway } from '@postern/http'

// A process of its own that answers one request, and ends before its event loop has come round. It tells its port over IPC.

const gateway = createGateway({ name: 'a', hooks: { pre: [() => respond(200, Buffer.from('last'))] } })
await gateway.ready()
const server = createServer((req, res) => {
  gateway(req, res)
  process.exit(0)
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
