import { createGateway as createExpressGateway } from '@postern/express'
import { createServer } from '@postern/http'
import { type ApiDefinitionInput, respond } from '@postern/core'
import express from 'express'
import express4 from 'express4'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EndpointTree } from '../../packages/core/src/chain/endpoint-tree.ts'
import { below, canonicalPath, parseTarget } from '../../packages/core/src/http/path.ts'
import { compileUrl } from '../../packages/core/src/session/url-pattern.ts'
import { hosts } from '../support/hosts.ts'
import { valuesOf } from '../support/lines.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { attack, cleanUpAfterAttacks } from './attack.ts'
import { pathMatching } from './catalogue/i.ts'

cleanUpAfterAttacks()

const PIECES = [
  ['/', '/', '/', '//', '.', '..', '/../', '/./', '...', 'a', 'b', 'A', 'v1', '/v1', '~', ';', ';x=1', '..;', '%'],
  ['%2', '%2e', '%2E', '%2f', '%2F', '%5c', '%25', '%252e', '%41', '%61', '%7e', '%c3%a9', '%C3', '%00', '%0d%0a'],
  ['\\', '#', '|', '{', '"', '<', '\u00E9', '\u0001', '\u007F', ':', '@', '*', '&', '+', "'", '(', '!', ',', '%zz'],
].flat()
const piece = fc.constantFrom(...PIECES)
const pieces = fc.array(piece, { maxLength: 10 }).map((some) => some.join(''))
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: pieces.map((text) => `?${text}`) },
)
const origin = fc.oneof(
  { weight: 9, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.constantFrom('http://a', 'HTTP://evil.example:80', 'http://a@b', 'http://') },
)

/** The same targets whenever they are asked for, so that a failure can be looked at. */
const targetsBelow = (prefix: string, count: number): string[] =>
  fc.sample(
    fc.tuple(origin, pieces, query).map(([before, path, after]) => `${before}${prefix}/${path}${after}`),
    { numRuns: count, seed: 9 },
  )

/** Sends target after target on connections that are kept as long as the server keeps them. */
class Asking {
  readonly #port: number
  #client: RawClient

  constructor(port: number) {
    this.#port = port
    this.#client = new RawClient(port)
  }

  /** What plugins have seen, or the status that says why they have not. */
  async ask(target: string): Promise<string> {
    this.#client.write(Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1'))
    const { status, body, lines } = await this.#client.answer()
    if (valuesOf(lines, 'connection').includes('close')) {
      this.#client.socket.destroy()
      this.#client = new RawClient(this.#port)
    }
    return status === 200 ? body : String(status)
  }
}

const mirror = (listenPath: string): ApiDefinitionInput => ({
  name: 'mirror',
  listenPath,
  // What listens before an upstream heeds case, as the comparison does.
  upstream: 'http://127.0.0.1:9',
  endpoints: {
    'GET /*rest': [({ path, query: asked }, { params }) => respond(200, `${path} ${String(asked)} ${params['rest']!}`)],
    'GET /': [({ path, query: asked }) => respond(200, `${path} ${String(asked)}`)],
    'GET /a{/*rest}': [({ path, query: asked }) => respond(200, `guarded ${path} ${String(asked)}`)],
  },
})

const COUNT = 300

/** A mount of Koa writes an absolute-form target anew, as the URL parser of old did, before anybody below sees it. */
const isRewritten = (host: string, target: string): boolean =>
  host.startsWith('Koa') && /^http/i.test(target) && /['\\{}|<>"^`]/.test(target)

const [, nodeHttp] = hosts[0]!

attack(pathMatching, 'I09', (mount, host) => {
  it('at the root every target means what it means to node:http, and to the function that decides it', async () => {
    const here = new Asking((await mount(mirror('/'))).port)
    const there = new Asking((await nodeHttp(mirror('/'), { safe: true })).port)
    let read = 0
    for (const target of targetsBelow('', COUNT)) {
      const answer = await here.ask(target)
      expect([target, answer]).toEqual([target, await there.ask(target)])
      const parsed = parseTarget(target)
      if (answer === '400') continue
      read += 1
      const [path] = answer.replace('guarded ', '').split(' ')
      expect([target, path]).toEqual([target, parsed?.path])
    }
    expect(read).toBeGreaterThan(COUNT / 10)
  })

  it.runIf(host !== 'node:http')('below a mount every target means what it means below that listen path', async () => {
    const here = new Asking((await mount(mirror('/'), { at: '/v1' })).port)
    const there = new Asking((await nodeHttp(mirror('/v1'), { safe: true })).port)
    let read = 0
    for (const target of targetsBelow('/v1', COUNT)) {
      if (isRewritten(host, target)) continue
      const [answer, expected] = [await here.ask(target), await there.ask(target)]
      read += /^\d+$/.test(answer) ? 0 : 1
      // The mount of Express 4 takes a second slash off with its path, and dots behind it then lead out.
      const outOfMount = host === 'Express 4' && target.includes('/v1//') && answer === '400'
      expect([target, answer]).toEqual([target, outOfMount ? '400' : expected])
    }
    expect(read).toBeGreaterThan(COUNT / 10)
  })

  it.runIf(host.startsWith('Express'))(
    'under a router with parameters and strict routing the mount is taken off by segment',
    async () => {
      const make = host === 'Express 4' ? (express4 as unknown as typeof express) : express
      const app = make().set('case sensitive routing', true).set('strict routing', true)
      const router = make.Router({ mergeParams: true, strict: true, caseSensitive: true })
      router.use('/in', createExpressGateway(mirror('/')))
      app.use('/:tenant', router)
      const { port } = await listen(createServer(app))
      const here = new Asking(port)
      let read = 0
      for (const [i, target] of targetsBelow('', COUNT).entries()) {
        const base = ['/v1/in', '/%761/in', '/a%2Fb/in', '/V;x/in', '/caf%c3%a9/in'][i % 5]!
        const full = target.replace(/^((?:https?:\/\/[^/]*)?)/i, `$1${base}`)
        const answer = await here.ask(full)
        const path = answer.replace('guarded ', '').split(' ')[0]!
        const refused = /^40[04]$/.test(answer)
        read += refused ? 0 : 1
        const whole = parseTarget(full)
        const expected = whole && below(canonicalPath(base)!, whole.path)
        expect([full, path]).toEqual([full, refused ? path : expected])
      }
      expect(read).toBeGreaterThan(COUNT / 10)
    },
  )
})

attack(pathMatching, 'I11', () => {
  const target = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(origin, pieces, query).map(([before, path, after]) => `${before}/${path}${after}`),
    },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }).map((text) => `/${text}`) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
    { weight: 1, arbitrary: fc.webPath() },
  )
  const runs = { numRuns: 20_000 }

  it('the canonical spelling never throws, is its own, and is that of a slow reference', () => {
    fc.assert(
      fc.property(target, (text) => {
        const [path = ''] = text.split('?', 1)
        const canonical = canonicalPath(path)
        expect(canonical).toBe(slowly(path))
        expect(canonical === undefined ? undefined : canonicalPath(canonical)).toBe(canonical)
      }),
      runs,
    )
    expect.hasAssertions()
  })

  it('a target is taken apart without a word of its host', () => {
    fc.assert(
      fc.property(target, (text) => {
        const parsed = parseTarget(text)
        const [, authority, rest = ''] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(text) ?? [undefined, undefined, text]
        const [path = '', ...search] = rest.split('?')
        if (parsed === undefined) return
        expect(authority ?? '').toMatch(/^(?:[\w.:-]+)?$/)
        expect(parsed).toEqual({ path: slowly(path === '' ? '/' : path), search: search.join('?') })
      }),
      runs,
    )
    expect.hasAssertions()
  })

  describe('every matcher', () => {
    const tree = new EndpointTree<number>()
    const KEYS = ['/a', '/a/:b', '/:a-:b', '/:a.json', '/*rest', '/v1{/:x}/*rest/z', '/x/*a-*b']
    for (const [i, key] of KEYS.entries()) tree.add(`GET ${key}`, i)
    const patterns = ['/a', '/{x}', '/*', '/a/*/b', '^/v1/.*$', String.raw`/\d+`].map(compileUrl)

    it('is total, and finds the same whenever it is asked', () => {
      fc.assert(
        fc.property(target, (text) => {
          const path = canonicalPath(text.split('?', 1)[0]!)
          for (const pattern of patterns) expect(typeof pattern.matches(text)).toBe('boolean')
          if (path === undefined) return
          const found = tree.find('GET', path)
          expect(tree.find('HEAD', path)).toEqual(found)
          expect(found === undefined).toBe(path === '/')
          const rest = below('/a', path)
          expect(rest === undefined).toBe(path.split('/')[1] !== 'a')
          expect(rest === undefined ? undefined : canonicalPath(rest)).toBe(rest)
        }),
        runs,
      )
      expect.hasAssertions()
    })
  })
})

const UNRESERVED = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~')
const AS_IT_IS = new Set("!$&'()*+,;=:@/")
const ESCAPED_FOR_BROWSERS = new Set('"<>[]^`{|}')

/** RFC 3986 6.2.2, one rule after the other on whole lists; a text of one character or `%XX` for each byte. */
function slowly(path: string): string | undefined {
  const bytes = bytesOf(path)
  if (bytes === undefined || bytes[0] !== '/') return undefined
  const segments = bytes
    .map((byte) => (byte === '/' ? '\n' : byte))
    .join('')
    .split('\n')
    .slice(1)
  if (segments.some((segment) => !isText(segment) || hidesDots(segment))) return undefined
  // One pair after the other, the leftmost first, as one would do it by hand.
  const ends = ['.', '..'].includes(segments.at(-1)!)
  const resolved: string[] = []
  for (const segment of segments) {
    if (segment === '..' && resolved.length === 0) return undefined
    if (segment === '..') resolved.length -= 1
    else if (segment !== '.') resolved.push(segment)
  }
  if (ends) resolved.push('')
  while (resolved.length > 1 && resolved[0] === '') resolved.shift()
  return `/${resolved.join('/')}`
}

function bytesOf(path: string): string[] | undefined {
  const bytes: string[] = []
  const characters = Array.from({ length: path.length }, (_, i) => path[i]!)
  while (characters.length > 0) {
    const character = characters.shift()!
    if (character === '%') {
      const hex = characters.splice(0, 2).join('').toUpperCase()
      if (!/^[0-9A-F][0-9A-F]$/.test(hex) || hex === '00') return undefined
      const decoded = String.fromCharCode(Number(`0x${hex}`))
      bytes.push(UNRESERVED.has(decoded) ? decoded : `%${hex}`)
    } else if (UNRESERVED.has(character) || AS_IT_IS.has(character)) bytes.push(character)
    else if (ESCAPED_FOR_BROWSERS.has(character)) bytes.push(encodeURIComponent(character))
    else return undefined
  }
  return bytes
}

function isText(segment: string): boolean {
  const decoded = Buffer.from(
    segment.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number(`0x${hex}`))),
    'latin1',
  )
  return Buffer.from(decoded.toString('utf8')).equals(decoded)
}

function hidesDots(segment: string): boolean {
  if (segment === '.' || segment === '..') return false
  return segment
    .split(/%2F|%5C/)
    .map((part) => part.split(';')[0])
    .some((name) => name === '.' || name === '..')
}
