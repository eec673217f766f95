const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What one unit of a duration such as `90d` is worth. */
export const DURATION_UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['s', SECOND_MS],
  ['m', MINUTE_MS],
  ['h', HOUR_MS],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
]);

/** Ten calendar years, counted with the most leap days that ten years can hold. */
export const MAX_LIFETIME_MS = 3_653 * DAY_MS;

/** 2100-01-01: no key lives past it, however it was minted. */
export const LATEST_EXPIRY_MS = Date.UTC(2100, 0, 1);

/** Random characters of a secret: 32 of 62 are 190 bits, so no slow hash is needed to keep a digest safe. */
export const SECRET_RANDOM_LENGTH = 32;
/** The largest CRC-32 takes six base62 digits. */
export const SECRET_CHECKSUM_LENGTH = 6;
/** How much of the random part `start` shows: enough to recognise a key, and 166 bits stay unseen. */
export const SECRET_START_LENGTH = 4;
/** `fingerprint`: the last characters, as people compare card numbers. */
export const SECRET_FINGERPRINT_LENGTH = 4;

/** Eight base62 digits hold milliseconds until the year 8888, so ids sort by creation. */
export const ID_TIME_LENGTH = 8;
/** Keeps ids of one millisecond in one isolate in order: 238,328 of them. */
export const ID_SEQUENCE_LENGTH = 3;
/** 77 bits: isolates that share a millisecond do not collide. */
export const ID_RANDOM_LENGTH = 13;

export const MAX_SCOPE_LENGTH = 128;
export const MAX_SCOPES = 100;
export const MAX_NAME_LENGTH = 256;
export const MAX_SLUG_LENGTH = 63;
/** The brand of keys where an organization says no other. */
export const DEFAULT_KEY_PREFIX = 'mk';
/** What JWTs and OAuth count times in (RFC 7519 §2). */
export const NUMERIC_DATE_MS = 1_000;
/** How long an access token lives, unless its key ends before. */
export const DEFAULT_TOKEN_LIFETIME_SECONDS = 300;
export const SHORTEST_TOKEN_LIFETIME_SECONDS = 30;
/** Whoever verifies a token offline takes it so long after its key has ended. */
export const LONGEST_TOKEN_LIFETIME_SECONDS = 86_400;
/** What Blaxel says of its own. */
export const BLAXEL_TOKEN_LIFETIME_SECONDS = 7_200;
/** A token goes into a header, of which nginx takes 8 KiB a line. */
export const MAX_TOKEN_LENGTH = 8_000;
/** Issuers put groups and roles into theirs; Cloudflare takes 16 KB of headers a line. */
export const MAX_ISSUER_TOKEN_LENGTH = 16_000;
/** 95 bits: no two tokens of a key are the same. */
export const TOKEN_RANDOM_LENGTH = 16;
/** Of one key, tokens ended ahead of their time that are remembered at once: they are part of its record. */
export const MAX_REVOKED_TOKENS = 100;
/** When another may be ended: the ended ones are forgotten by a schedule, each minute. */
export const REVOKED_TOKENS_RETRY_SECONDS = 60;
/** How long after its end a token is still told as revoked, to clocks that are behind. */
export const FORGOTTEN_TOKEN_MS = MINUTE_MS;
/** How long the keys of a trusted issuer are used before they are asked for again. */
export const ISSUER_KEYS_TTL_MS = 10 * MINUTE_MS;
/** How long they are used while the issuer does not answer. */
export const ISSUER_KEYS_GRACE_MS = HOUR_MS;
/** A token may name a key that is new: so often, at most, the issuer is asked for that. */
export const ISSUER_KEYS_COOLDOWN_MS = 30 * SECOND_MS;
/** After it failed the issuer is left alone for so long. */
export const ISSUER_RETRY_MS = 5 * SECOND_MS;
export const ISSUER_PATIENCE_MS = 3 * SECOND_MS;
/** Some hundred RSA keys with their certificates. */
export const MAX_ISSUER_ANSWER_BYTES = 262_144;
export const DEFAULT_CLOCK_TOLERANCE_SECONDS = 30;
export const LARGEST_CLOCK_TOLERANCE_SECONDS = 300;
/** Who a token may be for. */
export const MAX_RESOURCES = 10;
export const MAX_RESOURCE_LENGTH = 512;

/** More keys than a database of D1's size holds. */
export const LARGEST_MAX_LIVE_KEYS = 100_000_000;
/** Longer than what people search by. */
export const MAX_SEARCH_BYTES = 40;
export const DEFAULT_GRACE_PERIOD = '24h';
/** How long a rotated key may go on beside its successor. */
export const MAX_GRACE_MS = 30 * DAY_MS;
/** An isolate that sees a successor used tries so often to end the key that it supersedes, while that is not done. */
export const SUPERSEDE_RETRY_MS = 10 * SECOND_MS;
/** D1's free plan takes 50 statements an invocation, and a key's change is five of them. */
export const MAX_KEYS_IN_BATCH = 8;
export const MAX_DESCRIPTION_LENGTH = 1_024;
export const MAX_REASON_LENGTH = 512;
export const MAX_USER_ID_LENGTH = 255;
export const MAX_METADATA_BYTES = 4_096;
/** Far more than metadata of 4 KiB needs, far less than what would exhaust the stack. */
export const MAX_METADATA_DEPTH = 32;
/** Browsers' user agents stay below this; longer ones are cut before they are stored. */
export const MAX_USER_AGENT_LENGTH = 512;
/** The longest textual IPv6 address, with an embedded IPv4 one. */
export const MAX_IP_LENGTH = 45;

export const MAX_BODY_BYTES = 65_536;
/** A body that takes longer to arrive is refused, so that one that never ends holds nothing open. */
export const BODY_TIMEOUT_MS = 10_000;

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 100;
/** Rows that one filtered page may examine; the page is short, and has a cursor, when they match too rarely. */
export const MAX_ROWS_EXAMINED = 1_000;
/** Items in the answer of a format that has no pages: some 3 MB of JSON. */
export const MAX_UNPAGED = 10_000;
/** Of them read at once: at the contract's bounds some 9 MB, and forty statements for all, where the free plan has fifty. */
export const UNPAGED_STEP = 500;
/** How far into a list a format may ask that pages by an offset, where what is passed over is read for nothing. */
export const MAX_OFFSET = 10_000;

/** A guessable root key would be a way around everything else. */
export const MIN_ROOT_KEY_LENGTH = 32;

/** From a change's commit to the moment from which no isolate answers by what was before it. */
export const DEFAULT_MAX_STALENESS_SECONDS = 120;
export const LARGEST_MAX_STALENESS_SECONDS = 3_600;
/** The part of the bound kept for a verdict that was reached just in time and is still on its way. */
export const IN_FLIGHT_SECONDS = 10;
/** How often an isolate that serves asks D1 what has changed. */
export const DEFAULT_SYNC_INTERVAL_SECONDS = 10;
export const LARGEST_SYNC_INTERVAL_SECONDS = 60;
/** The share of the interval by which isolates differ, so that those that started together do not ask together. */
export const SYNC_JITTER = 0.2;
/** How long an edge that is cut off from D1 goes on by what it knows. */
export const DEFAULT_OUTAGE_GRACE_SECONDS = 600;
export const LARGEST_OUTAGE_GRACE_SECONDS = 86_400;
/** How old the judgement of a caller may be when its key is asked about, for a body may be long on its way. */
export const CALLER_JUDGED_MS = SECOND_MS;
/** After D1 failed, what can be answered without it is, for so long, before it is asked again. */
export const OUTAGE_RETRY_MS = 5 * SECOND_MS;

/**
 * A verification waits so long for D1. Twice that, for its caller and its key, twice the next, and a second in between
 * are within the part of the bound that is kept for what is on its way.
 */
export const DATABASE_PATIENCE_MS = 3 * SECOND_MS;
/** A verification waits so long for a read of KV, whose slowest reads take tenths of a second, before it asks D1. */
export const CACHE_PATIENCE_MS = SECOND_MS / 2;
/**
 * How often a verification asks D1 again for what was overtaken on its way, within its patience. After a restore the sight
 * of the new life, and each change of the isolate's own that was in flight, overtakes once.
 */
export const MAX_LOOKUP_ATTEMPTS = 5;

/** KV refuses to expire a value sooner. */
export const KV_MIN_TTL_SECONDS = 60;
/** A matter of cost: whether a record may be used is judged by what it says itself. */
export const KV_RECORD_TTL_SECONDS = 86_400;
/** As long as the longest grace might make use of it. */
export const KV_SNAPSHOT_TTL_SECONDS = 86_400;
/** KV takes one write a second to a name. */
export const KV_WRITE_INTERVAL_MS = SECOND_MS;
/** The shortest that KV allows: a longer one would hand out records that are too old to be used. */
export const KV_EDGE_CACHE_TTL_SECONDS = 30;
/** Clocks of one platform agree better than this; what comes from further in the future says nothing of its age. */
export const CLOCK_TOLERANCE_MS = SECOND_MS;

/** Subjects of which an isolate remembers the latest change: some 2 MB. */
export const MAX_FLOORS = 10_000;
/** Changes in one answer of D1, and in the snapshot in KV: some 40 KB. */
export const MAX_CHANGES_TOLD = 1_000;
/** No isolate that serves lags further behind; one that does starts over. */
export const MAX_CHANGES_KEPT = 10_000;
/** What one run of the scheduled handler removes at most: more a minute than one database can write. */
export const MAX_CHANGES_PRUNED = 10_000;

/** What an isolate of 128 MB spends on records. */
export const MAX_MEMORY_BYTES = 16_000_000;
/** How long a digest that is no key's is remembered as such. */
export const ABSENT_MS = 5 * SECOND_MS;
/** Digests that are remembered as no key's: some 2 MB. */
export const MAX_ABSENT = 10_000;

/** How long the source of a flood is refused before it is counted again. */
export const FLOOD_PAUSE_MS = 10 * SECOND_MS;
/** Sources of floods that an isolate remembers. */
export const MAX_FLOODS = 10_000;

/** An isolate writes the uses that it saw at most so often. */
export const USAGE_FLUSH_INTERVAL_MS = MINUTE_MS;
/** What background work may safely take: the platform ends it some 30 s after the answer. */
export const MAX_BACKGROUND_MS = 25 * SECOND_MS;
/** A first use waits so long for others, so that a burst of calls to a quiet isolate is one write. */
export const USAGE_GATHER_MS = 5 * SECOND_MS;
/** Keys whose use an isolate holds for its next write; past that the oldest use is forgotten. */
export const MAX_PENDING_USES = 10_000;
/** Uses in one statement: with the longest user agents they stay below the 2 MB that D1 takes as one value. */
export const MAX_USES_PER_STATEMENT = 1_000;

/** Of callers, organizations and accounts each: as many as an isolate remembers for the changes that rely on them. */
export const MAX_PRESUMED = 200;
/** What an operator changes by hand, and no revision tells of, is relied on no longer. */
export const PRESUMED_MS = 60_000;

/** Rounds of read, judge and write before a change that others keep overtaking is given back as a conflict. */
export const MAX_CHANGE_ATTEMPTS = 5;

/** Keys in one call of verifyMany. */
export const MAX_VERIFY_MANY = 100;
/** Names of organizations that an isolate remembers. */
export const MAX_KNOWN_ORGANIZATIONS = 1_000;

/** Batches that the revocation of a lineage may take before it is given back as a conflict. */
export const MAX_LINEAGE_PASSES = 100;
/** Successors whose first use an isolate remembers having acted on. */
export const MAX_SUCCESSIONS = 10_000;

/** Refused credentials that an isolate logs: whoever sends more would fill the log, which costs more than refusing them. */
export const MAX_REFUSALS_LOGGED_PER_SECOND = 10;

/** How long one answer of the readiness probe is given to everyone who asks. */
export const READINESS_TTL_MS = 5_000;
/** What `Retry-After` says while a dependency is down. */
export const RETRY_AFTER_SECONDS = 5;
