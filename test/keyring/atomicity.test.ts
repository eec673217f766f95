import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { failingEachStatement } from '../support/attempts.ts';
import { dumpTables, TestService, type Answer } from '../support/service.ts';

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

/** Every mutation that the API has, each as a call on something new. */
const MUTATIONS: Record<string, (service: TestService) => Promise<() => Promise<Answer>>> = {
  'making an organization': async (s) => () =>
    s.call('POST', '/v1/organizations', { body: { name: crypto.randomUUID() } }),
  'changing an organization': async (s) => {
    const { id } = await s.organization();
    return () => s.call('PATCH', `/v1/organizations/${id}`, { body: { maxLiveKeys: 1 } });
  },
  'deleting an organization': async (s) => {
    const { id } = await s.organization();
    return () => s.call('DELETE', `/v1/organizations/${id}`);
  },
  'making an account': async (s) => () =>
    s.call('POST', '/v1/service-accounts', { body: { name: crypto.randomUUID() } }),
  'changing an account': async (s) => {
    const { id } = await s.account();
    return () => s.call('PATCH', `/v1/service-accounts/${id}`, { body: { description: 'changed' } });
  },
  'disabling an account': async (s) => {
    const { id } = await s.account();
    return () => s.call('POST', `/v1/service-accounts/${id}/disable`);
  },
  'enabling an account': async (s) => {
    const { id } = await s.account();
    await s.call('POST', `/v1/service-accounts/${id}/disable`);
    return () => s.call('POST', `/v1/service-accounts/${id}/enable`);
  },
  'deleting an account': async (s) => {
    const { id } = await s.account();
    return () => s.call('DELETE', `/v1/service-accounts/${id}`);
  },
  'minting for an account': async (s) => {
    const { id } = await s.account();
    return () => s.call('POST', `/v1/service-accounts/${id}/api-keys`, { body: { name: 'key' } });
  },
  'minting for a person': async (s) => () =>
    s.call('POST', '/v1/api-keys', { body: { name: 'key', userId: 'ada', scopes: [] } }),
  'changing a key': async (s) => {
    const { key } = await s.key();
    return () => s.call('PATCH', `/v1/api-keys/${key.id}`, { body: { enabled: false } });
  },
  'revoking a key': async (s) => {
    const { key } = await s.key();
    return () => s.call('POST', `/v1/api-keys/${key.id}/revoke`, { body: { reason: 'leaked' } });
  },
  'deleting a key': async (s) => {
    const { key } = await s.key();
    return () => s.call('DELETE', `/v1/api-keys/${key.id}`);
  },
};

const MINTS = /minting|making/;

describe.each(Object.entries(MUTATIONS))('%s', (name, prepare) => {
  test('is one batch with its audit event and, unless it mints, its change', async () => {
    const mutate = await prepare(service);
    const before = await counts();
    const io = await service.ioOf(async () => expect((await mutate()).status).toBeLessThan(300));
    const batches = io.d1.filter(({ sql }) => sql.length > 1);
    expect(batches).toHaveLength(1);
    const isMinting = name.startsWith('minting');
    expect(batches[0]?.sql.filter((sql) => sql.includes('INTO audit_events'))).toHaveLength(1);
    expect(batches[0]?.sql.filter((sql) => sql.includes('INTO changes'))).toHaveLength(isMinting ? 0 : 1);
    const after = await counts();
    expect(after.audit_events - before.audit_events).toBe(1);
    expect(after.changes - before.changes).toBe(isMinting ? 0 : 1);
  });

  test('leaves nothing behind when any one of its statements fails', async () => {
    const answers = await failingEachStatement(service, () => prepare(service));
    expect(answers.length).toBeGreaterThanOrEqual(4);
    for (const answer of answers) expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } });
  });

  test('is told as unavailable, and changes nothing, while D1 cannot be reached', async () => {
    const mutate = await prepare(service);
    const before = await dumpTables();
    service.d1Hooks.before = () => {
      throw new Error('D1_ERROR: Network connection lost.');
    };
    const answer = await mutate();
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(answer.headers.get('Retry-After')).toMatch(/^[0-9]+$/);
    delete service.d1Hooks.before;
    expect(await dumpTables()).toEqual(before);
  });

  test('is done once when the answer to its batch is lost', async () => {
    const mutate = await prepare(service);
    const before = await counts();
    let lost = 0;
    service.d1Hooks.after = (sql) => {
      if (sql.length > 1 && lost++ === 0) throw new Error('D1_ERROR: Network connection lost.');
    };
    const answer = await mutate();
    delete service.d1Hooks.after;
    expect(answer.status).toBeLessThan(300);
    expect(lost).toBeGreaterThanOrEqual(1);
    const after = await counts();
    expect(after.audit_events - before.audit_events).toBe(1);
    expect(after.rows - before.rows).toBe(MINTS.test(name) ? 1 : 0);
  });

  test('is told as of unknown outcome when no answer to it ever comes', async () => {
    const mutate = await prepare(service);
    const before = await counts();
    let batches = 0;
    service.d1Hooks.before = (sql) => {
      if (sql.length === 1) return;
      batches++;
      throw new Error('D1_ERROR: Network connection lost.');
    };
    expect(await mutate()).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });
    delete service.d1Hooks.before;
    expect(batches).toBe(2);
    expect(await counts()).toEqual(before);
  });
});

test('a change that was made, though no answer to it or of it comes through, is told as of unknown outcome', async () => {
  const { key } = await service.key();
  service.d1Hooks.after = (sql) => {
    if (sql.length > 1) throw new Error('D1_ERROR: Network connection lost.');
  };
  const answer = await service.call('POST', `/v1/api-keys/${key.id}/revoke`);
  delete service.d1Hooks.after;
  expect(answer).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });
  expect(await actionsOn(key.id)).toEqual(['api_key.created', 'api_key.revoked']);
});

test('a secret whose minting answer was lost on the way from D1 still reaches its owner, and works', async () => {
  const { id } = await service.account();
  let lost = 0;
  service.d1Hooks.after = (sql) => {
    if (sql.length > 1 && lost++ === 0) throw new Error('D1_ERROR: Network connection lost.');
  };
  const { secret } = await service.key({ serviceAccountId: id });
  expect(await service.verify(secret)).toMatchObject({ valid: true });
});

describe('changes at the same moment', () => {
  test('two revocations: one happens, and both tell of that one', async () => {
    const other = new TestService();
    const { key } = await service.key();
    const answers = await Promise.all([
      service.call('POST', `/v1/api-keys/${key.id}/revoke`, { body: { reason: 'first' } }),
      other.call('POST', `/v1/api-keys/${key.id}/revoke`, { body: { reason: 'second' } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const [one, two] = answers.map(({ body }) => body.key);
    expect(one.revokedAt).toBe(two.revokedAt);
    expect(one.revocationReason).toBe(two.revocationReason);
    expect(await actionsOn(key.id)).toEqual(['api_key.created', 'api_key.revoked']);
  });

  test('a revocation and a change: in whichever order, the key ends revoked and the log says so', async () => {
    for (let round = 0; round < 10; round++) {
      const other = new TestService();
      const { key, secret } = await service.key();
      const [revoked, patched] = await Promise.all([
        service.call('POST', `/v1/api-keys/${key.id}/revoke`),
        other.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'renamed' } }),
      ]);
      expect(revoked.status).toBe(200);
      const actions = await actionsOn(key.id);
      if (patched.status === 200) {
        expect(actions).toEqual(['api_key.created', 'api_key.updated', 'api_key.revoked']);
      } else {
        expect(patched).toMatchObject({ status: 409, body: { code: 'key_revoked' } });
        expect(actions).toEqual(['api_key.created', 'api_key.revoked']);
      }
      const { body } = await service.call('GET', `/v1/api-keys/${key.id}`);
      expect(body).toMatchObject({
        status: 'revoked',
        name: patched.status === 200 ? 'renamed' : 'a key',
      });
      expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED' });
    }
  });

  test('a change judged by a row that has moved on is judged again, never written over it', async () => {
    const { key } = await service.key();
    const other = new TestService();
    interleave(service, () =>
      other.call('PATCH', `/v1/api-keys/${key.id}`, { body: { description: 'theirs' } }),
    );
    await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'mine' } });
    const { body } = await service.call('GET', `/v1/api-keys/${key.id}`);
    expect(body).toMatchObject({ name: 'mine', description: 'theirs' });
  });

  test('a change that is overtaken again and again is given back as a conflict, and writes nothing', async () => {
    const { key } = await service.key();
    service.d1Hooks.rewrite = (batch, db) => [
      db.prepare('UPDATE api_keys SET revision = revision + 1 WHERE id = ?').bind(key.id),
      ...batch,
    ];
    const before = await dumpTables();
    const answer = await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'mine' } });
    delete service.d1Hooks.rewrite;
    expect(answer).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await dumpTables()).toEqual(before);
  });

  const endings: Record<string, (id: string, accountId: string) => readonly [string, string]> = {
    'revoking a key': (id) => ['POST', `/v1/api-keys/${id}/revoke`],
    'deleting a key': (id) => ['DELETE', `/v1/api-keys/${id}`],
    'disabling an account': (_, accountId) => ['POST', `/v1/service-accounts/${accountId}/disable`],
    'deleting an account': (_, accountId) => ['DELETE', `/v1/service-accounts/${accountId}`],
  };

  test.each(Object.entries(endings))(
    '%s cannot be held off by changing it, nor its caller, meanwhile',
    async (_, ending) => {
      const admin = await service.key({}, { role: 'admin' });
      const { key, secret } = await service.key();
      service.d1Hooks.rewrite = (batch, db) => [
        db.prepare('UPDATE api_keys SET revision = revision + 1').bind(),
        db.prepare('UPDATE service_accounts SET revision = revision + 1').bind(),
        ...batch,
      ];
      const [method, path] = ending(key.id, key.serviceAccountId);
      const answer = await service.call(method, path, { credential: admin.secret });
      delete service.d1Hooks.rewrite;
      expect(answer.status).toBeLessThan(300);
      expect(await service.verify(secret)).toMatchObject({ valid: false });
    },
  );

  test('root goes on when its organization is changed meanwhile', async () => {
    const { key } = await service.key();
    interleave(service, () =>
      env.DB.prepare("UPDATE organizations SET revision = revision + 1 WHERE slug = 'default'").run(),
    );
    expect(await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'mine' } })).toMatchObject({
      status: 200,
    });
  });

  test('a key’s change and the deletion of its account: the key is revoked, and nobody is told otherwise', async () => {
    const { key } = await service.key();
    interleave(service, () =>
      new TestService().call('DELETE', `/v1/service-accounts/${key.serviceAccountId}`),
    );
    expect(await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'late' } })).toMatchObject({
      status: 409,
      body: { code: 'key_revoked' },
    });
  });

  test('a name that two accounts want: one has it', async () => {
    const name = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        new TestService().call('POST', '/v1/service-accounts', { body: { name } }),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(9);
    expect(answers.find(({ status }) => status === 409)?.body.code).toBe('name_taken');
  });

  test('fifty changes of one key from fifty isolates: each happens whole or is given back', async () => {
    const { key } = await service.key();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        new TestService().call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: `name ${index}` } }),
      ),
    );
    const done = answers.filter(({ status }) => status === 200).length;
    expect(answers.filter(({ body }) => body.code === 'conflict')).toHaveLength(50 - done);
    expect(done).toBeGreaterThan(0);
    expect(await actionsOn(key.id)).toHaveLength(1 + done);
    const row = await env.DB.prepare('SELECT revision FROM api_keys WHERE id = ?')
      .bind(key.id)
      .first('revision');
    expect(row).toBe(1 + done);
  });
});

describe('a caller who ends between being judged and the batch', () => {
  const ends: Record<string, (caller: Awaited<ReturnType<TestService['key']>>) => Promise<Answer>> = {
    'whose key is revoked': ({ key }) => new TestService().call('POST', `/v1/api-keys/${key.id}/revoke`),
    'whose key is disabled': ({ key }) =>
      new TestService().call('PATCH', `/v1/api-keys/${key.id}`, { body: { enabled: false } }),
    'whose account is disabled': ({ key }) =>
      new TestService().call('POST', `/v1/service-accounts/${key.serviceAccountId}/disable`),
    'whose account is deleted': ({ key }) =>
      new TestService().call('DELETE', `/v1/service-accounts/${key.serviceAccountId}`),
  };

  test.each(Object.entries(ends))('%s can change nothing', async (_, end) => {
    const admin = await service.key({}, { role: 'admin' });
    const victim = await service.key();
    interleave(service, () => end(admin));
    const answer = await service.call('DELETE', `/v1/api-keys/${victim.key.id}`, {
      credential: admin.secret,
    });
    expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_credential' } });
    expect(await actionsOn(victim.key.id)).toEqual(['api_key.created']);
    expect(await service.verify(victim.secret, { maxStaleness: 0 })).toMatchObject({ valid: true });
  });

  test('whose key expires while the batch is on its way can change nothing', async () => {
    const admin = await service.key({}, { role: 'admin' });
    const victim = await service.key();
    interleave(service, () =>
      env.DB.prepare('UPDATE api_keys SET expires_at = ? WHERE id = ?')
        .bind(service.now() - 1, admin.key.id)
        .run(),
    );
    const answer = await service.call('DELETE', `/v1/api-keys/${victim.key.id}`, {
      credential: admin.secret,
    });
    expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_credential' } });
    expect(await actionsOn(victim.key.id)).toEqual(['api_key.created']);
  });

  test('whose scopes are narrowed is judged by what is left', async () => {
    const admin = await service.key({}, { role: 'admin' });
    interleave(service, () =>
      new TestService().call('PATCH', `/v1/service-accounts/${admin.key.serviceAccountId}`, {
        body: { role: 'reader' },
      }),
    );
    const answer = await service.call('POST', '/v1/service-accounts', {
      credential: admin.secret,
      body: { name: crypto.randomUUID() },
    });
    expect(answer).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });

  test('while its body is on its way learns nothing more, even by a change that changes nothing', async () => {
    const admin = await service.key({}, { role: 'admin' });
    const target = await service.account();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const judged = service.io.d1.length + 1;
    const answer = service.call('PATCH', `/v1/service-accounts/${target.id}`, {
      credential: admin.secret,
      body: readable,
    });
    while (service.io.d1.length < judged) await scheduler.wait(1);
    await new TestService().call('POST', `/v1/api-keys/${admin.key.id}/revoke`);
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode('{}'));
    await writer.close();
    expect(await answer).toMatchObject({ status: 401, body: { code: 'invalid_credential' } });
  });

  test('whose own list of scopes is narrowed is judged by what is left', async () => {
    const admin = await service.key({ scopes: ['mintmark:*'] }, { role: 'admin' });
    interleave(service, () =>
      new TestService().call('PATCH', `/v1/api-keys/${admin.key.id}`, {
        body: { scopes: ['mintmark:keys:read'] },
      }),
    );
    const answer = await service.call('POST', '/v1/service-accounts', {
      credential: admin.secret,
      body: { name: crypto.randomUUID() },
    });
    expect(answer).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });

  test('a revocation that the deletion of the account overtakes leaves the deletion as what ended the key', async () => {
    const { key } = await service.key();
    const admin = await service.key({}, { role: 'admin' });
    interleave(service, () =>
      new TestService().call('DELETE', `/v1/service-accounts/${key.serviceAccountId}`, {
        credential: admin.secret,
      }),
    );
    const { body } = await service.call('POST', `/v1/api-keys/${key.id}/revoke`);
    expect(body.key).toMatchObject({ status: 'revoked', revokedBy: admin.key.serviceAccountId });
    expect(await actionsOn(key.id)).toEqual(['api_key.created']);
  });

  test('who was only renamed goes on', async () => {
    const admin = await service.key({}, { role: 'admin' });
    interleave(service, () =>
      new TestService().call('PATCH', `/v1/api-keys/${admin.key.id}`, { body: { name: 'renamed' } }),
    );
    const answer = await service.call('POST', '/v1/service-accounts', {
      credential: admin.secret,
      body: { name: crypto.randomUUID() },
    });
    expect(answer.status).toBe(201);
  });
});

test('an account that is promoted while a key is minted for it does not give its new rights away', async () => {
  const member = await service.key({}, { role: 'member' });
  const target = await service.account();
  interleave(service, () =>
    new TestService().call('PATCH', `/v1/service-accounts/${target.id}`, { body: { role: 'admin' } }),
  );
  const answer = await service.call('POST', `/v1/service-accounts/${target.id}/api-keys`, {
    credential: member.secret,
    body: { name: 'key' },
  });
  expect(answer).toMatchObject({ status: 403, body: { code: 'cannot_grant' } });
});

/** Lets something happen after the next call has read and judged, right before its batch reaches D1. */
function interleave(target: TestService, meanwhile: () => Promise<unknown>): void {
  target.d1Hooks.beforeBatch = async () => {
    delete target.d1Hooks.beforeBatch;
    await meanwhile();
  };
}

async function actionsOn(target: string): Promise<string[]> {
  const { results } = await env.DB.prepare('SELECT action FROM audit_events WHERE target_id = ? ORDER BY id')
    .bind(target)
    .all<{ action: string }>();
  return results.map(({ action }) => action);
}

async function counts(): Promise<{ audit_events: number; changes: number; rows: number }> {
  const row = await env.DB.prepare(
    `SELECT (SELECT count(*) FROM audit_events) AS audit_events, (SELECT count(*) FROM changes) AS changes,
       (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM service_accounts)
         + (SELECT count(*) FROM organizations) AS rows`,
  ).first<{ audit_events: number; changes: number; rows: number }>();
  if (row === null) throw new Error('no counts');
  return row;
}
