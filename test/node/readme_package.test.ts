import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';

import { createClient, orThrow, type Client } from '../../src/client/client.ts';
import { blocksOf } from '../scripts/blocks.ts';
import { folderOf, said } from './package/commands.ts';
import { createWorkerConsumer, typeErrors, workerTypeErrors, writeFiles } from './package/projects.ts';

const ROOT_KEY = 'readme-test-root-key-0123456789-abcdefgh';
const README = readFileSync('README.md', 'utf8');
const bindings = blocksOf(README, 'toml').join('\n');
const [withHono = '', withoutHono = '', outside = '', managing = '', byRpc = ''] = blocksOf(README, 'ts');

/** Each stands in a Worker that has this. */
const PRELUDE = `
import { Hono } from 'hono';
import type { VerifierService } from 'mintmark/client';
import { mintmark } from 'mintmark/hono';

declare const tenantOf: (host: string | undefined) => string | null;
export const app = new Hono<{ Bindings: { MINTMARK: VerifierService } }>();
`;

const configOf = (name: string): string =>
  `name = "${name}"\nmain = "${name}.ts"\ncompatibility_date = "2026-10-30"\n${bindings}`;

/** The project that a reader has who does as the README says. */
let directory: string;
let harness: ReturnType<typeof createTestHarness>;
let client: Client;
let url: string;

beforeAll(async () => {
  directory = await createWorkerConsumer();
  writeFiles(directory, {
    'with_hono.ts': withHono,
    'without_hono.ts': withoutHono,
    'by_rpc.ts': byRpc,
    'with_hono.toml': configOf('with_hono'),
    'without_hono.toml': configOf('without_hono'),
    'by_rpc.toml': configOf('by_rpc'),
    'outside.ts': outside,
    'managing.ts': managing,
  });
  harness = createTestHarness({
    workers: [
      { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } },
      { configPath: join(directory, 'with_hono.toml') },
      { configPath: join(directory, 'without_hono.toml') },
      { configPath: join(directory, 'by_rpc.toml') },
    ],
  });
  ({ href: url } = (await harness.listen()).url);
  const mintmark = harness.getWorker<{ DB: D1Database }>('mintmark');
  await mintmark.applyD1Migrations('DB');
  client = createClient({ service: mintmark, credential: ROOT_KEY });
});

afterAll(async () => {
  await harness.close();
  rmSync(directory, { recursive: true });
});

async function secretWith(...permissions: string[]): Promise<string> {
  const account = orThrow(await client.serviceAccounts.create({ name: crypto.randomUUID(), permissions }));
  return orThrow(await client.keys.create({ name: 'a key', serviceAccountId: account.id })).secret;
}

it('has a block for each way in, of ten lines at most', () => {
  expect(blocksOf(README, 'ts')).toHaveLength(5);
  for (const block of blocksOf(README, 'ts')) expect(block.trim().split('\n').length).toBeLessThanOrEqual(10);
});

it.for([
  ['with_hono', '/api/me'],
  ['without_hono', '/'],
] as const)('its Worker %s is well typed, and lets in who has the key for it', async ([name, path]) => {
  expect(await workerTypeErrors(directory, [`${name}.ts`])).toBe('');

  const statusFor = async (headers: Record<string, string>): Promise<number> => {
    const response = await harness.getWorker(name).fetch(`http://worker${path}`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  expect(await statusFor({})).toBe(401);
  expect(await statusFor({ Authorization: `Bearer ${await secretWith()}` })).toBe(403);
  expect(await statusFor({ Authorization: `Bearer ${await secretWith('files:read')}` })).toBe(200);
});

it('its Worker by_rpc is well typed, and asks about the key that it is shown', async () => {
  expect(await workerTypeErrors(directory, ['by_rpc.ts'])).toBe('');
  const askedWith = (key: string) =>
    harness.getWorker('by_rpc').fetch('http://worker/', { headers: { 'X-API-Key': key } });
  expect((await askedWith('nonsense')).status).toBe(403);
  expect(await (await askedWith(await secretWith())).json()).toMatchObject({
    name: 'a key',
    status: 'active',
  });
});

it('its programs for Node are well typed, and run', async () => {
  const platform = { typeRoots: [dirname(folderOf('@types/node'))], types: ['node'], lib: ['es2023'] };
  const emitted = { module: 'nodenext', outDir: 'out', skipLibCheck: true };
  expect(await typeErrors(directory, ['outside.ts', 'managing.ts'], { ...emitted, ...platform })).toBe('');
  writeFiles(directory, {
    'out/ask.js': `
      import { app } from './outside.js';
      const headers = { Authorization: 'Bearer ' + process.argv[2] };
      const answers = [await app.request('/api/me'), await app.request('/api/me', { headers })];
      console.log(answers.map(({ status }) => status).join(' '));
    `,
  });
  const run = (program: string, credential: string, ...args: string[]) =>
    said(directory, process.execPath, [join('out', program), ...args], {
      MINTMARK_URL: url,
      MINTMARK_KEY: credential,
      MINTMARK_ADMIN_KEY: credential,
    });
  const verifier = await secretWith('mintmark:keys:verify');
  expect(await run('ask.js', verifier, await secretWith('files:read'))).toBe('401 200\n');
  const [secret, listed, ...rest] = (await run('managing.js', ROOT_KEY)).trim().split('\n');
  expect(secret).toMatch(/^mk_live_[0-9A-Za-z]{38}$/);
  expect(listed).toBe('backup active');
  expect(Date.parse(rest.at(-1) ?? '')).toBeGreaterThan(Date.now());
});

it('what docs/package.md shows is well typed', async () => {
  const shown = blocksOf(readFileSync('docs/package.md', 'utf8'), 'ts');
  expect(shown.length).toBeGreaterThan(2);
  const files = Object.fromEntries(shown.map((block, index) => [`shown_${index}.ts`, PRELUDE + block]));
  writeFiles(directory, files);
  expect(await workerTypeErrors(directory, Object.keys(files))).toBe('');
});
