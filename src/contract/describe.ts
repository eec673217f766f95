import { FLOOD_PAUSE_MS, MAX_BODY_BYTES, MAX_SCOPES, RETRY_AFTER_SECONDS } from '../core/constants.ts';
import { Misconfigured, SchemaMissing, Unavailable } from '../core/faults.ts';
import type { Fault, Refusal } from '../core/refusal.ts';
import type { ProblemCode } from './problem.ts';

/** Refusals that only HTTP has. */
export type HttpRefusal =
  | { readonly kind: 'invalid_json'; readonly detail: string }
  | { readonly kind: 'unsupported_media_type'; readonly detail: string }
  | { readonly kind: 'payload_too_large' }
  | { readonly kind: 'request_timeout' }
  | { readonly kind: 'no_such_path' }
  | { readonly kind: 'method_not_allowed'; readonly allowed: readonly string[] }
  | { readonly kind: 'internal' };

export interface Description {
  readonly status: 400 | 401 | 402 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 429 | 500 | 503;
  readonly code: ProblemCode;
  readonly title: string;
  readonly detail: string;
  readonly errors?: readonly Fault[];
  readonly headers?: Readonly<Record<string, string>>;
}

const CHALLENGE = 'Bearer realm="mintmark"';
const RETRY = { 'Retry-After': String(RETRY_AFTER_SECONDS) };

/** The one place where a reason becomes a problem: RFC 9457, with RFC 6750's challenge where a credential is at fault. */
export function describe(refusal: Refusal | HttpRefusal): Description {
  switch (refusal.kind) {
    case 'missing_credential':
      return {
        status: 401,
        code: 'missing_credential',
        title: 'A credential is required',
        detail:
          'Send one as Authorization: Bearer, as the user name of Authorization: Basic, or as X-API-Key.',
        headers: { 'WWW-Authenticate': CHALLENGE },
      };
    case 'multiple_credentials':
      return {
        status: 400,
        code: 'multiple_credentials',
        title: 'More than one credential',
        detail: 'Send exactly one credential, in one header.',
        headers: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_request"` },
      };
    case 'invalid_credential':
      return {
        status: 401,
        code: 'invalid_credential',
        title: 'The credential is not valid',
        detail: 'The credential is malformed, unknown, expired, disabled or revoked.',
        headers: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"` },
      };
    case 'rate_limited':
      return {
        status: 429,
        code: 'rate_limited',
        title: 'Too many attempts',
        detail: 'Too many unknown keys or credentials came from this address. Wait a little.',
        headers: { 'Retry-After': String(FLOOD_PAUSE_MS / 1_000) },
      };
    case 'insufficient_scope':
      return {
        status: 403,
        code: 'insufficient_scope',
        title: 'The credential may not do this',
        detail:
          refusal.needed.length === 0
            ? 'This needs what no key can hold.'
            : `This needs the scope ${refusal.needed.join(', ')}.`,
        headers: {
          'WWW-Authenticate': [
            `${CHALLENGE}, error="insufficient_scope"`,
            ...(refusal.needed.length === 0 ? [] : [`scope="${refusal.needed.join(' ')}"`]),
          ].join(', '),
        },
      };
    case 'root_required':
      return {
        status: 403,
        code: 'root_required',
        title: 'The credential may not do this',
        detail: 'Organizations are for the root key alone.',
      };
    case 'cannot_grant':
      return {
        status: 403,
        code: 'cannot_grant',
        title: 'Nobody can grant what they do not hold',
        detail: `The result would hold ${refusal.scopes.slice(0, MAX_SCOPES).join(', ')}, which your credential does not cover.`,
      };
    case 'invalid':
      return {
        status: 400,
        code: 'invalid_request',
        title: 'The request is not valid',
        detail: 'Each of the errors names a field and the rule that it breaks.',
        errors: refusal.faults,
      };
    case 'invalid_json':
      return { status: 400, code: 'invalid_json', title: 'The body is not JSON', detail: refusal.detail };
    case 'unsupported_media_type':
      return {
        status: 415,
        code: 'unsupported_media_type',
        title: 'The body is not declared as JSON',
        detail: refusal.detail,
      };
    case 'payload_too_large':
      return {
        status: 413,
        code: 'payload_too_large',
        title: 'The body is too large',
        detail: `A body has at most ${MAX_BODY_BYTES} bytes.`,
      };
    case 'request_timeout':
      return {
        status: 408,
        code: 'request_timeout',
        title: 'The body did not arrive in time',
        detail: 'Send the whole body at once.',
      };
    case 'not_found':
      return {
        status: 404,
        code: 'not_found',
        title: 'Not found',
        detail: `There is no such ${refusal.what}.`,
      };
    case 'no_such_path':
      return { status: 404, code: 'not_found', title: 'Not found', detail: 'There is nothing at this path.' };
    case 'method_not_allowed':
      return {
        status: 405,
        code: 'method_not_allowed',
        title: 'The path does not have this method',
        detail: `The path has ${refusal.allowed.join(', ')}.`,
        headers: { Allow: refusal.allowed.join(', ') },
      };
    case 'name_taken':
      return {
        status: 409,
        code: 'name_taken',
        title: 'The name is taken',
        detail:
          refusal.what === 'API key'
            ? 'Another live API key of the service account has this name.'
            : 'Another service account of the organization has this name.',
        errors: [{ path: 'name', message: 'is taken' }],
      };
    case 'slug_taken':
      return {
        status: 409,
        code: 'slug_taken',
        title: 'The slug is taken',
        detail: 'Another organization has this slug.',
        errors: [{ path: 'slug', message: 'is taken' }],
      };
    case 'quota_exceeded':
      return {
        status: 402,
        code: 'quota_exceeded',
        title: 'The organization has all the keys that it may have',
        detail: `The organization's maxLiveKeys is ${refusal.maxLiveKeys}. Revoke a key that is not needed, or raise the limit.`,
      };
    case 'default_organization':
      return {
        status: 409,
        code: 'default_organization',
        title: 'The default organization always exists',
        detail: 'It cannot be deleted, and its slug stays default.',
      };
    case 'account_disabled':
      return {
        status: 409,
        code: 'account_disabled',
        title: 'The service account is disabled',
        detail: 'Enable the service account before minting or rotating its keys.',
      };
    case 'key_revoked':
      return {
        status: 409,
        code: 'key_revoked',
        title: 'The key is revoked',
        detail: 'A revoked key cannot be changed.',
      };
    case 'key_expired':
      return {
        status: 409,
        code: 'key_expired',
        title: 'The key is expired',
        detail: 'An expired key cannot be given a new expiry.',
      };
    case 'key_disabled':
      return {
        status: 409,
        code: 'key_disabled',
        title: 'The key is disabled',
        detail: 'Enable the key before rotating it.',
      };
    case 'key_rotated':
      return {
        status: 409,
        code: 'key_rotated',
        title: 'The key was rotated',
        detail: 'The key has a successor already; it can neither be rotated again nor live longer.',
      };
    case 'conflict':
      return {
        status: 409,
        code: 'conflict',
        title: 'Changed meanwhile',
        detail: 'Other changes kept overtaking this one. Nothing was changed; try again.',
      };
    case 'unavailable':
      return {
        status: 503,
        code: 'unavailable',
        title: 'Not available',
        detail: 'What this depends on cannot be reached. Nothing was changed; try again.',
        headers: RETRY,
      };
    case 'outcome_unknown':
      return {
        status: 503,
        code: 'outcome_unknown',
        title: 'The outcome is not known',
        detail: 'The database did not say whether it took the change. Look before you try again.',
        headers: RETRY,
      };
    case 'misconfigured':
      return {
        status: 503,
        code: 'misconfigured',
        title: 'The service is not configured',
        detail: 'Whoever deployed it must mend what the errors name.',
        errors: refusal.faults,
      };
    case 'internal':
      return {
        status: 500,
        code: 'internal',
        title: 'Internal error',
        detail: 'Quote the requestId when you report this.',
      };
  }
}

/** What a thrown error is told as: a broken dependency by its kind, anything else as a defect of ours. */
export function thrownRefusal(error: unknown): Refusal | HttpRefusal {
  if (error instanceof Unavailable) return { kind: 'unavailable' };
  if (error instanceof SchemaMissing) {
    return { kind: 'misconfigured', faults: [{ path: 'DB', message: 'apply the migrations' }] };
  }
  if (error instanceof Misconfigured) {
    return { kind: 'misconfigured', faults: [{ path: error.setting, message: error.rule }] };
  }
  return { kind: 'internal' };
}
