import { beforeEach, describe, expect, test } from 'vitest';

import type { OrganizationId } from '../../src/core/id.ts';
import { edgeAndOffice, emptyKv, gate, refuseKvWrites, strayKey, USABLE_MS } from '../support/edge.ts';
import { TestService } from '../support/service.ts';

const DEFAULT_ORGANIZATION: OrganizationId = `org_${'0'.repeat(24)}`;

let edge: TestService;
let office: TestService;

beforeEach(async () => {
  ({ edge, office } = await edgeAndOffice());
});

type Request = Parameters<TestService['verifier']['verify']>[0];

const ANYTHING: Omit<Request, 'key'> = {
  organizationId: DEFAULT_ORGANIZATION,
  scopes: [],
  usedFrom: { ip: null, userAgent: null },
};

/** The verdicts on many, each as short as it can be told: whose, or why not. */
async function many(...asked: readonly (Partial<Request> & Pick<Request, 'key'>)[]): Promise<string[]> {
  const verdicts = await edge.verifier.verifyMany(asked.map((one) => Object.assign({}, ANYTHING, one)));
  return verdicts.map(({ decision }) => (decision.code === 'VALID' ? decision.record.key.id : decision.code));
}

const revoke = (service: TestService, id: string) => service.call('POST', `/v1/api-keys/${id}/revoke`);

/** A new organization, and a key of it. */
async function theirs(): Promise<{ organizationId: OrganizationId; id: string; secret: string }> {
  const { id: organizationId } = await office.organization({ personalKeyPermissions: [] });
  const { body } = await office.call('POST', '/v1/api-keys', {
    headers: { 'Mintmark-Organization': organizationId },
    body: { name: 'theirs', userId: 'eve', scopes: [] },
  });
  return { organizationId: organizationId as OrganizationId, id: body.key.id, secret: body.secret };
}

describe('verdicts on many keys', () => {
  test('come in the order of asking, wherever each comes from', async () => {
    const lost = await office.key();
    const gone = await office.key();
    await revoke(office, gone.key.id);
    await emptyKv(office);
    const kept = await office.key();
    const remembered = await office.key();
    await office.settle();
    await edge.upkeep();
    await edge.verify(remembered.secret);
    const stray = strayKey();
    const asked = [
      stray,
      lost.secret,
      'nonsense',
      remembered.secret,
      gone.secret,
      kept.secret,
      lost.secret,
      stray,
      '',
      remembered.secret,
    ];
    expect(await many(...asked.map((key) => ({ key })))).toEqual([
      'NOT_FOUND',
      lost.key.id,
      'MALFORMED',
      remembered.key.id,
      'REVOKED',
      kept.key.id,
      lost.key.id,
      'NOT_FOUND',
      'MALFORMED',
      remembered.key.id,
    ]);
  });

  test('are of the organization that each was asked for', async () => {
    const mine = await office.key();
    const [hers, his] = [await theirs(), await theirs()];
    await office.settle();
    const everyone = [mine.secret, hers.secret, his.secret];
    const seenBy = (organizationId: OrganizationId | null) =>
      everyone.map((key) => ({ key, organizationId }));
    for (let time = 0; time < 2; time++) {
      expect(
        await many(
          ...seenBy(DEFAULT_ORGANIZATION),
          ...seenBy(hers.organizationId),
          ...seenBy(his.organizationId),
          ...seenBy(null),
        ),
      ).toEqual([
        mine.key.id,
        'NOT_FOUND',
        'NOT_FOUND',
        'NOT_FOUND',
        hers.id,
        'NOT_FOUND',
        'NOT_FOUND',
        'NOT_FOUND',
        his.id,
        mine.key.id,
        hers.id,
        his.id,
      ]);
    }
  });

  test('answer what each was asked: scopes, environment, staleness', async () => {
    const { key, secret } = await office.key({ environment: 'test' }, { permissions: ['files:read'] });
    await office.settle();
    await edge.upkeep();
    await edge.verify(secret);
    refuseKvWrites(office);
    await revoke(office, key.id);
    edge.skip(5_000);
    expect(
      await many(
        { key: secret, maxStaleness: 5, scopes: ['files:read'] },
        { key: secret, maxStaleness: 5, scopes: ['files:write'] },
        { key: secret, maxStaleness: 5, environment: 'live' },
      ),
    ).toEqual([key.id, 'INSUFFICIENT_SCOPE', 'WRONG_ENVIRONMENT']);
    // What one of them makes D1 say, all of them go by.
    expect(await many({ key: secret }, { key: secret, maxStaleness: 0 }, { key: secret })).toEqual([
      'REVOKED',
      'REVOKED',
      'REVOKED',
    ]);
  });

  test('count as uses of the keys that are valid', async () => {
    const [used, refused] = [await office.key(), await office.key()];
    await many(
      { key: used.secret, usedFrom: { ip: '192.0.2.1', userAgent: 'a batch' } },
      { key: refused.secret, scopes: ['files:read'] },
    );
    await edge.advance(10_000);
    const lastUsedIp = async ({ key }: typeof used) =>
      (await office.call('GET', `/v1/api-keys/${key.id}`)).body.lastUsedIp;
    expect(await lastUsedIp(used)).toBe('192.0.2.1');
    expect(await lastUsedIp(refused)).toBeNull();
  });

  test('of none are none', async () => {
    expect(await many()).toEqual([]);
  });
});

describe('verdicts that must wait for one of them', () => {
  test('are given by what is known after the wait: a key revoked meanwhile is refused', async () => {
    const remembered = await office.key();
    await office.settle();
    await edge.upkeep();
    await edge.verify(remembered.secret);
    const waited = gate();
    const reached = gate();
    edge.d1Hooks.before = ([sql = '']) => {
      if (!sql.includes('json_each')) return undefined;
      reached.open();
      return waited.passed;
    };
    const verdicts = many({ key: remembered.secret }, { key: strayKey() });
    await reached.passed;
    refuseKvWrites(office);
    await revoke(office, remembered.key.id);
    await edge.upkeep();
    waited.open();
    expect(await verdicts).toEqual(['REVOKED', 'NOT_FOUND']);
  });

  test('agree with each other where an answer was overtaken', async () => {
    await edge.upkeep();
    const [overtaken, other] = [await office.key(), await office.key()];
    await emptyKv(office);
    refuseKvWrites(office);
    let isFirst = true;
    edge.d1Hooks.after = async ([sql = '', second = '']) => {
      if (!isFirst || !(sql + second).includes('json_each')) return;
      isFirst = false;
      await revoke(office, overtaken.key.id);
      await edge.upkeep();
    };
    expect(await many({ key: overtaken.secret }, { key: other.secret })).toEqual(['REVOKED', other.key.id]);
  });

  test('are none of them older than the bound allows, however long that took', async () => {
    const remembered = await office.key();
    await office.settle();
    await edge.upkeep();
    await edge.verify(remembered.secret);
    edge.skip(USABLE_MS);
    refuseKvWrites(office);
    await revoke(office, remembered.key.id);
    edge.d1Hooks.before = ([sql = '', second = '']) => {
      if ((sql + second).includes('json_each')) edge.skip(4_000);
    };
    const [verdict] = await many({ key: remembered.secret }, { key: strayKey() });
    expect(verdict).toBe('REVOKED');
  });
});

test('past a flood’s limit, what a cache knows has its verdict and what it does not know has none', async () => {
  let counted = 0;
  edge = new TestService({ FLOODS: { limit: async () => ({ success: ++counted <= 3 }) } });
  await edge.upkeep();
  const remembered = await office.key();
  await office.settle();
  await edge.verify(remembered.secret);
  await many(...Array.from({ length: 10 }, () => ({ key: strayKey() })));
  await edge.settle();
  const kept = await office.key();
  await office.settle();
  expect(counted).toBe(10);
  expect(
    await many({ key: strayKey() }, { key: remembered.secret }, { key: 'nonsense' }, { key: kept.secret }),
  ).toEqual(['RATE_LIMITED', remembered.key.id, 'MALFORMED', kept.key.id]);
  const [verdict] = await edge.verifier.verifyMany([{ ...ANYTHING, key: strayKey() }]);
  expect(verdict).toMatchObject({ source: 'none', ageSeconds: 0 });
});
