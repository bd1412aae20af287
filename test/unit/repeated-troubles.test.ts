import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Trouble } from '../../packages/cli/src/serve/log.ts'
import { RepeatedTroubles } from '../../packages/cli/src/serve/repeated-troubles.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const trouble = (message: string, event = 'upstreamError'): Trouble => ({ event, api: 'a', what: 'upstream', message })

function watched(): { readonly troubles: RepeatedTroubles; readonly told: string[] } {
  const told: string[] = []
  const troubles = new RepeatedTroubles(({ message, again }) => void told.push(`${message} ${again ?? 'first'}`))
  return { troubles, told }
}

it('counts what comes back, and tells it every ten seconds until it stays away for as long', () => {
  const { troubles, told } = watched()
  for (const message of ['down', 'down', 'late', 'down']) troubles.meet(trouble(message))
  expect(told).toEqual(['down first', 'late first'])
  vi.advanceTimersByTime(10_000)
  expect(told.slice(2)).toEqual(['down 2'])
  troubles.meet(trouble('late'))
  troubles.meet(trouble('down'))
  vi.advanceTimersByTime(20_000)
  expect(told.slice(3)).toEqual(['late first', 'down 1'])
  troubles.meet(trouble('down'))
  expect(told.at(-1)).toBe('down first')
  vi.advanceTimersByTime(20_000)
  expect(vi.getTimerCount()).toBe(0)
})

it('tells at the end what it has counted', () => {
  const { troubles, told } = watched()
  for (let i = 0; i < 1_235; i += 1) troubles.meet(trouble('down'))
  troubles.end()
  expect(told).toEqual(['down first', 'down 1234'])
})

it('tells every change of state', () => {
  const { troubles, told } = watched()
  for (const state of ['open', 'closed', 'open']) troubles.meet(trouble(state, 'circuitBreaker'))
  expect(told).toEqual(['open first', 'closed first', 'open first'])
})

it('tells each time what is never the same, once there are a thousand of them', () => {
  const { troubles, told } = watched()
  for (let i = 0; i < 1_000; i += 1) troubles.meet(trouble(String(i)))
  for (const message of ['new', 'new', '0']) troubles.meet(trouble(message))
  expect(told.slice(1_000)).toEqual(['new first', 'new first'])
})
