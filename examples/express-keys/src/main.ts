import { createInspector } from '@postern/inspector'
import { redisStore } from '@postern/redis'
import { createApp } from './app.ts'

const url = process.env['REDIS_URL']
const { app, gateway } = createApp(url === undefined ? undefined : redisStore({ url, required: true }))
await gateway.ready()

const inspector = createInspector(gateway) // over loopback alone: http://localhost:3000/inspector
app.use('/inspector', inspector)

const free = await gateway.sessions.create({ alias: 'ann', applyPolicies: ['free'] })
const gold = await gateway.sessions.create({ alias: 'bob', applyPolicies: ['gold'] })

const server = app.listen(3000, () => {
  for (const { key } of [free, gold]) console.log(`curl -i -H 'x-api-key: ${key}' http://localhost:3000/notes/7`)
})
process.once('SIGINT', () => {
  inspector.close()
  server.close()
  void gateway.close()
})
