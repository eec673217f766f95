import { beforeAll, describe, expect, test } from 'vitest';

import { acceptsEach, refusesEach, tables } from '../support/attempts.ts';
import * as bodies from '../support/bodies.ts';
import { each, mapped } from '../support/records.ts';
import { otherTypes, strayIds, type JsonType } from '../support/samples.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { BAD_DURATIONS, badTexts, textsWithin, uniqueCharacter } from '../support/texts.ts';
import { badExpiries, goodExpiries, MINUTE_MS } from '../support/times.ts';
import {
  ENDPOINTS,
  invoke,
  outcomeOf,
  routesOf,
  titled,
  titleOf,
  UNKNOWN_IDS,
  type Endpoint,
  type Field,
  type Parameter,
  type Valid,
} from './endpoints.ts';

const service = new TestService();
/** A live key without any scope. */
let powerless = '';

beforeAll(async () => {
  powerless = (await service.key({ scopes: [] })).secret;
});

test('every route of the app has a row, and every row a route', async () => {
  expect(ENDPOINTS.map(titleOf).toSorted()).toEqual(await routesOf(service));
});

type Sent = Parameters<typeof invoke>[3] & { readonly id?: string };

/** The outcome of a call whose fields or parameters break their rules. */
const invalid = (...paths: readonly string[]): string =>
  ['400 invalid_request', ...paths.toSorted()].join(' ');

/** Sends each to what would be a valid call, and holds each to its outcome; none may change anything. */
async function refuses(
  endpoint: Endpoint,
  attempts: (valid: Valid) => Record<string, { sent: Sent; outcome: string }>,
): Promise<Answer[]> {
  const valid = await endpoint.valid(service);
  return refusesEach(
    service,
    attempts(valid),
    ({ sent: { id = valid.id, ...options } }) =>
      invoke(service, endpoint, { ...valid, ...(id === undefined ? {} : { id }) }, options),
    outcomeOf,
  );
}

/** Sends each to a call of its own, which must succeed; gives back what each answer was. */
function accepts(
  endpoint: Endpoint,
  attempts: Record<string, (valid: Valid) => Sent>,
): Promise<Record<string, Answer>> {
  return acceptsEach(attempts, endpoint.success, async (attempt) => {
    const valid = await endpoint.valid(service);
    return invoke(service, endpoint, valid, attempt(valid));
  });
}

const reading = ENDPOINTS.filter(({ fields }) => fields !== undefined);
const withFields = reading.filter(({ fields = {} }) => Object.keys(fields).length > 0);
const listing = ENDPOINTS.filter(({ query }) => query !== undefined);
const managed = ENDPOINTS.filter(({ scope }) => scope !== 'public' && scope !== null);

describe.for(titled(withFields))('each field of %s', ([, endpoint]) => {
  const fields = Object.entries(endpoint.fields ?? {});

  test('refuses what breaks its rule, and says which field', async () => {
    await refuses(endpoint, (valid) =>
      Object.fromEntries(
        fields.flatMap(([name, field]) => {
          const { refused, refusedItems = {} } = samplesOf(field);
          return [
            ...Object.entries(refused).map(([title, value]) => ({ title, value, path: name })),
            ...Object.entries(refusedItems).map(([title, item]) => ({
              title,
              value: ['ok', item],
              path: `${name}.1`,
            })),
          ].map(({ title, value, path }) => [
            `${name}: ${title}`,
            { sent: { body: bodyWith(valid, name, field, value) }, outcome: invalid(path) },
          ]);
        }),
      ),
    );
  });

  test('is named with all others that are wrong or missing', async () => {
    const names = fields.map(([name]) => name);
    // No field takes it.
    const wrong = 7.5;
    await refuses(endpoint, () => ({
      'all of them and one unknown': {
        sent: { body: { ...Object.fromEntries(names.map((name) => [name, wrong])), unknown: 1 } },
        outcome: invalid(...names, 'unknown'),
      },
    }));
    const required = fields.filter(([, { isRequired }]) => isRequired).map(([name]) => name);
    if (required.length === 0) return;
    await refuses(endpoint, () => ({
      'an empty body': { sent: { body: {} }, outcome: invalid(...required) },
      'no body': { sent: { body: undefined }, outcome: invalid(...required) },
    }));
  });
});

describe('fields that go together', () => {
  const minting = ENDPOINTS.filter(({ fields = {} }) => 'expiresIn' in fields);
  const expiring = ENDPOINTS.filter(({ fields = {} }) => 'expiresAt' in fields);
  const owned = ENDPOINTS.filter(({ fields = {} }) => 'userId' in fields);

  test.for(titled(minting))('%s refuses both expiry fields', async ([, endpoint]) => {
    await refuses(endpoint, ({ body }) => ({
      'both, and good': {
        sent: { body: { ...body, expiresIn: '1d', expiresAt: inMs(MINUTE_MS) } },
        outcome: invalid('expiresIn'),
      },
      'one of them null': {
        sent: { body: { ...body, expiresIn: '1d', expiresAt: null } },
        outcome: invalid('expiresIn'),
      },
      'beside other faults': {
        sent: { body: { ...body, name: '', expiresIn: '1d', expiresAt: inMs(MINUTE_MS) } },
        outcome: invalid('expiresIn', 'name'),
      },
    }));
  });

  test.for(titled(owned))('%s refuses all but exactly one owner', async ([, endpoint]) => {
    await refuses(endpoint, ({ body }) => ({
      both: {
        sent: { body: { ...body, userId: 'user-1' } },
        outcome: invalid('serviceAccountId'),
      },
      none: { sent: { body: { name: 'a key' } }, outcome: invalid('serviceAccountId') },
    }));
  });

  test.for(titled(expiring))('%s names a past expiry with all else that is wrong', async ([, endpoint]) => {
    await refuses(endpoint, ({ body }) => ({
      'a past expiry and no name': {
        sent: { body: { ...body, name: '', expiresAt: inMs(-MINUTE_MS) } },
        outcome: invalid('expiresAt', 'name'),
      },
    }));
  });
});

describe.for(titled(reading))('the body of %s', ([, endpoint]) => {
  test('refuses a type that is not JSON', async () => {
    await refuses(endpoint, ({ body = {} }) =>
      Object.fromEntries(
        bodies.OTHER_TYPES.map((type) => [
          type,
          {
            sent: { body: JSON.stringify(body), headers: { 'Content-Type': type } },
            outcome: '415 unsupported_media_type',
          },
        ]),
      ),
    );
    await refuses(endpoint, ({ body = {} }) => ({
      compressed: {
        sent: { body: JSON.stringify(body), headers: { 'Content-Encoding': 'gzip' } },
        outcome: '415 unsupported_media_type',
      },
    }));
  });

  test('refuses what is not JSON in UTF-8', async () => {
    await refuses(endpoint, () =>
      mapped(bodies.NOT_JSON, (body) => ({ sent: { body }, outcome: '400 invalid_json' })),
    );
  });

  test('refuses JSON that is no object', async () => {
    const answers = await refuses(endpoint, () =>
      mapped(bodies.NO_OBJECTS, (body) => ({ sent: { body }, outcome: '400 invalid_request' })),
    );
    for (const { body } of answers)
      expect(body.errors).toContainEqual({ path: '', message: 'must be a JSON object' });
  });

  test('refuses a field that it does not know, whatever its name', async () => {
    const names = ['unknown', 'id', 'organizationId', 'constructor', '__proto__', 'né\u200f🔑'];
    await refuses(endpoint, ({ body = {} }) =>
      Object.fromEntries(
        names.map((name) => [
          `named ${name}`,
          {
            sent: {
              body: JSON.stringify(body).replace(
                /^\{/,
                `{${JSON.stringify(name)}:1${isEmpty(body) ? '' : ','}`,
              ),
            },
            outcome: invalid(name),
          },
        ]),
      ),
    );
  });

  test('refuses more than 64 KiB, by its length and by counting', async () => {
    await refuses(endpoint, ({ body }) =>
      mapped(bodies.tooLarge(body), (sent) => ({ sent, outcome: '413 payload_too_large' })),
    );
  });

  test('refuses a body that stalls, after ten seconds, and one that breaks off', async () => {
    const isolate = new TestService();
    const valid = await endpoint.valid(service);
    const before = await tables(service);
    let isAnswered = false;
    const answering = invoke(isolate, endpoint, valid, { body: bodies.stalling() }).then((answer) => {
      isAnswered = true;
      return answer;
    });
    await expect.poll(() => isolate.deadlines()).toBe(1);
    await isolate.advance(9_999);
    await scheduler.wait(5);
    expect(isAnswered).toBe(false);
    await isolate.advance(1);
    expect(outcomeOf(await answering)).toBe('408 request_timeout');

    const broken = await invoke(isolate, endpoint, valid, { body: bodies.breakingOff() });
    expect(outcomeOf(broken)).toBe('400 invalid_json');
    expect(isolate.deadlines()).toBe(0);
    expect(await tables(service)).toEqual(before);
  });

  test('refuses a body without end, and stops reading it', async () => {
    const { body, isCancelled } = bodies.endless();
    await refuses(endpoint, () => ({ endless: { sent: { body }, outcome: '413 payload_too_large' } }));
    await expect.poll(isCancelled).toBe(true);
  });
});

describe.for(titled(ENDPOINTS))('the query of %s', ([, endpoint]) => {
  test('refuses parameters that it does not know', async () => {
    await refuses(endpoint, () =>
      Object.fromEntries(
        ['unknown', 'offset', 'constructor', '__proto__', '%F0%9F%94%91', '%00'].map((name) => [
          `named ${name}`,
          {
            sent: { query: `?${name}=1` },
            outcome: invalid(decodeURIComponent(name)),
          },
        ]),
      ),
    );
    await refuses(endpoint, () => ({
      'several, with one that is not valid UTF-8': {
        sent: { query: '?one=1&two=%FF&one=2' },
        outcome: invalid('one', 'two'),
      },
    }));
  });

  test('takes no credential, and repeats none', async () => {
    const { secret } = await service.key();
    const alone = (name: string) => (endpoint.scope === 'public' ? invalid(name) : '401 missing_credential');
    const answers = await refuses(endpoint, () =>
      Object.fromEntries(
        ['access_token', 'api_key', 'X-API-Key', 'token'].flatMap((name) => [
          [
            `${name} alone`,
            {
              sent: { query: `?${name}=${secret}`, credential: null },
              outcome: alone(name),
            },
          ],
          [`${name} beside a good one`, { sent: { query: `?${name}=${ROOT_KEY}` }, outcome: invalid(name) }],
        ]),
      ),
    );
    for (const { status, text } of answers) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(text).not.toContain(secret);
      expect(text).not.toContain(ROOT_KEY);
    }
  });
});

describe.for(titled(listing))('the parameters of %s', ([, endpoint]) => {
  const parameters = Object.entries(endpoint.query ?? {});

  test('refuses values that break a rule, and repeated parameters', async () => {
    await refuses(endpoint, () =>
      Object.fromEntries(
        parameters.flatMap(([name, parameter]) => {
          const { good, bad } = queryOf(parameter);
          return [
            ...bad.map((value) => `${name}=${encodeURIComponent(value)}`),
            `${name}=${good}&${name}=${good}`,
          ].map((query) => [query, { sent: { query: `?${query}` }, outcome: invalid(name) }]);
        }),
      ),
    );
    await refuses(endpoint, () => ({
      'all of them at once': {
        sent: {
          query: `?${parameters.map(([name, of]) => `${name}=${encodeURIComponent(queryOf(of).bad[0] ?? '')}`).join('&')}&unknown=1`,
        },
        outcome: invalid(...parameters.map(([name]) => name), 'unknown'),
      },
    }));
  });
});

describe.for(titled(ENDPOINTS.filter(({ target }) => target !== undefined)))(
  'the id of %s',
  ([, endpoint]) => {
    test('is not found when it is of another kind, of nothing, or deleted', async () => {
      const target = endpoint.target ?? 'API key';
      const { key: deletedKey } = await service.key();
      await service.call('DELETE', `/v1/api-keys/${deletedKey.id}`);
      const deletedAccount = await service.account();
      await service.call('DELETE', `/v1/service-accounts/${deletedAccount.id}`);
      const { id: deletedOrganization } = await service.organization();
      await service.call('DELETE', `/v1/organizations/${deletedOrganization}`);
      const { key: otherKey } = await service.key();
      const { id: otherOrganization, slug } = await service.organization();
      const deleted = {
        'API key': deletedKey.id,
        'service account': deletedAccount.id,
        organization: deletedOrganization,
      };
      const living = {
        'API key': otherKey.id,
        'service account': otherKey.serviceAccountId,
        organization: otherOrganization,
      };
      const wrong = {
        ...strayIds(UNKNOWN_IDS[target]),
        deleted: deleted[target],
        ...Object.fromEntries(Object.entries(living).filter(([kind]) => kind !== target)),
        'a slug': slug,
      };
      const answers = await refuses(endpoint, () =>
        mapped(wrong, (id) => ({ sent: { id }, outcome: '404 not_found' })),
      );
      for (const { body } of answers) expect(body.detail).toBe(`There is no such ${target}.`);
    });
  },
);

describe('an id in a body', () => {
  test.for(titled(ENDPOINTS.filter(({ fields = {} }) => 'serviceAccountId' in fields)))(
    '%s finds no account that was never made, or is deleted',
    async ([, endpoint]) => {
      const deleted = await service.account();
      await service.call('DELETE', `/v1/service-accounts/${deleted.id}`);
      await refuses(endpoint, ({ body }) => ({
        unknown: {
          sent: { body: { ...body, serviceAccountId: UNKNOWN_IDS['service account'] } },
          outcome: '404 not_found',
        },
        deleted: { sent: { body: { ...body, serviceAccountId: deleted.id } }, outcome: '404 not_found' },
      }));
    },
  );
});

describe('a secret that stands where a name belongs', () => {
  test.for([
    ['a parameter', (secret: string) => ({ query: `?${secret}=1` })],
    ['a field', (secret: string) => ({ body: { [secret]: 1 } })],
  ] as const)('is not repeated: %s', async ([, sending]) => {
    const { secret } = await service.key();
    for (const endpoint of reading) {
      for (const hidden of [secret, ROOT_KEY]) {
        const valid = await endpoint.valid(service);
        const answer = await invoke(service, endpoint, valid, sending(hidden));
        expect(answer.body.code).toBe('invalid_request');
        expect(answer.text).not.toContain(hidden);
      }
    }
  });
});

describe('two credentials', () => {
  test.for(titled(ENDPOINTS.filter(({ scope }) => scope !== 'public')))(
    '%s refuses them',
    async ([, endpoint]) => {
      await refuses(endpoint, () => ({
        'Bearer and X-API-Key': twoCredentials({ 'X-API-Key': powerless }, ROOT_KEY),
        'the same one twice': twoCredentials({ 'X-API-Key': ROOT_KEY }, ROOT_KEY),
        'Basic and X-API-Key': twoCredentials({
          Authorization: `Basic ${btoa(`${ROOT_KEY}:`)}`,
          'X-API-Key': ROOT_KEY,
        }),
        'two of Authorization': twoCredentials({ Authorization: `Bearer ${ROOT_KEY}, Bearer ${ROOT_KEY}` }),
      }));
    },
  );
});

describe('the order of judgement', () => {
  test.for(titled(reading))('%s: 401, 413, 415, 400', async ([, endpoint]) => {
    const huge = 'x'.repeat(bodies.KIB_64 + 1);
    const plain = { 'Content-Type': 'text/plain' };
    await refuses(endpoint, ({ body }) => ({
      'no credential, too large': {
        sent: { credential: null, body: huge, headers: plain },
        outcome: '401 missing_credential',
      },
      'no credential, wrong type': {
        sent: { credential: null, body: 'x', headers: plain },
        outcome: '401 missing_credential',
      },
      'no credential, not JSON': { sent: { credential: null, body: 'x' }, outcome: '401 missing_credential' },
      'no credential, unknown field': {
        sent: { credential: null, body: { ...body, unknown: 1 } },
        outcome: '401 missing_credential',
      },
      'too large, wrong type': {
        sent: { credential: powerless, body: huge, headers: plain },
        outcome: '413 payload_too_large',
      },
      'too large, not JSON': {
        sent: { credential: powerless, body: huge },
        outcome: '413 payload_too_large',
      },
      'wrong type, not JSON': {
        sent: { credential: powerless, body: 'x', headers: plain },
        outcome: '415 unsupported_media_type',
      },
      'not JSON, too little scope': {
        sent: { credential: powerless, body: 'x' },
        outcome: '400 invalid_json',
      },
      'unknown field, too little scope': {
        sent: { credential: powerless, body: { ...body, unknown: 1 } },
        outcome: invalid('unknown'),
      },
    }));
  });

  test.for(titled(managed))('%s: 400, 403, 404', async ([, endpoint]) => {
    const id = UNKNOWN_IDS[endpoint.target ?? 'API key'];
    const ofNothing = endpoint.target === undefined ? {} : { id };
    await refuses(endpoint, () => ({
      'unknown parameter, too little scope, unknown id': {
        sent: { credential: powerless, query: '?unknown=1', ...ofNothing },
        outcome: invalid('unknown'),
      },
      'unknown parameter, unknown id': {
        sent: { query: '?unknown=1', ...ofNothing },
        outcome: invalid('unknown'),
      },
      'too little scope, unknown id': {
        sent: { credential: powerless, ...ofNothing },
        outcome: endpoint.scope === 'root' ? '403 root_required' : '403 insufficient_scope',
      },
    }));
  });

  test.for(titled(ENDPOINTS.filter(({ fields = {} }) => 'expiresAt' in fields)))(
    '%s: a past expiry is a 400 like any other',
    async ([, endpoint]) => {
      await refuses(endpoint, ({ body }) => ({
        'past expiry, too little scope': {
          sent: { credential: powerless, body: { ...body, expiresAt: inMs(-MINUTE_MS) } },
          outcome: invalid('expiresAt'),
        },
        ...(endpoint.target === undefined
          ? {}
          : {
              'past expiry, unknown id': {
                sent: { id: UNKNOWN_IDS[endpoint.target], body: { ...body, expiresAt: inMs(-MINUTE_MS) } },
                outcome: invalid('expiresAt'),
              },
            }),
      }));
    },
  );
});

describe('what is not there', () => {
  test.for(titled(ENDPOINTS))('%s: another method on its path is 405 and named', async ([, endpoint]) => {
    const valid = await endpoint.valid(service);
    const before = await tables(service);
    const answer = await invoke(service, { ...endpoint, method: 'PUT' as 'POST' }, valid);
    expect(outcomeOf(answer)).toBe('405 method_not_allowed');
    expect(answer.headers.get('Allow')?.split(', ')).toContain(endpoint.method);
    expect(await tables(service)).toEqual(before);
  });

  test.for([
    '/',
    '/v1',
    '/v1/',
    '/v1/nothing',
    '/v1/api-keys/',
    '/v1/API-KEYS',
    '/v2/api-keys',
    '/%00',
    '/%FF',
  ])('%s is 404', async (path) => {
    expect(outcomeOf(await service.call('GET', path))).toBe('404 not_found');
  });
});

describe('what JSON can write and a record cannot hold', () => {
  test.for(titled(ENDPOINTS.filter(({ fields = {} }) => 'metadata' in fields)))(
    '%s refuses numbers beyond all bounds in metadata',
    async ([, endpoint]) => {
      await refuses(endpoint, ({ body = {} }) => ({
        'an infinite number': {
          sent: {
            body: JSON.stringify({ ...body, metadata: 0 }).replace(
              /"metadata":0/,
              '"metadata":{"a":[1e400]}',
            ),
          },
          outcome: invalid('metadata'),
        },
      }));
    },
  );
});

/* Acceptance fills the tables, so it comes after the refusals that compare them. */

describe.for(titled(withFields))('each field of %s, within its bounds,', ([, endpoint]) => {
  const fields = Object.entries(endpoint.fields ?? {});

  test('is accepted, and kept as it was sent', async () => {
    const shown: Record<string, unknown> = {};
    const kept: Record<string, unknown> = {};
    for (const [name, field] of fields) {
      for (const [sample, value] of Object.entries(samplesOf(field).accepted)) {
        const title = `${name}: ${sample}`;
        const answers = await accepts(endpoint, {
          [title]: (valid) => ({ body: bodyWith(valid, name, field, value) }),
        });
        if (endpoint.resource === undefined || field.isHidden) continue;
        shown[title] = endpoint.resource(answers[title]?.body)[field.shownAs ?? name];
        kept[title] = keptAs(field, value);
      }
    }
    expect(shown).toEqual(kept);
  });
});

describe('a body', () => {
  test.for(titled(reading))(
    'of 64 KiB is accepted by %s, whole and in chunks, however JSON is declared',
    async ([, endpoint]) => {
      await accepts(endpoint, {
        ...mapped(bodies.FULL, (sent) => (valid: Valid) => sent(valid.body)),
        'a charset': ({ body = {} }) => ({
          body: JSON.stringify(body),
          headers: { 'Content-Type': 'application/json; charset=utf-8' },
        }),
        'upper case': ({ body = {} }) => ({
          body: JSON.stringify(body),
          headers: { 'Content-Type': 'APPLICATION/JSON' },
        }),
      });
    },
  );

  test.for(titled(reading.filter(allOptional)))(
    'is not needed by %s, as all of its fields are optional',
    async ([, endpoint]) => {
      await accepts(endpoint, {
        'no body': () => ({ body: undefined }),
        'an empty one': () => ({ body: {} }),
      });
    },
  );
});

describe.for(titled(listing))('the list %s', ([, endpoint]) => {
  const parameters = Object.entries(endpoint.query ?? {});

  test('accepts every good value', async () => {
    const words = parameters.flatMap(([name, parameter]) =>
      (parameter.kind === 'word' ? parameter.words : [queryOf(parameter).good]).map(
        (value) => `${name}=${value}`,
      ),
    );
    await accepts(
      endpoint,
      Object.fromEntries(
        [...words.filter((query) => !query.startsWith('cursor')), 'limit=1', 'limit=100'].map((query) => [
          query,
          () => ({ query: `?${query}` }),
        ]),
      ),
    );
  });

  test("accepts its own cursor, and no other list's", async () => {
    const valid = await endpoint.valid(service);
    const page = await invoke(service, endpoint, valid, { query: '?limit=1' });
    expect(page.body).toEqual({ data: [expect.anything()], nextCursor: expect.any(String) });
    const next = await invoke(service, endpoint, valid, { query: `?limit=1&cursor=${page.body.nextCursor}` });
    expect(next.status).toBe(200);
    expect(next.body.data).toHaveLength(1);
    expect(next.body.data[0].id).not.toBe(page.body.data[0].id);

    const kind = endpoint.path.endsWith('/api-keys') ? '/v1/service-accounts' : '/v1/api-keys';
    const other = await service.call('GET', `${kind}?limit=1`);
    expect(other.body.nextCursor).toEqual(expect.any(String));
    await refuses(endpoint, () => ({
      "another list's": {
        sent: { query: `?cursor=${encodeURIComponent(other.body.nextCursor)}` },
        outcome: invalid('cursor'),
      },
    }));
  });
});

function bodyWith({ body = {} }: Valid, name: string, field: Field, value: unknown): Record<string, unknown> {
  const kept = Object.entries(body).filter(([other]) => !(field.without ?? []).includes(other));
  return { ...Object.fromEntries(kept), ...field.beside, [name]: value };
}

function twoCredentials(headers: Record<string, string>, credential: string | null = null) {
  return { sent: { headers, credential }, outcome: '400 multiple_credentials' };
}

function allOptional({ fields = {} }: Endpoint): boolean {
  return Object.values(fields).every(({ isRequired }) => !isRequired);
}

function isEmpty(body: object): boolean {
  return Object.keys(body).length === 0;
}

function inMs(ms: number): string {
  return new Date(service.now() + ms).toISOString();
}

/** What a resource shows of a value that was accepted. */
function keptAs({ kind }: Field, value: unknown): unknown {
  if (kind === 'expiresAt' && typeof value === 'string') return new Date(value).toISOString();
  return kind === 'metadata' ? (value ?? {}) : value;
}

/** A value of each JSON type that the field does not take. */
const wrongTypes = ({ isNullable }: Field, own: JsonType): Record<string, unknown> =>
  otherTypes(own, isNullable === true);

interface Samples {
  readonly accepted: Record<string, unknown>;
  readonly refused: Record<string, unknown>;
  /** Each put second into a list that is otherwise good. */
  readonly refusedItems?: Record<string, unknown>;
}

let slugs = 0;
/** Slugs must differ as well. The shortest are few, and enough. */
const uniqueSlug = (length: number): string => (slugs++ % 36).toString(36).padEnd(length, `-${slugs}`);

const nested = (levels: number): unknown => (levels === 0 ? 1 : { a: nested(levels - 1) });
const metadataOfBytes = (bytes: number) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });
const scopeOfLength = (length: number): string => `files:${'x'.repeat(length - 'files:'.length)}`;
const scopeList = (length: number): string[] => Array.from({ length }, (_, index) => `files:${index}`);

const BAD_SCOPES = {
  'of 129 characters': scopeOfLength(129),
  empty: '',
  'a colon at the end': 'a:',
  'a colon at the start': ':a',
  'two colons': 'a::b',
  'a star first': '*:a',
  'a star within': 'a:*:b',
  'a star after a word': 'a*',
  'two stars': '**',
  'with a space': 'a b',
  'with a line end': 'a\n',
  'with a slash': 'a/b',
  'with a comma': 'a,b',
  'not ASCII': 'é',
  emoji: '🔑',
  'a right-to-left mark': 'a\u200f',
  NUL: 'a\0',
  'a lone surrogate': 'a\ud800',
  'a number': 7,
  null: null,
  'a list': ['a'],
  'an object': {},
};

const RESERVED_SCOPES = {
  unknown: 'mintmark:unknown',
  'unknown below a known one': 'mintmark:keys:write:all',
  'a star below a known one': 'mintmark:keys:write:*',
  'half of one': 'mintmark:keys',
  'the word alone': 'mintmark',
  'with a capital': 'Mintmark:x',
  'known, with a capital': 'Mintmark:keys:read',
  'in capitals': 'MINTMARK:*',
};

const BAD_ACCOUNT_IDS = [
  UNKNOWN_IDS['API key'],
  'sa_',
  UNKNOWN_IDS['service account'].slice(0, -1),
  `${UNKNOWN_IDS['service account']}0`,
  `${UNKNOWN_IDS['service account']}\n`,
  UNKNOWN_IDS['service account'].toUpperCase(),
  'sa_%00',
  '',
];

const UNPRINTABLE_IDS = ['', 'u'.repeat(256), 'usér', '🔑', 'a\u202eb', 'a\0', 'a\n', 'a\u007f'];
const BAD_USER_IDS = [
  ...UNPRINTABLE_IDS,
  // By which records name other principals.
  'root',
  'system',
  'org_1',
  'sa_1',
  'key_1',
  'evt_1',
];

function samplesOf(field: Field): Samples {
  const nothing: Record<string, unknown> = field.isNullable ? { null: null } : {};
  switch (field.kind) {
    case 'text':
      return {
        accepted: {
          ...nothing,
          ...textsWithin(field),
          emoji: `👩‍👩‍👧‍👦 ${uniqueCharacter()}`,
          'right-to-left marks': `\u202eabc\u200f\u2067 ${uniqueCharacter()}`,
          'markup and SQL': `<b>'; DROP TABLE api_keys; --</b> ${uniqueCharacter()}`,
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...badTexts(field),
          DEL: 'a\u007f',
          'surrogates in the wrong order': '\udd11\ud83d',
        },
      };
    case 'anyText':
      return {
        accepted: {
          empty: '',
          nonsense: 'nonsense',
          NUL: 'a\0',
          'a lone surrogate': '\ud800',
          emoji: '🔑',
          long: 'x'.repeat(60_000),
        },
        refused: wrongTypes(field, 'a string'),
      };
    case 'userId':
      return {
        accepted: {
          'the shortest': 'u',
          'the longest': 'u'.repeat(255),
          'all kinds': "~user 1@example.com!'",
          "nearly another principal's": 'rooted',
          'in capitals': 'ROOT',
          'an id of the application': 'user_sa_1',
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each(BAD_USER_IDS),
          'a lone surrogate': '\ud800',
        },
      };
    case 'serviceAccountId':
      return {
        accepted: {},
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each(BAD_ACCOUNT_IDS),
        },
      };
    case 'scopes':
      return {
        accepted: {
          ...nothing,
          none: [],
          'all forms': ['*', 'files', 'files:*', 'files:read:all', 'A.b-c_9:0'],
          'words like the reserved one': ['mintmarks:x', 'my-mintmark:x', 'files:mintmark'],
          management: ['mintmark:*', 'mintmark:keys:*', 'mintmark:accounts:read', 'mintmark:audit:read'],
          'a hundred': scopeList(100),
          'one of 128 characters': [scopeOfLength(128)],
        },
        refused: {
          ...wrongTypes(field, 'a list'),
          'a hundred and one': scopeList(101),
          'one as text': 'files:read',
        },
        refusedItems: { ...BAD_SCOPES, ...RESERVED_SCOPES },
      };
    case 'askedScopes':
      return {
        accepted: {
          none: [],
          'a hundred': scopeList(100),
          'one of 128 characters': [scopeOfLength(128)],
          // What could be asked of a key is not only what could be granted to it today.
          'reserved ones': Object.values(RESERVED_SCOPES),
        },
        refused: { ...wrongTypes(field, 'a list'), 'a hundred and one': scopeList(101) },
        refusedItems: BAD_SCOPES,
      };
    case 'metadata':
      return {
        accepted: {
          ...nothing,
          empty: {},
          'of 4 KiB': metadataOfBytes(4_096),
          'of many kinds': { a: [1, -0.5, true, null, { b: 'ünï 🔑 \u200f' }], '': '', ключ: 1 },
          'members that objects inherit': { constructor: 'x', toString: 1, hasOwnProperty: null },
          deep: nested(20),
        },
        refused: {
          ...wrongTypes(field, 'an object'),
          'of one byte more than 4 KiB': metadataOfBytes(4_097),
          'of 4 KiB in characters, and more in bytes': { a: 'é'.repeat(3_000) },
          'too deep': nested(100),
          __proto__: JSON.parse('{"__proto__":{"a":1}}'),
          '__proto__ within': JSON.parse('{"a":[{"__proto__":1}]}'),
          'NUL in a value': { a: ['\0'] },
          'NUL in a name': { 'a\0': 1 },
          'a lone surrogate in a value': { a: { b: '\ud800' } },
          'a lone surrogate in a name': { '\udc00': 1 },
        },
      };
    case 'expiresAt':
      return {
        accepted: {
          ...nothing,
          ...goodExpiries(service.now()),
          'without milliseconds': inMs(MINUTE_MS).replace(/\.\d+Z/, 'Z'),
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...badExpiries(service.now()),
          'without seconds': '2030-01-31T12:00Z',
          '29 February of a common year': '2030-02-29T12:00:00Z',
          'an offset of 25 hours': '2030-01-31T12:00:00+25:00',
          'the year 10000': '10000-01-01T00:00:00Z',
        },
      };
    case 'expiresIn':
      return {
        accepted: {
          ...nothing,
          ...each(['1s', '60m', '24h', '90d', '4w', '3653d', '521w', '87672h', '5260320m', '315619200s']),
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each([...BAD_DURATIONS, '0s', '1d ', '87673h', '5260321m', '99999999999999999999d', '0x1d']),
        },
      };
    case 'gracePeriod':
      return {
        accepted: each(['0s', '1s', '24h', '30d', '4w', '720h', '43200m', '2592000s']),
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each([
            '31d',
            '5w',
            '721h',
            '43201m',
            '2592001s',
            '0',
            '0d',
            '0m',
            '00s',
            '-1s',
            '1.5d',
            '1D',
            ' 1d',
            '1d\n',
            '',
            'P1D',
            `${'9'.repeat(400)}s`,
          ]),
        },
      };
    case 'slug':
      return {
        accepted: {
          'the shortest': uniqueSlug(1),
          'the longest': uniqueSlug(63),
          'beginning and ending with hyphens': `-${uniqueSlug(8)}-`,
        },
        refused: {
          ...wrongTypes(field, 'a string'),
          empty: '',
          'one too long': 'x'.repeat(64),
          capitals: 'Acme',
          underscores: 'a_b',
          'an id': UNKNOWN_IDS.organization,
          'a dot': 'a.b',
          'a blank': 'a b',
          'a line end': 'a\n',
          'not ASCII': 'é',
          NUL: 'a\0',
        },
      };
    case 'keyPrefix':
      return {
        accepted: { 'the shortest': 'ab', 'the longest': 'a123456789012345', 'a brand': 'acme2' },
        refused: {
          ...wrongTypes(field, 'a string'),
          empty: '',
          'one letter': 'a',
          'one too long': 'a1234567890123456',
          'a digit first': '1a',
          capitals: 'Acme',
          'an underscore': 'ac_me',
          'a hyphen': 'ac-me',
          'a line end': 'ab\n',
          'not ASCII': 'éé',
        },
      };
    case 'boolean':
      return {
        accepted: { true: true, false: false },
        refused: { ...wrongTypes(field, 'a boolean'), 'a word': 'true', zero: 0, one: 1 },
      };
    case 'integer':
      return {
        accepted: { ...nothing, 'the least': field.min, 'the most': field.max },
        refused: {
          ...wrongTypes(field, 'a number'),
          'one less': field.min - 1,
          'one more': field.max + 1,
          'a half': field.min + 0.5,
          'far too much': Number.MAX_VALUE,
          'as text': String(field.min),
        },
      };
    case 'ip':
      return {
        accepted: each(['203.0.113.7', '::', '2001:db8::1', '::ffff:203.0.113.7']),
        refused: {
          ...wrongTypes(field, 'a string'),
          ...each([
            '',
            '256.1.1.1',
            '1.2.3',
            '01.2.3.4',
            '1.2.3.4:80',
            '1.2.3.4/8',
            ' 1.2.3.4',
            '::g',
            ':::',
            '1.2.3.4\0',
            'localhost',
          ]),
        },
      };
    case 'word':
      return {
        accepted: { ...nothing, ...each(field.words) },
        refused: {
          ...wrongTypes(field, 'a string'),
          another: 'another',
          empty: '',
          'in capitals': field.words[0]?.toUpperCase(),
          'with a blank': ` ${field.words[0]}`,
        },
      };
  }
}

/** Values of a query parameter; nothing here is percent-encoded yet. */
function queryOf(parameter: Parameter): { good: string; bad: readonly string[] } {
  switch (parameter.kind) {
    case 'limit':
      return {
        good: '50',
        bad: [
          '0',
          '-1',
          '101',
          '1000',
          '99999999999999999999',
          'abc',
          '1.5',
          '',
          ' 1',
          '+1',
          '1e1',
          '0x1',
          'NaN',
          '1\0',
        ],
      };
    case 'cursor':
      return {
        good: btoa(UNKNOWN_IDS['API key']),
        bad: [
          '',
          'garbage',
          '!',
          '🔑',
          '\0',
          btoa('nonsense'),
          btoa(`usr_${'0'.repeat(24)}`),
          'A'.repeat(5_000),
          btoa('key_~'),
        ],
      };
    case 'serviceAccountId':
      return { good: UNKNOWN_IDS['service account'], bad: BAD_ACCOUNT_IDS };
    case 'userId':
      return { good: 'user-1', bad: UNPRINTABLE_IDS };
    case 'search':
      return {
        good: 'a',
        bad: ['', 'x'.repeat(41), 'é'.repeat(21), '🔑'.repeat(11), 'a\0', 'a\nb', 'a\u007f'],
      };
    case 'anyId':
      return { good: 'root', bad: ['', 'x'.repeat(256), 'a\0', 'a\n', powerless] };
    case 'instant':
      return {
        good: '2026-01-31T12:00:00Z',
        bad: [
          '',
          'tomorrow',
          '2026-01-31',
          '2026-01-31T12:00:00',
          '2026-01-31 12:00:00Z',
          '2026-02-30T12:00:00Z',
          '1769860800000',
          '2026-01-31T12:00:00Z\0',
        ],
      };
    case 'word':
      return {
        good: parameter.words[0] ?? '',
        bad: ['', 'another', parameter.words[0]?.toUpperCase() ?? ''],
      };
  }
}
