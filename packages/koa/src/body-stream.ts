import type { ServerResponse } from 'node:http'
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
  // Koa pipes when every middleware is done: from then on the head need not wait for the first byte.
  res.once('pipe', () => res.flushHeaders())
  const pipe = readable.pipe.bind(readable)
  readable.pipe = (destination, options) => {
    if ((destination as unknown) !== res || isWatched(readable, res)) return pipe(destination, options)
    const end = (): void => {
      if (options?.end !== false) readable.once('end', () => res.end())
      readable.push(null)
      readable.resume()
    }
    const read = readable._read.bind(readable)
    // Whoever reads later has no part in it.
    readable._read = () => undefined
    if (streamBody(res, body, end)) return destination
    readable._read = read
    return pipe(destination, options)
  }
  return readable
}

/** Whether somebody has begun to read, has put something in front, or waits for who is piped into the response. */
function isWatched(readable: Readable, res: ServerResponse): boolean {
  const readers = readable.listenerCount('data') + readable.listenerCount('readable')
  return readers > 0 || readable.readableDidRead || readable.readableLength > 0 || res.listenerCount('pipe') > 1
}
