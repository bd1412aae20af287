import { createApp } from './app.ts'
import { createUpstream } from './upstream.ts'

createUpstream().listen(3001, '127.0.0.1')
const { server, gateway } = await createApp()
console.log(String(gateway.explain('GET', '/orders/7/receipt')))
server.listen(3000, () => console.log("curl -H 'x-api-key: gold-key' http://localhost:3000/orders/7/receipt"))
