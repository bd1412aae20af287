/* What the documentation of `SessionMetadata` and `RequestState` shows: fields of one's own, with types. */
import type { AuthPlugin, PostAuthPlugin, PrePlugin } from '@postern/core'
import { assertType, expectTypeOf, test } from 'vitest'

declare module '@postern/core' {
  interface SessionMetadata {
    plan?: 'trial' | 'paid'
  }
  interface RequestState {
    startedBy?: string
  }
}

test('a field of one’s own is typed where metadata is read, written and returned', () => {
  assertType<PostAuthPlugin>((_request, { session }) => {
    expectTypeOf(session.metadata.plan).toEqualTypeOf<'trial' | 'paid' | undefined>()
    expectTypeOf(session.metadata.token).toEqualTypeOf<string | undefined>()
    expectTypeOf(session.metadata['other']).toBeUnknown()
    session.metadata.plan = 'paid'
    // @ts-expect-error there are two plans
    session.metadata.plan = 'gold'
  })
  assertType<AuthPlugin>(() => ({ metadata: { token: 'a', plan: 'trial' } }))
  // @ts-expect-error there are two plans
  assertType<AuthPlugin>(() => ({ metadata: { token: 'a', plan: 'gold' } }))
})

test('a field of one’s own is typed in the state', () => {
  assertType<PrePlugin>((_request, { state }) => {
    expectTypeOf(state.startedBy).toEqualTypeOf<string | undefined>()
    state.startedBy = 'me'
    // @ts-expect-error it is text
    state.startedBy = 5
  })
})
