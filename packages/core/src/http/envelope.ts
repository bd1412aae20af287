// The request's content type decides, as in the real gateway; Accept is not consulted.
const XML_TYPES = new Set(['application/xml', 'text/xml', 'application/soap+xml'])

export interface Envelope {
  readonly contentType: string
  readonly body: Buffer
}

/** The body of an answer the gateway makes itself, byte for byte as the real gateway writes it. */
export function errorEnvelope(message: string, requestContentType: string | null): Envelope {
  const type = requestContentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (XML_TYPES.has(type)) {
    const text = `<?xml version = "1.0" encoding = "UTF-8"?>\n<error>${escapeXml(message)}</error>\n`
    return { contentType: type, body: Buffer.from(text) }
  }
  return { contentType: 'application/json', body: Buffer.from(`{\n    "error": ${JSON.stringify(message)}\n}`) }
}

const XML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
  '\0': '\uFFFD',
}

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"'\0]/g, (character) => XML_ESCAPES[character]!)
}
