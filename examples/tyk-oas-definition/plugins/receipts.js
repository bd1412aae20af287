/** @type {import('@postern/core').EndpointPlugin} */
export function onlyGold(_request, { session }) {
  const isGold = session.metadata.plan === 'gold'
  return isGold ? undefined : { responseCode: 402, responseError: 'Receipts come with the gold plan' }
}

/**
 * Answers itself: the upstream never sees this endpoint.
 *
 * @type {import('@postern/core').EndpointPlugin}
 */
export function receipt(_request, { config, params }) {
  return { responseCode: 200, responseBody: { order: params.id, total: 12, currency: config.currency } }
}
