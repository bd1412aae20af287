import { createApp } from './app.ts'
import { createUpstream } from './upstream.ts'

createUpstream().listen(3001, '127.0.0.1')
const { app, gateway } = await createApp()
const { key } = await gateway.sessions.create({ alias: 'ann', rate: 100, per: 60 })
app.listen(3000, () => console.log(`curl -i -H 'x-api-key: ${key}' 'http://localhost:3000/notes/search?words=milk'`))
