import { guessesOf, missesOf, type Floods } from './floods.ts';
import { accept, refuse, type Result } from './refusal.ts';
import type { RootKeys } from './root_keys.ts';
import { digestOf, parseSecret, type Digest } from './secret.ts';

/** What a credential turns out to be before anything is looked up. */
export type Presented =
  | { readonly kind: 'root' }
  /** A key, if there is one of this digest. `asker` is who is counted if there is none. */
  | { readonly kind: 'key'; readonly digest: Digest; readonly asker: string };

/**
 * Tells the root key from keys, without I/O. What is neither counts as a guess at the root key: an address that guesses
 * too often is refused whatever it guesses, but its keys pass.
 */
export async function presentedBy(
  credential: string,
  address: string | null,
  rootKeys: RootKeys,
  floods: Floods,
): Promise<Result<Presented>> {
  const isKey = parseSecret(credential) !== null;
  const guesses = guessesOf(address);
  const isPaused = floods.isPaused(guesses);
  if (!isKey && isPaused) return refuse({ kind: 'rate_limited' });
  const digest = await digestOf(credential);
  if (!isPaused && (await rootKeys.match(digest))) return accept({ kind: 'root' });
  if (isKey) return accept({ kind: 'key', digest, asker: missesOf(null, address) });
  floods.note(guesses);
  return refuse({ kind: 'invalid_credential', reason: 'MALFORMED' });
}
