import './zod.ts';
import * as z from 'zod';

import {
  DEFAULT_PAGE_SIZE,
  MAX_DESCRIPTION_LENGTH,
  MAX_IP_LENGTH,
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

const CONTROL_CHARACTER = /\p{Cc}/u;

/** Why text can't be kept and shown as it is, or null. */
function textFault(value: string): string | null {
  if (!value.isWellFormed()) return 'must be well-formed Unicode, without lone surrogates';
  if (CONTROL_CHARACTER.test(value)) return 'must not contain control characters';
  return holdsSecret(value) ? 'must not contain an API key' : null;
}

/** Text of so many characters (code points, as JSON Schema counts them). */
export function text(minLength: number, maxLength: number) {
  return z
    .string()
    .superRefine((value, context) => {
      const fault = textFault(value);
      if (fault !== null) context.addIssue({ code: 'custom', message: fault });
      const length = Array.from(value).length;
      if (length < minLength || length > maxLength) {
        context.addIssue({ code: 'custom', message: `must have ${minLength} to ${maxLength} characters` });
      }
    })
    .meta({ minLength, maxLength });
}

export const name = text(1, MAX_NAME_LENGTH);
export const description = text(0, MAX_DESCRIPTION_LENGTH).nullable();

/** What a key may be looked for by: one that a wire format made for an account has that account's id. */
export const anyUserId = z.string().regex(new RegExp(`^[\\x20-\\x7e]{1,${MAX_USER_ID_LENGTH}}$`), {
  error: `must have 1 to ${MAX_USER_ID_LENGTH} printable ASCII characters`,
});

export const userId = anyUserId
  .refine((value) => !isReservedPrincipal(value), {
    error: 'must not be root, system or an id that Mintmark gives',
  })
  .refine((value) => !holdsSecret(value), { error: 'must not contain an API key' });

export const serviceAccountId: z.ZodType<ServiceAccountId, string> = z.custom<ServiceAccountId>(
  (value) => typeof value === 'string' && SERVICE_ACCOUNT_ID_PATTERN.test(value),
  { error: 'must be the id of a service account, sa_…' },
);

export const organizationId: z.ZodType<OrganizationId, string> = z.custom<OrganizationId>(
  (value) => typeof value === 'string' && ORGANIZATION_ID_PATTERN.test(value),
  { error: 'must be the id of an organization, org_…' },
);

/** A scope that a key or an account may hold. */
const grantableScope = z.string().superRefine((value, context) => {
  const fault = scopeFault(value) ?? textFault(value);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});

/** A list of distinct scopes. */
export const scopes = z
  .array(grantableScope)
  .max(MAX_SCOPES, { error: `at most ${MAX_SCOPES} scopes` })
  .transform((list) => [...new Set(list)]);

/** Scopes that a verification asks for: any that could exist. */
export const askedScopes = z
  .array(
    z
      .string()
      .max(MAX_SCOPE_LENGTH, { error: `a scope has at most ${MAX_SCOPE_LENGTH} characters` })
      .regex(SCOPE_PATTERN, { error: 'is no scope' }),
  )
  .max(MAX_SCOPES, { error: `at most ${MAX_SCOPES} scopes` });

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

/** A JSON object of the application's own, of at most 4 KiB when written as JSON in UTF-8. */
export const metadata: z.ZodType<Metadata, Record<string, unknown>> = z
  .custom<Metadata>(isObject, { error: 'must be a JSON object' })
  .superRefine((value, context) => {
    if (!isObject(value)) return;
    const fault = metadataFault(value);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
    else if (new TextEncoder().encode(JSON.stringify(value)).length > MAX_METADATA_BYTES) {
      context.addIssue({ code: 'custom', message: `must be at most ${MAX_METADATA_BYTES} bytes of JSON` });
    }
  });

/** Metadata in an answer. */
export const answeredMetadata: z.ZodType<Metadata> = z.record(z.string(), z.json());

const writtenInstant = z.iso.datetime({
  offset: true,
  error: 'must be an RFC 3339 date and time with an offset, such as 2030-01-31T12:00:00Z',
});

/** An RFC 3339 date and time with its offset, as epoch milliseconds. */
export const instant = writtenInstant.transform((written) => Date.parse(written));

export const duration = z
  .string()
  .refine((value) => parseDuration(value) !== null, { error: `must be ${DURATION_RULE}` });

/** An IPv4 or IPv6 address. */
export const ip = z
  .union([z.ipv4(), z.ipv6()], { error: 'must be an IPv4 or IPv6 address' })
  .meta({ maxLength: MAX_IP_LENGTH });

/** The time of an answer: RFC 3339 in UTC with milliseconds. */
export const timestamp = z.iso.datetime({ precision: 3 });

/** `limit` of a list, as it stands in a query. */
export const limit = z
  .string()
  .regex(/^[0-9]{1,4}$/, { error: `must be a whole number from 1 to ${MAX_PAGE_SIZE}` })
  .transform(Number)
  .refine((value) => value >= 1 && value <= MAX_PAGE_SIZE, {
    error: `must be a whole number from 1 to ${MAX_PAGE_SIZE}`,
    abort: true,
  })
  .default(DEFAULT_PAGE_SIZE);

/** An opaque place in a list: `nextCursor` of the page before. */
export function cursor<Id extends string>(parse: (id: string) => Id | null) {
  return z.string().transform((value, context): Id => {
    const id = parse(decodeCursor(value));
    if (id !== null) return id;
    context.addIssue({ code: 'custom', message: 'must be the nextCursor of a page of this list' });
    return z.NEVER;
  });
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
