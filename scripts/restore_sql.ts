import { ID_RANDOM_LENGTH, ID_SEQUENCE_LENGTH } from '../src/core/constants.ts';
import { eventIdFrom } from '../src/core/id.ts';

/** A new life of a database that was restored. */
export interface NewLife {
  /** Its name, by which caches tell it from the one before: hexadecimal. */
  generation: string;
  /** When it begins, in epoch milliseconds of the database's clock. */
  at: number;
}

/** The request id of the audit events. */
export function requestIdOf({ generation }: NewLife): string {
  return `after-restore-${generation}`;
}

/** The keys that pass a verification at `now`, an SQL expression of epoch milliseconds. */
const liveKeysAt = (now: number | string): string => `FROM api_keys k
  JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN service_accounts a ON a.id = k.service_account_id
WHERE k.revoked_at IS NULL AND k.deleted_at IS NULL AND k.enabled = 1
  AND (k.expires_at IS NULL OR k.expires_at > ${now})
  AND a.disabled_at IS NULL AND a.deleted_at IS NULL AND o.deleted_at IS NULL`;

const DATABASE_CLOCK = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/** One row: how many keys are `live`, and the time by the database's clock, `now`. */
export const COUNT_LIVE_KEYS = `SELECT count(*) AS live, ${DATABASE_CLOCK} AS now
${liveKeysAt(DATABASE_CLOCK)}`;

const RANDOM_BYTES = Math.ceil(ID_RANDOM_LENGTH / 2);

/** An event's id, made for each row; two that are the same would abort it all, and be no harm to a second run. */
const eventIdAt = (at: number): string =>
  `'${eventIdFrom(at)}${'0'.repeat(ID_SEQUENCE_LENGTH)}' || substr(hex(randomblob(${RANDOM_BYTES})), 1, ${ID_RANDOM_LENGTH})`;

/** The events of this new life, by their place in the primary key. */
const eventsOf = (life: NewLife): string =>
  `FROM audit_events
WHERE id >= '${eventIdFrom(life.at)}' AND id < '${eventIdFrom(life.at + 1)}' AND request_id = '${requestIdOf(life)}'`;

/**
 * The events come first and say which keys are frozen, so no key is without its event. They are what a PATCH that
 * disables a key writes. There are no rows in `changes`, which every other change has, for they tell caches what of
 * theirs is out of date: the new generation, which comes next, makes all of it so.
 */
const freezing = (life: NewLife): string[] => [
  `INSERT INTO audit_events (id, organization_id, at, action, actor_type, actor_id, credential_id, target_type,
  target_id, request_id, ip, user_agent, changes)
SELECT ${eventIdAt(life.at)}, k.organization_id, ${life.at},
  'api_key.updated', 'system', 'system', NULL, 'api_key', k.id, '${requestIdOf(life)}', NULL, NULL,
  '{"enabled":{"from":true,"to":false}}'
${liveKeysAt(life.at)}`,
  `UPDATE api_keys SET enabled = 0, updated_at = ${life.at}, updated_by = 'system', revision = revision + 1
WHERE id IN (SELECT target_id ${eventsOf(life)})`,
];

/**
 * What begins the new life, in one call, which D1 documents to be one batch, hence one transaction. Nothing rests on
 * that: what breaks off between two statements is put right by a second run. A cache that fills under the new name
 * finds every frozen key frozen, so the name comes after them. The last statement's one row tells how many are `frozen`.
 */
export function beginLife(life: NewLife, { isFreezing }: { isFreezing: boolean }): string {
  return [
    ...(isFreezing ? freezing(life) : []),
    `REPLACE INTO generation (singleton, name) VALUES (1, '${life.generation}')`,
    `SELECT count(*) AS frozen ${eventsOf(life)}`,
  ]
    .map((statement) => `${statement};\n`)
    .join('');
}
