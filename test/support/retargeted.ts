import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { closeLater } from './cleanup.ts'

/** The definitions of an example as somebody would deploy them: with an upstream in another place. */
export function retargeted(example: string, upstream: string): string {
  const from = fileURLToPath(new URL(`../../examples/${example}/apis/`, import.meta.url))
  const to = mkdtempSync(path.join(tmpdir(), 'postern-apis-'))
  closeLater(() => rmSync(to, { recursive: true, force: true }))
  for (const name of readdirSync(from)) {
    const text = readFileSync(path.join(from, name), 'utf8')
    writeFileSync(path.join(to, name), text.replaceAll('http://127.0.0.1:3001', upstream))
  }
  return to
}
