import { env } from 'cloudflare:workers';

import { readConfig } from '../../src/config.ts';
import type { LogEntry, Platform } from '../../src/core/platform.ts';
import { Isolate } from '../../src/isolate.ts';
import type { Verification } from '../../src/verification.ts';
import { conformsToFormat } from '../dialects/conforms.ts';
import { conforms } from '../openapi/conforms.ts';
import { conformsToStandard, isStandard } from '../standards/conforms.ts';
import { wrapD1, type D1Hooks } from './d1.ts';
import { wrapKv, type KvHooks } from './kv.ts';

/** How long the platform lets background work go on. */
const PLATFORM_LIMIT_MS = 30_000;

export const ROOT_KEY = env.MINTMARK_ROOT_KEY;
/** As the secret of a deployment holds it. */
export const SIGNING_KEY = env.MINTMARK_SIGNING_KEY;

/** Everything that was asked of D1 and KV. */
export interface Io {
  /** Round trips to D1, each with its statements and what they cost. */
  readonly d1: { sql: readonly string[]; rowsRead: number; rowsWritten: number }[];
  readonly kv: { operation: 'get' | 'put' | 'delete'; names: readonly string[] }[];
  /** What was counted against a limit. */
  readonly limits: string[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON of the answer; `undefined` where it has none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads answers as any client does: untyped
  readonly body: any;
}

interface CallOptions {
  /** Sent as a Bearer token: the root key unless told otherwise, null for none. */
  readonly credential?: string | null;
  /** Written as JSON, unless it is text or a stream, which is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * The service over the real D1 and KV of the test's file, as one isolate: with a clock that a test can move, sleeps that
 * end when the clock reaches them, and hooks around the bindings. Two of them share storage and nothing else.
 */
export class TestService {
  readonly io: Io = { d1: [], kv: [], limits: [] };
  readonly logs: LogEntry[] = [];
  readonly d1Hooks: D1Hooks = {};
  readonly kvHooks: KvHooks = {};
  /** What else than D1 and KV it reaches: nothing, unless a test says so. */
  fetchHook: Platform['fetch'] = async (url) => {
    throw new TypeError(`nothing is at ${url}`);
  };
  /** As it is served. */
  readonly app: Isolate['app'];
  /** With the routes that it has beside verification. */
  readonly wholeApp: Isolate['wholeApp'];
  readonly verification: Verification;
  readonly upkeep: Verification['upkeep'];
  readonly verifier: Verification['verifier'];
  #now = Date.now();
  #heir: Verification['uses'];
  readonly #background = new Set<Promise<unknown>>();
  readonly #sleepers = new Set<{ until: number; wake: () => void; isBackground: boolean }>();

  constructor(variables: Readonly<Record<string, unknown>> = {}) {
    const db = wrapD1(env.DB, {
      before: (sql) => this.d1Hooks.before?.(sql),
      beforeBatch: async () => this.d1Hooks.beforeBatch?.(),
      rewrite: (statements, raw) => this.d1Hooks.rewrite?.(statements, raw) ?? statements,
      after: (sql, results) => {
        this.io.d1.push({
          sql,
          rowsRead: results.reduce((sum, { meta }) => sum + meta.rows_read, 0),
          rowsWritten: results.reduce((sum, { meta }) => sum + meta.rows_written, 0),
        });
        return this.d1Hooks.after?.(sql, results);
      },
    });
    const cache = wrapKv(env.CACHE, {
      before: (operation, names) => {
        this.io.kv.push({ operation, names });
        return this.kvHooks.before?.(operation, names);
      },
    });
    const platform: Platform = {
      clock: () => this.now(),
      random: (bytes) => crypto.getRandomValues(bytes),
      background: (work) => {
        const settled: Promise<unknown> = work
          .catch((error: unknown) => this.logs.push({ level: 'warn', event: 'background_failed', error }))
          .finally(() => this.#background.delete(settled));
        this.#background.add(settled);
      },
      sleep: (ms) => new Promise((resolve) => this.#after(ms, resolve, true)),
      after: (ms, ring) => this.#after(ms, ring, false),
      fetch: (url, signal) => this.fetchHook(url, signal),
      relay: async (uses) => this.#heir.take(uses),
      log: (entry) => this.logs.push(entry),
    };
    const bindings = {
      DB: db,
      CACHE: cache,
      FLOODS: this.#floods(),
      MINTMARK_ROOT_KEY: ROOT_KEY,
      MINTMARK_SIGNING_KEY: SIGNING_KEY,
    };
    const read = readConfig({ ...bindings, ...variables });
    if ('faults' in read) throw new Error(JSON.stringify(read.faults));
    const isolate = new Isolate(read.config, platform);
    this.app = isolate.app;
    this.wholeApp = () => isolate.wholeApp();
    this.verification = isolate.verification;
    this.upkeep = this.verification.upkeep;
    this.verifier = this.verification.verifier;
    this.#heir = this.verification.uses;
  }

  /** Stands still unless moved. */
  now(): number {
    return this.#now;
  }

  /** Wakes once the clock gets there. What would sleep longer than the platform lets it never wakes. */
  #after(ms: number, wake: () => void, isBackground: boolean): () => void {
    const until = ms > PLATFORM_LIMIT_MS ? Infinity : this.now() + ms;
    const sleeper = { until, wake, isBackground };
    this.#sleepers.add(sleeper);
    return () => this.#sleepers.delete(sleeper);
  }

  /** Moves this isolate's clock on, and wakes what slept until then. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await this.settle();
      const [next] = [...this.#sleepers].toSorted((one, other) => one.until - other.until);
      if (next === undefined || next.until > until) break;
      this.#now = Math.max(this.#now, next.until);
      this.#sleepers.delete(next);
      next.wake();
    }
    this.#now = until;
  }

  /** Lets another isolate be the one that serves this one's relays, as the platform may choose any. */
  relayTo(heir: TestService): void {
    this.#heir = heir.verification.uses;
  }

  /** How many requests wait by a deadline. */
  deadlines(): number {
    return [...this.#sleepers].filter(({ isBackground }) => !isBackground).length;
  }

  /** Moves this isolate's clock on in the midst of something, and wakes nobody. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** Ends what sleeps without waking it, as the platform ends background work that takes too long. */
  dropSleepers(): void {
    this.#sleepers.clear();
    this.#background.clear();
  }

  /** Waits for the work that goes on after answers, but for what sleeps. */
  async settle(): Promise<void> {
    const sleeping = () => [...this.#sleepers].filter(({ isBackground }) => isBackground).length;
    while (this.#background.size > sleeping()) {
      await Promise.race([...this.#background, new Promise((resolve) => setTimeout(resolve, 1))]);
    }
  }

  /** Runs something and tells what it asked of D1 and KV, its background work included. */
  async ioOf(action: () => Promise<unknown>): Promise<Io> {
    await this.settle();
    const before = { d1: this.io.d1.length, kv: this.io.kv.length, limits: this.io.limits.length };
    await action();
    await this.settle();
    return {
      d1: this.io.d1.slice(before.d1),
      kv: this.io.kv.slice(before.kv),
      limits: this.io.limits.slice(before.limits),
    };
  }

  /** The real counters, of this service alone. */
  #floods(): RateLimit {
    const own = crypto.randomUUID();
    return {
      limit: async ({ key }) => {
        this.io.limits.push(key);
        return env.FLOODS.limit({ key: `${own}:${key}` });
      },
    };
  }

  /** Every answer is held to what the OpenAPI document, or its system's schemas, say of it. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { credential = ROOT_KEY, body, headers = {} } = options;
    const sent = new Headers(headers);
    if (credential !== null) sent.set('Authorization', `Bearer ${credential}`);
    const isRaw = typeof body === 'string' || body instanceof ReadableStream || body instanceof Uint8Array;
    if (body !== undefined && !sent.has('Content-Type')) sent.set('Content-Type', 'application/json');
    const response = await this.app.request(path, {
      method,
      headers: sent,
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('Content-Type') ?? '');
    const answer: Answer = {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
    if (isStandard(path)) conformsToStandard(answer, method, path);
    else (path.startsWith('/compat/') ? conformsToFormat : conforms)(answer, method, path);
    return answer;
  }

  /** A new organization; its name is unique unless told. */
  async organization(fields: Record<string, unknown> = {}): Promise<{ id: string; slug: string }> {
    const answer = await this.call('POST', '/v1/organizations', {
      body: { name: `organization ${crypto.randomUUID()}`, ...fields },
    });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  }

  /** A new service account; its name is unique unless told. */
  async account(fields: Record<string, unknown> = {}): Promise<{ id: string }> {
    const answer = await this.call('POST', '/v1/service-accounts', {
      body: { name: `account ${crypto.randomUUID()}`, ...fields },
    });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  }

  /** A new key, of a new account unless `serviceAccountId` or `userId` is among the fields. */
  async key(
    fields: Record<string, unknown> = {},
    account: Record<string, unknown> = {},
  ): Promise<{ key: { id: string; serviceAccountId: string }; secret: string }> {
    const owner =
      'serviceAccountId' in fields || 'userId' in fields
        ? {}
        : { serviceAccountId: (await this.account(account)).id };
    const answer = await this.call('POST', '/v1/api-keys', { body: { name: 'a key', ...owner, ...fields } });
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  }

  /** The verdict on a key, with whatever else is asked. */
  async verify(key: string, fields: Record<string, unknown> = {}): Promise<Answer['body']> {
    const answer = await this.call('POST', '/v1/api-keys/verify', { body: { key, ...fields } });
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.body;
  }
}

/** Every row of every table, as text: to see that nothing changed, or that a secret is nowhere. */
export async function dumpTables(): Promise<Record<string, string>> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%'",
  ).all<{ name: string }>();
  const dump: Record<string, string> = {};
  for (const { name } of tables) {
    dump[name] = JSON.stringify((await env.DB.prepare(`SELECT * FROM ${name}`).all()).results);
  }
  return dump;
}
