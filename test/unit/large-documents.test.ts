import { describe, expect, it } from 'vitest'
import { parseEndpointKey } from '../../packages/core/src/definition/endpoint-key.ts'
import { type ParseContext, readDefinitions } from '../../packages/core/src/definition/parse.ts'
import { translatePath } from '../../packages/core/src/definition/tyk/path.ts'
import { nearest } from '../../packages/core/src/nearest.ts'
import { classic, oasDocument } from '../support/tyk.ts'

const CONTEXT: ParseContext = { plugins: {}, hasDirectory: false, bundles: {}, pathMatching: 'whole' }
const messages = (document: unknown, context: Partial<ParseContext> = {}): string[] =>
  readDefinitions(document, { ...CONTEXT, ...context }).problems.map(({ path, message }) => `${path}: ${message}`)

describe('a report of many problems', () => {
  it('lists ten operations of many, and compares names only at its beginning', () => {
    const names = Array.from({ length: 3_000 }, (_, i) => i)
    const paths = Object.fromEntries(names.map((i) => [`/p${i}`, { get: { operationId: `operation${i}` } }]))
    const operations = Object.fromEntries(names.map((i) => [`operatoin${i}`, { postPlugins: [{ enabled: true }] }]))
    const told = messages(oasDocument({ paths }, { middleware: { operations } }))
    expect(told).toHaveLength(3_000)
    expect(told[0]).toContain('did you mean "operation0"? its operationIds are "stock", "add", "operation0", ')
    expect(told[0]).toMatch(/"operation7" and 2992 more$/)
    expect(told.filter((one) => one.includes('did you mean'))).toHaveLength(20)
  })

  it('lists ten functions of many', () => {
    const plugins = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`function${i}`, () => undefined]))
    const definition = { name: 'a', hooks: { pre: [{ functionName: 'x' }] } }
    expect(messages(definition, { plugins })[0]).toMatch(/options\.plugins has function0, .*function9 and 2 more$/)
  })
})

describe('a document that is no tree', () => {
  /** Data within data, twice each time. */
  const doubled = (): object => {
    let data: object = { end: true }
    for (let i = 0; i < 60; i += 1) data = { left: data, right: data }
    return data
  }

  it('is read once where it shares objects, and shares them in its copy', () => {
    const document = classic()
    const config = doubled()
    const [definition] = readDefinitions(Object.assign(document, { config_data: config }), CONTEXT).definitions
    const { left, right } = definition!.document!['config_data'] as Record<'left' | 'right', object>
    // Compared here, because a matcher would walk through all of it.
    expect([left === right, left === (config as Record<'left', object>).left, Object.isFrozen(left)]).toEqual([
      true,
      false,
      true,
    ])
  })

  it('may share data for plugins of a native definition as well', () => {
    const native = { name: 'a', config: doubled() }
    expect(readDefinitions(native, CONTEXT).definitions).toHaveLength(1)
  })

  it('is refused where it contains itself', () => {
    const data: Record<string, unknown> = {}
    data['again'] = [data]
    expect(messages(Object.assign(classic(), { config_data: data }))).toEqual([
      'config_data.again[0]: contains itself; expected data that ends somewhere',
    ])
  })

  it('is refused where a part of it cannot be read', () => {
    const data = {
      get broken(): string {
        throw new Error('not today')
      },
    }
    expect(messages(Object.assign(classic(), { config_data: data }))).toEqual([
      'config_data.broken: cannot be read: not today',
    ])
  })

  it('is refused where it never seems to end', () => {
    let data: object = {}
    for (let i = 0; i < 20_000; i += 1) data = { data }
    expect(messages(Object.assign(classic(), { config_data: data }))[0]).toContain('more than 500 levels deep')
  })
})

describe('a path', () => {
  const options = { matching: 'whole', ignoreCase: false, expressions: true } as const

  it('of more than 2,000 characters in a Tyk document, or 16,384 elsewhere, is refused', () => {
    const long = '/{a}'.repeat(501)
    expect(translatePath(long, options)).toBe('found a path of 2004 characters, expected at most 2000')
    expect(parseEndpointKey(`GET ${'/:a'.repeat(5_500)}`)).toBe('has 16500 characters, expected at most 16384')
  })

  it('may have many parameters of one name', () => {
    expect(translatePath('/{a}'.repeat(500), options)).toMatchObject({
      text: expect.stringContaining('/:a500') as string,
    })
  })
})

describe('a name', () => {
  it('of more than 100 characters is close to none', () => {
    const name = 'n'.repeat(100)
    expect(nearest(`${name}x`, [name])).toBeUndefined()
    expect(nearest(name, [`${name}x`])).toBe(`${name}x`)
  })
})
