import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { startDemo } from '../../examples/demo/src/demo.ts'

async function output(colour: boolean, width: number): Promise<{ failed: number; text: string }> {
  let text = ''
  const demo = await startDemo({ colour, width, write: (more) => void (text += more) })
  await demo.close()
  return { failed: demo.failed, text }
}

describe('demo', () => {
  it('answers every request as expected and draws every hook', async () => {
    const { failed, text } = await output(false, 120)
    expect(failed).toBe(0)
    const drawn = (row: string): string => `\n  ${row.replace(' ', ' +')} +[━╸╺ ]+ +\\d+\\.\\d+ ms +`
    expect(text).toMatch(new RegExp(`${drawn('pre stampRequest')}\\+ x-request-id: `))
    expect(text).toMatch(new RegExp(`${drawn('auth checkKey')}lets in user-ada`))
    expect(text).toMatch(new RegExp(`${drawn('auth checkKey')}denies 401 Unknown key`))
    expect(text).toMatch(new RegExp(`${drawn('postAuth freeTierReads')}denies 403 The free tier only reads`))
    expect(text).toMatch(new RegExp(`${drawn('endpoint summary')}answers 200`))
    expect(text).toMatch(new RegExp(`${drawn('endpoint toRegion')}~ upstream: orders > invoices-us`))
    expect(text).toMatch(new RegExp(`${drawn('post forUpstream')}- \\?debug  - authorization  \\+ x-tier: gold`))
    expect(text).toMatch(new RegExp(`${drawn('upstream orders')}meets GET /8\\?full=1`))
    expect(text).toMatch(new RegExp(`${drawn('response hideServer')}- server`))
    expect(text).toMatch(new RegExp(`${drawn('analytics maskClient')}~ clientAddress: 127.0.0.1 > 127.0.0.0`))
    expect(text).toContain('not run    postAuth, endpoint, post, upstream, response')
    expect(text).toContain('not run    endpoint (no endpoint matches /7)')
  })

  it.each([80, 100, 130])('keeps to %i columns, with and without colour', async (width) => {
    const { text } = await output(true, width)
    const plain = stripVTControlCharacters(text)
    expect(text).not.toBe(plain)
    for (const line of plain.split('\n')) expect(line.length).toBeLessThanOrEqual(width)
  })
})
