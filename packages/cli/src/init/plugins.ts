/** The plugins of a starter: TypeScript, or JavaScript whose types stand in comments. */
export function plugins(typescript: boolean): string {
  const types = typescript ? ', type AuthPlugin, type EndpointPlugin, type PrePlugin, type ResponsePlugin' : ''
  /** The comment of an export, and how it begins. */
  const begin = (says: string, name: string, type: string): string =>
    typescript
      ? `/** ${says} */\nexport const ${name}: ${type} =`
      : `/**\n * ${says}\n *\n * @type {import('@postern/core').${type}}\n */\nexport const ${name} =`
  const check = typescript ? '' : '// @ts-check\n'
  return `${check}import { deny, respond${types} } from '@postern/core'

${begin('First, on every request.', 'stampRequest', 'PrePlugin')} (request) => {
  request.headers.set('x-request-id', crypto.randomUUID())
}

${begin('Who is calling? Put a look into your database here.', 'checkKey', 'AuthPlugin')} (request) => {
  if (request.headers.get('authorization') !== 'secret') return deny(401, 'Unknown key')
  return { metadata: { token: 'user-1', tier: 'gold' } }
}

${begin('Answers GET /orders/stock/:sku without asking the upstream.', 'stock', 'EndpointPlugin')} (_request, { params, session }) =>
  respond(200, { sku: params['sku'], left: 3, tier: session?.metadata['tier'] })

${begin('Last, on every answer of the upstream.', 'hideServer', 'ResponsePlugin')} (response) => {
  response.headers.delete('server')
}
`
}
