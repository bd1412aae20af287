/** @type {import('@postern/core').PrePlugin} */
export function refuseRobots(request) {
  if (/bot/i.test(request.headers.get('user-agent') ?? '')) return { responseCode: 403, responseError: 'No robots' }
}

/** @type {import('@postern/core').PostAuthPlugin} */
export function tellAlias(request, { session }) {
  request.headers.set('x-alias', session.alias)
}

/** @type {import('@postern/core').PostPlugin} */
export function tellRegion(request) {
  request.headers.set('x-region', 'north')
}
