import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { failingEachStatement, tables } from '../support/attempts.ts';
import {
  align,
  BOUND_MS,
  cutOff,
  edgeAndOffice,
  INTERVAL_MS,
  refuseKvWrites,
  strayKey,
  USABLE_MS,
} from '../support/edge.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { allows, refuses } from './entrances.ts';
import { taken } from './jws.ts';
import {
  basic,
  FORM,
  getToken,
  newClient,
  oauthOutcome,
  post,
  revoke,
  whoami,
  type Client,
  type Parameters,
} from './tokens.ts';

const service = new TestService();
/** Holds no scope at all. */
let holder: Client;
let admin: Client;

beforeAll(async () => {
  holder = await newClient(service, {});
  admin = await newClient(service);
});

const lives = async (credential: string, on = service): Promise<boolean> =>
  (await on.verify(credential, { maxStaleness: 0 })).valid;

async function ends(credential: string, text: string): Promise<Answer> {
  const answer = await revoke(service, credential, text);
  expect([answer.status, answer.text]).toEqual([200, '']);
  expect(answer.headers.get('Mintmark-Effective-By')).toBe(new Date(service.now() + BOUND_MS).toISOString());
  expect(await lives(text)).toBe(false);
  return answer;
}

/** Answered as if it were done, with no word of a time; nothing has changed. */
async function passesOver(credential: string, text: string): Promise<void> {
  const before = await tables(service);
  const answer = await revoke(service, credential, text);
  expect([answer.status, answer.text]).toEqual([200, '']);
  expect(answer.headers.has('Mintmark-Effective-By')).toBe(false);
  expect(await tables(service)).toEqual(before);
}

const actionsOn = async (keyId: string) =>
  (await service.call('GET', `/v1/audit-events?targetId=${keyId}`)).body.data.toReversed();

describe('a holder ends', () => {
  test('a token of its own by its key, and no other token, nor the key', async () => {
    const strong = await newClient(service, { permissions: ['*'], role: 'admin' });
    const [doomed, kept] = [await getToken(service, strong), await getToken(service, strong)];
    await ends(strong.secret, doomed);
    await refuses(service, doomed);
    await allows(service, kept);
    await allows(service, strong.secret);
    await allows(service, await getToken(service, strong));
  });

  test('the token that it calls by, and one by another', async () => {
    const itself = await getToken(service, holder);
    await ends(itself, itself);
    const [one, other] = [await getToken(service, holder), await getToken(service, holder)];
    await ends(one, other);
    expect(await lives(one)).toBe(true);
  });

  test('its own key, and with it its tokens', async () => {
    const made = await newClient(service, {});
    const token = await getToken(service, made);
    await ends(made.secret, made.secret);
    expect(await lives(token)).toBe(false);
    expect((await service.call('GET', `/v1/api-keys/${made.keyId}`)).body).toMatchObject({
      status: 'revoked',
      revokedBy: made.id,
    });
  });

  test('its key by a token of it, and another key of its account', async () => {
    const made = await newClient(service, {});
    const second = await service.key({ serviceAccountId: made.id });
    await ends(second.secret, made.secret);
    await ends(await getToken(service, { id: made.id, secret: second.secret }), second.secret);
  });

  test('a person’s own key', async () => {
    const { id } = await service.organization({ personalKeyPermissions: [] });
    const mint = async (userId: string) => {
      const { body } = await service.call('POST', '/v1/api-keys', {
        headers: { 'Mintmark-Organization': id },
        body: { name: 'key', userId, scopes: [] },
      });
      return body.secret;
    };
    const [ada, alan] = [await mint('ada'), await mint('alan')];
    expect(oauthOutcome(await revoke(service, ada, alan))).toBe('403 insufficient_scope');
    expect((await revoke(service, ada, ada)).status).toBe(200);
    expect((await whoami(service, ada)).status).toBe(401);
    expect((await whoami(service, alan)).status).toBe(200);
  });

  test('a key that is disabled or has a moment left, and a token for others', async () => {
    const second = await service.key({ serviceAccountId: holder.id });
    await service.call('PATCH', `/v1/api-keys/${second.key.id}`, { body: { enabled: false } });
    await ends(holder.secret, second.secret);
    const elsewhere = await getToken(service, holder, { resource: 'https://api.example.com' });
    const asked = () =>
      post(service, 'introspect', { token: elsewhere }, { Authorization: `Bearer ${admin.secret}` });
    expect((await asked()).body.active).toBe(true);
    await ends(holder.secret, elsewhere);
    expect((await asked()).text).toBe('{"active":false}');
  });
});

describe('another’s', () => {
  test('of its organization is ended by who may write keys, and by nobody else', async () => {
    const made = await newClient(service, {});
    const token = await getToken(service, made);
    const narrow = await getToken(service, admin, { scope: 'mintmark:keys:read mintmark:keys:verify' });
    const before = await tables(service);
    for (const credential of [holder.secret, await getToken(service, holder), narrow]) {
      for (const text of [token, made.secret]) {
        const answer = await revoke(service, credential, text);
        expect(oauthOutcome(answer)).toBe('403 insufficient_scope');
        expect(answer.headers.get('WWW-Authenticate')).toContain('scope="mintmark:keys:write"');
      }
    }
    expect(await tables(service)).toEqual(before);
    expect([await lives(token), await lives(made.secret)]).toEqual([true, true]);
    await ends(admin.secret, token);
    await ends(
      await getToken(service, admin, { scope: 'mintmark:keys:write' }),
      await getToken(service, made),
    );
    await ends(ROOT_KEY, await getToken(service, made));
    expect(await lives(made.secret)).toBe(true);
    await ends(admin.secret, made.secret);
  });

  test('of another organization is passed over, whoever asks, and lives on', async () => {
    const { slug } = await service.organization();
    const headers = { 'Mintmark-Organization': slug };
    const account = await service.call('POST', '/v1/service-accounts', {
      headers,
      body: { name: 'theirs', role: 'admin' },
    });
    const { body } = await service.call('POST', '/v1/api-keys', {
      headers,
      body: { name: 'theirs', serviceAccountId: account.body.id },
    });
    const theirs = { id: account.body.id, secret: body.secret };
    const token = await getToken(service, theirs);
    for (const credential of [admin.secret, holder.secret, ROOT_KEY]) {
      await passesOver(credential, token);
      await passesOver(credential, theirs.secret);
    }
    expect((await whoami(service, token)).status).toBe(200);
    const named = { ...headers, Authorization: `Bearer ${ROOT_KEY}` };
    const answer = await post(service, 'revoke', { token }, named);
    expect([answer.status, answer.headers.has('Mintmark-Effective-By')]).toEqual([200, true]);
    expect((await whoami(service, token)).status).toBe(401);
  });
});

describe('what is nothing to end is passed over:', () => {
  const NOTHINGS: Record<string, () => string | Promise<string>> = {
    junk: () => 'junk',
    'an unknown key': strayKey,
    'a key’s id': () => holder.keyId,
    'the root key': () => ROOT_KEY,
    'a forged token': async () => `${(await getToken(service, holder)).slice(0, -9)}AAAAAAAAA`,
    'a token by its jti': async () => String(taken(await getToken(service, holder)).payload['jti']),
    'an expired token': async () => {
      const token = await getToken(service, holder);
      service.skip(300_000);
      return token;
    },
    'a deleted key': async () => {
      const { key, secret } = await service.key({ serviceAccountId: holder.id });
      await service.call('DELETE', `/v1/api-keys/${key.id}`);
      return secret;
    },
  };
  test.for(Object.entries(NOTHINGS))('%s', async ([, make]) => passesOver(holder.secret, await make()));
});

describe('twice', () => {
  test('a token is ended once, and each answer tells a time', async () => {
    const token = await getToken(service, holder);
    await ends(holder.secret, token);
    const before = await tables(service);
    await ends(holder.secret, token);
    expect(await tables(service)).toEqual(before);
  });

  test('a token of an ended key needs no end of its own, and the answer tells the time all the same', async () => {
    const made = await newClient(service, {});
    const token = await getToken(service, made);
    await service.call('POST', `/v1/api-keys/${made.keyId}/revoke`);
    const before = await tables(service);
    await ends(admin.secret, token);
    expect(await tables(service)).toEqual(before);
  });

  test('at once, by several isolates: one event, one row, and all are told that it is done', async () => {
    const token = await getToken(service, holder);
    const isolates = [service, new TestService(), new TestService(), new TestService()];
    align(...isolates);
    const answers = await Promise.all(isolates.map((isolate) => revoke(isolate, holder.secret, token)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const { jti } = taken(token).payload;
    const { results } = await env.DB.prepare('SELECT * FROM revoked_tokens WHERE id = ?').bind(jti).all();
    expect(results).toHaveLength(1);
    const events = (await actionsOn(holder.keyId)).filter(
      ({ action, changes }: { action: string; changes: object }) =>
        action === 'token.revoked' && JSON.stringify(changes).includes(String(jti)),
    );
    expect(events).toHaveLength(1);
  });
});

test('the trail tells who ended which token, by which credential', async () => {
  const made = await newClient(service, {});
  const [first, second] = [await getToken(service, made), await getToken(service, made)];
  const [{ jti: firstId, exp }, { jti: secondId }] = [taken(first).payload, taken(second).payload];
  await post(
    service,
    'revoke',
    { token: first },
    { Authorization: `Bearer ${second}`, 'CF-Connecting-IP': '192.0.2.5', 'User-Agent': 'cli' },
  );
  const [, event] = await actionsOn(made.keyId);
  expect(event).toMatchObject({
    action: 'token.revoked',
    actor: { type: 'service_account', id: made.id, credentialId: secondId },
    target: { type: 'api_key', id: made.keyId },
    ip: '192.0.2.5',
    userAgent: 'cli',
    changes: { revokedToken: { from: null, to: firstId } },
  });
  expect(JSON.stringify(event)).not.toContain(taken(first).parts[2]);
  const { results } = await env.DB.prepare('SELECT key_id, expires_at FROM revoked_tokens WHERE id = ?')
    .bind(firstId)
    .all();
  expect(results).toEqual([{ key_id: made.keyId, expires_at: Number(exp) * 1_000 }]);
});

describe('who asks is a client or a credential:', () => {
  const form = () => ({ client_id: holder.id, client_secret: holder.secret });
  const WAYS: Record<string, [string, () => [Parameters, Record<string, string>]]> = {
    'by Bearer': ['200', () => [{}, { Authorization: `Bearer ${holder.secret}` }]],
    'by X-API-Key': ['200', () => [{}, { 'X-API-Key': holder.secret }]],
    'by Basic': ['200', () => [{}, { Authorization: basic(holder.id, holder.secret) }]],
    'by the form': ['200', () => [form(), {}]],
    'by Basic, as at other calls': ['200', () => [{}, { Authorization: basic(holder.secret, '') }]],
    nobody: ['401 invalid_client', () => [{}, {}]],
    junk: ['401 invalid_client', () => [{}, { Authorization: 'Bearer junk' }]],
    'by another’s id': ['401 invalid_client', () => [{ ...form(), client_id: admin.id }, {}]],
    'by Basic with another’s id': [
      '401 invalid_client',
      () => [{}, { Authorization: basic(admin.id, holder.secret) }],
    ],
    twice: ['400 invalid_request', () => [form(), { Authorization: basic(holder.id, holder.secret) }]],
    'by a client and a key': ['400 invalid_request', () => [form(), { 'X-API-Key': holder.secret }]],
  };
  test.for(Object.entries(WAYS))('%s', async ([, [outcome, way]]) => {
    const token = await getToken(service, holder);
    const [parameters, headers] = way();
    const answer = await post(service, 'revoke', { token, ...parameters }, headers);
    expect(oauthOutcome(answer), answer.text).toBe(outcome);
    expect(await lives(token)).toBe(outcome !== '200');
  });

  test('the token that is to be ended is no way to say who asks', async () => {
    const token = await getToken(service, holder);
    expect(oauthOutcome(await post(service, 'revoke', { token }))).toBe('401 invalid_client');
    expect(await lives(token)).toBe(true);
  });

  test('whoever is of the organization that it names', async () => {
    const { slug } = await service.organization();
    const token = await getToken(service, holder);
    const headers = { Authorization: `Bearer ${holder.secret}`, 'Mintmark-Organization': slug };
    expect((await post(service, 'revoke', { token }, headers)).status).toBe(404);
    expect(await lives(token)).toBe(true);
  });

  test('who has ended, or ends on the way, ends nothing', async () => {
    const made = await newClient(service, {});
    const doomed = await getToken(service, made);
    const disabled = `/v1/service-accounts/${made.id}`;
    for (const [end, mend] of [
      [() => service.call('POST', `${disabled}/disable`), () => service.call('POST', `${disabled}/enable`)],
      [() => revoke(service, made.secret, doomed), async () => undefined],
    ] as const) {
      const token = await getToken(service, made);
      service.d1Hooks.beforeBatch = async () => {
        delete service.d1Hooks.beforeBatch;
        await end();
      };
      expect(oauthOutcome(await revoke(service, doomed, token))).toBe('401 invalid_client');
      await mend();
      expect(await lives(token)).toBe(true);
    }
  });
});

test('who asks has used its key', async () => {
  const quiet = await newClient(service, {});
  await revoke(service, quiet.secret, 'junk');
  const asked = new Date(service.now()).toISOString();
  await service.advance(120_000);
  expect((await service.call('GET', `/v1/api-keys/${quiet.keyId}`)).body.lastUsedAt).toBe(asked);
});

test('a request is a form with one token', async () => {
  const ask = (parameters: Parameters) =>
    post(service, 'revoke', parameters, { Authorization: `Bearer ${holder.secret}` });
  expect(oauthOutcome(await ask({}))).toBe('400 invalid_request');
  expect(oauthOutcome(await ask({ token: '' }))).toBe('400 invalid_request');
  expect(oauthOutcome(await ask({ token: ['x', 'y'] }))).toBe('400 invalid_request');
  for (const token_type_hint of ['access_token', 'refresh_token', 'junk']) {
    const token = await getToken(service, holder);
    expect((await ask({ token, token_type_hint, x: '1' })).status).toBe(200);
    expect(await lives(token)).toBe(false);
  }
  const sent = (body: string, type: string) =>
    service.call('POST', '/oauth/revoke', { body, headers: { 'Content-Type': type } });
  expect(oauthOutcome(await sent('{"token":"x"}', 'application/json'))).toBe('415 invalid_request');
  expect(oauthOutcome(await sent(`token=${'x'.repeat(65_536)}`, FORM))).toBe('413 invalid_request');
  expect(oauthOutcome(await service.call('GET', '/oauth/revoke?token=x'))).toBe('405 invalid_request');
});

test('of one key a hundred tokens are remembered as revoked; one more is 503, and goes on', async () => {
  const busy = await newClient(service, {});
  const tokens = await Promise.all(Array.from({ length: 105 }, () => getToken(service, busy)));
  const [first = '', last = '', ...others] = tokens;
  const early = others.slice(0, 98);
  for (const token of early) expect((await revoke(service, busy.secret, token)).status).toBe(200);
  // Nor are there more where several come at once.
  const isolates = Array.from({ length: 5 }, () => new TestService());
  align(service, ...isolates);
  const late = await Promise.all(
    isolates.map((isolate, index) => revoke(isolate, busy.secret, others[98 + index] ?? '')),
  );
  expect(late.filter(({ status }) => status === 200)).toHaveLength(2);
  expect(late.filter(({ status }) => status === 503)).toHaveLength(3);
  const before = await tables(service);
  const answer = await revoke(service, busy.secret, last);
  expect(oauthOutcome(answer)).toBe('503 temporarily_unavailable');
  expect(answer.headers.get('Retry-After')).toBe('60');
  expect(await tables(service)).toEqual(before);
  expect([await lives(last), await lives(first), await lives(early[0] ?? '')]).toEqual([true, true, false]);
  // Which are forgotten when they have ended by themselves.
  service.skip(400_000);
  await service.upkeep();
  const fresh = await getToken(service, busy);
  await ends(busy.secret, fresh);
});

test('a revoked token is remembered until it has ended, and a minute for clocks that are behind', async () => {
  const { service: own, rows } = {
    service: new TestService(),
    rows: (id: unknown) =>
      env.DB.prepare('SELECT count(*) AS n FROM revoked_tokens WHERE id = ?').bind(id).first('n'),
  };
  const token = await getToken(own, holder);
  const { jti, exp } = taken(token).payload;
  await revoke(own, holder.secret, token);
  for (const [at, count] of [
    [own.now(), 1],
    [Number(exp) * 1_000 - 1, 1],
    [Number(exp) * 1_000 + 60_000, 1],
    [Number(exp) * 1_000 + 60_001, 0],
  ] as const) {
    own.skip(at - own.now());
    await own.upkeep();
    expect(await rows(jti), `${at}`).toBe(count);
    expect(await lives(token, own)).toBe(false);
  }
});

describe('whatever goes wrong', () => {
  test('leaves nothing behind when any one of its statements fails', async () => {
    const tokens: string[] = [];
    const answers = await failingEachStatement(service, async () => {
      const token = await getToken(service, holder);
      tokens.push(token);
      return () => revoke(service, holder.secret, token);
    });
    expect(answers.length).toBeGreaterThanOrEqual(4);
    for (const answer of answers) expect(oauthOutcome(answer)).toBe('500 server_error');
    for (const token of tokens) expect(await lives(token)).toBe(true);
  });

  test('is told as unavailable while D1 cannot be reached, and is done once where its answer is lost', async () => {
    const token = await getToken(service, holder);
    cutOff(service);
    expect(oauthOutcome(await revoke(service, holder.secret, token))).toBe('503 temporarily_unavailable');
    delete service.d1Hooks.before;
    expect(await lives(token)).toBe(true);
    let lost = 0;
    service.d1Hooks.after = (sql) => {
      if (sql.length > 1 && lost++ === 0) throw new Error('D1_ERROR: Network connection lost.');
    };
    await ends(holder.secret, token);
    delete service.d1Hooks.after;
    expect(lost).toBeGreaterThan(0);
  });
});

describe('by the time that the answer tells', () => {
  const prepared = async () => {
    const { edge, office } = await edgeAndOffice();
    const strong = await newClient(office, { permissions: ['*'], role: 'admin' });
    const [doomed, kept] = [await getToken(office, strong), await getToken(office, strong)];
    await office.settle();
    for (const token of [doomed, kept]) expect(await edge.verify(token)).toMatchObject({ valid: true });
    await edge.upkeep();
    return { edge, office, strong, doomed, kept };
  };

  test('no isolate takes the token, even if KV never hears of it; its siblings go on', async () => {
    const { edge, office, strong, doomed, kept } = await prepared();
    refuseKvWrites(office);
    await revoke(office, strong.secret, doomed);
    expect(await edge.verify(doomed), 'what it cannot know yet').toMatchObject({
      valid: true,
      source: 'memory',
    });
    edge.skip(USABLE_MS + 1);
    expect(await edge.verify(doomed)).toMatchObject({ code: 'REVOKED' });
    await refuses(edge, doomed);
    await allows(edge, kept);
  });

  test('an isolate that serves learns of it within its interval, one that is cold from KV, who asks D1 at once', async () => {
    const { edge, office, strong, doomed, kept } = await prepared();
    await revoke(office, strong.secret, doomed);
    await office.settle();
    expect(await office.verify(doomed)).toMatchObject({ code: 'REVOKED' });
    expect(await edge.verify(doomed, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED', source: 'd1' });
    const cold = new TestService();
    align(cold, office);
    expect(await cold.verify(doomed)).toMatchObject({ code: 'REVOKED' });
    expect(await cold.verify(kept)).toMatchObject({ valid: true });
    const serving = new TestService();
    align(serving, office);
    const third = await getToken(office, strong);
    expect(await serving.verify(third)).toMatchObject({ valid: true });
    refuseKvWrites(office);
    await revoke(office, strong.secret, third);
    await serving.advance(INTERVAL_MS);
    await serving.verify(kept);
    await serving.settle();
    expect(await serving.verify(third)).toMatchObject({ code: 'REVOKED' });
  });

  test('managing by it ends at once, wherever', async () => {
    const { edge, office, strong, doomed } = await prepared();
    const list = (credential: string) => edge.call('GET', '/v1/api-keys', { credential });
    expect((await list(doomed)).status).toBe(200);
    refuseKvWrites(office);
    await revoke(office, strong.secret, doomed);
    expect((await list(doomed)).status).toBe(401);
    expect((await list(strong.secret)).status).toBe(200);
  });
});
