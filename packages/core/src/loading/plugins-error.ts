import { problemList, type Problem } from '../definition/problems.ts'
import { GatewayError } from '../errors.ts'
import { isNotFound } from './load-plugins.ts'

/** All plugins that could not be loaded, in one error. `cause` is the list, for programs. */
export function pluginsError(problems: readonly Problem[]): GatewayError {
  const missing = problems.every(({ error }) => isNotFound(error))
  return new GatewayError(
    missing ? 'PSTN_PLUGIN_NOT_FOUND' : 'PSTN_PLUGIN_UNLOADABLE',
    `Plugins could not be loaded:\n${problemList(problems)}`,
    { cause: problems },
  )
}
