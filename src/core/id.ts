import { randomBase62, toBase62, type RandomSource } from './base62.ts';
import { ID_RANDOM_LENGTH, ID_SEQUENCE_LENGTH, ID_TIME_LENGTH } from './constants.ts';

export type OrganizationId = `org_${string}`;
export type ServiceAccountId = `sa_${string}`;
export type KeyId = `key_${string}`;
export type EventId = `evt_${string}`;
/** Which key a token was got with and, after the dot, which of that key's it is. */
export type TokenId = `${KeyId}.${string}`;

const ID_LENGTH = ID_TIME_LENGTH + ID_SEQUENCE_LENGTH + ID_RANDOM_LENGTH;

/** The organization that always exists; `schema.sql` makes it, before any clock has run. */
export const DEFAULT_ORGANIZATION_ID: OrganizationId = `org_${'0'.repeat(ID_LENGTH)}`;

/** Said of a binding, where an organization's id or slug would be: it is for all of them. */
export const ANY_ORGANIZATION = '*';

const patternOf = (prefix: string): RegExp => new RegExp(`^${prefix}_[0-9A-Za-z]{${ID_LENGTH}}$`);

export const SERVICE_ACCOUNT_ID_PATTERN = patternOf('sa');
export const ORGANIZATION_ID_PATTERN = patternOf('org');
export const EVENT_ID_PATTERN = patternOf('evt');
export const KEY_ID_PATTERN = patternOf('key');

/** Text as an id of its kind, or null: nothing of another form can name a row. */
export function parseServiceAccountId(text: string): ServiceAccountId | null {
  return SERVICE_ACCOUNT_ID_PATTERN.test(text) ? (text as ServiceAccountId) : null;
}

export function parseKeyId(text: string): KeyId | null {
  return KEY_ID_PATTERN.test(text) ? (text as KeyId) : null;
}

export function parseOrganizationId(text: string): OrganizationId | null {
  return ORGANIZATION_ID_PATTERN.test(text) ? (text as OrganizationId) : null;
}

export function parseEventId(text: string): EventId | null {
  return EVENT_ID_PATTERN.test(text) ? (text as EventId) : null;
}

/** What an event's id made at this time would begin with: where a list by time begins or ends. */
export function eventIdFrom(ms: number): EventId {
  return `evt_${toBase62(Math.max(0, ms), ID_TIME_LENGTH)}`;
}

/** Makes ids that sort, as text, by the time of their making: strictly within an isolate, by its clock across them. */
export interface IdFactory {
  organization(): OrganizationId;
  serviceAccount(): ServiceAccountId;
  key(): KeyId;
  event(): EventId;
}

/** `clock` gives epoch milliseconds; a clock that steps back does not make ids step back. */
export function createIdFactory(clock: () => number, random: RandomSource): IdFactory {
  let latestMs = 0;
  let sequence = 0;

  const next = (): string => {
    const nowMs = clock();
    sequence = nowMs > latestMs ? 0 : sequence + 1;
    latestMs = Math.max(nowMs, latestMs);
    return (
      toBase62(latestMs, ID_TIME_LENGTH) +
      toBase62(sequence, ID_SEQUENCE_LENGTH) +
      randomBase62(ID_RANDOM_LENGTH, random)
    );
  };

  return {
    organization: () => `org_${next()}`,
    serviceAccount: () => `sa_${next()}`,
    key: () => `key_${next()}`,
    event: () => `evt_${next()}`,
  };
}

/** Whether a text names a principal of Mintmark's own. Records name who did what by one word, so a person must not go by one. */
export function isReservedPrincipal(text: string): boolean {
  return text === 'root' || text === 'system' || /^(?:org|sa|key|evt)_/.test(text);
}
