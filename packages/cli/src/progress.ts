import { noticingExit } from './noticed-exit.ts'
import type { Channel } from './output.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
/** Faster work is over before anybody has wondered. */
const PATIENCE_MS = 200
const FRAME_MS = 80

/** Does the work and says so while it lasts, on a terminal, once it takes long enough to be noticed. */
export async function withProgress<T>(channel: Channel, what: string, work: () => Promise<T>): Promise<T> {
  if (!channel.interactive) return noticingExit(work)
  let frame = 0
  const draw = (): void => {
    channel.write(`\r${channel.paint('cyan', FRAMES[frame % FRAMES.length]!)} ${what} `)
    frame += 1
  }
  let drawing: NodeJS.Timeout | undefined
  const starting = setTimeout(() => {
    draw()
    drawing = setInterval(draw, FRAME_MS)
  }, PATIENCE_MS)
  try {
    return await noticingExit(work)
  } finally {
    clearTimeout(starting)
    clearInterval(drawing)
    if (frame > 0) channel.write('\r\u001b[K')
  }
}
