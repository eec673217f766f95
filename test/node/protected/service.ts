import { once as emitted } from 'node:events';
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';

import { afterAll, beforeAll, expect } from 'vitest';
import { createTestHarness } from 'wrangler';

import type { RefusalCode } from '../../../src/client/refusal.ts';
import { mintedKey } from '../../../src/contract/api_keys.ts';
import { verdict, type VerdictResource } from '../../../src/contract/verdict.ts';
import type { VerifyInput } from '../../../src/rpc/verification.ts';
import { rootOf, tokenOf, tokenSecrets } from '../root.ts';
import type { Lie } from './liar.ts';

const ROOT_KEY = 'middleware-test-root-key-0123456789-abcdefg';
const FOLDER = 'test/node/protected';

/** A Worker that lets nobody in without a key, and what it asks: Mintmark, by way of a witness, and a liar. */
const harness = createTestHarness({
  workers: [
    { configPath: `${FOLDER}/wrangler.toml`, secrets: { ROOT_KEY } },
    { configPath: `${FOLDER}/witness.toml` },
    { configPath: `${FOLDER}/liar.toml` },
    { configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY, ...tokenSecrets() } },
  ],
});

let address: string;
/** The requests whose handler was seen to run. */
const seen: string[] = [];

/** Serves them for the tests of one file; in the end no handler may have run but those whose answers were seen. */
export function serve(): void {
  beforeAll(async () => {
    const { url } = await harness.listen();
    address = url.href;
    await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
  });
  afterAll(async () => {
    const runs = await told<string[]>('runs');
    await harness.close();
    expect(runs.toSorted()).toEqual(seen.toSorted());
  });
}

/** A token for an account's key. */
export const tokenFor = (accountId: string, key: string): Promise<string> => tokenOf(harness, accountId, key);

interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answer extends Received {
  /** How often the handler ran. */
  readonly ran: number;
  /** What Mintmark was asked. */
  readonly calls: readonly VerifyInput[];
}

interface Asked {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

/** Sends a request, byte for byte, of which no handler is expected to run. */
export async function send(
  path: string,
  { method = 'GET', headers = {}, body }: Asked = {},
): Promise<Received> {
  const sent = request(address, { method, path, headers }).end(body);
  const [response] = (await emitted(sent, 'response')) as [IncomingMessage];
  return {
    status: response.statusCode ?? 0,
    headers: response.headers as Record<string, string>,
    body: await text(response),
  };
}

/** Sends a request, and tells what came of it. */
export async function ask(path: string, asked: Asked = {}): Promise<Answer> {
  const run = crypto.randomUUID();
  const before = (await allCalls()).length;
  const received = await send(path, { ...asked, headers: { ...asked.headers, 'X-Run': run } });
  const runs = (await told<string[]>('runs')).filter((id) => id === run);
  seen.push(...runs);
  return { ...received, ran: runs.length, calls: (await allCalls()).slice(before) };
}

export const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });
export const basic = (userName: string, password = '') => ({
  Authorization: `Basic ${btoa(`${userName}:${password}`)}`,
});

/** Sends a request with a key. */
export const askWith = (path: string, key: string, asked: Asked = {}): Promise<Answer> =>
  ask(path, { ...asked, headers: { ...asked.headers, ...bearer(key) } });

/** A query that says a value to a guard that reads it there. */
export const saying = (name: 'of' | 'scopes', value: unknown): string =>
  `?${name}=${encodeURIComponent(JSON.stringify(value))}`;

/** A key that has the liar do something. */
export const lie = (does: Lie): string => btoa(JSON.stringify(does).padEnd(60));

export const allCalls = () => told<VerifyInput[]>('calls');

async function told<Value>(what: 'runs' | 'calls' | 'refusals'): Promise<Value> {
  const response = await harness.getWorker('protected').fetch(`http://protected/told/${what}`);
  return (await response.json()) as Value;
}

/** The refusals that `onRefusal` was told of. */
export const refusals = () => told<Record<string, unknown>[]>('refusals');

/** What the protected Worker logged meanwhile. */
export async function logged(work: () => Promise<unknown>): Promise<string[]> {
  harness.clearLogs();
  await work();
  return harness.getLogs().map(({ message }) => message);
}

/** Each refusal as it is told: status, title, detail, and the error of its challenge or, null, no challenge. */
const REFUSALS = {
  missing_credential: [401, 'An API key is required', 'The request carries no API key.', ''],
  multiple_credentials: [
    400,
    'More than one API key',
    'Send exactly one API key, in one header.',
    ', error="invalid_request"',
  ],
  invalid_credential: [
    401,
    'The API key is not valid',
    'The API key is malformed, unknown, expired, disabled or revoked, or not for here.',
    ', error="invalid_token"',
  ],
  insufficient_scope: [
    403,
    'The API key may not do this',
    'The request needs scopes that the API key does not have.',
    ', error="insufficient_scope"',
  ],
  ip_denied: [403, 'The API key may not be used from here', 'The API key is not for this address.', null],
  rate_limited: [429, 'Too many requests', 'Wait a little, then try again.', null],
  usage_exceeded: [429, 'The API key is used up', 'The API key has no uses left.', null],
  unavailable: [503, 'Not available', 'API keys cannot be verified now. Try again.', null],
} as const satisfies Readonly<Record<RefusalCode, readonly [number, string, string, string | null]>>;
const RETRY_AFTER: Readonly<Record<string, string>> = { rate_limited: '10', unavailable: '5' };

/** The whole answer that refuses: every byte and header, no run of the handler, and the calls that it took. */
export function refusal(
  code: RefusalCode,
  calls: readonly unknown[] = [],
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const [status, title, detail, error] = REFUSALS[code];
  const body = JSON.stringify({ type: `urn:mintmark:problem:${code}`, title, status, detail, code });
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'content-length': String(body.length),
      'cache-control': 'no-store',
      ...(error === null ? {} : { 'www-authenticate': `Bearer realm="api"${error}` }),
      ...(code in RETRY_AFTER ? { 'retry-after': RETRY_AFTER[code] } : {}),
      ...headers,
    },
    body,
    ran: 0,
    calls: calls as Answer['calls'],
  };
}

/** The challenge of a guard, where it takes keys in other ways than by Bearer alone. */
export function challengeAt(guard: string, code: RefusalCode): Record<string, string> {
  const own = `realm="api"${REFUSALS[code][3] ?? ''}`;
  const each = { ApiKey: `ApiKey ${own}`, Basic: 'Basic realm="api"', Bearer: `Bearer ${own}` };
  if (guard === 'either') return { 'www-authenticate': `${each.Bearer}, ${each.Basic}` };
  if (guard === 'any') return { 'www-authenticate': `${each.ApiKey}, ${each.Basic}, ${each.Bearer}` };
  return {};
}

/** The one call about a key. */
export const once = (key: string): unknown[] => [expect.objectContaining({ key })];

/** The verdict that a handler, which ran once, was given. */
export function verdictIn({ status, ran, body }: Answer): VerdictResource {
  expect({ status, ran }).toEqual({ status: 200, ran: 1 });
  return verdict.parse(JSON.parse(body));
}

export const root = rootOf(harness, ROOT_KEY);

/** Another organization, by its slug. */
export async function found(slug: string): Promise<string> {
  return String((await root('POST', '/v1/organizations', { name: slug, slug }))['id']);
}

interface NewKey {
  readonly organization?: string;
  readonly permissions?: readonly string[];
  readonly [field: string]: unknown;
}

/** Mints a key of an account of its own, which may read files unless said. */
export async function mint({
  organization = 'default',
  permissions = ['files:read'],
  ...fields
}: NewKey = {}) {
  const name = crypto.randomUUID();
  const account = await root('POST', '/v1/service-accounts', { name, permissions }, organization);
  const path = `/v1/service-accounts/${String(account['id'])}/api-keys`;
  const { key, secret } = mintedKey.parse(
    await root('POST', path, { name: 'a key', ...fields }, organization),
  );
  return { key, secret, accountId: String(account['id']), organizationId: key.organizationId };
}

/** Revokes a key. */
export const revoke = ({ key }: { key: { id: string } }) => root('POST', `/v1/api-keys/${key.id}/revoke`);
