import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Two projects: `unit` runs from source in seconds; `e2e` starts real processes one file at a time.
const shared = {
  resolve: { conditions: ['source', 'node', 'module', 'import', 'default'] },
  ssr: { resolve: { conditions: ['source', 'node', 'module', 'import', 'default'] } },
};

export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: [
            'libs/*/test/**/*.test.ts',
            'apps/*/test/**/*.test.ts',
            'contracts/tools/**/*.test.ts',
            'benchmarks/test/**/*.test.ts',
          ],
          pool: 'forks',
          execArgv: ['--conditions=source'],
          testTimeout: 30_000,
        },
      },
      {
        ...shared,
        test: {
          name: 'e2e',
          include: ['e2e/test/**/*.test.ts'],
          pool: 'forks',
          execArgv: ['--conditions=source'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // What `npm test` sets for the processes that tests start.
          env: {
            NODE_COMPILE_CACHE:
              process.env.NODE_COMPILE_CACHE ??
              join(import.meta.dirname, 'node_modules/.cache/compile'),
          },
        },
      },
    ],
  },
});
