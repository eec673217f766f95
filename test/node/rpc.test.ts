import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { apiKey, mintedKey, revokedKey, rotatedKey } from '../../src/contract/api_keys.ts';
import { problem } from '../../src/contract/problem.ts';
import { verdict } from '../../src/contract/verdict.ts';
import { startCaller } from './caller/harness.ts';
import { rootOf, strayKey, tokenOf } from './root.ts';

const ROOT_KEY = 'rpc-test-root-key-0123456789-abcdefghij';

const { harness, call } = startCaller(ROOT_KEY);
const root = rootOf(harness, ROOT_KEY);

async function mint(organization = 'default'): Promise<{ key: { id: string }; secret: string }> {
  const account = await root(
    'POST',
    '/v1/service-accounts',
    { name: crypto.randomUUID(), permissions: ['files:read'] },
    organization,
  );
  const path = `/v1/service-accounts/${String(account['id'])}/api-keys`;
  return mintedKey.parse(await root('POST', path, { name: 'key' }, organization));
}

const refusedWith = (code: string) => ({ value: { error: expect.objectContaining({ code }) } });

describe('the Verifier entrypoint', () => {
  it('gives the verdict that HTTP gives', async () => {
    const { key, secret } = await mint();
    const { value } = await call('MINE', 'verify', { key: secret, scopes: ['files:read'] });
    expect(verdict.parse(value)).toMatchObject({ valid: true, code: 'VALID', keyId: key.id });
    expect(await call('MINE', 'verify', { key: 'nonsense' })).toMatchObject({ value: { code: 'MALFORMED' } });
    await root('POST', `/v1/api-keys/${key.id}/revoke`, {});
    expect(await call('MINE', 'verify', { key: secret })).toMatchObject({ value: { code: 'REVOKED' } });
  });

  it('sees the organization of its binding alone, or all where the binding says so outright', async () => {
    await root('POST', '/v1/organizations', { name: 'Theirs', slug: 'theirs' });
    const [mine, theirs] = [await mint(), await mint('theirs')];
    const codes = async (binding: string) =>
      Promise.all(
        [mine, theirs].map(
          async ({ secret }) => (await call(binding, 'verify', { key: secret })).value?.['code'],
        ),
      );
    expect(await codes('MINE')).toEqual(['VALID', 'NOT_FOUND']);
    expect(await codes('THEIRS')).toEqual(['NOT_FOUND', 'VALID']);
    expect(await codes('ANY')).toEqual(['VALID', 'VALID']);
    expect(await call('NOBODY', 'verify', { key: mine.secret })).toMatchObject(refusedWith('not_found'));
  });

  it('takes a token where it takes the key, for as long as the key lives', async () => {
    const { key, secret } = await mint();
    const { value: own } = await call('MINE', 'verify', { key: secret });
    const token = await tokenOf(harness, String(own?.['serviceAccountId']), secret);
    const { value } = await call('MINE', 'verify', { key: token, scopes: ['files:read'] });
    expect(verdict.parse(value)).toMatchObject({ valid: true, keyId: key.id, expiresAt: expect.any(String) });
    expect(
      await call('ANY', 'verifyMany', [{ key: token, organization: own?.['organizationId'] }]),
    ).toMatchObject({ value: [{ code: 'VALID' }] });
    expect(await call('THEIRS', 'verify', { key: token })).toMatchObject({ value: { code: 'NOT_FOUND' } });
    await root('POST', `/v1/api-keys/${key.id}/revoke`, {});
    expect(await call('MINE', 'verify', { key: token })).toMatchObject({ value: { code: 'REVOKED' } });
  });

  it('over a binding for every organization looks among the keys of the one that is asked for', async () => {
    await root('POST', '/v1/organizations', { name: 'Ours', slug: 'ours' });
    const [mine, ours] = [await mint(), await mint('ours')];
    const idOf = async ({ secret }: { secret: string }) =>
      String((await call('ANY', 'verify', { key: secret })).value?.['organizationId']);
    const [mineId, oursId] = [await idOf(mine), await idOf(ours)];
    const codeOf = async (binding: string, { secret }: { secret: string }, organization: unknown) => {
      const { value } = await call(binding, 'verify', { key: secret, organization });
      return value?.['error']?.['code'] ?? value?.['code'];
    };
    expect(await codeOf('ANY', mine, mineId)).toBe('VALID');
    expect(await codeOf('ANY', mine, oursId)).toBe('NOT_FOUND');
    expect(await codeOf('ANY', ours, oursId)).toBe('VALID');
    expect(await codeOf('MINE', mine, mineId)).toBe('VALID');
    expect(await codeOf('MINE', mine, 'own')).toBe('VALID');
    expect(await codeOf('MINE', ours, oursId), 'a binding’s own bounds it').toBe('NOT_FOUND');
    expect(await codeOf('MINE', mine, oursId)).toBe('NOT_FOUND');

    const unsaid = { error: { code: 'invalid_request', errors: [{ path: 'organization' }] } };
    for (const organization of ['own', null, 'ours', '*', '', 1]) {
      expect(await call('ANY', 'verify', { key: mine.secret, organization })).toMatchObject({
        value: unsaid,
      });
    }
    expect(
      await call('ANY', 'verifyMany', [
        { key: ours.secret, organization: oursId },
        { key: ours.secret, organization: mineId },
        { key: ours.secret },
        { key: 'nonsense', organization: mineId },
      ]),
    ).toMatchObject({
      value: [{ code: 'VALID' }, { code: 'NOT_FOUND' }, { code: 'VALID' }, { code: 'MALFORMED' }],
    });
    expect(await call('ANY', 'verifyMany', [{ key: 'x' }, { key: 'x', organization: 'own' }])).toMatchObject({
      value: { error: { errors: [{ path: '1.organization' }] } },
    });
  });

  it('keeps the order of many', async () => {
    const keys = await Promise.all([mint(), mint(), mint()]);
    const requests = keys.map(({ secret }) => ({ key: secret })).toSpliced(1, 0, { key: 'nonsense' });
    const { value } = await call('MINE', 'verifyMany', requests);
    const ids = keys.map(({ key }) => key.id);
    expect((value as unknown as { keyId?: string }[]).map(({ keyId }) => keyId)).toEqual([
      ids[0],
      undefined,
      ids[1],
      ids[2],
    ]);
    expect(await call('MINE', 'verifyMany', [{ key: 'x' }, { key: 1 }])).toMatchObject({
      value: { error: { code: 'invalid_request', errors: [{ path: '1.key' }] } },
    });
    const tooMany = Array.from({ length: 101 }, () => ({ key: 'x' }));
    expect(await call('MINE', 'verifyMany', tooMany)).toMatchObject(refusedWith('invalid_request'));
    expect(await call('MINE', 'verifyMany', 'x')).toMatchObject(refusedWith('invalid_request'));
  });

  it('tells where a verdict comes from and how old what it rests on is, and keeps to maxStaleness', async () => {
    const { secret } = await mint();
    const first = verdict.parse((await call('MINE', 'verify', { key: secret })).value);
    expect(first.ageSeconds).toBeLessThanOrEqual(120);
    const asked = verdict.parse((await call('MINE', 'verify', { key: secret, maxStaleness: 0 })).value);
    expect(asked).toMatchObject({ valid: true, source: 'd1', ageSeconds: 0 });
    const remembered = verdict.parse((await call('MINE', 'verify', { key: secret })).value);
    expect(remembered).toMatchObject({ valid: true, source: 'memory' });
  });

  it('past a flood’s limit gives a verdict without a look-up, and known keys still theirs', async () => {
    const { key, secret } = await mint();
    await call('MINE', 'verify', { key: secret });
    const ip = '192.0.2.7';
    const strays = () => Array.from({ length: 100 }, () => ({ key: strayKey(), ip }));
    // The counters begin anew with each minute of the wall clock, which may come in between.
    for (let time = 0; time < 3; time++) await call('MINE', 'verifyMany', strays());
    expect(await call('MINE', 'verify', { key: strayKey(), ip })).toEqual({
      value: { valid: false, code: 'RATE_LIMITED', source: 'none', ageSeconds: 0 },
    });
    const { value } = await call('MINE', 'verifyMany', [
      { key: strayKey(), ip },
      { key: secret, ip },
      { key: strayKey(), ip: '192.0.2.8' },
    ]);
    expect(value).toMatchObject([{ code: 'RATE_LIMITED' }, { keyId: key.id }, { code: 'NOT_FOUND' }]);
    expect(await call('THEIRS', 'verify', { key: strayKey(), ip })).toMatchObject({
      value: { code: 'NOT_FOUND' },
    });
  });

  it.each([undefined, null, 'x', {}, { key: 1 }, { key: 'x', nonsense: 1 }, { key: 'x', maxStaleness: -1 }])(
    'answers bad input %j with a value that names the field',
    async (input) => {
      const { value, thrown } = await call('MINE', 'verify', input);
      expect(thrown).toBeUndefined();
      expect(problem.parse(value?.['error'])).toMatchObject({
        code: 'invalid_request',
        errors: [expect.anything()],
      });
    },
  );
});

describe('the Keys entrypoint', () => {
  it('creates, reads, lists, updates, rotates and revokes as HTTP does, in the name of its binding', async () => {
    const minted = mintedKey.parse(
      (await call('KEYS', 'create', { name: 'over RPC', userId: 'ada', scopes: [] })).value,
    );
    expect(minted.key).toMatchObject({ name: 'over RPC', createdBy: 'billing-worker', userId: 'ada' });
    const { id } = minted.key;
    expect((await call('KEYS', 'get', id)).value).toEqual(minted.key);
    const { value: page } = await call('KEYS', 'list', { userId: 'ada', limit: 1 });
    expect(page).toMatchObject({ data: [{ id }], nextCursor: null });
    const updated = apiKey.parse((await call('KEYS', 'update', id, { description: 'changed' })).value);
    expect(updated).toMatchObject({ description: 'changed', updatedBy: 'billing-worker' });
    const rotated = rotatedKey.parse((await call('KEYS', 'rotate', id, { gracePeriod: '0s' })).value);
    expect(rotated.previous).toMatchObject({ id, status: 'expired', rotatedTo: rotated.key.id });
    const revoked = revokedKey.parse((await call('KEYS', 'revoke', rotated.key.id)).value);
    expect(revoked.key).toMatchObject({ status: 'revoked', revokedBy: 'billing-worker' });
    expect(await call('MINE', 'verify', { key: rotated.secret })).toMatchObject({
      value: { code: 'REVOKED' },
    });
  });

  it('tells of what takes something away by when it is in force everywhere, and of nothing else', async () => {
    const within = async (method: string, ...args: unknown[]) => {
      const before = Date.now();
      const { value } = await call('KEYS', method, ...args);
      const effectiveBy = value?.['effectiveBy'];
      if (effectiveBy === undefined) return 'no time';
      const ms = Date.parse(effectiveBy);
      // Never earlier than the commit and two minutes.
      return ms >= before + 120_000 && ms <= Date.now() + 120_000 ? 'two minutes' : effectiveBy;
    };
    const { key } = await mint();
    const [other, another] = [await mint(), await mint()];
    expect(await within('update', key.id, { name: 'renamed' })).toBe('no time');
    expect(await within('update', key.id, { scopes: [] })).toBe('two minutes');
    expect(await within('update', key.id, { scopes: null })).toBe('no time');
    expect(await within('update', key.id, { enabled: false })).toBe('two minutes');
    expect(await within('update', key.id, { enabled: true })).toBe('no time');
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    expect(await within('update', key.id, { expiresAt: soon })).toBe('two minutes');
    expect(await within('rotate', other.key.id, { gracePeriod: '1h' })).toBe('two minutes');
    expect(await within('revoke', another.key.id)).toBe('two minutes');
    // Its first revocation may be but a moment old.
    expect(await within('revoke', another.key.id)).toBe('two minutes');
  });

  it('does what its scopes allow, and refuses by value', async () => {
    const { key } = await mint();
    expect(await call('READER', 'get', key.id)).toMatchObject({ value: { id: key.id } });
    expect(await call('READER', 'revoke', key.id)).toMatchObject(refusedWith('insufficient_scope'));
    expect(await call('KEYS', 'get', 'key_unknown')).toMatchObject(refusedWith('not_found'));
    expect(await call('KEYS', 'create', { name: '' })).toMatchObject(refusedWith('invalid_request'));
    for (const method of ['get', 'update', 'rotate', 'revoke']) {
      expect(await call('KEYS', method, [key.id], {}), method).toMatchObject(refusedWith('invalid_request'));
    }
    const expiresAt = new Date(Date.now() + 11 * 365 * 86_400_000).toISOString();
    for (const refused of [
      call('KEYS', 'create', { name: 'long', userId: 'ada', scopes: [], expiresAt }),
      call('KEYS', 'update', key.id, { expiresAt }),
      call('KEYS', 'rotate', key.id, { expiresAt }),
    ]) {
      expect(await refused).toMatchObject({
        value: {
          error: {
            errors: [{ path: expect.stringMatching(/expiresAt$/), message: 'must be at most ten years off' }],
          },
        },
      });
    }
    const admin = await root('POST', '/v1/service-accounts', { name: crypto.randomUUID(), role: 'admin' });
    expect(await call('KEYS', 'create', { name: 'key', serviceAccountId: admin['id'] })).toMatchObject(
      refusedWith('cannot_grant'),
    );
  });

  it('with props that are no organization’s, or that misname it, finds nothing', async () => {
    const { secret } = await mint();
    expect(await call('MISSPELT', 'verify', { key: secret })).toMatchObject(
      refusedWith('invalid_credential'),
    );
    expect(await call('EVERYWHERE', 'list')).toMatchObject(refusedWith('not_found'));
    expect(await call('POSING', 'list')).toMatchObject(refusedWith('invalid_credential'));
  });

  it('without its props refuses everything', async () => {
    const { key } = await mint();
    const calls: readonly (readonly [string, ...unknown[]])[] = [
      ['create', { name: 'key', userId: 'ada', scopes: [] }],
      ['get', key.id],
      ['list'],
      ['update', key.id, { name: 'x' }],
      ['rotate', key.id],
      ['revoke', key.id],
    ];
    for (const [method, ...args] of calls) {
      expect(await call('BARE', method, ...args), method).toMatchObject(refusedWith('invalid_credential'));
    }
  });
});

it(
  'types a caller by `wrangler types` with both configs, and refuses a wrong call',
  { timeout: 60_000 },
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'mintmark-types-'));
    const types = join(directory, 'env.d.ts');
    const run = (...args: string[]) =>
      spawnSync(process.execPath, args, {
        encoding: 'utf8',
        env: { ...process.env, WRANGLER_SEND_METRICS: 'false' },
      });
    const wrangler = join('node_modules', 'wrangler', 'bin', 'wrangler.js');
    const made = run(
      wrangler,
      'types',
      types,
      '--include-runtime=false',
      '-c',
      'test/node/caller/wrangler.toml',
      '-c',
      'wrangler.toml',
    );
    expect(made.status, made.stdout + made.stderr).toBe(0);

    const typed = (body: string) => {
      const file = join(directory, 'typed.ts');
      writeFileSync(
        file,
        `export const called = async (env: CallerEnv) => { ${body} };\ntype CallerEnv = __BaseEnv_Env;\n`,
      );
      const config = join(directory, 'tsconfig.json');
      const project = process.cwd();
      writeFileSync(
        config,
        JSON.stringify({
          extends: join(project, 'tsconfig.json'),
          compilerOptions: {
            typeRoots: [join(project, 'node_modules')],
            types: ['@cloudflare/workers-types'],
          },
          include: [],
          files: [types, file],
        }),
      );
      return run(join('node_modules', 'typescript', 'bin', 'tsc'), '-p', config);
    };
    const good = typed(
      `const verdict = await env.MINE.verify({ key: 'x' }); return 'error' in verdict ? verdict.error.code : verdict.code;`,
    );
    expect(good.stdout).toBe('');
    expect(good.status).toBe(0);
    expect(typed('return env.MINE.verify({ key: 1 });').stdout).toContain(
      "Type 'number' is not assignable to type 'string'",
    );
    rmSync(directory, { recursive: true });
  },
);
