import type { Hono, MiddlewareHandler } from 'hono';

import { refuse, type Result } from '../core/refusal.ts';
import type { CallerPlaces } from '../http/caller.ts';
import type { ManagementEnv } from '../http/env.ts';
import type { RefusalWriter } from '../http/refusal_writer.ts';
import type { Accounts } from '../keyring/accounts.ts';
import type { Enrolments } from '../keyring/enrolments.ts';
import type { Keys } from '../keyring/keys.ts';
import type { Rotations } from '../keyring/rotations.ts';
import type { TokenServices } from '../standards/token.ts';

/** What dialects translate to. */
export interface DialectServices {
  readonly accounts: Accounts;
  readonly enrolments: Enrolments;
  readonly keys: Keys;
  readonly rotations: Rotations;
  readonly tokens: TokenServices;
  readonly clock: () => number;
}

/** Another system's wire format for the same accounts and keys. */
export interface Dialect {
  /** Where everything in it is served, and below that the system's own path. */
  readonly prefix: `/compat/${string}`;
  readonly basePath: `/${string}`;
  /** How a call says who it is and which organization it means. */
  readonly caller: CallerPlaces;
  readonly writeRefusal: RefusalWriter;
  readonly routes: (
    manage: MiddlewareHandler<ManagementEnv>,
    services: DialectServices,
  ) => Hono<ManagementEnv>;
}

/** The keyring's faults by the names that a format has for its fields; those of a list's items by the list's. */
export function inNames<Value>(result: Result<Value>, names: ReadonlyMap<string, string>): Result<Value> {
  if (result.ok || result.refusal.kind !== 'invalid') return result;
  const faults = result.refusal.faults.map(({ path, message }) => {
    const [field = ''] = path.split('.', 1);
    return { path: names.get(field) ?? path, message };
  });
  // The items of a list may all break one rule.
  const distinct = new Map(faults.map((fault) => [JSON.stringify(fault), fault]));
  return refuse({ kind: 'invalid', faults: [...distinct.values()] });
}
