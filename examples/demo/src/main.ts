import { startDemo } from './demo.ts'

const { FORCE_COLOR, NO_COLOR } = process.env
const wanted = process.stdout.isTTY && (NO_COLOR ?? '') === ''
const colour = FORCE_COLOR === undefined ? wanted : FORCE_COLOR !== '0'
const width = Math.min(Math.max(process.stdout.columns ?? 120, 80), 130)
const write = (text: string): void => void process.stdout.write(text)

write('postern demo: an Express service with a gateway in it. One bar for each plugin, time from left to right.\n\n')
const demo = await startDemo({ colour, width, write })
if (demo.failed > 0) process.exitCode = 1
if (process.argv.includes('--once')) {
  await demo.close()
} else {
  write(`Serving at ${demo.url} until Ctrl+C; every request below /orders/ is drawn here. Try\n\n`)
  write(`  curl -H 'authorization: gold-key' ${demo.url}/orders/7/summary\n\n`)
  process.once('SIGINT', () => void demo.close())
}
