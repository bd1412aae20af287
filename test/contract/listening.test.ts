import type { GatewayEvent } from '@postern/core'
import { createGateway } from '@postern/http'
import { describe, expect, it, onTestFinished } from 'vitest'

function gateway() {
  const made = createGateway({ name: 'a' })
  onTestFinished(() => made.close())
  return made
}

const nothing = (): void => undefined

describe('gateway.on()', () => {
  it.each<[unknown, string]>([
    ['pluginErrors', 'There is no event "pluginErrors"; did you mean "pluginError"? known: authFailure, pluginError, '],
    ['authfailure', 'There is no event "authfailure"; did you mean "authFailure"? known: '],
    ['error', 'There is no event "error"; known: '],
    ['constructor', 'There is no event "constructor"; known: '],
    [undefined, 'There is no event undefined; known: '],
    [Symbol('reload'), 'There is no event symbol; known: '],
  ])('refuses an event there is not: %s', (event, message) => {
    expect(() => gateway().on(event as GatewayEvent, nothing)).toThrow(
      expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message: expect.stringContaining(message) as string }),
    )
  })

  it.each<[unknown, string]>([
    [undefined, 'undefined'],
    [{ reload: nothing }, 'an object with reload'],
    [class Listener extends Set {}, 'the class Listener'],
  ])('refuses a listener that cannot be called: %o', (listener, found) => {
    expect(() => gateway().on('reload', listener as () => void)).toThrow(
      expect.objectContaining({
        code: 'PSTN_OPTIONS_INVALID',
        message: `The listener for "reload" is ${found}; expected a function.`,
      }),
    )
  })
})
