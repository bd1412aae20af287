import { stat } from 'node:fs/promises'
import { GatewayError } from '@postern/core/host'

/** What is to be watched and does not exist: a misspelt path would be waited for without a word. */
export async function absentOf(
  files: readonly string[],
  plugins: string | undefined,
): Promise<GatewayError | undefined> {
  const paths = plugins === undefined ? files : [...files, plugins]
  const absent: string[] = []
  for (const path of paths) if (!(await exists(path))) absent.push(path)
  if (absent.length === 0) return undefined
  const verb = absent.length === 1 ? 'does not exist' : 'do not exist'
  return new GatewayError(
    'PSTN_OPTIONS_INVALID',
    `${absent.join(', ')} ${verb}; reloads as soon as there is something.`,
  )
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  )
}
