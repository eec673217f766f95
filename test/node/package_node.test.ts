import { accessSync, constants, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';

import { folderOf, said } from './package/commands.ts';
import {
  createConsumer,
  installedIn,
  packProject,
  temporaryFolder,
  typeErrors,
  writeFiles,
} from './package/projects.ts';

const ROOT_KEY = 'package-test-root-key-0123456789-abcdef';
const PROGRAM = readFileSync(join(import.meta.dirname, 'package', 'node', 'program.ts.txt'), 'utf8');

const harness = createTestHarness({
  workers: [{ configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } }],
});

/** A plain program for Node, in a folder of its own. */
let directory: string;
let url: string;

beforeAll(async () => {
  directory = temporaryFolder();
  await createConsumer(directory, [await packProject(directory)]);
  ({ href: url } = (await harness.listen()).url);
  await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
});
afterAll(async () => {
  await harness.close();
  rmSync(directory, { recursive: true });
});

const check = (program: string): Promise<string> => {
  writeFiles(directory, { 'program.ts': program });
  return typeErrors(directory, ['program.ts'], {
    module: 'nodenext',
    lib: ['es2023'],
    typeRoots: [dirname(folderOf('@types/node'))],
    types: ['node'],
    noEmitOnError: true,
    outDir: 'out',
  });
};

/** This Node, and the one that the machine has besides the project's own: code is compiled for either. */
function nodes(): string[] {
  const isThere = (path: string): boolean => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const own = folders
    .filter((folder) => !folder.includes('node_modules'))
    .map((folder) => join(folder, 'node'));
  return [process.execPath, ...own.filter(isThere).slice(0, 1)];
}

it('comes alone', async () => {
  expect(await installedIn(directory)).toEqual(['mintmark']);
});

it.for([
  [`verifyRequest(new Request(''), { scopes: ['files:read'] })`, /not assignable/],
  [`verifyRequest(new Request(''), { url, credential, scopes: 'files:read' })`, /not assignable/],
  [`createClient({ url })`, /not assignable/],
  [`createClient({ url, credential }).keys.create({ name: 'ownerless' })`, /'userId' is missing/],
] as const)('refuses %s', async ([wrong, reason]) => {
  const lines = [
    `import { createClient, verifyRequest } from 'mintmark/client';`,
    `const [url, credential] = ['https://keys.example.com', 'x'];`,
    `export const used = [createClient({ url, credential }), verifyRequest];`,
  ];
  expect(await check(lines.join('\n'))).toBe('');
  expect(await check([...lines, `export const wrong = ${wrong};`].join('\n'))).toMatch(reason);
});

it.for(nodes())('a program that is typed for Node verifies and manages keys on %s', async (node) => {
  expect(await check(PROGRAM)).toBe('');
  const env = { MINTMARK_URL: url, MINTMARK_ROOT_KEY: ROOT_KEY, NODE_OPTIONS: '' };
  expect(JSON.parse(await said(directory, node, [join('out', 'program.js')], env))).toEqual({
    before: { statuses: [401, 200], verdict: 'VALID', listed: ['third', 'second', 'first'] },
    revoked: 'revoked',
    afterRevocation: { statuses: [401], verdict: 'REVOKED' },
    afterDeletion: { statuses: [401], listed: ['third', 'second'] },
    gone: 'not_found',
  });
});
