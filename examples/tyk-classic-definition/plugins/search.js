/** @type {import('@postern/core').EndpointPlugin} */
export function needsWords(request, { config }) {
  const words = request.query.get('words') ?? ''
  const responseError = `Search for up to ${config.longest} letters: ?words=milk`
  return words === '' || words.length > config.longest ? { responseCode: 400, responseError } : undefined
}

/**
 * The upstream knows searches as a list with a filter.
 *
 * @type {import('@postern/core').EndpointPlugin}
 */
export function toQuery(request) {
  request.query.set('filter', `text~${request.query.get('words')}`)
  request.query.delete('words')
  request.path = '/'
}
