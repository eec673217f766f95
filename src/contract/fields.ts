import './zod.ts';
import * as z from 'zod/mini';

import {
  DEFAULT_PAGE_SIZE,
  MAX_DESCRIPTION_LENGTH,
  MAX_METADATA_BYTES,
  MAX_METADATA_DEPTH,
  MAX_NAME_LENGTH,
  MAX_PAGE_SIZE,
  MAX_SCOPE_LENGTH,
  MAX_SCOPES,
  MAX_USER_ID_LENGTH,
} from '../core/constants.ts';
import { DURATION_RULE, parseDuration } from '../core/expiry.ts';
import {
  ORGANIZATION_ID_PATTERN,
  SERVICE_ACCOUNT_ID_PATTERN,
  type OrganizationId,
  type ServiceAccountId,
  isReservedPrincipal,
} from '../core/id.ts';
import type { Metadata } from '../core/records.ts';
import { SCOPE_PATTERN, scopeFault } from '../core/scope.ts';
import { holdsSecret } from '../core/secret.ts';
import { ruled } from './ruled.ts';

const CONTROL_CHARACTER = /\p{Cc}/u;

/** Why text can't be kept and shown as it is, or null. */
function textFault(value: string): string | null {
  if (!value.isWellFormed()) return 'must be well-formed Unicode, without lone surrogates';
  if (CONTROL_CHARACTER.test(value)) return 'must not contain control characters';
  return holdsSecret(value) ? 'must not contain an API key' : null;
}

/** Text of so many characters (code points, as JSON Schema counts them). */
export function text(minLength: number, maxLength: number) {
  const lengthFault = (value: string): string | null => {
    const { length } = Array.from(value);
    return length < minLength || length > maxLength
      ? `must have ${minLength} to ${maxLength} characters`
      : null;
  };
  return z.string().check(ruled(textFault), ruled(lengthFault));
}

export const name = text(1, MAX_NAME_LENGTH);
export const description = z.nullable(text(0, MAX_DESCRIPTION_LENGTH));

/** What a key may be looked for by: one that a wire format made for an account has that account's id. */
export const anyUserId = z.string().check(
  z.regex(new RegExp(`^[\\x20-\\x7e]{1,${MAX_USER_ID_LENGTH}}$`), {
    error: `must have 1 to ${MAX_USER_ID_LENGTH} printable ASCII characters`,
  }),
);

export const userId = anyUserId.check(
  z.refine((value) => !isReservedPrincipal(value), {
    error: 'must not be root, system or an id that Mintmark gives',
  }),
  z.refine((value) => !holdsSecret(value), { error: 'must not contain an API key' }),
);

export const serviceAccountId: z.ZodMiniType<ServiceAccountId, string> = z.custom<ServiceAccountId>(
  (value) => typeof value === 'string' && SERVICE_ACCOUNT_ID_PATTERN.test(value),
  { error: 'must be the id of a service account, sa_…' },
);

export const organizationId: z.ZodMiniType<OrganizationId, string> = z.custom<OrganizationId>(
  (value) => typeof value === 'string' && ORGANIZATION_ID_PATTERN.test(value),
  { error: 'must be the id of an organization, org_…' },
);

/** A scope that a key or an account may hold. */
export const grantableScope = z.string().check(ruled((value) => scopeFault(value) ?? textFault(value)));

const atMostScopes = z.maxLength(MAX_SCOPES, { error: `at most ${MAX_SCOPES} scopes` });

/** A list of distinct scopes. */
export const scopes = z.pipe(
  z.array(grantableScope).check(atMostScopes),
  z.transform((list: string[]) => [...new Set(list)]),
);

/** Scopes that a verification asks for: any that could exist. */
export const askedScopes = z
  .array(
    z
      .string()
      .check(
        z.maxLength(MAX_SCOPE_LENGTH, { error: `a scope has at most ${MAX_SCOPE_LENGTH} characters` }),
        z.regex(SCOPE_PATTERN, { error: 'is no scope' }),
      ),
  )
  .check(atMostScopes);

/** Over RPC more can come than JSON holds. */
function isJsonContainer(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

function metadataFault(value: unknown, depth = 0): string | null {
  if (depth > MAX_METADATA_DEPTH) return `must be nested at most ${MAX_METADATA_DEPTH} levels deep`;
  if (typeof value === 'string') return textFault(value);
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'must hold finite numbers only';
  if (typeof value === 'boolean' || value === null) return null;
  if (typeof value !== 'object' || !isJsonContainer(value)) return 'must hold JSON only';
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') return 'must not have a member named __proto__';
    const fault = textFault(key) ?? metadataFault(inner, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}

const isObject = (value: unknown): value is Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sizeFault = (value: Metadata): string | null =>
  new TextEncoder().encode(JSON.stringify(value)).length > MAX_METADATA_BYTES
    ? `must be at most ${MAX_METADATA_BYTES} bytes of JSON`
    : null;

/** A JSON object of the application's own, of at most 4 KiB when written as JSON in UTF-8. */
export const metadata: z.ZodMiniType<Metadata, Record<string, unknown>> = z
  .custom<Metadata>(isObject, { error: 'must be a JSON object' })
  .check(ruled((value) => metadataFault(value) ?? sizeFault(value)));

/** Metadata in an answer. */
export const answeredMetadata: z.ZodMiniType<Metadata> = z.record(z.string(), z.json());

const writtenInstant = z.iso.datetime({
  offset: true,
  error: 'must be an RFC 3339 date and time with an offset, such as 2030-01-31T12:00:00Z',
});

/** An RFC 3339 date and time with its offset, as epoch milliseconds. */
export const instant = z.pipe(
  writtenInstant,
  z.transform((written: string) => Date.parse(written)),
);

export const duration = z
  .string()
  .check(z.refine((value) => parseDuration(value) !== null, { error: `must be ${DURATION_RULE}` }));

/** An IPv4 or IPv6 address. */
export const ip = z.union([z.ipv4(), z.ipv6()], { error: 'must be an IPv4 or IPv6 address' });

/** The time of an answer: RFC 3339 in UTC with milliseconds. */
export const timestamp = z.iso.datetime({ precision: 3 });

/** A whole number as it stands in a query, in so many digits at most. */
export function numeral(maxDigits: number, lowest: number, highest: number) {
  const error = `must be a whole number from ${lowest} to ${highest}`;
  return z
    .pipe(
      z.string().check(z.regex(new RegExp(`^[0-9]{1,${maxDigits}}$`), { error })),
      z.transform((digits: string) => Number(digits)),
    )
    .check(z.refine((value) => value >= lowest && value <= highest, { error }));
}

/** `limit` of a list, as it stands in a query. */
export const limit = z.prefault(numeral(4, 1, MAX_PAGE_SIZE), String(DEFAULT_PAGE_SIZE));

/** An opaque place in a list: `nextCursor` of the page before. */
export function cursor<Id extends string>(parse: (id: string) => Id | null) {
  return z.pipe(
    z.string(),
    z.transform((input: string, { issues }): Id => {
      const id = parse(decodeCursor(input));
      if (id !== null) return id;
      issues.push({ code: 'custom', message: 'must be the nextCursor of a page of this list', input });
      return z.NEVER;
    }),
  );
}

export function encodeCursor(id: string): string {
  return btoa(id).replaceAll('=', '');
}

function decodeCursor(value: string): string {
  try {
    return atob(value);
  } catch {
    return '';
  }
}
