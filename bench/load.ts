import autocannon from 'autocannon';

import type { Sample } from './contest.ts';

/** A request that is sent again and again. */
export interface Target {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  /** A function makes another for each request. */
  readonly body?: string | (() => string);
  /** With a function, another for each request. */
  readonly path: string | (() => string);
  /** What every answer must have: to be refused quickly is no speed. */
  readonly status: number;
}

export interface Load {
  readonly connections: number;
  /** How many calls one request makes. */
  readonly callsInRequest: number;
  /** What has been used of the CPU so far. */
  readonly cpuMs: () => Promise<number>;
}

/** It is looked so often whether all has been answered. */
const CHECK_INTERVAL_MS = 20;

/** Sends requests for so many calls. Throws where one is not answered as it should be. */
export async function load(
  target: Target,
  { connections, callsInRequest, cpuMs }: Load,
  calls: number,
): Promise<Sample> {
  const requests = Math.max(connections, Math.ceil(calls / callsInRequest));
  const latenciesMs: number[] = [];
  const statuses = new Set<number>();
  let startedAt = 0;
  let endedAt = 0;
  const cpuBefore = await cpuMs();
  const { errors, timeouts } = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(
      {
        url: target.url,
        connections,
        amount: requests,
        requests: [requestOf(target)],
        sampleInt: CHECK_INTERVAL_MS,
      },
      (error: Error | null, result) => (error === null ? resolve(result) : reject(error)),
    );
    run.on('start', () => (startedAt = performance.now()));
    run.on('response', (_, status, __, latencyMs) => {
      endedAt = performance.now();
      latenciesMs.push(latencyMs);
      statuses.add(status);
    });
  });
  const cpu = (await cpuMs()) - cpuBefore;
  statuses.delete(target.status);
  if (errors + timeouts + statuses.size > 0 || latenciesMs.length !== requests)
    throw new Error(
      `${target.method} ${target.url}: ${errors} errors, ${timeouts} timeouts, ${latenciesMs.length} of ${requests} answers, also ${[...statuses].join(', ')}`,
    );
  return {
    calls: requests * callsInRequest,
    elapsedMs: endedAt - startedAt,
    cpuMs: cpu,
    latenciesMs: latenciesMs.map((ms) => ms / callsInRequest),
  };
}

function requestOf({ method, headers, body, path }: Target): autocannon.Request {
  const fixed = { method, headers: { ...headers } };
  if (typeof path === 'string' && typeof body !== 'function')
    return { ...fixed, path, ...(body === undefined ? {} : { body }) };
  const made = (): Pick<autocannon.Request, 'path' | 'body'> => ({
    path: typeof path === 'function' ? path() : path,
    ...(body === undefined ? {} : { body: typeof body === 'function' ? body() : body }),
  });
  return { ...fixed, ...made(), setupRequest: (request) => ({ ...request, ...made() }) };
}
