import type { Readable } from 'node:stream'
import type { ByteStream } from '@postern/core/host'
import { markBrokenOff, streamBody } from '@postern/http/bridge'
import type { Context } from 'koa'

/**
 * A body as the stream that Koa and the middleware above expect in `ctx.body`. Piped into the response, before anybody has read
 * of it, it goes past the machinery of Node's streams, which costs more than the rest of a large answer.
 */
export function bodyStream({ res }: Context, body: ByteStream): Readable {
  // Half an answer must not end as if it were whole.
  const readable = body.toReadable((cause) => {
    markBrokenOff(res, cause)
    res.destroy()
  })
  const pipe = readable.pipe.bind(readable)
  readable.pipe = (destination, options) => {
    const isRead = body.consumed || readable.listenerCount('data') + readable.listenerCount('readable') > 0
    const end = (): void => {
      if (options?.end !== false) readable.once('end', () => res.end())
      readable.push(null)
      readable.resume()
    }
    if ((destination as unknown) === res && !isRead && streamBody(res, body, end)) return destination
    // Koa pipes when every middleware is done: from then on the head need not wait for the first byte.
    if ((destination as unknown) === res) res.flushHeaders()
    return pipe(destination, options)
  }
  return readable
}
