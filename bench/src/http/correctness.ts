import assert from 'node:assert/strict'
import { type IncomingHttpHeaders, request as ask } from 'node:http'
import type { Contestant } from './contestants/catalogue.ts'
import { FEW, FEW_KEY, LARGE, LOAD_KEY, POSTED, SMALL } from './payloads.ts'
import type { Running } from './running.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Throws unless a contestant does what it will be timed for. */
export async function expectCorrect({ contestant, port }: Running): Promise<void> {
  const send = (path: string, key: string | undefined, body?: string): Promise<Answer> => sendTo(port, path, key, body)
  try {
    expectSmall(contestant, await send('/small.json', LOAD_KEY))
    // What answers by itself has no upstream.
    if (contestant.name !== 'node-answers') {
      const large = await send('/large.bin', LOAD_KEY)
      assert.equal(large.status, 200)
      assert.ok(large.body.equals(LARGE), 'the large body differs')
      const posted = await send('/echo', LOAD_KEY, POSTED)
      assert.equal(posted.status, 200)
      const seen = JSON.parse(posted.body.toString()) as { method: string; body: string }
      assert.deepEqual([seen.method, seen.body], ['POST', POSTED])
    }
    if (contestant.guarded) await expectGuarded(send)
  } catch (cause) {
    throw new Error(`${contestant.name} does not do what it should: ${String(cause)}`, { cause })
  }
}

function expectSmall({ name, edits }: Contestant, { status, headers, body }: Answer): void {
  assert.equal(status, 200)
  assert.match(headers['content-type'] ?? '', /^application\/json/)
  if (name !== 'node-answers') assert.equal(headers['x-upstream'], 'bench')
  if (edits === 'headers') assert.equal(headers['cache-control'], 'no-store')
  if (edits === 'body') assert.deepEqual(JSON.parse(body.toString()), { ...JSON.parse(SMALL), offer: true })
  else assert.equal(body.toString(), SMALL)
}

async function expectGuarded(send: (path: string, key: string | undefined) => Promise<Answer>): Promise<void> {
  for (const key of [undefined, 'bench-nobody-0123456789'])
    assert.ok([401, 403].includes((await send('/small.json', key)).status), `the key ${key} is let in`)
  const statuses: number[] = []
  for (let i = 0; i < FEW + 2; i++) statuses.push((await send('/small.json', FEW_KEY)).status)
  assert.deepEqual(statuses, [...Array.from({ length: FEW }, () => 200), 429, 429])
}

function sendTo(port: number, path: string, key: string | undefined, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(key === undefined ? {} : { Authorization: key }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
    }
    const request = ask({ port, host: '127.0.0.1', path, method: body === undefined ? 'GET' : 'POST', headers })
    request.once('error', reject)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    request.end(body)
  })
}
