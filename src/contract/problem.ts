import * as z from 'zod/mini';

/** Every word that `code` can be. */
export const PROBLEM_CODES = [
  'missing_credential',
  'multiple_credentials',
  'invalid_credential',
  'rate_limited',
  'insufficient_scope',
  'cannot_grant',
  'root_required',
  'invalid_request',
  'invalid_json',
  'unsupported_media_type',
  'payload_too_large',
  'request_timeout',
  'not_found',
  'method_not_allowed',
  'name_taken',
  'slug_taken',
  'quota_exceeded',
  'default_organization',
  'account_disabled',
  'key_revoked',
  'key_expired',
  'key_disabled',
  'key_rotated',
  'conflict',
  'unavailable',
  'outcome_unknown',
  'misconfigured',
  'internal',
] as const;
export type ProblemCode = (typeof PROBLEM_CODES)[number];

/** RFC 9457, with a stable `code`, the request's id, and every bad field at once. */
export const problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(PROBLEM_CODES),
  requestId: z.string(),
  errors: z.exactOptional(z.array(z.strictObject({ path: z.string(), message: z.string() }))),
});
export type ProblemResource = z.infer<typeof problem>;
