import { DURATION_UNIT_MS, LATEST_EXPIRY_MS, MAX_LIFETIME_MS } from './constants.ts';

/** One positive whole number and one unit. */
const DURATION_PATTERN = /^([1-9][0-9]*)(s|m|h|d|w)$/;

/** What a duration must be, for people. */
export const DURATION_RULE =
  'a positive whole number and one of s, m, h, d, w, such as 90d, at most ten years';

/** Milliseconds of a duration as the contract writes it; null for other text and for more than ten years. */
export function parseDuration(text: string): number | null {
  const [, count, unit] = DURATION_PATTERN.exec(text) ?? [];
  const unitMs = unit === undefined ? undefined : DURATION_UNIT_MS.get(unit);
  if (unitMs === undefined) return null;
  const ms = Number(count) * unitMs;
  return ms <= MAX_LIFETIME_MS ? ms : null;
}

/** A length of time as the contract writes it, in the largest unit of which it is a whole number; what is below a second is left out. */
export function durationOf(ms: number): string {
  const seconds = Math.max(1, Math.floor(ms / 1_000));
  const [unit = 's', unitMs = 1_000] =
    [...DURATION_UNIT_MS].findLast(([, each]) => (seconds * 1_000) % each === 0) ?? [];
  return `${(seconds * 1_000) / unitMs}${unit}`;
}

/** What a caller may say of an expiry: an instant in epoch milliseconds, or a duration from now. Null is never. */
export interface ExpiryRequest {
  readonly expiresAt?: number | null | undefined;
  readonly expiresIn?: string | undefined;
  /** Up to 2100-01-01, where otherwise ten years are the most. */
  readonly isFar?: boolean | undefined;
}

type Resolved =
  | { readonly expiresAt: number | null }
  | { readonly path: 'expiresAt' | 'expiresIn'; readonly message: string };

/**
 * The instant that a request means, judged against `now` and, from the key's birth on, the organization's longest
 * lifetime (a duration, or null). Times in epoch milliseconds. What breaks a rule comes back with the field and the rule.
 */
export function resolveExpiry(
  request: ExpiryRequest,
  now: number,
  maxLifetime: string | null,
  bornAt: number = now,
): Resolved {
  const { expiresIn } = request;
  const path = expiresIn === undefined ? 'expiresAt' : 'expiresIn';
  const duration = expiresIn === undefined ? null : parseDuration(expiresIn);
  if (expiresIn !== undefined && duration === null) return { path, message: DURATION_RULE };
  const expiresAt = duration === null ? (request.expiresAt ?? null) : now + duration;

  if (maxLifetime !== null) {
    const maxMs = parseDuration(maxLifetime) ?? MAX_LIFETIME_MS;
    if (expiresAt === null || expiresAt > bornAt + maxMs) {
      return {
        path,
        message: `must be within ${maxLifetime}, as the organization's maxKeyLifetime requires`,
      };
    }
  }
  const faultOf = request.isFar === true ? expiryFault : tenYearFault;
  const message = expiresAt === null ? null : faultOf(expiresAt, now);
  return message === null ? { expiresAt } : { path, message };
}

/** Why an instant can't be an expiry, whoever's key it is and however it was asked for, or null. Epoch milliseconds. */
export function expiryFault(expiresAt: number, now: number): string | null {
  if (expiresAt <= now) return 'must be in the future';
  return expiresAt > LATEST_EXPIRY_MS ? 'must be no later than 2100-01-01' : null;
}

/** The same where ten years are the most. */
export function tenYearFault(expiresAt: number, now: number): string | null {
  return (
    expiryFault(expiresAt, now) ??
    (expiresAt > now + MAX_LIFETIME_MS ? 'must be at most ten years off' : null)
  );
}

/** A key is expired from the very millisecond of its expiry on. */
export function isExpired(expiresAt: number | null, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}
