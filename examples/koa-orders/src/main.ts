import { createApp } from './app.ts'

createApp().app.listen(3000, () => console.log("curl -H 'authorization: gold-key' http://localhost:3000/order/7"))
