import { connect, type Socket } from 'node:net'
import { closeLater } from './cleanup.ts'
import { signalled } from './promises.ts'
import { listenRaw } from './server.ts'

/** Both ends of a real connection; closed by `closeAll`. */
export async function socketPair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const accepted = signalled<Socket>()
  const { port } = await listenRaw(accepted.signal)
  const far = connect(port, '127.0.0.1')
  closeLater(() => void far.destroy())
  return { near: await accepted.promise, far }
}
