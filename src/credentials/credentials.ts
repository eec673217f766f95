import { isForIssuer, type AccessToken } from '../core/access_token.ts';
import { guessesOf, missesOf, type Floods } from '../core/floods.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { RootKeys } from '../core/root_keys.ts';
import { digestOf, parseSecret, type Digest } from '../core/secret.ts';
import type { AccessTokens } from './access_tokens.ts';
import type { TrustedIssuer, Vouched } from './trusted_issuer.ts';

/** What a credential turns out to be before any key is looked up. */
export type Presented =
  | { readonly kind: 'root' }
  /** A key, if there is one of this digest. `asker` is who is counted if there is none. */
  | { readonly kind: 'key'; readonly digest: Digest; readonly asker: string }
  /** A token of this deployment's, for it. */
  | { readonly kind: 'token'; readonly token: AccessToken; readonly asker: string }
  /** A token of the issuer that is trusted beside Mintmark. */
  | { readonly kind: 'vouched'; readonly vouched: Vouched };

/** Tells the kinds of credentials apart. */
export class Credentials {
  readonly #rootKeys: RootKeys;
  readonly #tokens: AccessTokens;
  readonly #issuer: TrustedIssuer | null;
  readonly #floods: Floods;

  constructor(rootKeys: RootKeys, tokens: AccessTokens, issuer: TrustedIssuer | null, floods: Floods) {
    this.#rootKeys = rootKeys;
    this.#tokens = tokens;
    this.#issuer = issuer;
    this.#floods = floods;
  }

  /**
   * What is no credential counts as a guess at the root key: an address that guesses too often is refused whatever it
   * guesses, but its keys and tokens pass. Asks the trusted issuer for its keys, where they are not known.
   */
  async read(credential: string, address: string | null): Promise<Result<Presented>> {
    const isKey = parseSecret(credential) !== null;
    const token = isKey ? null : await this.#tokens.read(credential);
    const asker = missesOf(null, address);
    if (token !== null)
      return isForIssuer(token)
        ? accept({ kind: 'token', token, asker })
        : refuse({ kind: 'invalid_credential', reason: 'a token for somebody else' });
    const vouched = isKey ? null : ((await this.#issuer?.read(credential)) ?? null);
    if (vouched !== null) return vouched.ok ? accept({ kind: 'vouched', vouched: vouched.value }) : vouched;
    const guesses = guessesOf(address);
    const isPaused = this.#floods.isPaused(guesses);
    if (!isKey && isPaused) return refuse({ kind: 'rate_limited' });
    const digest = await digestOf(credential);
    if (!isPaused && (await this.#rootKeys.match(digest))) return accept({ kind: 'root' });
    if (isKey) return accept({ kind: 'key', digest, asker });
    this.#floods.note(guesses);
    return refuse({ kind: 'invalid_credential', reason: 'MALFORMED' });
  }
}
