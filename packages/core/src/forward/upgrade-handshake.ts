import { createHash } from 'node:crypto'
import type { GatewayErrorCode } from '../errors.ts'
import { sameName } from '../http/headers.ts'
import type { IncomingHead } from '../http/incoming-head.ts'

/** What a server appends to the client's key to show that it speaks WebSocket (RFC 6455 1.3). */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/

/** Why a request that has asked for an upgrade is no opening handshake of WebSocket (RFC 6455 4.2.1); undefined when it is one. */
export function upgradeProblem({ method, httpVersion, rawHeaders }: IncomingHead): GatewayErrorCode | undefined {
  const keys = valuesOf(rawHeaders, 'sec-websocket-key')
  const valid =
    method === 'GET' &&
    httpVersion === '1.1' &&
    switchesToWebSocket(rawHeaders) &&
    keys.length === 1 &&
    KEY.test(keys[0]!) &&
    valuesOf(rawHeaders, 'transfer-encoding').length === 0 &&
    valuesOf(rawHeaders, 'content-length').every((length) => length === '0')
  if (!valid) return 'PSTN_UPGRADE_INVALID'
  const versions = valuesOf(rawHeaders, 'sec-websocket-version')
  return versions.length === 1 && versions[0] === '13' ? undefined : 'PSTN_UPGRADE_REQUIRED'
}

/** Whether a request is meant as a handshake of WebSocket, valid or not. */
export function isHandshake(lines: readonly string[]): boolean {
  // Few requests have one, and only those are looked at more closely.
  for (let i = 0; i < lines.length; i += 2)
    if (sameName(lines[i]!, 'sec-websocket-key')) return switchesToWebSocket(lines)
  return false
}

/** Whether a 101 is the answer to the handshake with that key (RFC 6455 4.1): without it, what follows is somebody else's. */
export function isAcceptedBy(rawHeaders: readonly string[], key: string): boolean {
  const accepts = valuesOf(rawHeaders, 'sec-websocket-accept')
  const expected = createHash('sha1')
    .update(key + WEBSOCKET_GUID)
    .digest('base64')
  return switchesToWebSocket(rawHeaders) && accepts.length === 1 && accepts[0] === expected
}

/** The key of the handshake as it is sent; empty when there is none. */
export function keyOf(lines: readonly string[]): string {
  return valuesOf(lines, 'sec-websocket-key')[0] ?? ''
}

/** To WebSocket and nothing else: of a list the other side might choose. */
function switchesToWebSocket(lines: readonly string[]): boolean {
  const protocols = tokensOf(lines, 'upgrade')
  return protocols.length === 1 && protocols[0] === 'websocket' && tokensOf(lines, 'connection').includes('upgrade')
}

function tokensOf(lines: readonly string[], name: string): string[] {
  return valuesOf(lines, name)
    .join(',')
    .split(',')
    .map((token) => token.trim().toLowerCase())
}

function valuesOf(lines: readonly string[], name: string): string[] {
  return lines.filter((_, i) => i % 2 === 1 && sameName(lines[i - 1]!, name)).map((value) => value.trim())
}
