import type { Lint, Linted } from './lint.ts'

export const unverifiedUpstream: Lint = {
  id: 'unverified-upstream',
  severity: 'warning',
  run: ({ apis }: Linted) =>
    apis.flatMap((api) => {
      const { upstream } = api.definition
      if (upstream === undefined || upstream.verifyTls || !upstream.targets.some(isSecure)) return []
      const message = 'accepts any certificate: whoever is in between reads and writes as it pleases'
      return [{ api, path: 'upstream.verifyTls', message }]
    }),
}

function isSecure({ url }: { readonly url: string }): boolean {
  return url.startsWith('https:')
}
