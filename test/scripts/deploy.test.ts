import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { bundleWorker } from '../../scripts/bundle.ts';
import { startAccount, type Account } from './cloudflare_api.ts';
import { copyProject, type ProjectCopy } from './project_copy.ts';

const TIMEOUT_MS = 40_000;

let project: ProjectCopy;
beforeAll(() => {
  project = copyProject();
});
afterAll(() => project.remove());

it(
  '--dry-run prints what a first and a later deploy do, in order, and asks no network',
  { timeout: TIMEOUT_MS },
  async () => {
    let connections = 0;
    const proxy = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;

    const dryRun = project.npm(['run', 'deploy', '--', '--dry-run'], {
      HTTPS_PROXY: url,
      HTTP_PROXY: url,
      CLOUDFLARE_API_BASE_URL: url,
    });
    expect((await dryRun.ended).code, dryRun.output()).toBe(0);
    expect(dryRun.output().match(/(?<=^ {2}(?:\d\. )?)wrangler .*?(?= {2}\()/gm)).toEqual([
      'wrangler d1 list --json',
      'wrangler deploy .wrangler/worker/worker.mjs --no-bundle --no-minify',
      'wrangler d1 migrations apply DB --remote',
      'wrangler secret list --format json',
      'wrangler secret put MINTMARK_ROOT_KEY',
      'wrangler secret put MINTMARK_SIGNING_KEY',
      'wrangler d1 migrations apply DB --remote',
      'wrangler deploy .wrangler/worker/worker.mjs --no-bundle --no-minify',
      'wrangler secret list --format json',
      'wrangler secret put MINTMARK_ROOT_KEY',
      'wrangler secret put MINTMARK_SIGNING_KEY',
    ]);
    expect(connections).toBe(0);
    proxy.close();
  },
);

describe('a deploy', { timeout: TIMEOUT_MS }, () => {
  let account: Account;
  beforeAll(async () => {
    account = await startAccount();
  });
  afterAll(() => account.close());

  const deploy = async () => {
    account.changes.length = 0;
    const run = project.npm(['run', 'deploy'], {
      CLOUDFLARE_API_BASE_URL: account.url,
      CLOUDFLARE_API_TOKEN: 'token',
      CLOUDFLARE_ACCOUNT_ID: 'account',
    });
    expect((await run.ended).code, run.output()).toBe(0);
    expect(run.output()).toContain('Mintmark is deployed: https://mintmark.example.workers.dev');
    return run.output();
  };

  it('makes what is missing, then the tables, then the secrets, of which it prints the root key once', async () => {
    const output = await deploy();
    const { changes, secrets } = account;
    expect(changes.slice(0, 3)).toEqual([
      'create namespace mintmark-cache',
      'create database mintmark',
      'upload',
    ]);
    // The rest of a name is a hash, in which the folder's place has a part.
    const stems = (names: Iterable<string>) => [...names].map((name) => name.replace(/-.*/, '')).toSorted();
    const { files } = await bundleWorker();
    expect(stems(account.modules)).toEqual(stems([...files.keys()].filter((name) => name.endsWith('mjs'))));
    expect(changes.slice(-2)).toEqual(['put secret MINTMARK_ROOT_KEY', 'put secret MINTMARK_SIGNING_KEY']);
    expect(JSON.parse(secrets.get('MINTMARK_SIGNING_KEY') ?? '')).toMatchObject({ kty: 'EC', crv: 'P-256' });
    const rootKey = secrets.get('MINTMARK_ROOT_KEY') ?? '';
    expect(rootKey).toMatch(/^[\w-]{43}$/);
    expect(output.split(rootKey)).toHaveLength(2);
  });

  it('later applies what is new before the upload, and leaves the root key alone', async () => {
    writeFileSync(join(project.directory, 'migrations', '9999_later.sql'), 'CREATE TABLE later (id TEXT);\n');
    const output = await deploy();
    expect(account.changes).toEqual([
      expect.stringContaining('d1_migrations'),
      'query create table later',
      'upload',
    ]);
    expect(output).not.toContain('Root key');
  });

  it('needs the rules by which modules are uploaded, and says so before it does anything', async () => {
    const config = join(project.directory, 'other.toml');
    const own = readFileSync(join(project.directory, 'wrangler.toml'), 'utf8');
    writeFileSync(config, own.replace(/^rules = .*$/m, ''));
    account.changes.length = 0;
    const run = project.npm(['run', 'deploy', '--', '--config', 'other.toml'], {
      CLOUDFLARE_API_BASE_URL: account.url,
      CLOUDFLARE_API_TOKEN: 'token',
      CLOUDFLARE_ACCOUNT_ID: 'account',
    });
    expect((await run.ended).code).toBe(1);
    expect(run.output()).toContain("wrangler's configuration needs rules = ");
    expect(account.changes).toEqual([]);
  });
});
