import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  definitionError,
  located,
  pathKeys,
  pathText,
  schemaProblems,
} from '../../packages/core/src/definition/problems.ts'
import { definitionSchema } from '../../packages/core/src/definition/schema.ts'

const source = {
  document: {},
  file: 'orders.yaml',
  locate: (path: readonly (string | number)[], part?: string) =>
    path.length === 0 ? undefined : { line: path.length, column: part === 'key' ? 3 : 7 },
}

describe('the path of a problem', () => {
  it.each([
    ['', []],
    ['name', ['name']],
    ['hooks.pre[0]', ['hooks', 'pre', 0]],
    ['[1].hooks.pre[10].timeoutMs', [1, 'hooks', 'pre', 10, 'timeoutMs']],
    ['endpoints["GET /x"][0]', ['endpoints', 'GET /x', 0]],
    ['policies["a\\"].b"]', ['policies', 'a"].b']],
    ['config["0"]', ['config', '0']],
    ['[""].$_9', ['', '$_9']],
  ])('%s leads through %j, and back', (text, keys) => {
    expect(pathKeys(text)).toEqual(keys)
    expect(pathText(keys)).toBe(text)
  })

  it('leads back from whatever keys there are', () => {
    const key = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.nat(),
      fc.constant('__proto__'),
    )
    fc.assert(
      fc.property(fc.array(key), (keys) => {
        expect(pathKeys(pathText(keys))).toEqual(keys)
      }),
    )
  })

  it.each([
    ['hooks..pre', ['hooks']],
    ['hooks pre', ['hooks']],
    ['hooks["pre', ['hooks']],
    ['hooks["\\q"]', ['hooks']],
    ['hooks[-1]', ['hooks']],
    ['.hooks', []],
    ['a[0]b', ['a', 0]],
  ])('%s leads as far as it is one', (text, keys) => {
    expect(pathKeys(text)).toEqual(keys)
  })
})

describe('the place of a problem', () => {
  it('is where its source says', () => {
    expect(located({ path: 'hooks.pre[0]', message: 'x' }, source)).toEqual({
      path: 'hooks.pre[0]',
      message: 'x',
      file: 'orders.yaml',
      line: 3,
      column: 7,
    })
    expect(located({ path: '', message: 'x' }, source)).toEqual({ path: '', message: 'x', file: 'orders.yaml' })
  })

  it('is that of the key where that is what is wrong', () => {
    const [unknown] = schemaProblems(definitionSchema.safeParse({ name: 'a', lisenPath: '/' }).error)
    expect(located(unknown!, source)).toMatchObject({ path: 'lisenPath', line: 1, column: 3 })
  })

  it('is printed before it, as far as it is known', () => {
    const problems = [
      located({ path: 'hooks.pre[0]', message: 'found 17' }, source),
      located({ path: '', message: 'is empty' }, source),
      { path: '', message: 'found "}"', file: 'a.json', line: 2, column: 3 },
      { path: 'name', message: 'missing', file: 'a.json' },
      { path: 'name', message: 'missing' },
      { path: '', message: 'found 17' },
    ]
    const error = definitionError('The definition', problems)
    expect(error.message.split('\n')).toEqual([
      'The definition has 6 problems:',
      '  - orders.yaml:3:7 hooks.pre[0]: found 17',
      '  - orders.yaml: is empty',
      '  - a.json:2:3: found "}"',
      '  - a.json name: missing',
      '  - name: missing',
      '  - found 17',
    ])
    expect(error.cause).toBe(problems)
  })
})
