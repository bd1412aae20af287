import type { PrePlugin } from '@postern/core'

/** The document names it without a path: it is handed in. */
export const stampRequest: PrePlugin = (request, { api }) => {
  request.headers.set('x-request-id', crypto.randomUUID())
  request.headers.set('x-api', `${api.name} (${api.id})`)
}
