import { describe, expect, it } from 'vitest'
import { isAuthority } from '../../packages/core/src/http/authority.ts'
import { headProblem, visibleLines } from '../../packages/core/src/http/incoming-head.ts'

const HOST = ['Host', 'a']

interface Case {
  readonly lines?: readonly string[]
  readonly method?: string
  readonly version?: string
}

const problem = ({ lines = HOST, method = 'GET', version = '1.1' }: Case): string | undefined =>
  headProblem({ method, httpVersion: version, rawHeaders: lines })

describe('the head of a request', () => {
  it.each<[string, Case]>([
    ['an ordinary one', {}],
    ['HTTP/1.0 without a host', { lines: [], version: '1.0' }],
    ['an empty host', { lines: ['Host', ''] }],
    ['a length', { lines: [...HOST, 'Content-Length', '5'] }],
    ['a length twice, equal', { lines: [...HOST, 'Content-Length', '5', 'content-length', '5'] }],
    ['chunks, in odd case', { lines: [...HOST, 'transfer-ENCODING', ' Chunked\t'] }],
    ['an expectation', { lines: [...HOST, 'Expect', '100-Continue'] }],
    ['a hundred nominations', { lines: [...HOST, 'Connection', Array.from({ length: 100 }, () => 'x').join()] }],
    ['fields as long as those it knows', { lines: [...HOST, 'Hoss', 'b', 'Expecx', 'y', 'Content-Lengtx', 'z'] }],
  ])('has one reading: %s', (_, head) => {
    expect(problem(head)).toBeUndefined()
  })

  it.each<[string, Case, string]>([
    ['HTTP/2.0', { version: '2.0' }, 'PSTN_VERSION_UNSUPPORTED'],
    ['HTTP/0.9', { version: '0.9' }, 'PSTN_VERSION_UNSUPPORTED'],
    ['TRACE', { method: 'TRACE' }, 'PSTN_METHOD_REFUSED'],
    ['CONNECT', { method: 'CONNECT' }, 'PSTN_METHOD_REFUSED'],
    ['no host', { lines: [] }, 'PSTN_HEAD_INVALID'],
    ['two hosts', { lines: [...HOST, 'hOST', 'a'] }, 'PSTN_HEAD_INVALID'],
    ['two hosts in HTTP/1.0', { lines: [...HOST, ...HOST], version: '1.0' }, 'PSTN_HEAD_INVALID'],
    ['a host that is none', { lines: ['Host', 'a,b'] }, 'PSTN_HEAD_INVALID'],
    ['lengths that differ', { lines: [...HOST, 'Content-Length', '5', 'Content-Length', '6'] }, 'PSTN_HEAD_INVALID'],
    ['a signed length', { lines: [...HOST, 'Content-Length', '+5'] }, 'PSTN_HEAD_INVALID'],
    ['an empty length', { lines: [...HOST, 'Content-Length', ''] }, 'PSTN_HEAD_INVALID'],
    ['a length nobody can count', { lines: [...HOST, 'Content-Length', '9'.repeat(16)] }, 'PSTN_HEAD_INVALID'],
    [
      'a length and a coding',
      { lines: [...HOST, 'Content-Length', '5', 'Transfer-Encoding', 'chunked'] },
      'PSTN_HEAD_INVALID',
    ],
    ['a coding in HTTP/1.0', { lines: [...HOST, 'Transfer-Encoding', 'chunked'], version: '1.0' }, 'PSTN_HEAD_INVALID'],
    ['an empty coding', { lines: [...HOST, 'Transfer-Encoding', ''] }, 'PSTN_HEAD_INVALID'],
    [
      'two codings',
      { lines: [...HOST, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'] },
      'PSTN_HEAD_INVALID',
    ],
    ['another coding', { lines: [...HOST, 'Transfer-Encoding', 'gzip, chunked'] }, 'PSTN_CODING_UNSUPPORTED'],
    ['another expectation', { lines: [...HOST, 'Expect', 'x'] }, 'PSTN_EXPECTATION_FAILED'],
    ['one of two', { lines: [...HOST, 'Expect', '100-continue', 'Expect', 'x'] }, 'PSTN_EXPECTATION_FAILED'],
    [
      'too many nominations over two lines',
      { lines: [...HOST, 'Connection', 'x,'.repeat(50), 'Connection', 'x,'.repeat(50)] },
      'PSTN_HEAD_INVALID',
    ],
  ])('is refused: %s', (_, head, code) => {
    expect(problem(head)).toBe(code)
  })
})

describe('the lines anybody sees', () => {
  it('are the same array where there is nothing to drop', () => {
    const lines = [...HOST, 'X-A', '1', 'X-Tykes', '2']
    expect(visibleLines(lines, 'drop')).toBe(lines)
  })

  it('leave out twins, and what only a gateway says', () => {
    const lines = ['X_A', '1', ...HOST, 'x-tyk-a', '2', 'X_Tyk_B', '3', 'X-A', '4']
    expect(visibleLines(lines, 'drop')).toEqual([...HOST, 'X-A', '4'])
    expect(visibleLines(lines, 'keep')).toEqual(['X_A', '1', ...HOST, 'X-A', '4'])
  })
})

describe('a host with or without a port', () => {
  it.each([
    'a',
    'a.example',
    'a_b',
    'a-b~c',
    '127.0.0.1:80',
    'a:0',
    'a:65535',
    '[::1]',
    '[::1]:8080',
    '[::ffff:1.2.3.4]',
    '%61',
  ])('is one: %s', (text) => {
    expect(isAuthority(text)).toBe(true)
  })

  it.each([
    '',
    ':80',
    'a:',
    'a:65536',
    'a:99999',
    'a:100000',
    'a:x',
    'a:1:2',
    'a b',
    'a,b',
    'u@h',
    'a/b',
    '::1',
    '[::1',
    '[]',
    '[:::]',
    '[g::1]',
    '[::1]x',
    '[1.2.3.4]',
    '\u00E4',
    'a\n',
    '[::1]:65536',
  ])('is none: %j', (text) => {
    expect(isAuthority(text)).toBe(false)
  })
})
