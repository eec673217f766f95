import { isForIssuer, type AccessToken } from '../core/access_token.ts';
import type { Vouched } from '../core/caller.ts';
import { guessesOf, missesOf, type Floods } from '../core/floods.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import type { RootKeys } from '../core/root_keys.ts';
import { digestOf, parseSecret, type Digest } from '../core/secret.ts';
import { isCompact, type AccessTokens } from './access_tokens.ts';
import { UNKNOWN_KEY, type TrustedIssuer } from './trusted_issuer.ts';

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
    const asker = missesOf(null, address);
    if (parseSecret(credential) !== null) {
      const digest = await digestOf(credential);
      const isRoot = await this.#isRoot(digest, address);
      return accept(isRoot ? { kind: 'root' } : { kind: 'key', digest, asker });
    }
    const token = await this.#tokens.read(credential);
    if (token !== null)
      return isForIssuer(token)
        ? accept({ kind: 'token', token, asker })
        : refuse({ kind: 'invalid_credential', reason: 'a token for somebody else' });
    const isPaused = this.#floods.isPaused(guessesOf(address));
    const vouched = (await this.#issuer?.read(credential, !isPaused)) ?? null;
    if (vouched?.ok === true) return accept({ kind: 'vouched', vouched: vouched.value });
    if (isPaused) return refuse({ kind: 'rate_limited' });
    if (vouched === null && (await this.#isRoot(await digestOf(credential), address)))
      return accept({ kind: 'root' });
    const refused = vouched ?? refuse({ kind: 'invalid_credential', reason: 'MALFORMED' });
    if (!isOfNewKey(refused.refusal)) this.#floods.note(guessesOf(address));
    return refused;
  }

  /** Whether it is the root key; nothing else is looked at. What is not counts as a guess at it. */
  async isRoot(credential: string, address: string | null): Promise<boolean> {
    const isRoot = await this.#isRoot(await digestOf(credential), address);
    const isGuess = !isRoot && parseSecret(credential) === null && !isCompact(credential);
    if (isGuess) this.#floods.note(guessesOf(address));
    return isRoot;
  }

  /** Who guesses too often is not told. */
  async #isRoot(digest: Digest, address: string | null): Promise<boolean> {
    return !this.#floods.isPaused(guessesOf(address)) && (await this.#rootKeys.match(digest));
  }
}

/** While an issuer changes its keys good tokens may name one that is not known yet. */
function isOfNewKey(refusal: Refusal): boolean {
  return refusal.kind === 'invalid_credential' && refusal.reason === UNKNOWN_KEY;
}
