import { env } from 'cloudflare:workers';

import type { Snapshot } from '../../src/core/knowledge.ts';
import { mintSecret, type Secret } from '../../src/core/secret.ts';
import { TestService } from './service.ts';

/** The longest that an isolate that serves goes without asking what has changed: ten seconds and their jitter. */
export const INTERVAL_MS = 12_000;
/** How old knowledge may be: the bound of two minutes, less what is for verdicts on their way. */
export const USABLE_MS = 110_000;
export const BOUND_MS = 120_000;

const SNAPSHOT = 'changes:1';

/** Well-formed, and nobody's. */
export const strayKey = (): Secret => mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));

/** Makes the clocks of isolates agree to the millisecond. */
export function align(...services: readonly TestService[]): void {
  const latest = Math.max(...services.map((service) => service.now()));
  for (const service of services) service.skip(latest - service.now());
}

/** Over an empty KV, one isolate to verify and another to make changes, by one clock. */
export async function edgeAndOffice(): Promise<{ edge: TestService; office: TestService }> {
  await emptyKv();
  const [edge, office] = [new TestService(), new TestService()];
  align(edge, office);
  return { edge, office };
}

/** Empties KV, once nothing is on its way there. */
export async function emptyKv(...writers: readonly TestService[]): Promise<void> {
  for (const writer of writers) await writer.settle();
  const { keys } = await env.CACHE.list();
  await Promise.all(keys.map(({ name }) => env.CACHE.delete(name)));
}

/** Every value of KV, to be put back later: what KV may still say long after. */
export async function readKv(): Promise<ReadonlyMap<string, string>> {
  const { keys } = await env.CACHE.list();
  return new Map(
    await Promise.all(keys.map(async ({ name }) => [name, (await env.CACHE.get(name)) ?? ''] as const)),
  );
}

export async function putKv(values: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, value] of values) await env.CACHE.put(name, value);
}

/** The snapshot that KV has now. */
export const snapshotInKv = (): Promise<Snapshot | null> => env.CACHE.get<Snapshot>(SNAPSHOT, 'json');

export const putSnapshot = (snapshot: Snapshot): Promise<void> =>
  env.CACHE.put(SNAPSHOT, JSON.stringify(snapshot));

/** How often each was asked; the writing of last uses, which is apart from verdicts, left out. */
export function count({ d1, kv }: TestService['io']): { d1: number; reads: number; puts: number } {
  return {
    d1: d1.filter(({ sql }) => !isUsage(sql)).length,
    reads: kv.filter(({ operation }) => operation === 'get').length,
    puts: kv.filter(({ operation }) => operation === 'put').length,
  };
}

/** The writing of last uses goes on beside everything else. */
const isUsage = (sql: readonly string[]): boolean => sql.some((text) => text.includes('INTO key_usage'));

/** Keeps an isolate from D1, as where its edge cannot reach it. Tells how often D1 is tried. */
export function cutOff(service: TestService): { tries: number } {
  const told = { tries: 0 };
  service.d1Hooks.before = (sql) => {
    if (!isUsage(sql)) told.tries++;
    throw new Error('D1_ERROR: Network connection lost.');
  };
  return told;
}

export function reconnect(service: TestService): void {
  delete service.d1Hooks.before;
}

/** KV takes nothing more from an isolate: what others read there grows ever staler. */
export function refuseKvWrites(service: TestService): void {
  service.kvHooks.before = (operation) => {
    if (operation !== 'get') throw new Error('KV PUT failed: 429 Too Many Requests');
  };
}

/** Something to wait for until a test lets it go on. */
export function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

/** Waits until something is so. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Waits until so many requests of this isolate wait for D1 or KV by a deadline. */
export const untilWaiting = (service: TestService, requests = 1): Promise<void> =>
  until(() => service.deadlines() >= requests);

/** Lets D1 answer an isolate only when the test says so. Tells how often it is asked. */
export function holdUp(service: TestService): { asked: number; readonly letGo: () => void } {
  const held = gate();
  const told = { asked: 0, letGo: held.open };
  service.d1Hooks.before = (sql) => {
    if (isUsage(sql)) return undefined;
    told.asked++;
    return held.passed;
  };
  return told;
}
