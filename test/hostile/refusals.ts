import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import type { Siege } from './attack.ts'

/** What may not run: it comes on the same connection, behind what is refused. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

/** Everything a server says on one connection until it ends that. */
export async function allSaid(port: number, ...pieces: readonly (string | Uint8Array)[]): Promise<string> {
  const client = new RawClient(port)
  client.socket.setNoDelay(true)
  for (const piece of pieces) {
    client.write(piece)
    if (pieces.length > 1) await sleep(2)
  }
  await client.closed
  return client.received
}

/** The statuses in what a server said; bodies of these tests never spell a status line. */
export function statusesIn(said: string): number[] {
  return [...said.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

const REFUSAL = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n\{\n {4}"error": "[\w -]+"\n\}$/

/** Refused: one answer, its envelope, the end of the connection, and no request at the upstream. */
export async function expectRefusal(
  siege: Siege,
  bytes: string | Uint8Array,
  statuses: readonly number[] = [400],
): Promise<void> {
  const said = await allSaid(siege.port, bytes)
  expectRefused(said, statuses)
  expect(siege.upstream.seen).toEqual([])
  await siege.unharmed()
}

/** One answer of a refused request, whole, and the last of its connection. */
export function expectRefused(said: string, statuses: readonly number[]): void {
  expect(said).toMatch(REFUSAL)
  expect(said).toMatch(/\r\nconnection: close\r\n/i)
  expect(statusesIn(said)).toHaveLength(1)
  expect(statuses).toContain(statusesIn(said)[0])
}

/** Refused or cut off, where a parser gives up without a word; nothing reaches the upstream. */
export async function expectRefusalOrSilence(
  siege: Siege,
  bytes: string | Uint8Array,
  statuses: readonly number[],
): Promise<void> {
  const said = await allSaid(siege.port, bytes)
  if (said !== '') expectRefused(said, statuses)
  expect(siege.upstream.seen).toEqual([])
  await siege.unharmed()
}
