import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../errors.ts'
import { ByteStream } from '../http/byte-stream.ts'
import { upstreamError } from './upstream-error.ts'

/** The body of an ordinary answer where a 101 was asked for. */
export function refusalBody(message: IncomingMessage, pauseTimeoutMs: number): ByteStream {
  const late = (): void => {
    const pause = `The upstream paused its answer for ${pauseTimeoutMs} ms (bodyTimeoutMs).`
    message.destroy(new GatewayError('PSTN_UPSTREAM_TIMEOUT', pause))
  }
  let timer: NodeJS.Timeout | undefined
  const wait = (): void => void (timer = setTimeout(late, pauseTimeoutMs).unref())
  const body = new ByteStream({
    resume: () => {
      wait()
      message.resume()
    },
    cancel: () => message.destroy(),
  })
  message.on('data', (chunk: Buffer) => {
    timer?.refresh()
    if (body.push(chunk)) return
    // As long as nobody takes more, the upstream cannot be late.
    clearTimeout(timer)
    message.pause()
  })
  message.on('end', () => body.end())
  message.on('error', (error) => body.fail(upstreamError(error, true, undefined)))
  message.on('close', () => {
    clearTimeout(timer)
    body.fail(new GatewayError('PSTN_UPSTREAM_BROKE', 'The upstream broke off in the middle of its answer.'))
  })
  wait()
  return body
}
