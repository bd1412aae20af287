import { createApp } from './app.ts'

createApp().listen(3000, () => console.log('curl http://localhost:3000/prices/apple'))
