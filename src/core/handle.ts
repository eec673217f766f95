import type { KeyId } from './id.ts';
import type { Digest } from './secret.ts';

/** What a key's record is looked up and cached by: the digest of its secret or, for its tokens, its id. */
export type Handle = Digest | KeyId;

export function isKeyId(handle: Handle): handle is KeyId {
  return handle.startsWith('key_');
}
