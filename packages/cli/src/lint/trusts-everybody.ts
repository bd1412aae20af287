import type { Lint, Linted } from './lint.ts'

/** A range of all addresses, or of all that are IPv4. */
const EVERYBODY = /\/0+$|^::(?:ffff:|ffff:0:|ffff:0\.0\.0\.)0\/96$/i

export const trustsEverybody: Lint = {
  id: 'trusts-everybody',
  severity: 'warning',
  run: ({ apis }: Linted) =>
    apis.flatMap((api) =>
      api.definition.trustedProxies.flatMap((range, i) => {
        if (!EVERYBODY.test(range)) return []
        const message = `${range} is everybody: any client may claim any address, host and scheme; name the proxies`
        return [{ api, path: `trustedProxies[${i}]`, message }]
      }),
    ),
}
