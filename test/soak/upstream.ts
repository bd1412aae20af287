import { listen } from '../support/server.ts'

/** Answers as the path asks; a part of what it is asked for goes wrong. */
export async function faultyUpstream(): Promise<string> {
  const { url } = await listen((req, res) => {
    const fault = /^\/fault\/([a-z]+)/.exec(req.url!)?.[1]
    if (fault === 'reset') {
      req.socket.resetAndDestroy()
      return
    }
    if (fault === 'half') {
      res.writeHead(200, { 'content-length': '1000' }).write('half', () => req.socket.destroy())
      return
    }
    if (fault === 'garbage') {
      req.socket.end('SSH-2.0-x\r\n\r\n')
      return
    }
    if (fault === 'silent') return
    req.resume().on('end', () => res.end(`${req.method} ${req.url}`))
  })
  return url
}
