import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

import { makeSigningKey } from './scripts/secrets.ts';

/** Known to the tests alone; what the Worker is given where a deployment would have its secret. */
const ROOT_KEY = 'test-root-key-0123456789-abcdefghijklmnop';

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                TEST_MIGRATIONS: await readD1Migrations('./migrations'),
                MINTMARK_ROOT_KEY: ROOT_KEY,
                // Whatever a developer keeps in .dev.vars does not reach the tests.
                MINTMARK_ROOT_KEY_PREVIOUS: '',
                MINTMARK_SIGNING_KEY: makeSigningKey(),
                MINTMARK_ISSUER: 'https://mintmark.example',
                MAX_STALENESS_SECONDS: '120',
              },
            },
          }),
        ],
        test: {
          name: 'workerd',
          include: ['test/**/*.test.ts'],
          exclude: ['test/scripts/**', 'test/node/**', 'test/faults/**'],
          setupFiles: ['./test/support/migrate.ts'],
          testTimeout: 60_000,
        },
      },
      {
        // As tsconfig.json has it: the package is the source beside it.
        resolve: {
          alias: [{ find: /^mintmark\/(\w+)$/, replacement: `${import.meta.dirname}/src/client/$1.ts` }],
        },
        test: {
          name: 'node',
          include: ['test/scripts/**/*.test.ts', 'test/node/**/*.test.ts', 'examples/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts'],
          // Each runs a process of its own; more at once would only wait for cores.
          maxConcurrency: 2,
          testTimeout: 120_000,
        },
      },
    ],
  },
});
