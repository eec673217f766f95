import { readD1Migrations } from '@cloudflare/vitest-plugin';

import { makeSigningKey } from '../scripts/secrets.ts';
import { PROJECT_ROOT } from '../scripts/wrangler.ts';
import { mintSecret } from '../src/core/secret.ts';
import type { Modules } from './bundle.ts';
import type { Workerd, WorkerOptions } from './workerd.ts';

const ROOT_KEY = 'benchmark-root-key-0123456789-abcdefghijklm';

export const JSON_TYPE = { 'Content-Type': 'application/json' };

export const bearer = (credential: string) => ({ Authorization: `Bearer ${credential}` });

export const AS_ROOT = bearer(ROOT_KEY);

/** What workerd of this version knows, as in wrangler.toml. */
const COMPATIBILITY_DATE = '2026-10-30';

export function worker(
  name: string,
  code: Modules,
  options: Pick<
    WorkerOptions,
    'serviceBindings' | 'd1Databases' | 'kvNamespaces' | 'bindings' | 'ratelimits'
  > = {},
): WorkerOptions {
  return {
    name,
    modules: [...code].map(([path, contents]) => ({ type: 'ESModule' as const, path, contents })),
    modulesRoot: '.',
    compatibilityDate: COMPATIBILITY_DATE,
    ...options,
  };
}

/** What a Mintmark is bound to, its data under this name. */
export function bindingsOf(database: string) {
  return {
    d1Databases: { DB: database },
    kvNamespaces: { CACHE: database },
    ratelimits: { FLOODS: { namespace_id: '7101', simple: { limit: 100, period: 60 as const } } },
    bindings: {
      MINTMARK_ROOT_KEY: ROOT_KEY,
      MINTMARK_SIGNING_KEY: makeSigningKey(),
      MINTMARK_ISSUER: 'https://mintmark.example',
    },
  };
}

async function migrate(database: D1Database): Promise<void> {
  for (const { queries } of await readD1Migrations(`${PROJECT_ROOT}/migrations`))
    await database.batch(queries.map((query) => database.prepare(query)));
}

export interface Account {
  readonly id: string;
  /** A key of the account. */
  readonly secret: string;
}

/** An account with these permissions and a key. */
export async function makeAccount(url: string, permissions: readonly string[]): Promise<Account> {
  const { id } = await post<{ id: string }>(`${url}/v1/service-accounts`, {
    name: `account ${crypto.randomUUID()}`,
    permissions,
  });
  return { id, secret: await mintKey(url, id) };
}

/** Another key of an account. */
export async function mintKey(url: string, accountId: string): Promise<string> {
  const { secret } = await post<{ secret: string }>(`${url}/v1/service-accounts/${accountId}/api-keys`, {
    name: 'key',
    expiresIn: '90d',
  });
  return secret;
}

/** A well-formed key that nobody has. */
export const newSecret = (): string => mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));

/** The same with a slip of the pen: its checksum is wrong. */
export const mistyped = (secret: string): string => secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');

async function post<Answer>(url: string, body: object): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...AS_ROOT, ...JSON_TYPE },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

/** A Mintmark that is ready to be called, and where it listens. */
export async function ready(workerd: Workerd, name: string): Promise<string> {
  await migrate(await workerd.databaseOf(name));
  return workerd.urlOf(name);
}
