import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';

import { Hono } from 'hono';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTestHarness } from 'wrangler';

import { createClient, orThrow, verifyRequest, type Client, type Endpoint } from '../../src/client/client.ts';
import { mintmark } from '../../src/client/hono.ts';

const ROOT_KEY = 'faults-test-root-key-0123456789-abcdefghi';
/** For what never ends; the rest has the time that it takes. */
const TIMEOUT_MS = 200;

const harness = createTestHarness({
  workers: [{ configPath: 'wrangler.toml', secrets: { MINTMARK_ROOT_KEY: ROOT_KEY } }],
});

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly body: string;
}
/** What happens to one request on its way to Mintmark, or to the answer on its way back. */
type Fault = (exchange: Exchange) => unknown;

let mintmarkUrl: URL;

async function answerOf({ incoming, body }: Exchange): Promise<{ answer: IncomingMessage; bytes: Buffer }> {
  const { method = 'GET', url = '/', headers } = incoming;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = forward(String(new URL(url, mintmarkUrl)), { method, headers, agent: false }, resolve);
    sent.on('error', reject).end(body);
  });
  return { answer, bytes: await buffer(answer) };
}

const headersOf = ({ headers }: IncomingMessage) => ({ ...headers, connection: 'close' });
const passed: Fault = async (exchange) => {
  const { answer, bytes } = await answerOf(exchange);
  exchange.outgoing.writeHead(answer.statusCode ?? 0, headersOf(answer)).end(bytes);
};
const reset: Fault = ({ incoming }) => incoming.socket.resetAndDestroy();
const hung: Fault = () => undefined;
const doneThenReset: Fault = async (exchange) => {
  await answerOf(exchange);
  exchange.incoming.socket.resetAndDestroy();
};
const brokenOff: Fault = async (exchange) => {
  const { answer, bytes } = await answerOf(exchange);
  const { outgoing, incoming } = exchange;
  outgoing.writeHead(answer.statusCode ?? 0, headersOf(answer));
  outgoing.write(bytes.subarray(0, bytes.length / 2), () => incoming.socket.destroy());
};
const hungAfterHeaders: Fault = ({ outgoing }) => {
  outgoing.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 500 }).write('{"valid":');
};
const answered =
  (status: number, body: string | object, headers: Readonly<Record<string, string>> = {}): Fault =>
  ({ outgoing }) =>
    outgoing.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
const endless = (plan: readonly Fault[]) => plan.includes(hung) || plan.includes(hungAfterHeaders);
const html = '<html><body>Bad gateway</body></html>';
const flooded = answered(429, { code: 'rate_limited', status: 429, detail: 'Wait.' }, { 'Retry-After': '7' });

/** What came through, and what is to happen to it in turn; after that everything passes. */
const seen: { call: string; headers: IncomingMessage['headers']; body: string }[] = [];
let faults: Fault[] = [];

const proxy = createServer((incoming, outgoing) => {
  // Each attempt has a connection of its own: what became of the last one is not to be found out by it.
  outgoing.shouldKeepAlive = false;
  void text(incoming)
    .then((body) => {
      seen.push({ call: `${incoming.method} ${incoming.url}`, headers: incoming.headers, body });
      return (faults.shift() ?? passed)({ incoming, outgoing, body });
    })
    .catch(() => incoming.socket.destroy());
});
/** A server that Mintmark is not. */
let visits = 0;
const elsewhere = createServer((_, response) => {
  visits += 1;
  response.end('{}');
});
async function opened(server: typeof proxy): Promise<string> {
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let [url, closedUrl, elsewhereUrl] = ['', '', ''];
let [credential, powerless, key] = ['', '', ''];
let root: Client;

async function mint(...permissions: string[]) {
  const account = orThrow(await root.serviceAccounts.create({ name: crypto.randomUUID(), permissions }));
  return orThrow(await root.keys.create({ name: 'key', serviceAccountId: account.id }));
}

beforeAll(async () => {
  ({ url: mintmarkUrl } = await harness.listen());
  await harness.getWorker<{ DB: D1Database }>('mintmark').applyD1Migrations('DB');
  root = createClient({ url: mintmarkUrl, credential: ROOT_KEY });
  ({ secret: credential } = await mint('mintmark:keys:verify'));
  ({ secret: powerless } = await mint('files:read'));
  ({ secret: key } = await mint('files:read'));
  [url, elsewhereUrl] = await Promise.all([opened(proxy), opened(elsewhere)]);
  const closed = createServer();
  closedUrl = await opened(closed);
  closed.close();
});
afterAll(async () => {
  for (const server of [proxy, elsewhere]) server.closeAllConnections();
  for (const server of [proxy, elsewhere]) server.close();
  await harness.close();
});

let logged: string;
beforeEach(() => {
  [faults, logged, visits] = [[], '', 0];
  seen.length = 0;
  vi.spyOn(console, 'error').mockImplementation((...lines) => void (logged += lines.map(String).join(' ')));
});
afterEach(() => void vi.restoreAllMocks());

interface Asked {
  readonly credential?: string;
  readonly url?: string;
  readonly organization?: string;
  readonly fetch?: Endpoint['fetch'];
}
/** `VALID` or the word of the refusal, and, in `told`, everything that was told to anybody. */
type Said = Readonly<Record<'code' | 'told', string> & { status: number; retryAfter: string | null }>;

const optionsOf = (asked: Asked) => {
  const patience = endless(faults) ? { timeoutMs: TIMEOUT_MS } : {};
  return { url, credential, ...patience, ...asked };
};
const requestWith = (presented: string) =>
  new Request('http://api.example/', { headers: { Authorization: `Bearer ${presented}` } });

async function saidBy(response: Response, ...rest: unknown[]): Promise<Said> {
  const body = await response.text();
  const code = response.ok ? 'VALID' : (JSON.parse(body) as { code: string }).code;
  const { status, headers } = response;
  const told = JSON.stringify([body, [...headers], rest]);
  return { code, status, retryAfter: headers.get('Retry-After'), told };
}

/** Each way of asking for the verdict on a key. */
const ENTRANCES: Readonly<Record<string, (asked?: Asked) => Promise<Said>>> = {
  verifyRequest: async (asked = {}) => {
    const outcome = await verifyRequest(requestWith(key), optionsOf(asked));
    return outcome.ok ? saidBy(new Response()) : saidBy(outcome.response, outcome.refusal);
  },
  'the middleware': async (asked = {}) => {
    const app = new Hono().use(mintmark(optionsOf(asked))).get('/', (c) => c.text('ok'));
    return saidBy(await app.request(requestWith(key)));
  },
  'client.verify': async (asked = {}) => {
    const answer = await createClient(optionsOf(asked)).verify({ key });
    const [code, status] = 'error' in answer ? [answer.error.code, answer.error.status] : [answer.code, 200];
    return { code, status, retryAfter: null, told: JSON.stringify(answer) };
  },
};

/** Nobody is told a secret, whatever went wrong. */
function expectDiscreet(told: string): void {
  for (const secret of [key, credential, powerless, ROOT_KEY]) expect(told + logged).not.toContain(secret);
}

describe.for(Object.entries(ENTRANCES))('%s', ([name, ask]) => {
  const isClient = name === 'client.verify';

  async function holds(plan: readonly Fault[], code: string, attempts: number, asked?: Asked) {
    faults = [...plan];
    const start = performance.now();
    const said = await ask(asked);
    if (endless(plan)) expect(performance.now() - start).toBeLessThan(TIMEOUT_MS + 1_500);
    expect({ code: said.code, attempts: seen.length, visits }).toEqual({ code, attempts, visits: 0 });
    expect(said.status).toBe({ VALID: 200, unavailable: 503, rate_limited: 429 }[code]);
    expect(new Set(seen.map(({ call }) => call)).size).toBeLessThan(2);
    expect(new Set(seen.map(({ body }) => body)).size, 'sent again as it was').toBeLessThan(2);
    if (code === 'unavailable' && !isClient) expect(said.retryAfter).toMatch(/^\d+$/);
    expectDiscreet(said.told);
    return said;
  }

  it('has the verdict over a connection that holds', () => holds([], 'VALID', 1));

  it.for<[string, Fault]>([
    ['before an answer', reset],
    ['once Mintmark had done its part', doneThenReset],
    ['in the midst of the answer', brokenOff],
  ])('asks once more when the connection breaks %s, and no third time', async ([, fault]) => {
    await holds([fault], 'VALID', 2);
    seen.length = 0;
    await holds([fault, fault], 'unavailable', 2);
    seen.length = 0;
    await holds([fault, answered(500, html)], 'unavailable', 2);
  });

  it('is unavailable where nobody listens', () => holds([], 'unavailable', 0, { url: closedUrl }));

  it.for<[string, readonly Fault[], number]>([
    ['no answer comes', [hung], 1],
    ['an answer’s body does not come', [hungAfterHeaders], 1],
    ['the second attempt has no answer', [reset, hung], 2],
  ])('waits no longer than it was told where %s', async ([, plan, attempts]) => {
    let calls = 0;
    const counted: Endpoint['fetch'] = (to, init) => {
      calls += 1;
      return fetch(to, init);
    };
    await holds(plan, 'unavailable', attempts, { fetch: counted });
    expect(calls).toBe(attempts);
  });

  it.for<[string, Fault]>([
    ['500 in HTML', answered(500, html)],
    ['502 in HTML', answered(502, html, { 'Content-Type': 'text/html' })],
    ['503 without a body', answered(503, '')],
    ['403 of a firewall', answered(403, html)],
    ['404 of another server', answered(404, { message: 'Not Found' })],
    ['200 in HTML', answered(200, html)],
    ['200 without a body', answered(200, '')],
    ['204', answered(204, '')],
    ['200 with {}', answered(200, {})],
    ['200 with null', answered(200, 'null')],
    ['200 with half a verdict', answered(200, { valid: true, code: 'VALID' })],
    ['200 with another yes', answered(200, { valid: 'yes', code: 'VALID' })],
    ['200 with a list', answered(200, [{ valid: true, code: 'VALID' }])],
    ['200 with JSON that is cut', answered(200, '{"valid":true,"code":"VALID","keyId":"key_1"')],
  ])('is unavailable, at the first attempt, where it is answered %s', async ([, fault]) => {
    await holds([fault], 'unavailable', 1);
  });

  it.for([301, 302, 303, 307, 308])('goes nowhere else for a %d', async (status) => {
    await holds([answered(status, '', { Location: `${elsewhereUrl}/v1/api-keys/verify` })], 'unavailable', 1);
  });

  it.for<[string, string, () => Asked]>([
    ['is none', 'invalid_credential', () => ({ credential: 'nonsense' })],
    ['may not verify', 'insufficient_scope', () => ({ credential: powerless })],
  ])('has no verdict for a credential of its own that %s', async ([, code, asked]) => {
    const said = await ask(asked());
    expect(said).toMatchObject(isClient ? { code } : { code: 'unavailable', status: 503 });
    expect(seen).toHaveLength(1);
    expectDiscreet(said.told);
  });

  it('finds no key in an organization that its credential does not see', async () => {
    const said = await ask({ organization: `org_${'z'.repeat(24)}` });
    expect(said).toMatchObject(
      isClient ? { code: 'not_found' } : { code: 'invalid_credential', status: 401 },
    );
    expect(seen).toHaveLength(1);
    expectDiscreet(said.told);
  });

  it('is unavailable, whatever organization is asked for, where nothing is served at its address', async () => {
    const detail = 'There is nothing at this path.';
    faults = [answered(404, { code: 'not_found', detail })];
    const said = await ask({ organization: `org_${'0'.repeat(24)}` });
    expect(said).toMatchObject(isClient ? { code: 'not_found' } : { code: 'unavailable', status: 503 });
  });

  it('passes on that there were too many, and when to come back', async () => {
    const said = await holds([flooded], 'rate_limited', 1);
    if (!isClient) expect(said.retryAfter).toBe('7');
    seen.length = 0;
    await holds([answered(429, html, { 'Retry-After': '7' })], 'unavailable', 1);
  });

  it('repeats no secret after an answer that does', async () => {
    const echo: Fault = ({ incoming, outgoing, body }) => {
      const detail = `${incoming.headers.authorization} ${body}`;
      outgoing
        .writeHead(500)
        .end(JSON.stringify({ code: 'internal', detail, errors: [{ path: 'key', message: body }] }));
    };
    faults = [echo];
    const said = await ask();
    expect(said.code).toBe(isClient ? 'internal' : 'unavailable');
    expectDiscreet(said.told);
  });

  it('repeats no secret after an error that does', async () => {
    const thrown = await ask({
      fetch: async (to, init) => Promise.reject(new Error(`${to} ${JSON.stringify(init)}`)),
    });
    expect(thrown.code).toBe('unavailable');
    expectDiscreet(thrown.told);
  });
});

it.for(['e', '"', '{', 'error', ''])('a client says why, also where it asks about %j', async (asked) => {
  const fetch = () => Promise.reject(new Error('connection refused'));
  expect(await createClient({ url, credential, fetch }).verify({ key: asked })).toMatchObject({
    error: { code: 'unavailable', detail: 'Error: connection refused' },
  });
});

describe('a client', () => {
  const [keyId, accountId] = [`key_${'0'.repeat(24)}`, `sa_${'0'.repeat(24)}`];
  const organizationId = `org_${'0'.repeat(24)}`;
  const name = 'a name';

  async function holds(plan: readonly Fault[], call: (client: Client) => Promise<object>, attempts: number) {
    faults = [...plan];
    seen.length = 0;
    const answer = await call(createClient(optionsOf({ credential: ROOT_KEY })));
    expect({ attempts: seen.length, visits }).toEqual({ attempts, visits: 0 });
    expectDiscreet(JSON.stringify(answer));
    return 'error' in answer ? (answer.error as { code: string }).code : 'no refusal';
  }

  it.for<[string, (client: Client) => Promise<object>]>([
    ['whoami', (client) => client.whoami()],
    ['keys.get', async ({ keys }) => keys.get(orThrow(await root.keys.list({ limit: 1 })).data[0]?.id ?? '')],
    ['keys.list', ({ keys }) => keys.list({ status: 'active' })],
    ['serviceAccounts.list', ({ serviceAccounts }) => serviceAccounts.list()],
    ['organizations.get', ({ organizations }) => organizations.get(organizationId)],
    ['organizations.list', ({ organizations }) => organizations.list()],
    ['auditEvents.list', ({ auditEvents }) => auditEvents.list({ limit: 1 })],
  ])('reads once more when the connection breaks: %s', async ([, call]) => {
    for (const fault of [reset, doneThenReset, brokenOff]) {
      expect(await holds([fault], call, 2)).toBe('no refusal');
      expect(await holds([fault, fault], call, 2)).toBe('unavailable');
    }
    for (const fault of [hung, answered(500, html), answered(302, '', { Location: elsewhereUrl })]) {
      expect(await holds([fault], call, 1)).toBe('unavailable');
    }
  });

  it.for<[string, (client: Client) => Promise<object>]>([
    ['keys.create', ({ keys }) => keys.create({ name, userId: 'ada', scopes: [] })],
    ['keys.update', ({ keys }) => keys.update(keyId, { name })],
    ['keys.rotate', ({ keys }) => keys.rotate(keyId)],
    ['keys.revoke', ({ keys }) => keys.revoke(keyId)],
    ['keys.delete', ({ keys }) => keys.delete(keyId)],
    ['serviceAccounts.create', ({ serviceAccounts }) => serviceAccounts.create({ name })],
    ['serviceAccounts.update', ({ serviceAccounts }) => serviceAccounts.update(accountId, { name })],
    ['serviceAccounts.disable', ({ serviceAccounts }) => serviceAccounts.disable(accountId)],
    ['serviceAccounts.enable', ({ serviceAccounts }) => serviceAccounts.enable(accountId)],
    ['serviceAccounts.delete', ({ serviceAccounts }) => serviceAccounts.delete(accountId)],
    ['organizations.create', ({ organizations }) => organizations.create({ name })],
    ['organizations.update', ({ organizations }) => organizations.update(organizationId, { name })],
    ['organizations.delete', ({ organizations }) => organizations.delete(organizationId)],
  ])('changes something at most once, and says that it does not know: %s', async ([, call]) => {
    const moved = answered(307, '', { Location: elsewhereUrl });
    const broken = [reset, doneThenReset, brokenOff, hung, hungAfterHeaders];
    for (const fault of [...broken, answered(502, html), moved]) {
      expect(await holds([fault], call, 1)).toBe('outcome_unknown');
    }
  });

  it('has changed it once, where Mintmark got to hear of it', async () => {
    const userId = crypto.randomUUID();
    const made = ({ keys }: Client) => keys.create({ name, userId, scopes: [] });
    expect(await holds([doneThenReset], made, 1)).toBe('outcome_unknown');
    expect(orThrow(await root.keys.list({ userId })).data).toHaveLength(1);
    expect(await holds([reset], made, 1)).toBe('outcome_unknown');
    expect(orThrow(await root.keys.list({ userId })).data).toHaveLength(1);
  });

  it('hands on what Mintmark refuses, and waits for no more', async () => {
    const deleted = ({ keys }: Client) => keys.delete(keyId);
    expect(await holds([flooded], deleted, 1)).toBe('rate_limited');
    expect(await holds([], deleted, 1)).toBe('not_found');
  });
});

describe('the client’s address, outside of Workers', () => {
  const sent = { 'X-Forwarded-For': '203.0.113.9', 'CF-Connecting-IP': '203.0.113.9', Cookie: 'a=b' };
  const request = () =>
    new Request(requestWith(key), { headers: { ...sent, Authorization: `Bearer ${key}` } });

  const WAYS: Readonly<Record<string, (ip?: string | null) => Promise<unknown>>> = {
    verifyRequest: (...ip) =>
      verifyRequest(request(), { url, credential, ...(ip.length > 0 ? { ip: ip[0] } : {}) }),
    'the middleware': async (...ip) =>
      new Hono()
        .use(mintmark({ url, credential, ...(ip.length > 0 ? { ip: () => ip[0] } : {}) }))
        .request(request()),
  };

  it.for(Object.entries(WAYS))(
    'is what it is told, and nothing that a client can send: %s',
    async ([, ask]) => {
      const toldTo = async (...ip: [(string | null)?]) => {
        seen.length = 0;
        await ask(...ip);
        expect(JSON.stringify(seen)).not.toContain('203.0.113.9');
        expect(seen[0]?.headers).not.toHaveProperty('cookie');
        return (JSON.parse(seen[0]?.body ?? '') as { ip?: string }).ip;
      };
      expect(await toldTo()).toBeUndefined();
      expect(await toldTo('198.51.100.7')).toBe('198.51.100.7');
      expect(await toldTo('2001:db8::7')).toBe('2001:db8::7');
      for (const none of [null, undefined, '', 'unknown']) expect(await toldTo(none)).toBeUndefined();
    },
  );
});
