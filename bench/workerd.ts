import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

import { convertV4MiniflareOptions, Miniflare, type V4MiniflareOptions } from 'miniflare';
import pidusage from 'pidusage';

export type WorkerOptions = Extract<V4MiniflareOptions, { workers: unknown }>['workers'][number];

/** workerd, in which each Worker listens on this machine by itself, with no proxy before it. */
export interface Workerd extends AsyncDisposable {
  readonly databaseOf: (worker: string) => Promise<D1Database>;
  /** Where a Worker listens. */
  readonly urlOf: (worker: string) => Promise<string>;
  /** What the whole process has used of the CPU so far, user's and system's time, in milliseconds. */
  readonly cpuMs: () => Promise<number>;
}

/** Starts it; `await using` ends it. */
export async function startWorkerd(workers: readonly WorkerOptions[]): Promise<Workerd> {
  const started: ChildProcess[] = [];
  const note = (message: unknown): void => {
    started.push((message as { process: ChildProcess }).process);
  };
  subscribe('child_process', note);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      workers: workers.map((worker) => ({
        ...worker,
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      })),
      // What they log is their own business.
      handleStructuredLogs: () => {},
    }),
  );
  try {
    await miniflare.ready;
  } finally {
    unsubscribe('child_process', note);
  }
  const pid = started.find(({ spawnfile }) => spawnfile.includes('workerd'))?.pid;
  if (pid === undefined) throw new Error('miniflare started no workerd');
  return {
    databaseOf: (worker) => miniflare.getD1Database('DB', worker),
    urlOf: async (worker) => (await miniflare.unsafeGetDirectURL(worker)).origin,
    cpuMs: async () => (await pidusage(pid)).ctime,
    [Symbol.asyncDispose]: () => miniflare.dispose(),
  };
}
