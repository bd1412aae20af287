import { nginxVersion, upstreamNginx } from './nginx.ts'
import { saying, startNode } from './running.ts'

export interface UpstreamServer {
  readonly url: URL
  readonly what: string
  readonly stop: () => void
}

/** What all contestants proxy to: nginx where it is there, else Node. */
export async function startUpstream(): Promise<UpstreamServer> {
  const child = startNode('load', 'upstream-process.js', [])
  const { port: echoPort } = await saying<{ port: number }>(child)
  const url = (port: number): URL => new URL(`http://127.0.0.1:${port}`)
  const version = nginxVersion()
  if (version === undefined) return { url: url(echoPort), what: 'node:http', stop: () => void child.kill() }
  const nginx = await upstreamNginx(echoPort)
  return {
    url: url(nginx.port),
    what: `nginx ${version}`,
    stop: () => {
      nginx.stop()
      child.kill()
    },
  }
}
