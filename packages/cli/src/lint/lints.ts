import { bodyReadOnEventStream, bodyReadUnasked, jsonOfNoBody } from './body-reads.ts'
import type { Lint } from './lint.ts'
import { optionalWord } from './optional-word.ts'
import { quotaWithoutRenewal } from './quota-without-renewal.ts'
import { riskyExpression } from './risky-expression.ts'
import { shadowedExpression } from './shadowed-expression.ts'
import { trustsEverybody } from './trusts-everybody.ts'
import { unreachableEndpoint } from './unreachable-endpoint.ts'
import { unverifiedUpstream } from './unverified-upstream.ts'

/** Every lint there is, in the order of `docs/cli.md`. */
export const LINTS: readonly Lint[] = [
  unreachableEndpoint,
  shadowedExpression,
  riskyExpression,
  optionalWord,
  quotaWithoutRenewal,
  bodyReadOnEventStream,
  bodyReadUnasked,
  jsonOfNoBody,
  unverifiedUpstream,
  trustsEverybody,
]
