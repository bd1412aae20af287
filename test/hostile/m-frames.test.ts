import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { frame, tunnelled, webSocketUpstream } from '../support/websocket.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { upgrades } from './catalogue/m.ts'

cleanUpAfterAttacks()

const FIN = 0x80
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0x0, 0x1, 0x2, 0x8, 0x9, 0xa]

const text = (payload: string): Buffer => frame(FIN | TEXT, payload)
const binary = (bytes: number): Buffer => frame(FIN | BINARY, Buffer.alloc(bytes, 7))
const closing = (code?: number, reason = ''): Buffer => {
  const payload = Buffer.alloc(code === undefined ? 0 : 2)
  if (code !== undefined) payload.writeUInt16BE(code)
  return frame(FIN | CLOSE, Buffer.concat([payload, Buffer.from(reason)]))
}
const BYE = closing(1000, 'bye')
const byteByByte = (bytes: Buffer): Buffer[] => [...bytes].map((byte) => Buffer.from([byte]))
const INVALID_UTF8 = Buffer.from([0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xcf, 0xed, 0xa0, 0x80])

/** What a client sends once it has its tunnel, in pieces; 'end' ends its side of the connection. */
type Script = readonly (Buffer | 'end')[]

const CASES: Readonly<Record<string, Script>> = {
  'no bytes': [text(''), BYE],
  '1 byte': [text('a'), BYE],
  '125 bytes': [binary(125), BYE],
  '126 bytes': [binary(126), BYE],
  '127 bytes': [binary(127), BYE],
  '65,535 bytes': [binary(65_535), BYE],
  '65,536 bytes': [binary(65_536), BYE],
  '1 MiB': [binary(1_048_576), BYE],
  'text of many languages': [text('κόσμε Привет 你好 🚀'), BYE],
  'one byte at a time': [...byteByByte(Buffer.concat([text('abc'), BYE]))],
  'ten frames in one piece': [Buffer.concat([...Array.from({ length: 10 }, (_, i) => text(String(i))), BYE])],
  'three fragments': [frame(TEXT, 'a'), frame(CONTINUATION, 'b'), frame(FIN | CONTINUATION, 'c'), BYE],
  'empty fragments': [frame(TEXT, ''), frame(CONTINUATION, ''), frame(FIN | CONTINUATION, ''), BYE],
  'a letter in two fragments': [frame(TEXT, Buffer.from([0xce])), frame(FIN | CONTINUATION, Buffer.from([0xba])), BYE],
  'a ping between fragments': [frame(TEXT, 'a'), frame(FIN | PING, 'p'), frame(FIN | CONTINUATION, 'b'), BYE],
  'a close between fragments': [frame(TEXT, 'a'), BYE],
  'a text between fragments': [frame(TEXT, 'a'), text('b'), BYE],
  'a continuation of nothing': [frame(FIN | CONTINUATION, 'a'), BYE],
  'an unfinished continuation of nothing': [frame(CONTINUATION, 'a'), BYE],
  ping: [frame(FIN | PING, 'payload'), BYE],
  'ping of 125 bytes': [frame(FIN | PING, Buffer.alloc(125, 1)), BYE],
  'ping of 126 bytes': [frame(FIN | PING, Buffer.alloc(126, 1)), BYE],
  'a fragmented ping': [frame(PING, 'a'), BYE],
  'an unasked pong': [frame(FIN | PONG, 'x'), BYE],
  'ten pings': [...Array.from({ length: 10 }, (_, i) => frame(FIN | PING, String(i))), BYE],
  'close without a code': [closing()],
  'close 1000 with a reason': [closing(1000, 'done')],
  'close 3000': [closing(3000)],
  'close 4999': [closing(4999)],
  'close 999': [closing(999)],
  'close 1004': [closing(1004)],
  'close 1005': [closing(1005)],
  'close 1006': [closing(1006)],
  'close 5000': [closing(5000)],
  'close with one byte': [frame(FIN | CLOSE, Buffer.from([3]))],
  'close with a reason that is no text': [frame(FIN | CLOSE, Buffer.concat([Buffer.from([3, 0xe8]), INVALID_UTF8]))],
  'a text behind a close': [BYE, text('late')],
  'two closes': [BYE, BYE],
  'an unmasked frame': [frame(FIN | TEXT, 'a', false), BYE],
  'the first reserved bit': [frame(FIN | TEXT | 0x40, 'a'), BYE],
  'the second reserved bit': [frame(FIN | TEXT | 0x20, 'a'), BYE],
  'the third reserved bit': [frame(FIN | TEXT | 0x10, 'a'), BYE],
  'an unknown kind of frame': [frame(FIN | 0x3, 'a'), BYE],
  'an unknown kind of control frame': [frame(FIN | 0xb, 'a'), BYE],
  'text that is no UTF-8': [frame(FIN | TEXT, INVALID_UTF8), BYE],
  'a length of 2^63': [Buffer.from([FIN | BINARY, 255, 128, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])],
  'a message of 2 MiB where 1 MiB is allowed': [binary(2_097_152), BYE],
  'half a frame and the end': [binary(100).subarray(0, 50), 'end'],
  'half a head and the end': [binary(70_000).subarray(0, 3), 'end'],
  'the end at once': ['end'],
  'what is no frame at all': [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 'end'],
}

interface Verdict {
  /** What came back, to the byte. */
  readonly received: string
  readonly atServer: readonly string[]
}

attack(upgrades, 'M06', (mount) => {
  it(`${Object.keys(CASES).length} cases end the same directly and through postern`, async () => {
    let met: string[] = []
    const upstream = await webSocketUpstream(
      (webSocket) => {
        const seen = met
        webSocket.on('message', (data: Buffer, isBinary) => {
          seen.push(`${isBinary ? 'binary' : 'text'} ${data.length} ${data.toString('latin1').slice(0, 40)}`)
          webSocket.send(data, { binary: isBinary })
        })
        webSocket.on('ping', (data) => seen.push(`ping ${data.toString('latin1')}`))
        webSocket.on('pong', (data) => seen.push(`pong ${data.toString('latin1')}`))
        webSocket.on('error', (error) => seen.push(`error ${error.message}`))
        webSocket.on('close', (code, reason) => seen.push(`close ${code} ${reason.toString('latin1')}`))
      },
      { maxPayload: 1_048_576 },
    )
    const { port } = await mount({ name: 'a', upstream: upstream.url }, { upgrade: true })
    const verdictAt = async (where: number, script: Script): Promise<Verdict> => {
      const atServer: string[] = []
      met = atServer
      const client = await tunnelled(where)
      client.socket.setNoDelay(true)
      for (const piece of script) {
        if (piece === 'end') client.socket.end()
        else if (!client.socket.write(piece)) await once(client.socket, 'drain')
      }
      await client.closed
      while (!atServer.at(-1)?.startsWith('close')) await sleep(1)
      return { received: client.received, atServer }
    }
    for (const [what, script] of Object.entries(CASES)) {
      const directly = await verdictAt(upstream.port, script)
      const through = await verdictAt(port, script)
      expect([what, through]).toEqual([what, directly])
      expect([what, directly.atServer.length]).not.toEqual([what, 0])
    }
  })
})
