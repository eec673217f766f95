import type { AccessToken } from '../core/access_token.ts';
import type { AuditEvent } from '../core/audit.ts';
import type { KeyId, TokenId } from '../core/id.ts';
import type { ChangedKey } from '../core/news.ts';
import type { ApiKey, KeyRecord, Organization, OrganizationRules, ServiceAccount } from '../core/records.ts';
import type { Digest } from '../core/secret.ts';

export type Write =
  | { readonly kind: 'insert_organization'; readonly row: Organization }
  | { readonly kind: 'update_organization'; readonly row: Organization }
  | { readonly kind: 'insert_account'; readonly row: ServiceAccount }
  | { readonly kind: 'update_account'; readonly row: ServiceAccount }
  | { readonly kind: 'disable_account'; readonly row: ServiceAccount }
  | { readonly kind: 'delete_account'; readonly row: ServiceAccount }
  /** `isNamedAlone`: no live key of its account may have its name. */
  | {
      readonly kind: 'insert_key';
      readonly row: ApiKey;
      readonly digest: Digest;
      readonly isNamedAlone: boolean;
    }
  | { readonly kind: 'update_key'; readonly row: ApiKey }
  /** Forgets what the key supersedes: that is settled. */
  | { readonly kind: 'settle_key'; readonly row: ApiKey }
  /** `isLast`: nothing may have been rotated from it since it was read, for nobody would look again. */
  | { readonly kind: 'revoke_key'; readonly row: ApiKey; readonly isLast?: boolean }
  | { readonly kind: 'revoke_token'; readonly row: RevokedToken }
  /** `ends`: the key was not revoked before. */
  | { readonly kind: 'delete_key'; readonly row: ApiKey; readonly ends: boolean };

/** A key's token that ends before its time. */
export interface RevokedToken {
  /** The key's. */
  readonly id: KeyId;
  readonly revokedToken: TokenId;
  readonly tokenExpiresAt: number;
}

/** One row's change, with its audit event. */
interface Step {
  readonly write: Write;
  readonly event: AuditEvent;
}

/** One change of state, and all that must still be true when it takes effect. */
export interface Mutation {
  /** Rows that change together or not at all. */
  readonly steps: readonly Step[];
  /** The key that the caller presented, or a token of it; null for who has none, and no row of its own that could end it. */
  readonly credential: KeyRecord | null;
  /** The token that the caller presented, if it did. */
  readonly token: Pick<AccessToken, 'id' | 'expiresAt'> | null;
  /** The organization that the caller acts in. */
  readonly organization: Pick<OrganizationRules, 'id' | 'revision'>;
  /** The life of the database in which the caller was judged. */
  readonly generation: string;
  /** The account whose state the judgement relied on, if it is not the one that is written. */
  readonly account: Pick<ServiceAccount, 'id' | 'revision'> | null;
  /** How many keys the organization may have live, this one included; null: any number. */
  readonly maxLiveKeys: number | null;
}

export type Outcome =
  | {
      readonly kind: 'committed';
      readonly generation: string;
      readonly seq: number;
      readonly keys: readonly ChangedKey[];
    }
  /** The caller may no longer do what it was judged to: judge the caller again. */
  | { readonly kind: 'caller_changed' }
  /** What is written, or what the judgement relied on, changed meanwhile: judge again. */
  | { readonly kind: 'target_changed' }
  | { readonly kind: 'quota_exceeded' }
  | { readonly kind: 'account_name_taken' }
  | { readonly kind: 'key_name_taken' }
  | { readonly kind: 'slug_taken' }
  /** D1 did not say, twice, whether it took the change. */
  | { readonly kind: 'unknown' };
