import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';
import { unstable_readConfig as readWranglerConfig } from 'wrangler';

import { readOidcSettings } from '../../src/credentials/oidc_settings.ts';
import { blocksOf } from './blocks.ts';
import { copyProject, freePort } from './project_copy.ts';

const TIMEOUT_MS = 60_000;

const OAUTH = readFileSync('docs/oauth.md', 'utf8');
const OIDC = readFileSync('docs/oidc.md', 'utf8');

it('docs/oauth.md checks a token offline as it says', { timeout: 2 * TIMEOUT_MS }, async () => {
  const project = copyProject();
  const port = await freePort();
  const server = project.npm(['start', '--', '--port', String(port)]);
  try {
    await server.prints(/Mintmark is ready/, TIMEOUT_MS);
    const url = `http://localhost:${port}`;
    const rootKey = /^MINTMARK_ROOT_KEY=(.*)$/m.exec(
      readFileSync(join(project.directory, '.dev.vars'), 'utf8'),
    )?.[1];
    const call = async (path: string, headers: Record<string, string>, body: string) => {
      const response = await fetch(url + path, { method: 'POST', headers, body });
      expect(response.ok, path).toBe(true);
      return (await response.json()) as Record<string, string>;
    };
    const root = { Authorization: `Bearer ${rootKey}`, 'Content-Type': 'application/json' };
    const account = { name: 'reader', permissions: ['files:read'] };
    const { id } = await call('/v1/service-accounts', root, JSON.stringify(account));
    const { secret } = await call(`/v1/service-accounts/${id}/api-keys`, root, '{"name":"reader"}');
    const { access_token: token } = await call(
      '/oauth/token',
      {
        Authorization: `Basic ${btoa(`${id}:${secret}`)}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      'grant_type=client_credentials',
    );
    const [code = ''] = blocksOf(OAUTH, 'ts');
    writeFileSync(join(project.directory, 'offline.ts'), code);
    const check = (bearer: string | undefined) =>
      promisify(execFile)(process.execPath, ['offline.ts'], {
        cwd: project.directory,
        env: { ...process.env, MINTMARK_URL: url, TOKEN: bearer },
      });
    expect((await check(token)).stdout).toBe(`${id} files:read\n`);
    await expect(check(`${token}x`)).rejects.toThrow('JWSSignatureVerificationFailed');
  } finally {
    process.kill(-server.pid, 'SIGINT');
    await server.ended;
    project.remove();
  }
});

it('the settings in docs/oidc.md are good ones', () => {
  const blocks = blocksOf(OIDC, 'toml');
  expect(blocks.length).toBe(2);
  for (const block of blocks) {
    const directory = mkdtempSync(join(tmpdir(), 'mintmark-oidc-'));
    const config = join(directory, 'wrangler.toml');
    writeFileSync(config, `name = "mintmark"\ncompatibility_date = "2026-10-30"\n${block}`);
    const { vars } = readWranglerConfig({ config });
    expect(readOidcSettings(vars)).toMatchObject({ oidc: { issuer: vars['OIDC_ISSUER'] } });
    rmSync(directory, { recursive: true });
  }
});

it('docs/oidc.md has every setting, with its default', () => {
  const source = readFileSync('src/credentials/oidc_settings.ts', 'utf8');
  const names = new Set(source.match(/\bOIDC_[A-Z_]+\b/g)?.filter((name) => !name.endsWith('_')));
  const written = [...OIDC.matchAll(/^\| `(OIDC_\w+)`/gm)].map(([, name = '']) => name);
  expect(written.toSorted()).toEqual([...names].toSorted());
});
