import { ByteStream } from './byte-stream.ts'
import type { GatewayHeaders } from './headers.ts'

/** Says how an old body was encoded, framed or signed; none of it is true of a new one. */
const DESCRIBES_BODY = [
  'content-encoding',
  'transfer-encoding',
  'trailer',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
]

/** Takes away what was true of an old body only. */
export function forgetBody(headers: GatewayHeaders): void {
  for (const name of DESCRIBES_BODY) headers.delete(name)
}

/** Makes the headers tell the truth about a body a plugin put in place. The plugin's author will not. */
export function describeReplacedBody(headers: GatewayHeaders, content: Buffer | ByteStream, type: string): void {
  forgetBody(headers)
  if (content instanceof ByteStream) headers.delete('content-length')
  else headers.set('content-length', String(content.length))
  const current = headers.get('content-type')
  if (current === null || (type === 'application/json' && !/[/+]json\b/i.test(current)))
    headers.set('content-type', type)
}
