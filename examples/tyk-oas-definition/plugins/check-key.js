const PLANS = new Map([
  ['gold-key', 'gold'],
  ['free-key', 'free'],
])

/** @type {import('@postern/core').AuthPlugin} */
export function checkKey(request) {
  const token = request.headers.get('x-api-key') ?? ''
  const plan = PLANS.get(token)
  if (plan === undefined) return { responseCode: 401, responseError: 'Unknown key' }
  return { rate: 100, per: 60, metadata: { token, plan } }
}
