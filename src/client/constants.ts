/** A verdict is of use only so long after it was asked for: the bound on a revocation has as much for what is on its way. */
export const MAX_TIMEOUT_MS = 10_000;
/** A change may take longer than a verdict, and is known to have failed or not. */
export const DEFAULT_CALL_TIMEOUT_MS = 30_000;
/** Timers overflow at 24 days; nobody waits as long for an answer. */
export const MAX_CALL_TIMEOUT_MS = 600_000;

/** As old as a verdict's knowledge may be asked to be. */
export const MAX_STALENESS_SECONDS = 3_600;

/** Mintmark takes no more scopes to ask for, and none that is longer; no key has them. */
export const MAX_SCOPES = 100;
export const MAX_SCOPE_LENGTH = 128;

/** As long as a token may be, and longer than any key: what is longer is malformed, whoever says it. */
export const MAX_CREDENTIAL_LENGTH = 8_000;
/** Shorter than any key: in a reason for a log it hides nothing that is worth hiding, and would take words apart. */
export const MIN_KEY_LENGTH = 40;
/**
 * Mintmark keeps half of it, and none where it finds a key in what it is told: one that reached over the end of what it keeps,
 * and were cut, it would not find.
 */
export const MAX_USER_AGENT_LENGTH = 1_024;

/** When to come back, where Mintmark does not say: as long as it refuses a flood, and as it says of an outage. */
export const RATE_LIMITED_RETRY_SECONDS = 10;
export const UNAVAILABLE_RETRY_SECONDS = 5;

/** Scopes that a challenge names are left out above this: proxies refuse answers for the length of their headers. */
export const MAX_CHALLENGE_SCOPES_LENGTH = 1_024;
