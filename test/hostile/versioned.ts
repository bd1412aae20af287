import type { ApiDefinitionInput } from '@postern/core'

/** Files whose plugins say which version of the definitions they run in, and of which version of the files they are. */
export function versionedFiles(version: number): Readonly<Record<string, string>> {
  const at = (hook: string, run: string): string => `
    import { stamp } from './stamp.mjs'
    const file = ${version}
    export async function ${hook}(subject, context) {
      const own = stamp(file, context)
      ${run}
    }`
  return {
    'stamp.mjs': `
      const shared = ${version}
      export const stamp = (file, { config }) => \`\${config.version}-\${file}-\${shared}\``,
    'pre.mjs': at('pre', `subject.headers.set('x-pre', own)`),
    'post.mjs': at('post', `subject.headers.set('x-post', own)`),
    'response.mjs': at(
      'response',
      `const called = await context.call('called', '/')
      subject.headers.set('x-called', await called.text())
      subject.headers.set('x-response', own)`,
    ),
    'called.mjs': at('called', `return { responseCode: 200, responseBody: own }`),
  }
}

/** Definitions of a version: one that forwards, one it calls, and one that is the same in all of them. */
export function versionedDefinitions(version: number, upstream: string): readonly ApiDefinitionInput[] {
  const config = { version }
  const plugin = (name: string): { readonly path: string; readonly functionName: string } => ({
    path: `${name}.mjs`,
    functionName: name,
  })
  return [
    {
      name: 'changing',
      listenPath: '/changing',
      upstream: { url: `${upstream}/${version}`, health: { path: '/health', intervalMs: 200 } },
      hooks: { pre: [plugin('pre')], post: [plugin('post')], response: [plugin('response')] },
      config,
    },
    { name: 'called', listenPath: '/called', hooks: { pre: [plugin('called')] }, config },
    { name: 'still', listenPath: '/still', upstream },
  ]
}
