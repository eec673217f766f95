import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { SECRET_PATTERN } from '../../src/core/secret.ts';
import { compatRoutesOf, UNKNOWN_IDS } from '../http/endpoints.ts';
import { expectCommonHeaders, tables } from '../support/attempts.ts';
import * as bodies from '../support/bodies.ts';
import { strayKey } from '../support/edge.ts';
import { mapped } from '../support/records.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';
import {
  accepts,
  DIALECT_ENDPOINTS,
  FORMATS,
  invalid,
  invoke,
  namesOfNew,
  outcomeOf,
  refuses,
  ServiceIn,
  strayParams,
  titled,
  titleOf,
  type Attempt,
  type DialectEndpoint,
  type Valid,
} from './endpoints.ts';
import {
  alike,
  BAD_PAGES,
  BAD_VERSIONS,
  EXTRAS,
  jsonOf,
  samplesOf,
  shownOf,
  strayNames,
  withProto,
} from './samples.ts';

const service = new TestService({ FLOODS: { limit: async () => ({ success: true }) } });
/** A live key without any scope. */
let powerless = '';

beforeAll(async () => {
  powerless = (await service.key({ scopes: [] })).secret;
});

test('every route of the formats has a row, and every row a route', async () => {
  const served = (await compatRoutesOf(service)).filter((route) => route !== TOKEN);
  expect(DIALECT_ENDPOINTS.map(titleOf).toSorted()).toEqual(served);
});

/** Its caller is who it authenticates, so that nothing of these tables is true of it. */
const TOKEN = 'POST /compat/blaxel/v0/oauth/token';

const fieldsOf = ({ fields = {} }: DialectEndpoint) => Object.entries(fields);
const reading = DIALECT_ENDPOINTS.filter(({ fields }) => fields !== undefined);
const withFields = reading.filter((endpoint) => fieldsOf(endpoint).length > 0);
const named = DIALECT_ENDPOINTS.filter(({ targets }) => targets !== undefined);
const paged = DIALECT_ENDPOINTS.filter(({ isPaged }) => isPaged);
const ofBlaxel = DIALECT_ENDPOINTS.filter(({ format }) => format.name === 'Blaxel');
/** Those that no body may keep from their work: clients send `null` and `{}` with them. */
const bodiless = DIALECT_ENDPOINTS.filter(({ method }) => method === 'DELETE');
/** Those whose valid call may say nothing. */
const silent = reading.filter((endpoint) =>
  fieldsOf(endpoint).every(([name, { isRequired }]) => !isRequired && name !== 'serviceAccountId'),
);

describe.for(titled(withFields))('each field of %s', ([, endpoint]) => {
  const fields = fieldsOf(endpoint);

  test('refuses what breaks its rule, says which field, and does not repeat a key', async () => {
    const answers = await refuses(service, endpoint, ({ body }) =>
      Object.fromEntries(
        fields.flatMap(([name, field]) => {
          const { refused, refusedItems = {} } = samplesOf(field, service.now());
          return [
            ...Object.entries(refused).map(([title, value]) => ({ title, value, path: name })),
            ...Object.entries(refusedItems).map(([title, item]) => ({
              title: `a list with ${title}`,
              value: ['ok', item],
              path: `${name}.1`,
            })),
          ].map(({ title, value, path }): [string, Attempt] => [
            `${name}: ${title}`,
            { sent: { body: { ...body, [name]: value } }, outcome: invalid(path) },
          ]);
        }),
      ),
    );
    for (const { text } of answers) expect(text).not.toMatch(new RegExp(SECRET_PATTERN));
  });

  test('is named with all others that are wrong or missing', async () => {
    const names = fields.map(([name]) => name);
    // No field takes it.
    const wrong = 7.5;
    const required = fields.filter(([, { isRequired }]) => isRequired).map(([name]) => name);
    const unknown = endpoint.format.refusesUnknownFields ? ['unknown'] : [];
    await refuses(service, endpoint, () => ({
      'all of them and one unknown': {
        sent: { body: { ...Object.fromEntries(names.map((name) => [name, wrong])), unknown: 1 } },
        outcome: invalid(...names, ...unknown),
      },
      ...(required.length === 0
        ? {}
        : {
            'an empty body': { sent: { body: {} }, outcome: invalid(...required) },
            'no body': { sent: { body: undefined }, outcome: invalid(...required) },
          }),
    }));
  });
});

test.for(titled(withFields.filter((it) => fieldsOf(it).some(([, { kind }]) => kind === 'integer'))))(
  '%s tells the bounds to a whole number that is out of them',
  async ([, endpoint]) => {
    for (const [name, field] of fieldsOf(endpoint)) {
      if (field.kind !== 'integer') continue;
      const [low, high] = await refuses(service, endpoint, ({ body }) =>
        mapped({ low: field.min - 1, high: field.max + 1 }, (value) => ({
          sent: { body: { ...body, [name]: value } },
          outcome: invalid(name),
        })),
      );
      expect(low?.text).toContain(`must be at least ${field.min}`);
      expect(high?.text).toContain(`must be at most ${field.max}`);
    }
  },
);

test('Kosli says that a payload is not valid and why by field, and of a past expiry nothing else', async () => {
  const accounts = '/compat/kosli/api/v2/service-accounts/default';
  const { body: made } = await service.call('POST', accounts, { body: { name: 'kosli' } });
  const payload = await service.call('POST', accounts, { body: { name: 'a b', privilege: 'owner' } });
  expect(payload.body).toEqual({
    message: 'Input payload validation failed',
    errors: {
      name: 'must have 1 to 64 letters, digits and hyphens',
      privilege: 'must be admin or member or snapshotter or reader',
    },
  });
  const past = 'expires_at cannot be in the past';
  const expiries = [
    { body: { description: 'a key', expires_at: 1 }, errors: { expires_at: past } },
    {
      body: { description: 7, expires_at: -1 },
      errors: { expires_at: past, description: 'must be a string' },
    },
  ];
  for (const { body, errors } of expiries) {
    const answer = await service.call('POST', `${accounts}/${made.name}/api-keys`, { body });
    expect([answer.status, answer.body]).toEqual([400, { message: past, errors }]);
  }
});

describe('a personal key of B3OS', () => {
  const minting = DIALECT_ENDPOINTS.filter(({ fields = {} }) => 'serviceAccountId' in fields);

  test.for(titled(minting))('%s is not for root, nor beyond what people may have', async ([, endpoint]) => {
    const admin = (await service.key({}, { role: 'admin' })).secret;
    const body = { name: 'a key' };
    await refuses(service, endpoint, () => ({
      'root, silent': { sent: { body }, outcome: invalid('serviceAccountId') },
      'root, saying null': {
        sent: { body: { ...body, serviceAccountId: null } },
        outcome: invalid('serviceAccountId'),
      },
      'an account': { sent: { body, credential: admin }, outcome: invalid('scope') },
    }));
  });

  test.for(titled(minting))('%s finds no account that never was, or is deleted', async ([, endpoint]) => {
    const deleted = await service.account();
    await service.call('DELETE', `/v1/service-accounts/${deleted.id}`);
    const says = endpoint.format.notFound['service account'];
    const { key } = await service.key();
    const ids = ['', deleted.id, key.id, ...Object.values(UNKNOWN_IDS), '\0', '🔑', "'", 'x'.repeat(8_000)];
    await refuses(service, endpoint, ({ body }) =>
      Object.fromEntries(
        ids.map((id): [string, Attempt] => [
          id.slice(0, 40),
          { sent: { body: { ...body, serviceAccountId: id } }, outcome: '404', says },
        ]),
      ),
    );
  });
});

const extrasOf = ({ fields = {} }: DialectEndpoint) =>
  Object.fromEntries(Object.entries(EXTRAS).filter(([name]) => !Object.hasOwn(fields, name)));

describe.for(titled(reading.filter(({ format }) => format.refusesUnknownFields)))(
  'a field that %s does not know',
  ([, endpoint]) => {
    test('is refused by its name', async () => {
      const extras = extrasOf(endpoint);
      await refuses(service, endpoint, ({ body = {} }) => ({
        ...mapped(extras, (value, name) => ({
          sent: { body: { ...body, [name]: value } },
          outcome: invalid(name),
        })),
        'an own __proto__': { sent: { body: withProto(body) }, outcome: invalid('__proto__') },
        'all at once': { sent: { body: { ...body, ...extras } }, outcome: invalid(...Object.keys(extras)) },
      }));
    });

    test('is refused, and a secret for its name not repeated', async () => {
      for (const hidden of [powerless, ROOT_KEY]) {
        const [answer] = await refuses(service, endpoint, ({ body }) => ({
          [hidden]: {
            sent: { body: { ...body, [hidden]: 1 } },
            outcome: invalid(`[a name of ${hidden.length} characters]`),
          },
        }));
        expect(answer?.text).not.toContain(hidden);
      }
    });
  },
);

test.for(titled(reading.filter(({ format }) => !format.refusesUnknownFields)))(
  'a field that %s does not know changes nothing in what is answered and kept',
  async ([, endpoint]) => {
    const plain = await effectOf(endpoint, ({ body = {} }) => jsonOf(body));
    expect(plain.rows).not.toEqual([]);
    for (const body of [
      (valid: Valid) => jsonOf({ ...valid.body, ...extrasOf(endpoint) }),
      ({ body: said = {} }: Valid) => withProto(said),
      (valid: Valid) => jsonOf({ ...valid.body, [powerless]: ROOT_KEY }),
    ]) {
      expect(await effectOf(endpoint, body)).toEqual(plain);
    }
  },
);

describe.for(titled(reading))('the body of %s', ([, endpoint]) => {
  const { large, type, slow } = mapped(endpoint.format.unread, String);

  test('refuses a type that is not JSON, what is compressed, what is no JSON, and no object', async () => {
    const says = /Content-(?:Type|Encoding)/;
    await refuses(service, endpoint, ({ body = {} }) => ({
      ...Object.fromEntries(
        bodies.OTHER_TYPES.map((declared): [string, Attempt] => [
          `declared as ${declared}`,
          { sent: { body: jsonOf(body), headers: { 'Content-Type': declared } }, outcome: `${type}`, says },
        ]),
      ),
      compressed: { sent: { body, headers: { 'Content-Encoding': 'gzip' } }, outcome: `${type}`, says },
      ...mapped(bodies.NOT_JSON, (text) => ({ sent: { body: text }, outcome: '400', says: 'not JSON' })),
      ...mapped(bodies.NO_OBJECTS, (text) => ({ sent: { body: text }, outcome: invalid('the-body') })),
    }));
  });

  test('refuses more than 64 KiB, by its length, by counting, and without end', async () => {
    const { body: blanks, isCancelled } = bodies.endless();
    await refuses(service, endpoint, ({ body }) =>
      mapped({ ...bodies.tooLarge(body), endless: { body: blanks } }, (sent) => ({
        sent,
        outcome: `${large}`,
        says: '65536 bytes',
      })),
    );
    await expect.poll(isCancelled).toBe(true);
  });

  test('refuses a body that stalls, after ten seconds, and one that breaks off', async () => {
    const isolate = new TestService();
    const valid = await endpoint.valid(service);
    const before = await tables(service);
    const answering = invoke(isolate, endpoint, valid, { body: bodies.stalling() });
    await expect.poll(() => isolate.deadlines()).toBe(1);
    await isolate.advance(10_000);
    expect(outcomeOf(endpoint, await answering)).toBe(slow);

    const broken = await invoke(isolate, endpoint, valid, { body: bodies.breakingOff() });
    expect(outcomeOf(endpoint, broken)).toBe('400');
    expect(broken.text).not.toContain('connection');
    expect(await tables(service)).toEqual(before);
  });
});

const KINDS = ['service account', 'account name', 'API key'] as const;

describe.for(titled(named))('what the path of %s names', ([, endpoint]) => {
  const { format, targets = {} } = endpoint;

  test('is not found when it is of another kind, of nothing, deleted, or of another', async () => {
    const gone = await namesOfNew(service);
    await service.call('DELETE', `/v1/api-keys/${gone['API key']}`);
    await service.call('DELETE', `/v1/service-accounts/${gone['service account']}`);
    const living = await namesOfNew(service);
    const theirs = await namesOfNew(new ServiceIn((await service.organization()).id));
    const isOwned = Object.keys(targets).length > 1;
    for (const [param, kind] of Object.entries(targets)) {
      const stray = {
        ...strayNames(kind === 'account name' ? 'service account' : kind),
        deleted: gone[kind],
        'of another organization': theirs[kind],
        ...Object.fromEntries(KINDS.filter((other) => other !== kind).map((other) => [other, living[other]])),
        ...(kind === 'account name' ? { 'the name in upper case': living[kind].toUpperCase() } : {}),
        ...(kind === 'API key' && isOwned ? { "another account's": living[kind] } : {}),
      };
      await refuses(service, endpoint, () =>
        mapped(stray, (it) => ({
          sent: { params: { [param]: it } },
          outcome: '404',
          says: format.notFound[kind],
        })),
      );
    }
    if (!isOwned) return;
    // A key is found below its own account alone, and unharmed by what was asked of it below another.
    const [[account, kind] = ['', 'service account' as const], [key] = ['']] = Object.entries(targets);
    const { secret, ...own } = await namesOfNew(service);
    await refuses(service, endpoint, () => ({
      'below another': {
        sent: { params: { [key]: own['API key'] } },
        outcome: '404',
        says: format.notFound['API key'],
      },
      'below a deleted one': {
        sent: { params: { [account]: gone[kind] } },
        outcome: '404',
        says: format.notFound[kind],
      },
    }));
    expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({ valid: true });
  });
});

describe('what is not there', () => {
  test.for(titled(DIALECT_ENDPOINTS))(
    '%s: another method on its path is 405 and named',
    async ([, endpoint]) => {
      const allowed = DIALECT_ENDPOINTS.filter(({ path }) => path === endpoint.path).map(
        ({ method }) => method,
      );
      const others = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter(
        (it) => !allowed.includes(it),
      );
      for (const method of others) {
        const [answer] = await refuses(service, { ...endpoint, method }, () => ({
          [method]: { sent: { body: undefined }, outcome: '405' },
        }));
        expect(answer?.headers.get('Allow')?.split(', ').toSorted()).toEqual(allowed.toSorted());
      }
    },
  );

  test.for(FORMATS.map((format) => [format.name, format] as const))(
    '%s: an unknown path is 404, as the format has it',
    async ([name, format]) => {
      const endpoint = DIALECT_ENDPOINTS.find((it) => it.format === format);
      if (endpoint === undefined) throw new Error('a format without calls');
      const prefix = `/compat/${name.toLowerCase()}`;
      const accounts = name === 'Blaxel' ? 'service_accounts' : 'service-accounts';
      for (const path of [
        prefix,
        `${prefix}/`,
        `${prefix}/nothing`,
        `${prefix}/%00`,
        `${prefix}/%FF`,
        `${prefix}/${accounts}`,
        format.base,
        `${format.base}/nothing`,
        `${format.base}/%F0%9F%94%91`,
        `${format.base}/${accounts}/default/name/api-keys/id/nothing/more`,
        `${format.base}/${accounts}//`,
        `${format.base}/${accounts.toUpperCase()}`,
        `${format.base}/${'x'.repeat(8_000)}`,
      ]) {
        const answer = await service.call('GET', path);
        expect(outcomeOf(endpoint, answer), path.slice(0, 80)).toBe('404');
      }
    },
  );

  test.for([
    '/compat',
    '/compat/',
    '/compat/unknown/v1',
    '/compat/blaxels/v0/service_accounts',
    '/COMPAT/kosli',
  ])('%s is no format, so it is 404 as the contract has it', async (path) => {
    const answer = await service.call('GET', path);
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found', status: 404 } });
    expect(answer.headers.get('Content-Type')).toBe('application/problem+json');
  });
});

describe('the pages of B3OS', () => {
  test.for(titled(paged))('%s: limit and offset within their bounds alone', async ([, endpoint]) => {
    const answers = await refuses(service, endpoint, () => ({
      ...Object.fromEntries(
        Object.entries(BAD_PAGES).flatMap(([name, values]) =>
          [...values, powerless]
            .map((value) => `${name}=${encodeURIComponent(value)}`)
            .concat(`${name}=1&${name}=1`)
            .map((query): [string, Attempt] => [
              query,
              { sent: { query: `?${query}` }, outcome: invalid(name) },
            ]),
        ),
      ),
      both: { sent: { query: '?limit=0&offset=-1' }, outcome: invalid('limit', 'offset') },
    }));
    for (const { text } of answers) expect(text).not.toContain(powerless);

    for (const [query, limit, offset] of [
      ['', 50, 0],
      ['?limit=1', 1, 0],
      ['?limit=100&offset=0', 100, 0],
      ['?offset=10000', 50, 10_000],
      ['?limit=1&offset=1&unknown=1', 1, 1],
    ] as const) {
      const { [query]: answer } = await accepts(service, endpoint, { [query]: () => ({ query }) });
      const { items, ...shown } = answer?.body.data ?? {};
      expect(shown, query).toEqual({ limit, offset, hasMore: expect.any(Boolean) });
      expect(items.length).toBeLessThanOrEqual(limit);
    }
  });
});

test.for(titled(DIALECT_ENDPOINTS))(
  '%s ignores query parameters that it does not know',
  async ([, endpoint]) => {
    const known = endpoint.isPaged ? '' : '&limit=-1&offset=x';
    const query = `?unknown=1&unknown=2&constructor=1&__proto__=1&%00=1&two=%FF&=&&cursor=x${known}`;
    await accepts(service, endpoint, { 'unknown ones': () => ({ query }) });
  },
);

describe('what Blaxel says in headers', () => {
  test.for(titled(ofBlaxel))('%s: Blaxel-Version must be a date', async ([, endpoint]) => {
    const valid = await endpoint.valid(service);
    const before = await tables(service);
    for (const version of [...BAD_VERSIONS, powerless]) {
      const headers = { 'Blaxel-Version': version };
      const answer = await invoke(service, endpoint, valid, { headers, credential: powerless });
      expect([answer.status, answer.body], version).toEqual([
        400,
        { error: 'invalid_api_version', message: 'Blaxel-Version must be a date, YYYY-MM-DD' },
      ]);
      expectCommonHeaders(answer);
      expect((await invoke(service, endpoint, valid, { headers, credential: null })).status).toBe(401);
    }
    expect(await tables(service)).toEqual(before);
    await accepts(service, endpoint, { 'a date': () => ({ headers: { 'Blaxel-Version': '2024-02-29' } }) });
  });

  test.for(titled(ofBlaxel))('%s: a workspace may be named twice if it is the same', async ([, endpoint]) => {
    const headers = { 'X-Blaxel-Workspace': 'default' };
    const { id } = await service.organization();
    await refuses(service, endpoint, () =>
      mapped(
        {
          'two in the query': { query: `?workspace=default&workspace=${id}` },
          'two in the query, the other way around': { query: `?workspace=${id}&workspace=default` },
          'one in the query, another in the header': { query: `?workspace=${id}`, headers },
          'one of them unknown': { query: '?workspace=unknown', headers },
        },
        (sent) => ({ sent, ...endpoint.format.foreign }),
      ),
    );
    await accepts(service, endpoint, {
      'twice in the query': () => ({ query: '?workspace=default&workspace=default' }),
      'in the query and the header': () => ({ query: '?workspace=default', headers }),
      'its id and its slug': () => ({ query: `?workspace=org_${'0'.repeat(24)}`, headers }),
      'beside empty ones': () => ({ query: '?workspace=', headers }),
      'empty alone': () => ({ query: '?workspace=', headers: { 'X-Blaxel-Workspace': '' } }),
    });
  });
});

describe('the order of judgement', () => {
  test.for(titled(reading))('%s: 401, 413, 415, 400, 403', async ([, endpoint]) => {
    const { large, type } = mapped(endpoint.format.unread, String);
    const huge = 'x'.repeat(bodies.KIB_64 + 1);
    const headers = { 'Content-Type': 'text/plain' };
    const params = strayParams(endpoint);
    const [field = null] = fieldsOf(endpoint);
    const wrong = field === null ? {} : { [field[0]]: 7.5 };
    const stray = strayKey();
    await refuses(service, endpoint, () => ({
      ...Object.fromEntries(
        [null, 'nonsense', stray].flatMap((credential) =>
          Object.entries({
            'too large': { body: huge, headers },
            'wrong type': { body: 'x', headers },
            'not JSON': { body: 'x' },
            'no object': { body: 'null' },
            'wrong field': { body: wrong },
          }).map(([title, sent]): [string, Attempt] => [
            `${credential}, ${title}`,
            { sent: { ...sent, credential }, outcome: '401' },
          ]),
        ),
      ),
      'too large, wrong type': {
        sent: { credential: powerless, body: huge, headers, params },
        outcome: `${large}`,
        says: 'bytes',
      },
      'wrong type, not JSON': {
        sent: { credential: powerless, body: 'x', headers, params },
        outcome: `${type}`,
        says: 'Content-Type',
      },
      'not JSON, too little scope': { sent: { credential: powerless, body: 'x', params }, outcome: '400' },
      'no object, unknown id': { sent: { body: 'null', params }, outcome: invalid('the-body') },
      ...(field === null
        ? {}
        : {
            'wrong field, too little scope, unknown id': {
              sent: { credential: powerless, body: wrong, params },
              outcome: expect.stringMatching(new RegExp(`^400 .*\\b${field[0]}\\b`)),
            },
          }),
    }));
  });

  test.for(titled(DIALECT_ENDPOINTS))('%s: 400, 403, 404', async ([, endpoint]) => {
    const params = strayParams(endpoint);
    await refuses(service, endpoint, () => ({
      'too little scope, unknown id': { sent: { credential: powerless, params }, outcome: '403' },
      ...(endpoint.isPaged
        ? {
            'bad query, too little scope': {
              sent: { credential: powerless, query: '?limit=0' },
              outcome: invalid('limit'),
            },
          }
        : {}),
    }));
  });

  test.for(titled(ofBlaxel))('%s: 401 before what is wrong with the workspace', async ([, endpoint]) => {
    await refuses(service, endpoint, () =>
      mapped({ none: null, nonsense: 'nonsense', unknown: strayKey() }, (credential) => ({
        sent: { credential, query: '?workspace=one&workspace=another' },
        outcome: '401',
      })),
    );
  });
});

/* Acceptance fills the tables, so it comes after the refusals that compare them. */

describe.for(titled(withFields))('each field of %s, within its bounds,', ([, endpoint]) => {
  test('is accepted, and shown as it was sent', async () => {
    const shown: Record<string, unknown> = {};
    const expected: Record<string, unknown> = {};
    for (const [name, field] of fieldsOf(endpoint)) {
      const { accepted } = samplesOf(field, service.now());
      const answers = await accepts(
        service,
        endpoint,
        mapped(accepted, (value) => ({ body = {} }: Valid) => ({ body: { ...body, [name]: value } })),
      );
      if (field.isHidden) continue;
      for (const [title, { body }] of Object.entries(answers)) {
        const value = endpoint.shown?.(body)[name];
        const kept = shownOf(field, accepted[title]);
        const isAny = accepted[title] === null && field.ifNull === 'anything';
        shown[`${name}: ${title}`] = value;
        expected[`${name}: ${title}`] = isAny ? expect.anything() : (kept ?? undefined);
      }
    }
    expect(shown).toEqual(expected);
  });
});

describe('what stands in the way of a good request', () => {
  const minting = DIALECT_ENDPOINTS.filter(
    ({ shown, scopes }) =>
      shown !== undefined && (scopes as readonly string[]).includes('mintmark:keys:write'),
  );
  const onAccounts = minting.filter(({ path }) => !path.endsWith('/service_accounts'));

  test.for(titled(onAccounts))('%s: the account is disabled', async ([, endpoint]) => {
    const valid = await endpoint.valid(service);
    const said = JSON.stringify([...Object.values(valid.params ?? {}), valid.body?.['serviceAccountId']]);
    const found = await env.DB.prepare(
      'SELECT service_accounts.id FROM service_accounts, json_each(?) WHERE value IN (service_accounts.id, name)',
    )
      .bind(said)
      .first<{ id: string }>();
    await service.call('POST', `/v1/service-accounts/${found?.id}/disable`);
    await refuses(service, { ...endpoint, valid: async () => valid }, () => ({
      disabled: { sent: {}, outcome: endpoint.format.conflicts.disabled, says: 'Enable the service account' },
    }));
  });

  test.for(titled(minting))("%s: the organization's own rules", async ([, endpoint]) => {
    const { format, path, fields = {} } = endpoint;
    const { id } = await service.organization();
    const valid = await endpoint.valid(new ServiceIn(id));
    const sent = format.naming(id);
    const inIt = { ...endpoint, valid: async () => valid };
    const rules = `/v1/organizations/${id}`;
    await service.call('PATCH', rules, { body: { maxLiveKeys: 0 } });
    // A successor takes the place of the key that it follows.
    if (!path.endsWith('/rotate')) {
      await refuses(service, inIt, () => ({
        full: { sent, outcome: format.conflicts.full, says: 'maxLiveKeys is 0' },
      }));
    }
    await service.call('PATCH', rules, { body: { maxLiveKeys: null, maxKeyLifetime: '1d' } });
    const expiry = Object.keys(fields).find((name) => name.startsWith('expires'));
    // An account is born with a key, which lives as long as keys may.
    if (expiry === undefined) return;
    await refuses(service, inIt, () => ({ endless: { sent, outcome: invalid(expiry) } }));
  });

  const areKeys = ({ path }: DialectEndpoint): boolean => /api.keys$/.test(path);
  // Only Factory has one key of a name.
  const unique = withFields.filter(
    (endpoint) =>
      'name' in (endpoint.fields ?? {}) && areKeys(endpoint) === (endpoint.format.name === 'Factory'),
  );

  test.for(titled(unique))('%s: the name is taken', async ([, endpoint]) => {
    const taken = `Taken-${crypto.randomUUID()}`;
    await service.account({ name: taken });
    const valid = await endpoint.valid(service);
    const body = { ...valid.body, name: taken };
    if (areKeys(endpoint)) await invoke(service, endpoint, valid, { body });
    await refuses(service, { ...endpoint, valid: async () => valid }, () => ({
      taken: { sent: { body }, outcome: endpoint.format.conflicts.taken, says: 'name' },
    }));
  });
});

describe('a body', () => {
  test.for(titled(reading))('of 64 KiB is accepted by %s, however JSON is declared', async ([, endpoint]) => {
    await accepts(service, endpoint, {
      ...mapped(bodies.FULL, (sent) => (valid: Valid) => sent(valid.body)),
      'a charset': () => ({ headers: { 'Content-Type': 'application/json; charset=utf-8' } }),
      'upper case': () => ({ headers: { 'Content-Type': 'APPLICATION/JSON' } }),
    });
  });

  test.for(titled(silent))('is not needed by %s, as all of its fields are optional', async ([, endpoint]) => {
    await accepts(service, endpoint, {
      'no body': () => ({ body: undefined }),
      'an empty one': () => ({ body: {} }),
      'no bytes under any type': () => ({ body: '', headers: { 'Content-Type': 'text/plain' } }),
    });
  });

  test.for(titled(bodiless))('is ignored by %s, whatever it is', async ([, endpoint]) => {
    await accepts(service, endpoint, {
      none: () => ({ body: undefined }),
      null: () => ({ body: 'null' }),
      'an object': () => ({ body: '{}' }),
      junk: () => ({ body: '{"name":', headers: { 'Content-Type': 'text/plain' } }),
      'not UTF-8': () => ({ body: Uint8Array.of(0xff) }),
      huge: () => ({ body: 'x'.repeat(4 * bodies.KIB_64) }),
      'of a huge length': () => ({ body: '{}', headers: { 'Content-Length': `${bodies.KIB_64 + 1}` } }),
      'one that stalls': () => ({ body: new ReadableStream({}) }),
    });
  });
});

/** A call's answer and the rows that it added or changed, without what differs from call to call. */
async function effectOf(endpoint: DialectEndpoint, body: (valid: Valid) => string) {
  const valid = await endpoint.valid(service);
  const before = new Set(await rowTexts());
  const answer = await invoke(service, endpoint, valid, { body: body(valid) });
  expect(answer.status, answer.text).toBe(endpoint.success);
  const rows = (await rowTexts()).filter((row) => !before.has(row)).map(alike);
  return { answer: alike(answer.text), rows: rows.toSorted() };
}

async function rowTexts(): Promise<string[]> {
  const found = await env.DB.batch([
    env.DB.prepare('SELECT * FROM service_accounts'),
    env.DB.prepare('SELECT * FROM api_keys'),
  ]);
  return found.flatMap(({ results }) => results.map((row) => JSON.stringify(row)));
}
