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

/** Whether an answer carries no body whatever its headers say (RFC 9110 6.4.1). */
export function isBodyless(method: string, status: number): boolean {
  return method === 'HEAD' || status < 200 || status === 204 || status === 205 || status === 304
}

/** Takes away what was true of an old body only. */
export function forgetBody(headers: GatewayHeaders): void {
  for (const name of DESCRIBES_BODY) headers.delete(name)
}

/**
 * Makes the headers tell the truth about a body a plugin put in place. The plugin's author will not. Answers the type it
 * had to make up because there was none.
 */
export function describeReplacedBody(
  headers: GatewayHeaders,
  content: Buffer | ByteStream,
  type: string,
): string | undefined {
  forgetBody(headers)
  if (content instanceof ByteStream) headers.delete('content-length')
  else headers.set('content-length', String(content.length))
  const current = headers.get('content-type')
  // Several parts have a boundary each, and none of them is here any more.
  if (current === null || /^multipart\/byteranges\b/i.test(current)) {
    headers.set('content-type', type)
    return current === null ? type : undefined
  }
  const isJson = type === 'application/json'
  if (isJson && !/[/+]json\b/i.test(current)) headers.set('content-type', type)
  else if (isJson || type.startsWith('text/')) {
    const inUtf8 = withUtf8(current)
    if (inUtf8 !== current) headers.set('content-type', inUtf8)
  }
  return undefined
}

const CHARSET = /(;\s*charset\s*=\s*)(?:"([^"]*)"|([^\s;"]+))/i

/** The charset a content type names, in lower case. */
export function charsetOf(contentType: string | null): string | undefined {
  const [, , quoted, plain] = CHARSET.exec(contentType ?? '') ?? []
  return (quoted ?? plain)?.trim().toLowerCase()
}

/** Text leaves here as UTF-8, whatever it came as. */
function withUtf8(contentType: string): string {
  const charset = charsetOf(contentType)
  return charset === undefined || charset === 'utf-8' || charset === 'utf8'
    ? contentType
    : contentType.replace(CHARSET, '$1utf-8')
}
