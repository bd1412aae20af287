import path from 'node:path'
import { definition, type Form } from './definitions.ts'
import { plugins } from './plugins.ts'
import { testFile } from './test-file.ts'

/** What a starter is made for. */
export interface Wanted {
  readonly form: Form
  readonly typescript: boolean
  /** Of this package, for the dependencies. */
  readonly version: string
  /** Of the folder, for `package.json`. */
  readonly folder: string
}

/** The files of a starter by their names, in the order they are read. */
export function starter({ form, typescript, version, folder }: Wanted): Readonly<Record<string, string>> {
  const ending = typescript ? 'ts' : 'js'
  return {
    'orders.json': json(definition(form, `orders.${ending}`)),
    [`plugins/orders.${ending}`]: plugins(typescript),
    [`test/orders.test.${ending}`]: testFile(typescript),
    'package.json': json(manifest(typescript, version, folder)),
    ...(typescript ? { 'tsconfig.json': json(TSCONFIG) } : {}),
    'README.md': readme(ending),
  }
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noEmit: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    allowImportingTsExtensions: true,
  },
}

function manifest(typescript: boolean, version: string, folder: string): object {
  const ours = Object.fromEntries(['cli', 'core', 'files', 'http'].map((name) => [`@postern/${name}`, `^${version}`]))
  return {
    name: packageName(folder),
    private: true,
    type: 'module',
    scripts: {
      check: 'postern check orders.json',
      start: 'postern serve orders.json',
      test: `node --test test/orders.test.${typescript ? 'ts' : 'js'}`,
    },
    dependencies: ours,
    ...(typescript ? { devDependencies: { '@types/node': '^22.0.0' } } : {}),
  }
}

/** What npm takes for a name. */
function packageName(folder: string): string {
  const name = path
    .basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z\d._~-]+/g, '-')
    .replace(/^[._-]+/, '')
  return name === '' || name === 'node_modules' ? 'orders' : name
}

function readme(ending: string): string {
  return `# orders

\`\`\`sh
npm install
npm test
npm run check
npm start
\`\`\`

In another terminal:

\`\`\`sh
curl -H 'authorization: secret' http://127.0.0.1:8080/orders/stock/apple
npx postern explain orders.json GET /orders/stock/apple
\`\`\`

| file                  | is                                                        |
| --------------------- | --------------------------------------------------------- |
| \`orders.json\`         | the API: where it listens, where it leads, what runs when |
| \`plugins/orders.${ending}\`   | the plugins: exported functions                           |
| \`test/orders.test.${ending}\` | their tests                                               |

Requests that no plugin answers go to \`http://127.0.0.1:9000\`: write your own service there.
`
}
