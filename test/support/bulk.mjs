// The far ends of the large transfers, in a process of their own so that the host's memory can be measured alone.
// An upstream that sends and counts, and a client of the gateway that does the same, driven over IPC.
import { createHash } from 'node:crypto'
import { createServer, request } from 'node:http'
import { Readable } from 'node:stream'

const PIECE = Buffer.alloc(64 * 1024, 'postern ')

/** @param {number} bytes */
function* pieces(bytes) {
  for (let left = bytes; left > 0; left -= PIECE.length) yield left >= PIECE.length ? PIECE : PIECE.subarray(0, left)
}

/** @param {AsyncIterable<Buffer>} stream */
async function digest(stream) {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    hash.update(chunk)
  }
  return { bytes, sha256: hash.digest('hex') }
}

const upstream = createServer((req, res) => {
  if (req.method === 'GET') {
    Readable.from(pieces(Number(req.headers['x-bytes']))).pipe(res)
    return
  }
  digest(req).then(
    (result) => res.end(JSON.stringify(result)),
    () => res.destroy(),
  )
})

upstream.listen(0, '127.0.0.1', () => process.send?.({ port: upstream.address().port }))

process.on('message', async ({ way, url, bytes }) => {
  const expected = await digest(Readable.from(pieces(bytes)))
  const req = request(url, { method: way === 'down' ? 'GET' : 'PUT', agent: false, headers: { 'x-bytes': bytes } })
  req.on('error', (error) => process.send?.({ error: String(error) }))
  req.on('response', async (res) => {
    try {
      const chunks = way === 'up' ? Buffer.concat(await res.toArray()).toString() : undefined
      const result = chunks === undefined ? await digest(res) : JSON.parse(chunks)
      process.send?.({ result, expected })
    } catch (error) {
      process.send?.({ error: String(error) })
    }
  })
  if (way === 'down') req.end()
  else Readable.from(pieces(bytes)).pipe(req)
})
