import { isObject } from './is_object.ts';
import type { Verdict } from './wire.ts';

/** The verdict on a key that may pass. */
export type ValidVerdict = Verdict &
  Required<Pick<Verdict, 'keyId' | 'organizationId' | 'name' | 'environment' | 'scopes' | 'metadata'>> & {
    valid: true;
    code: 'VALID';
  };

/** The verdict on a key that may not. */
export type RefusedVerdict = Verdict & { valid: false; code: Exclude<Verdict['code'], 'VALID'> };

/** Whether an answer is a verdict that lets through, in every part that a handler relies on. */
export function isValidVerdict(answer: unknown): answer is ValidVerdict {
  if (!isObject(answer)) return false;
  const { valid, code, keyId, organizationId, name, environment, scopes, metadata, source } = answer;
  const { serviceAccountId, userId, expiresAt, ageSeconds, degraded } = answer;
  return (
    valid === true &&
    code === 'VALID' &&
    [keyId, organizationId, name, source].every((text) => typeof text === 'string' && text !== '') &&
    [serviceAccountId, userId].every((text) => text === undefined || typeof text === 'string') &&
    (expiresAt === undefined || (typeof expiresAt === 'string' && !Number.isNaN(Date.parse(expiresAt)))) &&
    Number.isSafeInteger(ageSeconds) &&
    Number(ageSeconds) >= 0 &&
    (degraded === undefined || degraded === true) &&
    (environment === 'live' || environment === 'test') &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === 'string') &&
    isObject(metadata)
  );
}

/** Whether an answer is a verdict that does not; its code may be one that only a newer Mintmark has. */
export function isRefusedVerdict(answer: unknown): answer is RefusedVerdict {
  return (
    isObject(answer) &&
    answer['valid'] === false &&
    typeof answer['code'] === 'string' &&
    answer['code'] !== 'VALID'
  );
}
