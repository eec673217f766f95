import { describe, expect, it } from 'vitest';

import { askWith, found, mint, once, refusal, saying, serve, verdictIn } from './protected/service.ts';
import { strayKey } from './root.ts';

serve();

describe('scopes', () => {
  const lacking = (secret: string, scopes?: string) =>
    refusal(
      'insufficient_scope',
      once(secret),
      scopes === undefined
        ? {}
        : { 'www-authenticate': `Bearer realm="api", error="insufficient_scope", scope="${scopes}"` },
    );

  it('are demanded all of them', async () => {
    const [reader, writer, both] = [
      await mint(),
      await mint({ permissions: ['files:write'] }),
      await mint({ permissions: ['files:read', 'files:write'] }),
    ];
    expect(await askWith('/writer/run', reader.secret)).toEqual(
      lacking(reader.secret, 'files:read files:write'),
    );
    expect(await askWith('/writer/run', writer.secret)).toEqual(
      lacking(writer.secret, 'files:read files:write'),
    );
    expect(verdictIn(await askWith('/writer/run', both.secret)).keyId).toBe(both.key.id);
  });

  it('may be made of the request, at once or later', async () => {
    const { secret } = await mint();
    const allowed = await askWith('/scoped/run?scope=files:read', secret);
    expect(verdictIn(allowed).scopes).toEqual(['files:read']);
    const allowedLater = await askWith('/scopedLater/run', secret, { method: 'POST', body: 'files:read' });
    expect(verdictIn(allowedLater).scopes).toEqual(['files:read']);
    expect(await askWith('/scoped/run?scope=files:write', secret)).toEqual(lacking(secret, 'files:write'));
    expect(await askWith('/scopedLater/run', secret, { method: 'POST', body: 'files:write' })).toEqual(
      lacking(secret, 'files:write'),
    );
  });

  it.each([
    '',
    'files read',
    'files:réad',
    'files:',
    ':',
    'x'.repeat(129),
    'files:"read"',
    '\0',
    '🔑',
    'a,b',
  ])('that are none, as a request may make them (%j), no key holds', async (scope) => {
    const { secret } = await mint({ permissions: ['*'] });
    const path = `/scoped/run?scope=${encodeURIComponent(scope)}`;
    const isAsked = scope.length <= 128;
    expect(await askWith(path, secret)).toEqual({ ...lacking(secret), ...(isAsked ? {} : { calls: [] }) });
  });

  it.each([
    [[], 200],
    [['files:read'], 200],
    [['files:read', 'files:read'], 200],
    [['*'], 403],
    [['files:read', ''], 403],
    [Array.from({ length: 101 }, () => 'files:read'), 403],
    [null, 503],
    ['files:read', 503],
    [{ 0: 'files:read', length: 1 }, 503],
    [[1], 503],
    [['files:read', null], 503],
    [[['files:read']], 503],
  ])('that are %j are %i', async (scopes, status) => {
    const { secret } = await mint();
    const answer = await askWith(`/scopesSaid/run${saying('scopes', scopes)}`, secret);
    expect(answer).toMatchObject({ status, ran: status === 200 ? 1 : 0 });
  });

  it.each(['scopesUndefined', 'scopesBroken', 'scopesRejected', 'scopesRejectedBare', 'scopesNever'])(
    'that cannot be made let nobody through: %s',
    async (guard) => {
      const { secret } = await mint({ permissions: ['*'] });
      expect(await askWith(`/${guard}/run`, secret)).toEqual(refusal('unavailable'));
    },
  );
});

describe('the organization', () => {
  const path = (guard: string, organization: unknown) => `/${guard}/run${saying('of', organization)}`;

  it('of a key is demanded of each request, where the binding is for every one', async () => {
    await found('theirs');
    const [mine, theirs] = [await mint(), await mint({ organization: 'theirs' })];
    for (const [own, other] of [[mine, theirs] as const, [theirs, mine] as const]) {
      const answer = await askWith(path('tenant', own.organizationId), own.secret);
      expect(verdictIn(answer)).toMatchObject({ keyId: own.key.id, organizationId: own.organizationId });
      expect(answer.calls).toMatchObject([{ organization: own.organizationId }]);
      expect(await askWith(path('tenant', own.organizationId), other.secret)).toEqual(
        refusal('invalid_credential', once(other.secret)),
      );
    }
  });

  it('unsaid, over a binding for every one, lets nobody through', async () => {
    const { secret } = await mint();
    for (const key of [secret, strayKey(), 'nonsense']) {
      expect(await askWith('/everyone/run', key)).toEqual(refusal('unavailable', once(key)));
    }
  });

  it('that is none has no keys', async () => {
    const { secret } = await mint();
    expect(await askWith(path('tenant', null), secret)).toEqual(refusal('invalid_credential'));
    expect(await askWith(path('own', null), secret)).toEqual(refusal('invalid_credential'));
    const unknown = 'org_000000000000000000000001';
    expect(await askWith(path('tenant', unknown), secret)).toEqual(
      refusal('invalid_credential', once(secret)),
    );
  });

  it.each(['default', '*', '', 'theirs', 'org_', `org_${'0'.repeat(23)}Ω`, 1, [[]], {}, true])(
    'by what is no id, as a request may say it, has no keys: %j',
    async (named) => {
      const { secret } = await mint();
      expect(await askWith(path('tenant', named), secret)).toEqual(refusal('invalid_credential'));
      expect(await askWith(path('own', named), secret)).toEqual(refusal('invalid_credential'));
    },
  );

  it('that is not found has no keys', async () => {
    const { secret } = await mint();
    expect(await askWith('/tenantUndefined/run', secret)).toEqual(refusal('invalid_credential'));
  });

  it.each(['tenantBroken', 'tenantNever'])('that cannot be told lets nobody through: %s', async (guard) => {
    const { secret } = await mint();
    expect(await askWith(`/${guard}/run`, secret)).toEqual(refusal('unavailable'));
  });

  it('over a binding of one can be that one alone', async () => {
    const other = await found('other');
    const { secret, organizationId } = await mint();
    expect(verdictIn(await askWith(path('own', organizationId), secret)).valid).toBe(true);
    expect(await askWith(path('own', other), secret)).toEqual(refusal('invalid_credential', once(secret)));
    const foreign = await mint({ organization: 'other' });
    expect(await askWith('/plain/run', foreign.secret)).toEqual(
      refusal('invalid_credential', once(foreign.secret)),
    );
  });
});
