import { describe, expect, test } from 'vitest';
import * as z from 'zod';

import { parseDuration } from '../../src/core/expiry.ts';
import { compatRoutesOf } from '../http/endpoints.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { callOf, conformsToFormat, SCHEMAS } from './conforms.ts';
import b3os from './vectors/b3os.json';
import blaxel from './vectors/blaxel.json';
import factory from './vectors/factory.json';
import kosli from './vectors/kosli.json';

/*
 * Runs the test vectors: `vectors/<system>.json`, one file a wire format, which hold for any implementation of it.
 *
 * A file is a list of scenarios. Each has an organization and a clock of its own; the clock stands still. It may be `given`
 * settings of the organization, `callers` with a key each, and `accounts` without; `caller` is there unless given, and is an
 * administrator. With `each` it is run once for each of the values. Then its steps follow one another:
 *
 * - `request` and what to `expect`. Without an `Authorization` header the request carries the caller's key; null sends none.
 *   A body that is text is sent as it is, any other as JSON. Of an answer every member is there and no other, and headers as
 *   they are listed, null for those that must be absent; without `body` it has none. Of the service's own calls (`/v1/…`)
 *   only the members that are listed are compared, for they have tests of their own.
 * - `verify`, a key, and of its `verdict` what is listed.
 * - `advance`, by which the clock is moved on.
 *
 * In any text `{{…}}` stands for something else; alone, it keeps its type:
 *
 * - `{{name}}`: what was kept under this name. Kept are `organization.id`, `organization.slug`, the same of `elsewhere`, which is
 *   foreign, `root.key`, `<caller>.key`, `<caller>.keyId`, `<caller>.id`, `<account>.id`, `each` and, of an object, `each.<member>`.
 * - `{{now}}`, `{{now + 30d}}`, `{{now - 1s}}`, `{{now + name}}`: a time; `{{first 4 of name}}`, `{{last 4 of name}}`: characters of a text.
 * - `{{… as form}}`: written in one of the FORMS.
 * - `{{a key id}}`: in answers alone, any text of one of the PATTERNS.
 * - `{{… -> name}}`: any of these, and kept under the name for what follows.
 */

const FORMS: Readonly<Record<string, (value: unknown) => unknown>> = {
  'RFC 3339': (ms) => new Date(Number(ms)).toISOString(),
  seconds: (ms) => Number(ms) / 1_000,
  'whole seconds': (ms) => Math.floor(Number(ms) / 1_000),
  milliseconds: (ms) => ms,
  'user name': (key) => btoa(`${String(key)}:`),
  client: (caller) => (isObject(caller) ? btoa(`${String(caller['id'])}:${String(caller['key'])}`) : ''),
  'user name with a password': (key) => btoa(`${String(key)}:any:password`),
};

const PATTERNS: Readonly<Record<string, string>> = {
  'a key id': 'key_[0-9A-Za-z]{24}',
  'an account id': 'sa_[0-9A-Za-z]{24}',
  'a secret': 'mk_live_[0-9A-Za-z]{38}',
  'a token': String.raw`eyJ[\w-]+\.[\w-]+\.[\w-]+`,
  'a request id': '[A-Za-z0-9_-]{8,64}',
  'some text': '.+',
};

const duration = z.string().refine((text) => parseDuration(text) !== null);
const headers = z.record(z.string(), z.string().nullable());

const step = z.union([
  z.strictObject({
    title: z.string(),
    request: z.strictObject({
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
      path: z.string().startsWith('/'),
      headers: headers.optional(),
      body: z.json().optional(),
    }),
    expect: z.strictObject({ status: z.int(), headers: headers.optional(), body: z.json().optional() }),
  }),
  z.strictObject({ title: z.string(), verify: z.string(), verdict: z.record(z.string(), z.json()) }),
  z.strictObject({ title: z.string(), advance: duration }),
]);

const fields = z.record(z.string(), z.json());
const scenario = z.strictObject({
  title: z.string(),
  given: z
    .strictObject({
      organization: fields.optional(),
      /** A service account's fields; or with a `userId` those of a person's key. */
      callers: z.record(z.string(), fields).optional(),
      accounts: z.record(z.string(), fields).optional(),
    })
    .default({}),
  each: z.array(z.json()).nonempty().optional(),
  steps: z.array(step).nonempty(),
});
type Scenario = z.output<typeof scenario>;

const FILES = Object.entries({ blaxel, b3os, kosli, factory }).map(
  ([name, file]) => [name, z.array(scenario).parse(file)] as const,
);

const PLACEHOLDER = /\{\{([^{}]+)\}\}/g;
const ALONE = /^\{\{([^{}]+)\}\}$/;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What stands in a pair of braces. */
interface Placeholder {
  /** What any text must match, where no value is meant. */
  readonly pattern: string | undefined;
  readonly value: unknown;
  /** What it is kept as. */
  readonly name: string | undefined;
}

/** A run of a scenario: its service, and what it has kept. */
class Run {
  readonly service = new TestService();
  readonly #kept = new Map<string, unknown>([['root.key', ROOT_KEY]]);

  keep(name: string, value: unknown): void {
    this.#kept.set(name, value);
    if (!isObject(value)) return;
    for (const [member, inner] of Object.entries(value)) this.#kept.set(`${name}.${member}`, inner);
  }

  #read(inner: string): Placeholder {
    const [meant = '', name] = inner.split(' -> ');
    const pattern = PATTERNS[meant];
    if (pattern !== undefined) return { pattern, value: undefined, name };
    const [source = '', form] = meant.split(' as ');
    const write = form === undefined ? (value: unknown) => value : FORMS[form];
    if (write === undefined) throw new Error(`there is no form ${form}`);
    return { pattern, value: write(this.#valueOf(source)), name };
  }

  #valueOf(source: string): unknown {
    const [, sign, span] = /^now(?: ([+-]) (\S+))?$/.exec(source) ?? [];
    if (source === 'now') return this.service.now();
    if (span !== undefined) {
      const kept = this.#kept.get(span);
      const ms = parseDuration(typeof kept === 'string' ? kept : span) ?? NaN;
      return this.service.now() + (sign === '-' ? -ms : ms);
    }
    const [, end, count, name = source] = /^(first|last) (\d+) of (.+)$/.exec(source) ?? [];
    if (!this.#kept.has(name)) throw new Error(`nothing is kept as ${name}`);
    const value = this.#kept.get(name);
    if (end === undefined) return value;
    return end === 'first' ? String(value).slice(0, Number(count)) : String(value).slice(-Number(count));
  }

  /** What is sent for what is written. */
  filled(written: unknown): unknown {
    if (Array.isArray(written)) return written.map((item) => this.filled(item));
    if (isObject(written))
      return Object.fromEntries(Object.entries(written).map(([key, value]) => [key, this.filled(value)]));
    if (typeof written !== 'string') return written;
    const stood = (inner: string): unknown => {
      const { pattern, value, name } = this.#read(inner);
      if (pattern !== undefined) throw new Error(`nobody can send ${inner}`);
      if (name !== undefined) this.keep(name, value);
      return value;
    };
    const alone = ALONE.exec(written)?.[1];
    return alone === undefined
      ? written.replaceAll(PLACEHOLDER, (_, inner: string) => String(stood(inner)))
      : stood(alone);
  }

  text(written: string): string {
    return String(this.filled(written));
  }

  /** Where an answer differs from what is expected. `isWhole`: members that are not listed are differences. */
  differences(expected: unknown, actual: unknown, isWhole: boolean, place = ''): string[] {
    const differs = `${place} is ${JSON.stringify(actual)} and not ${JSON.stringify(expected)}`;
    if (typeof expected === 'string') return this.#isText(expected, actual) ? [] : [differs];
    if (Array.isArray(expected)) {
      if (!Array.isArray(actual) || actual.length !== expected.length) return [differs];
      return expected.flatMap((item, index) =>
        this.differences(item, actual[index], isWhole, `${place}/${index}`),
      );
    }
    if (!isObject(expected)) return Object.is(expected, actual) ? [] : [differs];
    if (!isObject(actual)) return [differs];
    const extra = isWhole ? Object.keys(actual).filter((key) => !Object.hasOwn(expected, key)) : [];
    return [
      ...extra.map((key) => `${place}/${key} is there`),
      ...Object.entries(expected).flatMap(([key, value]) =>
        this.differences(value, actual[key], isWhole, `${place}/${key}`),
      ),
    ];
  }

  /** Whether it is the text that is written, or the value that is meant; keeps what is to be kept. */
  #isText(written: string, actual: unknown): boolean {
    const parts = written.split(PLACEHOLDER);
    const placeholders = parts.filter((_, index) => index % 2 === 1).map((inner) => this.#read(inner));
    const [first] = placeholders;
    if (ALONE.test(written) && first?.pattern === undefined && typeof first?.value !== 'string') {
      if (first?.name !== undefined) this.keep(first.name, actual);
      return Object.is(first?.value, actual);
    }
    const source = parts.map((part, index) => {
      const { pattern, value } = index % 2 === 1 ? (placeholders[(index - 1) / 2] ?? {}) : { value: part };
      return `(${pattern ?? RegExp.escape(String(value))})`;
    });
    const found = typeof actual === 'string' ? new RegExp(`^${source.join('')}$`, 's').exec(actual) : null;
    for (const [index, { name }] of placeholders.entries())
      if (name !== undefined) this.keep(name, found?.[2 * index + 2]);
    return found !== null;
  }
}

/** What a scenario is given, made by root in the service's own words. */
async function prepare(run: Run, { given }: Scenario, each: unknown): Promise<void> {
  if (each !== undefined) run.keep('each', each);
  const { id, slug } = await run.service.organization(given.organization);
  const made = async (path: string, body: object): Promise<Answer['body']> => {
    const answer = await run.service.call('POST', path, {
      body: run.filled(body),
      headers: { 'Mintmark-Organization': id },
    });
    expect(answer.status, answer.text).toBe(201);
    return answer.body;
  };
  run.keep('organization', { id, slug });
  run.keep('elsewhere', await run.service.organization());
  for (const [name, account] of Object.entries(given.accounts ?? {}))
    run.keep(name, { id: (await made('/v1/service-accounts', { name, ...account })).id });
  for (const [name, who] of Object.entries({ caller: { role: 'admin' }, ...given.callers })) {
    const owner =
      'userId' in who ? who : { serviceAccountId: (await made('/v1/service-accounts', { name, ...who })).id };
    const { key, secret } = await made('/v1/api-keys', { name: `key of ${name}`, ...owner });
    run.keep(name, { id: key.serviceAccountId ?? key.userId, key: secret, keyId: key.id });
  }
  // A value may mean what has been made just now.
  if (each !== undefined) run.keep('each', run.filled(each));
}

async function take(run: Run, taken: Scenario['steps'][number]): Promise<void> {
  if ('advance' in taken) return run.service.advance(parseDuration(taken.advance) ?? NaN);
  if ('verify' in taken) {
    const { body } = await run.service.call('POST', '/v1/api-keys/verify', {
      body: { key: run.text(taken.verify), maxStaleness: 0 },
      headers: { 'Mintmark-Organization': run.text('{{organization.id}}') },
    });
    return expect(run.differences(taken.verdict, body, false), taken.title).toEqual([]);
  }
  const { method, path: written, headers: sent = {}, ...rest } = taken.request;
  const path = run.text(written);
  const asked = Object.entries({ Authorization: 'Bearer {{caller.key}}', ...sent }).flatMap(([name, value]) =>
    value === null ? [] : [[name, run.text(value)] as const],
  );
  const answer = await run.service.call(method, path, {
    credential: null,
    headers: Object.fromEntries(asked),
    ...('body' in rest ? { body: run.filled(rest.body) } : {}),
  });
  const { status, headers: expected = {}, body } = taken.expect;
  const title = `${taken.title}: ${answer.status} ${answer.text}`;
  expect(answer.status, title).toBe(status);
  const isWhole = path.startsWith('/compat/');
  const isMatter = body !== undefined || isWhole;
  expect(isMatter ? run.differences(body, answer.body, isWhole) : [], title).toEqual([]);
  for (const [name, value] of Object.entries(expected))
    expect(run.differences(value, answer.headers.get(name), true, name), title).toEqual([]);
}

/** Each scenario once for each of its values. */
const runsOf = (scenarios: readonly Scenario[]): [string, Scenario, unknown][] =>
  scenarios.flatMap((played) =>
    (played.each ?? [undefined]).map((value): [string, Scenario, unknown] => [
      value === undefined ? played.title : `${played.title}: ${JSON.stringify(value)}`,
      played,
      value,
    ]),
  );

describe.each(FILES)('%s', (_, scenarios) => {
  test.each(runsOf(scenarios))('%s', async (_title, played, value) => {
    const run = new Run();
    await prepare(run, played, value);
    for (const taken of played.steps) await take(run, taken);
  });
});

/** Every call of every format: its name here, its method, its path as the schemas have it, and its success. */
const CALLS = Object.entries(SCHEMAS).flatMap(([name, { base, paths }]) =>
  Object.entries(paths).flatMap(([template, methods]) =>
    Object.entries(methods).map(([verb, answers]) => {
      const method = verb.toUpperCase();
      return { title: `${method} ${base}${template}`, name, template, method, success: Object.keys(answers) };
    }),
  ),
);

/** What the vectors expect of a call, as statuses. */
const expectedOf = ({
  name,
  template,
  method,
}: Pick<(typeof CALLS)[number], 'name' | 'template' | 'method'>) =>
  FILES.flatMap(([, scenarios]) => scenarios.flatMap(({ steps }) => steps)).flatMap((taken) => {
    if (!('request' in taken) || taken.request.method !== method) return [];
    const call = callOf(taken.request.path);
    return call?.name === name && call.template === template ? [String(taken.expect.status)] : [];
  });

describe('the vectors and the schemas', () => {
  test('have every call that is served, and no other', async () => {
    const served = await compatRoutesOf(new TestService());
    expect(CALLS.map(({ title }) => title.replaceAll(/\{(\w+)\}/g, ':$1')).toSorted()).toEqual(served);
  });

  test.each(CALLS.map((call) => [call.title, call] as const))(
    '%s: a success, and a refusal',
    (_title, call) => {
      const statuses = expectedOf(call);
      for (const status of call.success) expect(statuses).toContain(status);
      expect(statuses.some((status) => Number(status) >= 400)).toBe(true);
    },
  );

  // What a defect is told as no vector can provoke; the tests below do.
  test.each(['kosli', 'factory'])('%s: every status that its document has', (name) => {
    for (const [template, methods] of Object.entries(SCHEMAS[name]?.document ?? {}))
      for (const [verb, answers] of Object.entries(methods)) {
        const documented = Object.keys(answers).filter((status) => status !== '500');
        const statuses = expectedOf({ name, template, method: verb.toUpperCase() });
        expect(statuses).toEqual(expect.arrayContaining(documented));
      }
  });

  test('no two scenarios of a file have one title', () => {
    for (const [, scenarios] of FILES)
      expect(new Set(scenarios.map(({ title }) => title)).size).toBe(scenarios.length);
  });
});

/** What says that it will pass. */
const UNAVAILABLE = 'What this depends on cannot be reached. Nothing was changed; try again.';

describe('an answer that no client could rely on is refused', () => {
  const KEYS = '/compat/kosli/api/v2/service-accounts/default/ci-bot/api-keys';
  const HEADERS = {
    'Content-Type': 'application/json',
    'X-Request-Id': 'request-1',
    'Cache-Control': 'no-store',
  };
  const made = { id: `key_${'0'.repeat(24)}`, key: `mk_live_${'0'.repeat(38)}`, description: 'x' };
  const body = { ...made, created_at: 1.5, expires_at: 0 };

  /** A good answer to Kosli's create call, but for what is told. */
  function hold(change: {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: object | null;
    readonly call?: readonly [string, string];
  }): void {
    const [method, path] = change.call ?? ['POST', KEYS];
    const told = change.body === undefined ? body : change.body;
    const answer = {
      status: change.status ?? 201,
      headers: new Headers(change.headers ?? HEADERS),
      text: told === null ? '' : JSON.stringify(told),
      body: told ?? undefined,
    };
    conformsToFormat(answer, method, path);
  }

  const message = { message: 'x' };
  const { 'Content-Type': _, ...bare } = HEADERS;
  const effective = { 'Mintmark-Effective-By': '2030-01-01T00:00:00.000Z' };
  const challenged = { ...HEADERS, 'WWW-Authenticate': 'Bearer realm="mintmark"' };
  const deletion = ['DELETE', '/compat/blaxel/v0/service_accounts/any/api_keys/any'] as const;
  const elsewhere = ['POST', '/compat/kosli/api/v2/environments/default'] as const;

  test('a good one is not', () => {
    hold({});
    hold({ status: 401, headers: challenged, body: message });
    hold({ call: deletion, status: 200, headers: { ...bare, ...effective }, body: null });
  });

  test.each<[string, Parameters<typeof hold>[0]]>([
    ['a member that is not in its schema', { body: { ...body, secret: 'x' } }],
    ['a member that is missing', { body: made }],
    ['null', { body: { ...body, expires_at: null } }],
    ['text for a number', { body: { ...body, created_at: '1.5' } }],
    ['an id of another form', { body: { ...body, id: 'ak_abc123def456' } }],
    ['no body', { body: null }],
    ['another success', { status: 200 }],
    ['a status that the document does not have', { status: 402, body: message }],
    ['one that the format has and this call does not', { status: 402, body: message }],
    ['no request id', { headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' } }],
    ['leave to be stored', { headers: { ...HEADERS, 'Cache-Control': 'max-age=60' } }],
    ['another type', { headers: { ...HEADERS, 'Content-Type': 'application/problem+json' } }],
    ['a time from which nothing is taken away', { headers: { ...HEADERS, 'Mintmark-Effective-By': 'now' } }],
    ['401 without a challenge', { status: 401, body: message }],
    ['429 without a time to wait', { status: 429, body: message }],
    ['503 without a time to wait', { status: 503, body: { message: UNAVAILABLE } }],
    ['404 that should not wait', { status: 404, headers: { ...HEADERS, 'Retry-After': '5' }, body: message }],
    ['404 in other words', { status: 404, body: message }],
    [
      '405 of a call that there is',
      { status: 405, headers: { ...HEADERS, Allow: 'GET, POST' }, body: message },
    ],
    ['405 without its methods', { status: 405, body: message, call: ['PUT', KEYS] }],
    [
      '405 with others',
      { status: 405, headers: { ...HEADERS, Allow: 'GET' }, body: message, call: ['PUT', KEYS] },
    ],
    ['success where there is nothing', { call: elsewhere }],
    [
      'a type where there is no body',
      { status: 200, call: deletion, headers: { ...HEADERS, ...effective }, body: null },
    ],
    [
      'a body where there is none',
      { status: 200, call: deletion, headers: { ...bare, ...effective }, body: {} },
    ],
    ['a deletion that tells no time', { status: 200, call: deletion, headers: bare, body: null }],
  ])('%s', (_title, change) => {
    expect(() => hold(change)).toThrow(change.call?.[1] ?? KEYS);
  });
});
