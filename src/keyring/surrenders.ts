import type { AccessToken } from '../core/access_token.ts';
import type { Caller } from '../core/caller.ts';
import { MAX_REVOKED_TOKENS } from '../core/constants.ts';
import type { KeyRecord } from '../core/records.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import { digestOf, parseSecret } from '../core/secret.ts';
import type { AccessTokens } from '../credentials/access_tokens.ts';
import type { KeyStore } from '../store/keys.ts';
import { forbidden, refusal, type Changed, type Changes } from './changes.ts';
import type { Keys } from './keys.ts';

/** Ends keys and tokens by what they are themselves, and not by their ids: whoever shows one may, as a rule, end it. */
export class Surrenders {
  readonly #store: KeyStore;
  readonly #keys: Keys;
  readonly #tokens: AccessTokens;
  readonly #changes: Changes;
  readonly #clock: () => number;

  constructor(store: KeyStore, keys: Keys, tokens: AccessTokens, changes: Changes, clock: () => number) {
    this.#store = store;
    this.#keys = keys;
    this.#tokens = tokens;
    this.#changes = changes;
    this.#clock = clock;
  }

  /**
   * Ends a key, or one token. The caller's own without more; another's of its organization needs `mintmark:keys:write`. Null:
   * there is nothing to end, or nothing that the caller could know of.
   */
  async end(caller: Caller, text: string): Promise<Result<Changed<null> | null>> {
    const now = this.#clock();
    const secret = parseSecret(text);
    const token = secret === null ? await this.#tokens.read(text) : null;
    const handle = secret === null ? token?.keyId : await digestOf(secret);
    const record = handle === undefined ? null : await this.#store.record(handle, now);
    if (record === null || record.organization.id !== caller.organizationId) return accept(null);
    const isOwn = isOf(caller, record);
    const denied = isOwn ? null : forbidden(caller, 'mintmark:keys:write');
    if (denied !== null) return refuse(denied);
    if (token !== null) return token.expiresAt <= now ? accept(null) : this.#endToken(caller, token, isOwn);
    const revoked = await this.#keys.revoke(caller, { id: record.key.id }, { reason: null, isOwn });
    if (revoked.ok) return accept({ ...revoked.value, value: null });
    // A deleted key has ended.
    return revoked.refusal.kind === 'not_found' ? accept(null) : revoked;
  }

  #endToken(caller: Caller, token: AccessToken, isOwn: boolean): Promise<Result<Changed<null>>> {
    return this.#changes.make(caller, isOwn ? null : 'mintmark:keys:write', async ({ organization }, now) => {
      const record = await this.#store.record(token.keyId, now);
      const ended = record?.key.revokedTokens ?? [];
      if (
        record?.organization.id !== organization.id ||
        record.key.revokedAt !== null ||
        ended.includes(token.id)
      )
        return { kind: 'unchanged', value: null };
      if (ended.length >= MAX_REVOKED_TOKENS) return refusal({ kind: 'conflict' });
      const row = { id: token.keyId, revokedToken: token.id, tokenExpiresAt: token.expiresAt };
      return {
        kind: 'change',
        edits: [{ action: 'token.revoked', write: { kind: 'revoke_token', row }, before: null }],
        grants: [],
        grantedTo: { type: 'api_key', id: token.keyId },
        weakens: true,
        value: null,
      };
    });
  }
}

/** Whether a key is of the account, or the person, that calls; all are root's. */
function isOf({ actor }: Caller, { key, account }: KeyRecord): boolean {
  switch (actor.type) {
    case 'root':
      return true;
    case 'service_account':
      return account?.id === actor.id;
    case 'user':
      return account === null && key.userId === actor.id;
    case 'system':
      return false;
  }
}
