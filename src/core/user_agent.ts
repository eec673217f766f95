import { MAX_USER_AGENT_LENGTH } from './constants.ts';
import { holdsSecret, holdsToken } from './secret.ts';

const CONTROL_CHARACTERS = /\p{Cc}+/gu;

/**
 * What is kept of a client's user agent: whatever it says is no reason to refuse anyone, so what cannot be kept is cut
 * or blanked. Null where nothing is left, or where it holds a secret.
 */
export function userAgentOf(text: string): string | null {
  const kept = text.slice(0, MAX_USER_AGENT_LENGTH).toWellFormed().replaceAll(CONTROL_CHARACTERS, ' ');
  return kept === '' || holdsSecret(text) || holdsToken(kept) ? null : kept;
}
