import type { Code } from '../bundle.ts';
import type { Judge } from '../contest.ts';
import { load, type Target } from '../load.ts';
import { AS_ROOT, bindingsOf, JSON_TYPE, makeAccount, ready, worker } from '../mintmark.ts';
import { startWorkerd } from '../workerd.ts';

const CLIENTS = 16;

/** Keys minted by several clients at once, beside rows inserted into the same database. */
export async function measureMinting({ mintmark, inserter }: Code, judge: Judge): Promise<void> {
  const bindings = bindingsOf('minting');
  await using workerd = await startWorkerd([
    worker('mintmark', mintmark, bindings),
    worker('inserter', inserter, bindings),
  ]);
  const url = await ready(workerd, 'mintmark');
  const database = await workerd.databaseOf('mintmark');
  await database
    .prepare('CREATE TABLE bench (id TEXT PRIMARY KEY, name TEXT, rest TEXT) WITHOUT ROWID')
    .run();
  const { id } = await makeAccount(url, ['files:read']);
  const minting: Target = {
    url,
    method: 'POST',
    path: `/v1/service-accounts/${id}/api-keys`,
    headers: { ...AS_ROOT, ...JSON_TYPE },
    body: JSON.stringify({ name: 'nightly', scopes: ['files:read'], expiresIn: '90d' }),
    status: 201,
  };
  const inserting = { ...minting, url: await workerd.urlOf('inserter') };
  const byAll = { connections: CLIENTS, callsInRequest: 1, cpuMs: workerd.cpuMs };
  const theirs = (calls: number) => load(inserting, byAll, calls);
  await judge({
    name: `minting, ${CLIENTS} clients`,
    beside: 'one row inserted',
    measure: 'rate',
    aim: 0.5,
    ours: (calls) => load(minting, byAll, calls),
    theirs,
  });
  await judge({
    name: '… without Mintmark: two rows by a batch, a value put into KV',
    beside: 'one row inserted',
    measure: 'rate',
    aim: null,
    ours: (calls) => load({ ...inserting, path: '/all' }, byAll, calls),
    theirs,
  });
}
