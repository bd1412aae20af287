import {
  type ApiDefinition,
  type ApiDefinitionInput,
  type GatewayError,
  type GatewayOptions,
  isGatewayError,
  type Problem,
} from '@postern/core'
import { createGateway } from '@postern/http'
import { parseDefinitions } from '../../packages/core/src/definition/parse.ts'
import { inPlace } from '../../packages/core/src/loading/load-plugins.ts'

/** What `createGateway` says of a definition; undefined when it is taken. */
export function refusalOf(definition: unknown, options?: GatewayOptions): GatewayError | undefined {
  try {
    createGateway(definition as ApiDefinitionInput, options)
    return undefined
  } catch (error) {
    if (isGatewayError(error)) return error
    throw error
  }
}

/** Every problem of a definition, by path; none when it is taken. */
export function problemsOf(definition: unknown): readonly Problem[] {
  const refusal = refusalOf(definition)
  if (refusal === undefined) return []
  const problems = refusal.cause as readonly Problem[]
  // What people read has everything that programs do, and nothing of the inside.
  const told = problems.every(
    ({ path, message }) => refusal.message.includes(path) && refusal.message.includes(message),
  )
  if (!told || /\n\s+at /.test(refusal.message)) throw new Error(`told in another way: ${refusal.message}`)
  return problems
}

/** The one shape a definition has once it is read. */
export const validated = (definition: ApiDefinitionInput): ApiDefinition =>
  inPlace(parseDefinitions(definition).definitions[0]!.draft)
