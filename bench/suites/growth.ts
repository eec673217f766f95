import { randomInt } from 'node:crypto';

import { encodeCursor } from '../../src/contract/fields.ts';
import { DEFAULT_ORGANIZATION_ID, type KeyId } from '../../src/core/id.ts';
import type { Code } from '../bundle.ts';
import type { Judge } from '../contest.ts';
import { load, type Load, type Target } from '../load.ts';
import {
  AS_ROOT,
  bearer,
  bindingsOf,
  JSON_TYPE,
  makeAccount,
  mintKey,
  newSecret,
  ready,
  worker,
} from '../mintmark.ts';
import { startWorkerd, type Workerd } from '../workerd.ts';

const FEW = 1_000;
const CONNECTIONS = 4;
/** Rows in one statement: D1 gives it thirty seconds. */
const ROWS_IN_STATEMENT = 20_000;
/** Keys whose secrets are known, so that they can be asked about. */
const KNOWN = 100;

/** ?1 and ?2: from which number on, up to which; ?3 whose, ?4 of which account. Digests as any secret might have. */
const FILL = `INSERT INTO api_keys (id, organization_id, service_account_id, name, folded_name, environment, digest, start,
    fingerprint, scopes, metadata, enabled, created_at, created_by, updated_at, updated_by, revision)
  WITH RECURSIVE numbers (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?2)
  SELECT 'key_' || printf('%024d', n), ?3, ?4, 'key ' || n, 'KEY ' || n, 'live', lower(hex(randomblob(32))),
    'mk_live_' || substr(lower(hex(randomblob(2))), 1, 4), lower(hex(randomblob(2))), '["files:read"]', '{}', 1, n, 'root', n, 'root', 1
  FROM numbers`;

/** What D1 is asked, where one organization has `many` keys, beside one that has a thousand. */
export async function measureGrowth({ mintmark }: Code, many: number, judge: Judge): Promise<void> {
  await using workerd = await startWorkerd([
    worker('many', mintmark, bindingsOf('many')),
    worker('few', mintmark, bindingsOf('few')),
  ]);
  const [big, small] = [await fill(workerd, 'many', many), await fill(workerd, 'few', FEW)];
  const how: Load = { connections: CONNECTIONS, callsInRequest: 1, cpuMs: workerd.cpuMs };
  for (const [name, targetOf] of [
    ['a miss: an unknown key', unknownKey],
    ['a key asked of D1 (`maxStaleness` 0)', knownKey],
    ['a page of 50 keys', page],
  ] as const) {
    const [ours, theirs] = [targetOf(big), targetOf(small)];
    await judge({
      name: `${name}, among ${many.toLocaleString('en')}`,
      beside: `among ${FEW.toLocaleString('en')}`,
      measure: 'cpu',
      aim: 1.2,
      ours: (calls) => load(ours, how, calls),
      theirs: (calls) => load(theirs, how, calls),
    });
  }
}

/** A Mintmark whose default organization has so many keys. */
interface Filled {
  readonly url: string;
  readonly keys: number;
  /** A key that may verify others. */
  readonly asking: string;
  readonly known: readonly string[];
}

async function fill(workerd: Workerd, name: string, keys: number): Promise<Filled> {
  const url = await ready(workerd, name);
  const { id, secret } = await makeAccount(url, ['mintmark:keys:verify', 'files:read']);
  const database = await workerd.databaseOf(name);
  for (let from = 0; from < keys; from += ROWS_IN_STATEMENT) {
    const to = Math.min(keys, from + ROWS_IN_STATEMENT);
    await database.prepare(FILL).bind(from, to, DEFAULT_ORGANIZATION_ID, id).run();
  }
  const known: string[] = [];
  while (known.length < KNOWN) known.push(await mintKey(url, id));
  return { url, keys, asking: secret, known };
}

const asked = ({ url, asking }: Filled, body: () => object): Target => ({
  url,
  method: 'POST',
  path: '/v1/api-keys/verify',
  headers: { ...JSON_TYPE, ...bearer(asking) },
  body: () => JSON.stringify(body()),
  status: 200,
});

/** Each from another address, since from one so many would be refused. */
const unknownKey = (filled: Filled): Target =>
  asked(filled, () => ({ key: newSecret(), ip: `10.${randomInt(256)}.${randomInt(256)}.${randomInt(256)}` }));

const knownKey = (filled: Filled): Target =>
  asked(filled, () => ({ key: filled.known[randomInt(filled.known.length)], maxStaleness: 0 }));

const page = ({ url, keys }: Filled): Target => ({
  url,
  method: 'GET',
  path: () => `/v1/api-keys?limit=50&cursor=${encodeCursor(idOf(randomInt(50, keys)))}`,
  headers: AS_ROOT,
  status: 200,
});

const idOf = (number: number): KeyId => `key_${String(number).padStart(24, '0')}`;
