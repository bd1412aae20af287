import type { Lint, Linted } from './lint.ts'

/** Only documents of Tyk get this far: a native definition is refused. */
export const postAuthOnKeyless: Lint = {
  id: 'post-auth-on-keyless',
  severity: 'warning',
  run: ({ apis }: Linted) =>
    apis.flatMap((api) => {
      const { keyless, hooks } = api.definition
      if (!keyless || hooks.postAuth.length === 0) return []
      return [{ api, path: 'hooks.postAuth', message: 'never runs: nobody is asked who they are at a keyless API' }]
    }),
}
