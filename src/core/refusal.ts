import type { Scope } from './scope.ts';

/** One rule that one field breaks. `path` is dotted, such as `scopes.3`; a header's or a parameter's name stands for itself. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** Why a call is refused. A refusal changes nothing; it is a value, never thrown. */
export type Refusal =
  | { readonly kind: 'missing_credential' }
  | { readonly kind: 'multiple_credentials' }
  /** Too much was asked in vain from where this comes from. */
  | { readonly kind: 'rate_limited' }
  /** `reason` is for the log: who presents a bad credential learns only that it is bad. */
  | { readonly kind: 'invalid_credential'; readonly reason: string }
  | { readonly kind: 'insufficient_scope'; readonly needed: readonly Scope[] }
  | { readonly kind: 'cannot_grant'; readonly scopes: readonly Scope[] }
  | { readonly kind: 'invalid'; readonly faults: readonly Fault[] }
  | { readonly kind: 'not_found'; readonly what: 'organization' | 'service account' | 'API key' }
  | { readonly kind: 'root_required' }
  | { readonly kind: 'name_taken'; readonly what: 'service account' | 'API key' }
  | { readonly kind: 'slug_taken' }
  | { readonly kind: 'quota_exceeded'; readonly maxLiveKeys: number }
  | { readonly kind: 'default_organization' }
  | { readonly kind: 'account_disabled' }
  | { readonly kind: 'key_revoked' }
  | { readonly kind: 'key_expired' }
  | { readonly kind: 'key_disabled' }
  | { readonly kind: 'key_rotated' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'misconfigured'; readonly faults: readonly Fault[] }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'outcome_unknown' };

export type Result<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly refusal: Refusal };

export function accept<Value>(value: Value): Result<Value> {
  return { ok: true, value };
}

export function refuse(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}

/** Of whoever may act in several organizations, and does not say in which. */
export const ORGANIZATION_NEEDED: Refusal = {
  kind: 'invalid',
  faults: [
    { path: 'Mintmark-Organization', message: 'is required: the credential is for several organizations' },
  ],
};
