// Run by `watch.test.ts`: ends by itself while it watches, with a change nobody has looked into yet.
import { appendFileSync } from 'node:fs'
import { watch } from '@postern/files'

const [, , file = ''] = process.argv
await watch({ reload: () => Promise.resolve() }, { files: file }).ready
appendFileSync(file, ' ')
console.log('ready')
