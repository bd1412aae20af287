/** @type {import('@postern/core').PrePlugin} */
export function refuseRobots(request) {
  const isRobot = /bot/i.test(request.headers.get('user-agent') ?? '')
  return isRobot ? { responseCode: 403, responseError: 'No robots' } : undefined
}

/** @type {import('@postern/core').PostAuthPlugin} */
export function tellAlias(request, { session }) {
  request.headers.set('x-alias', session.alias)
}

/** @type {import('@postern/core').PostPlugin} */
export function tellRegion(request) {
  request.headers.set('x-region', 'north')
}
