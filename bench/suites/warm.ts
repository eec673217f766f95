import type { Code } from '../bundle.ts';
import type { Judge, Side } from '../contest.ts';
import { load, type Target } from '../load.ts';
import { bearer, bindingsOf, JSON_TYPE, makeAccount, mistyped, ready, worker } from '../mintmark.ts';
import { startWorkerd } from '../workerd.ts';
import type { Errand } from '../workers/alone.ts';
import type { Constant } from '../workers/bare.ts';
import type { Calls } from '../workers/caller.ts';
import type { CheckedPath, Floor } from '../workers/floor.ts';

const CONNECTIONS = 16;
/** Calls of another Worker in one request, so that what the request costs is little beside them. */
const CALLS_IN_REQUEST = 50;
/** One after the other in one isolate. */
const TIMES_ALONE = 2_000;

/** Keys that the isolate remembers: what every call after the first costs. */
export async function measureWarm(code: Code, betterAuth: Side, judge: Judge): Promise<void> {
  await using workerd = await startWorkerd([
    worker('mintmark', code.mintmark, bindingsOf('warm')),
    worker('bare', code.bare),
    worker('floor', code.floor),
    worker('alone', code.alone, bindingsOf('warm')),
    worker('caller', code.caller, {
      serviceBindings: {
        MINTMARK: { name: 'mintmark', entrypoint: 'Verifier' },
        BARE: { name: 'bare', entrypoint: 'Empty' },
      },
    }),
  ]);
  const mintmark = await ready(workerd, 'mintmark');
  const bare = await workerd.urlOf('bare');
  const floor = await workerd.urlOf('floor');
  const caller = await workerd.urlOf('caller');
  const alone = await workerd.urlOf('alone');
  const { secret } = await makeAccount(mintmark, ['files:read', 'files:write']);
  const { secret: asking } = await makeAccount(mintmark, ['mintmark:keys:verify']);

  const asked = (key: string, status: number): Target => ({
    url: mintmark,
    method: 'POST',
    path: '/v1/api-keys/verify',
    headers: { ...JSON_TYPE, ...bearer(asking) },
    body: JSON.stringify({ key, scopes: ['files:read'] }),
    status,
  });
  const shown = (path: string, key: string, status: number): Target => ({
    url: mintmark,
    method: 'GET',
    path,
    headers: bearer(key),
    status,
  });
  const FORWARD_AUTH = '/v1/forward-auth/default/files:read';
  const overHttp = { connections: CONNECTIONS, callsInRequest: 1, cpuMs: workerd.cpuMs };
  for (const [name, aim, target, digests] of [
    ['`POST /v1/api-keys/verify`', 1.5, asked(secret, 200), 2],
    ['`GET /v1/whoami`', 1.3, shown('/v1/whoami', secret, 200), 1],
    ['forward-auth', 1.3, shown(FORWARD_AUTH, secret, 204), 1],
    ['forward-auth, malformed key', 1.2, shown(FORWARD_AUTH, mistyped(secret), 401), 0],
    ['`POST /v1/api-keys/verify`, malformed key', 1.2, asked(mistyped(secret), 200), 1],
  ] as const) {
    const constant = await answerOf(target);
    await sayConstant(bare, constant);
    await sayConstant(floor, { ...constant, digests });
    const contest = {
      beside: 'a bare Worker',
      measure: 'cpu',
      theirs: (calls: number) => load({ ...target, url: bare }, overHttp, calls),
    } as const;
    await judge({ ...contest, name, aim, ours: (calls) => load(target, overHttp, calls) });
    await judge({
      ...contest,
      name: `… without Mintmark: Hono, ${digests} SHA-256`,
      aim: null,
      ours: (calls) => load({ ...target, url: floor }, overHttp, calls),
    });
    if (target.body === undefined) continue;
    await judge({
      ...contest,
      name: '… and its body bounded, with a deadline, and held to its schema',
      aim: null,
      ours: (calls) =>
        load({ ...target, url: floor, path: '/checked' satisfies CheckedPath }, overHttp, calls),
    });
  }

  await judge({
    name: '`POST /v1/api-keys/verify`, over HTTP',
    beside: 'better-auth, in process',
    measure: 'cpu',
    aim: null,
    ours: (calls) => load(asked(secret, 200), overHttp, calls),
    theirs: betterAuth,
  });

  const repeated = (url: string, body: Calls | Errand) => (calls: number) =>
    load(
      { url, method: 'POST', path: '/', headers: JSON_TYPE, body: JSON.stringify(body), status: 204 },
      { connections: 1, callsInRequest: body.times, cpuMs: workerd.cpuMs },
      calls,
    );
  const call = (name: Calls['call']) =>
    repeated(caller, { call: name, times: CALLS_IN_REQUEST, key: secret });
  await sayConstant(bare, await answerOf(asked(secret, 200)));
  await judge({
    name: 'verification over RPC',
    beside: 'an empty RPC call',
    measure: 'cpu',
    aim: 1.25,
    ours: call('verify'),
    theirs: call('empty'),
  });
  await judge({
    name: '… without Mintmark: the same request and answer, 1 SHA-256',
    beside: 'an empty RPC call',
    measure: 'cpu',
    aim: null,
    ours: call('constant'),
    theirs: call('empty'),
  });
  const errand = (what: Errand['what']) => repeated(alone, { what, times: TIMES_ALONE, key: secret });
  await judge({
    name: 'the verify function alone',
    beside: 'one SHA-256',
    measure: 'cpu',
    aim: 3,
    ours: errand('verify'),
    theirs: errand('digest'),
  });
}

/** What a bare Worker answers with instead: the same bytes. */
async function answerOf({ url, path, method, headers, body }: Target): Promise<Constant> {
  const sent = typeof body === 'string' ? { body } : {};
  const response = await fetch(`${url}${String(path)}`, { method, headers, ...sent });
  const text = await response.text();
  const own = [...response.headers].filter(([name]) => !MADE_BY_WORKERD.has(name));
  return { status: response.status, headers: Object.fromEntries(own), body: text === '' ? null : text };
}

const MADE_BY_WORKERD: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'transfer-encoding',
]);

async function sayConstant(to: string, constant: Constant | Floor): Promise<void> {
  await fetch(to, { method: 'PUT', body: JSON.stringify(constant) });
}
