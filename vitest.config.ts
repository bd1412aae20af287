import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Sibling packages resolve to their TypeScript sources: tests need no build.
const conditions = ['@postern/source', 'node', 'development|production']
const root = fileURLToPath(new URL('.', import.meta.url))

// Read by scripts/ci-summary.mjs; .ci/run gives each step its own.
const report = `.out/vitest${process.env['POSTERN_REPORT'] ?? ''}.json`

export default defineConfig({
  root,
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    environment: 'node',
    pool: 'threads',
    // Most tests wait for sockets and deadlines: one worker for each core would leave the cores idle.
    maxWorkers: Math.max(3, availableParallelism()),
    testTimeout: 10_000,
    // Plugin files of tests are loaded by Node, as everybody's are: the name of test/support/plugin-folder.ts.
    server: { deps: { external: [/postern-plugins-/] } },
    reporters: process.env['CI'] !== undefined ? ['default', ['json', { outputFile: report }]] : ['default'],
    coverage: {
      enabled: process.env['CI'] !== undefined,
      provider: 'v8',
      include: ['packages/*/src/**/*.ts'],
      // Tested as a process of its own, which is not looked into.
      exclude: ['packages/cli/src/*.ts', 'packages/cli/src/{commands,init,serve}/**'],
      reporter: ['text', 'json-summary', 'lcov'],
      reportsDirectory: 'coverage',
      thresholds: { statements: 90, branches: 70, functions: 90, lines: 90 },
    },
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'contract', include: ['test/contract/**/*.test.ts'] } },
      { extends: true, test: { name: 'hosts', include: ['test/hosts/**/*.test.ts'], pool: 'forks' } },
      { extends: true, test: { name: 'hostile', include: ['test/hostile/**/*.test.ts'], pool: 'forks' } },
      { extends: true, test: { name: 'fuzz', include: ['test/fuzz/**/*.test.ts'], pool: 'forks' } },
      { extends: true, test: { name: 'repository', include: ['test/repository/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'redis',
          include: ['test/redis/**/*.test.ts'],
          globalSetup: ['test/redis/setup.ts'],
          // Sentinels take their time to agree, and more of it on a busy machine.
          testTimeout: 30_000,
          pool: 'forks',
        },
      },
      {
        extends: true,
        test: {
          name: 'cli',
          include: ['test/cli/**/*.test.ts'],
          globalSetup: ['test/cli/setup.ts'],
          // Most of them start processes.
          testTimeout: 30_000,
          pool: 'forks',
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/browser/setup.ts'],
          // A browser takes its time to start.
          testTimeout: 30_000,
          pool: 'forks',
        },
      },
      { extends: true, test: { name: 'examples', include: ['test/examples/**/*.test.ts'], pool: 'forks' } },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            checker: 'tsc',
            include: ['test/types/*.test-d.ts'],
            tsconfig: 'test/tsconfig.json',
          },
        },
      },
    ],
  },
})
