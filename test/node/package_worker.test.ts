import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestHarness } from 'wrangler';

import { createClient, orThrow, type Client } from '../../src/client/client.ts';
import { said, toolOf } from './package/commands.ts';
import { createWorkerConsumer, installedIn, workerTypeErrors, writeFiles } from './package/projects.ts';

const ROOT_KEY = 'package-test-root-key-0123456789-abcdef';
const FIXTURES = join(import.meta.dirname, 'package', 'worker');
const fixture = (name: string): string => readFileSync(join(FIXTURES, name), 'utf8');

/** A team's own Worker, in a folder of its own. */
let directory: string;

beforeAll(async () => {
  directory = await createWorkerConsumer();
  writeFiles(directory, {
    'worker.ts': fixture('worker.ts.txt'),
    'bindings.ts': fixture('bindings.ts.txt'),
    'wrangler.toml': fixture('wrangler.toml'),
  });
});
afterAll(() => rmSync(directory, { recursive: true }));

it('comes with nothing but the hono that the Worker has', async () => {
  expect(await installedIn(directory)).toEqual(['hono', 'mintmark']);
});

const check = (...files: readonly string[]): Promise<string> => workerTypeErrors(directory, files);

/** What a line is tried after. */
const PRELUDE = `
import { Hono, type Context } from 'hono';
import { mintmark } from 'mintmark/hono';

export const app = new Hono<{ Bindings: Env }>();
export const service = (c: Context<{ Bindings: Env }>) => c.env.MINTMARK;
export const right = mintmark({ service });
`;

describe('where the package types the bindings', () => {
  beforeAll(() => writeFiles(directory, { 'env.d.ts': fixture('env.d.ts.txt'), 'right.ts': PRELUDE }));

  it('the Worker is well typed', async () => {
    expect(await check('env.d.ts', 'worker.ts', 'bindings.ts', 'right.ts')).toBe('');
  });

  it.for([
    [
      `mintmark({ service, scopes: 'files:read' })`,
      /'string' is not assignable to type .*readonly string\[\]/,
    ],
    [`mintmark({ service, scopes: undefined })`, /'exactOptionalPropertyTypes: true'/],
    [`mintmark({ service, organization: undefined })`, /'exactOptionalPropertyTypes: true'/],
    [`mintmark({ service, scope: ['files:read'] })`, /'scope' does not exist/],
    [`mintmark({ scopes: ['files:read'] })`, /not assignable/],
    [`mintmark({ service, url: 'https://keys.example.com', credential: 'key' })`, /not assignable/],
    [`mintmark({ service: (c: Context<{ Bindings: Env }>) => c.env.ASSETS })`, /'ASSETS' does not exist/],
    [`app.get('/', (c) => c.json(c.var.mintmark.nope))`, /'nope' does not exist on type 'ValidVerdict'/],
    [`app.get('/', (c) => c.json(c.var.mintmark.keyId satisfies number))`, /'string' does not satisfy/],
  ] as const)('refuses %s', async ([wrong, reason]) => {
    writeFiles(directory, { 'wrong.ts': `${PRELUDE}export const wrong = ${wrong};` });
    expect(await check('env.d.ts', 'wrong.ts')).toMatch(reason);
  });
});

it('a binding that wrangler knows by one config alone, and so without its calls, is taken', async () => {
  const untyped = [
    "import { mintmark } from 'mintmark/hono';",
    'declare const bound: Service;',
    'export const right = mintmark({ service: () => bound });',
  ];
  writeFiles(directory, { 'untyped.ts': untyped.join('\n') });
  expect(await check('untyped.ts')).toBe('');
});

describe('where wrangler types the bindings, by both Workers’ configs', () => {
  const types = 'worker-configuration.d.ts';

  beforeAll(async () => {
    const wrangler = [toolOf('wrangler', 'bin/wrangler.js'), 'types', '--include-runtime=false'];
    const configs = ['-c', 'wrangler.toml', '-c', join(process.cwd(), 'wrangler.toml')];
    await said(directory, process.execPath, [...wrangler, ...configs, types]);
    expect(readFileSync(join(directory, types), 'utf8')).toMatch(
      /MINTMARK: Service<typeof import.*\.Verifier>/,
    );
  });

  it('the Worker is well typed', async () => {
    expect(await check(types, 'worker.ts')).toBe('');
  });

  it('they are what the package takes for bindings', async () => {
    expect(await check(types, 'bindings.ts')).toBe('');
  });
});

describe('beside Mintmark in workerd', () => {
  let harness: ReturnType<typeof createTestHarness>;
  let client: Client;

  beforeAll(async () => {
    harness = createTestHarness({
      workers: [
        { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } },
        { configPath: join(directory, 'wrangler.toml') },
      ],
    });
    await harness.listen();
    const mintmark = harness.getWorker<{ DB: D1Database }>('mintmark');
    await mintmark.applyD1Migrations('DB');
    client = createClient({ service: mintmark, credential: ROOT_KEY });
  });
  afterAll(() => harness.close());

  async function mint(...scopes: readonly string[]) {
    const name = crypto.randomUUID();
    const account = orThrow(await client.serviceAccounts.create({ name, permissions: [...scopes] }));
    return orThrow(await client.keys.create({ name: 'key', serviceAccountId: account.id }));
  }

  const me = (secret?: string) =>
    harness.getWorker('files').fetch('http://files/api/me', {
      headers: secret === undefined ? {} : { Authorization: `Bearer ${secret}` },
    });

  it('lets a valid key through, with the verdict on it', async () => {
    const { key, secret } = await mint('files:read');
    const response = await me(secret);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      valid: true,
      code: 'VALID',
      keyId: key.id,
      organizationId: key.organizationId,
      serviceAccountId: key.serviceAccountId,
      scopes: ['files:read'],
    });
  });

  it('refuses whoever has none, one without the scope, and one that is revoked', async () => {
    const refusalOf = async (secret?: string) => {
      const response = await me(secret);
      const { code } = (await response.json()) as { code: string };
      return [response.status, code];
    };
    expect(await refusalOf()).toEqual([401, 'missing_credential']);
    expect(await refusalOf((await mint('files:write')).secret)).toEqual([403, 'insufficient_scope']);
    const { key, secret } = await mint('files:read');
    expect((await me(secret)).status).toBe(200);
    orThrow(await client.keys.revoke(key.id));
    expect(await refusalOf(secret)).toEqual([401, 'invalid_credential']);
  });
});
