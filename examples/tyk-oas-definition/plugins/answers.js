/** @type {import('@postern/core').ResponsePlugin} */
export function hideServer(response) {
  response.headers.delete('server')
}
