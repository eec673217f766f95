import { env } from 'cloudflare:workers';
import { Hono, type Context } from 'hono';

import {
  mintmark,
  type MintmarkOptions,
  type Refusal,
  type VerdictSource,
} from '../../../src/client/hono.ts';

interface Protected {
  Bindings: {
    readonly MINE: VerdictSource;
    readonly EVERY: VerdictSource;
    readonly NOBODY: VerdictSource;
    readonly MISSPELT: VerdictSource;
    readonly KEYS: VerdictSource;
    readonly LIAR: VerdictSource;
    readonly NOT_THERE: VerdictSource;
    readonly WITNESS: Fetcher;
    readonly ROOT_KEY: string;
  };
}
type Options = MintmarkOptions<Protected>;
type C = Context<Protected>;

const PATIENCE_MS = 1_500;

const service = (c: C) => c.env.MINE;
const never = (): Promise<never> => new Promise(() => {});
const broken = (): never => {
  throw new Error('broken');
};
/** What the request says where a type promises something better. */
const said = (c: C, name: 'of' | 'scopes') => JSON.parse(c.req.query(name) ?? 'null');

/** By name: beside another Worker's sources the type of `env` is that one's. */
const overBinding = (url: string, init: RequestInit): Promise<Response> =>
  (Reflect.get(env, 'MINTMARK') as Fetcher).fetch(url, init);

const refusals: Refusal[] = [];
const note = (refusal: Refusal): void => void refusals.push(refusal);

/** Each guards the paths under its name. */
const guards = {
  plain: { service },
  named: { service, realm: 'the "files" Ω\\api' },
  live: { service, environment: 'live' },
  test: { service, environment: 'test', onRefusal: note },
  fresh: { service, maxStaleness: 0 },
  here: { service, ip: () => '198.51.100.1' },
  hidden: { service, ip: () => null },

  writer: { service, scopes: ['files:read', 'files:write'] },
  unmeant: { service, scopes: [] },
  scoped: { service, scopes: (c) => [c.req.query('scope') ?? ''] },
  scopedLater: { service, scopes: async (c) => [await c.req.text()] },
  scopesSaid: { service, scopes: (c) => said(c, 'scopes') },
  scopesUndefined: { service, scopes: () => undefined as unknown as string[] },
  scopesBroken: { service, scopes: broken },
  scopesRejected: { service, scopes: () => Promise.reject(new Error('broken')) },
  scopesRejectedBare: { service, scopes: () => Promise.reject(Object.create(null)) },
  scopesNever: { service, scopes: never, timeoutMs: PATIENCE_MS },

  basic: { service, from: 'basic' },
  either: { service, from: ['bearer', 'basic'] },
  header: { service, from: { header: 'X-API-Key' } },
  any: { service, from: [{ header: 'X-API-Key' }, 'basic', 'bearer'] },

  everyone: { service: (c) => c.env.EVERY },
  tenant: { service: (c) => c.env.EVERY, organization: (c) => said(c, 'of') },
  tenantUndefined: { service: (c) => c.env.EVERY, organization: () => undefined },
  tenantBroken: { service: (c) => c.env.EVERY, organization: broken },
  tenantNever: { service: (c) => c.env.EVERY, organization: never, timeoutMs: PATIENCE_MS },
  own: { service, organization: (c) => said(c, 'of') },

  unbound: { service: (c) => c.env.NOT_THERE },
  serviceNull: { service: () => null },
  serviceBroken: { service: broken },
  misspelt: { service: (c) => c.env.MISSPELT },
  nobody: { service: (c) => c.env.NOBODY },
  keys: { service: (c) => c.env.KEYS },
  notRpc: { service: () => ({}) as VerdictSource },

  liar: { service: (c) => c.env.LIAR, timeoutMs: PATIENCE_MS },
  liarLive: { service: (c) => c.env.LIAR, environment: 'live' },
  liarScoped: { service: (c) => c.env.LIAR, scopes: (c) => said(c, 'scopes') },
  liarTenant: { service: (c) => c.env.LIAR, organization: (c) => said(c, 'of') },
  liarNoted: { service: (c) => c.env.LIAR, timeoutMs: PATIENCE_MS, onRefusal: note },

  remote: {
    url: 'https://mintmark.example/',
    credential: (c) => c.env.ROOT_KEY,
    organization: (c) => said(c, 'of'),
    fetch: overBinding,
  },
  remoteForbidden: {
    url: 'https://mintmark.example',
    credential: 'not-the-root-key',
    fetch: overBinding,
  },
  remoteCredentialBroken: { url: 'https://mintmark.example', credential: broken },
  remoteDown: {
    url: 'https://mintmark.example',
    credential: 'anything',
    fetch: () => Promise.reject(new Error('connection refused')),
  },
  remoteNever: {
    url: 'https://mintmark.example',
    credential: 'anything',
    fetch: never,
    timeoutMs: PATIENCE_MS,
  },

  noted: { service, scopes: ['files:read'], onRefusal: note },
  answered: { service, onRefusal: ({ code }, c) => c.text(`refused: ${code}`, 418) },
  answeredLater: { service, onRefusal: ({ code }, c) => Promise.resolve(c.text(`later: ${code}`, 418)) },
  onRefusalBroken: { service, onRefusal: broken },
  onRefusalRejected: { service, onRefusal: () => Promise.reject(new Error('broken')) },
} satisfies Readonly<Record<string, Options>>;
export type Guard = keyof typeof guards;

const runs: string[] = [];
const ran = (c: C) => runs.push(c.req.header('X-Run') ?? 'a run without a name');

const app = new Hono<Protected>();

for (const [name, options] of Object.entries<Options>(guards)) {
  app.use(`/${name}/*`, mintmark(options));
  app.all(`/${name}/run`, (c) => {
    ran(c);
    return c.json(c.var.mintmark, 200, { 'X-Handler': 'ran' });
  });
}

app.post('/plain/echo', async (c) => {
  ran(c);
  return c.text(await c.req.text());
});
app.get('/plain/broken', (c) => {
  ran(c);
  return broken();
});
app.get('/plain/missing', (c) => {
  ran(c);
  return c.notFound();
});
app.get('/liar/slow', async (c) => {
  ran(c);
  await scheduler.wait(PATIENCE_MS + 500);
  return c.json(c.var.mintmark);
});

app.use('/nested/*', mintmark<Protected>({ service, scopes: ['files:read'] }));
app.use('/nested/inner/*', mintmark<Protected>({ service, scopes: ['files:write'] }));
for (const path of ['/nested/run', '/nested/inner/run', '/beside', '/plainer/run'] as const) {
  app.all(path, (c) => {
    ran(c);
    return c.json({ verdict: c.var.mintmark ?? null });
  });
}

app.get('/told/runs', (c) => c.json(runs));
app.get('/told/refusals', (c) => c.json(refusals));
app.get('/told/calls', (c) => c.env.WITNESS.fetch('http://witness/'));

export default app;
