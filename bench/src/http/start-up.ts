import { setTimeout as sleep } from 'node:timers/promises'
import { request as ask } from 'node:http'
import type { Contestant } from './contestants/catalogue.ts'
import { LOAD_KEY } from './payloads.ts'
import { type Around, run } from './running.ts'

/** From the start of its process to its first answer, and what it holds when nothing is asked of it any more. */
export async function firstAnswer(
  contestant: Contestant,
  around: Around,
): Promise<{ readonly milliseconds: number; readonly rssBytes: number }> {
  const startedAt = performance.now()
  const running = await run(contestant, around)
  try {
    await once(running.port)
    const milliseconds = performance.now() - startedAt
    await sleep(100)
    return { milliseconds, rssBytes: await running.rssBytes() }
  } finally {
    running.stop()
  }
}

function once(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = ask({
      port,
      host: '127.0.0.1',
      path: '/small.json',
      headers: { Authorization: LOAD_KEY },
      agent: false,
    })
    request.once('error', reject)
    request.once('response', (response) => response.resume().once('end', resolve))
    request.end()
  })
}
