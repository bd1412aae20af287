import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'

interface Page {
  readonly html: string
  readonly policy: string
}

let page: Page | undefined

/** The same page for everybody: what it shows comes as events. */
export function sendPage(res: ServerResponse): void {
  page ??= assemble()
  res.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(page.html),
    'content-security-policy': page.policy,
    'cache-control': 'no-store',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  })
  res.end(page.html)
}

/** One document out of three files; exactly its own script and style may run. */
function assemble(): Page {
  const style = part('inspector.css')
  const script = part('inspector.js')
  const html = part('inspector.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`)
  const policy = [
    `default-src 'none'`,
    `script-src '${hash(script)}'`,
    `style-src '${hash(style)}'`,
    `connect-src 'self'`,
    `img-src data:`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ')
  return { html, policy }
}

function part(file: string): string {
  return readFileSync(new URL(`../page/${file}`, import.meta.url), 'utf8').trim()
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
