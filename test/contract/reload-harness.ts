import { type ApiDefinitionInput, type GatewayError, isGatewayError, respond } from '@postern/core'

/** What a client is told at a path. */
export async function told(url: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await fetch(url + path, { headers })
  return `${answer.status} ${await answer.text()}`
}

/** An API that answers with what it is. */
export function saying(text: string, fields: Partial<ApiDefinitionInput> = {}): ApiDefinitionInput {
  return { name: 'a', listenPath: '/a', hooks: { pre: [() => respond(200, text)] }, ...fields }
}

/** What a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise
  } catch (error) {
    if (isGatewayError(error)) return error
    throw error
  }
  throw new Error('it did not reject')
}
