import type { Patch } from './production.ts';

const KNOWLEDGE = 'core/knowledge.ts';
const CACHES = 'verifier/caches.ts';
const LOOKUP = 'verifier/lookup.ts';
const FEED = 'verifier/feed.ts';
const COMMIT = 'store/commit.ts';
const ROWS = 'store/rows.ts';

/** A rule of the production code, broken. */
interface Mutant {
  readonly patches: readonly Patch[];
  /** Under which it is found soon; it is found under others too, but that may take long. */
  readonly seed: number;
}

const one = (file: string, find: string, replace: string, seed = 1): Mutant => ({
  patches: [{ file, find, replace }],
  seed,
});
const several = (...patches: readonly Patch[]): Mutant => ({ patches, seed: 1 });

/** The simulator must find every one. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'a floor of a key does not matter': one(KNOWLEDGE, 'asOf >= this.#floorOf(key.id)', 'true'),
  'a floor of an account does not matter': one(
    KNOWLEDGE,
    '(account === null || asOf >= this.#floorOf(account.id))',
    'true',
  ),
  'a floor of an organization does not matter': one(
    KNOWLEDGE,
    'asOf >= this.#floorOf(organization.id)',
    'true',
    2,
  ),
  'how far knowledge reaches back does not matter': one(
    KNOWLEDGE,
    '      asOf >= this.#from &&\n      asOf',
    '      asOf',
    2,
  ),
  'a gap in what was told is not seen': one(
    KNOWLEDGE,
    'if (from > this.#newest) this.#from = Math.max(this.#from, from);',
    '',
    2,
  ),
  'forgetting a floor is no loss': one(
    KNOWLEDGE,
    'this.#from = Math.max(this.#from, forgotten);',
    'void forgotten;',
    7,
  ),
  'a snapshot reaches back as far as the isolate that made it': one(
    KNOWLEDGE,
    'from: Math.max(this.#from, forgotten)',
    'from: Math.min(this.#from, forgotten)',
    5,
  ),
  'a list of changes that was cut reaches back to where it was asked from': one(
    ROWS,
    'const [, leftOut = Math.max(after, row.oldest - 1)] = newestFirst[MAX_CHANGES_TOLD] ?? [];',
    'const leftOut = Math.max(after, row.oldest - 1);',
    2,
  ),
  'changes that were pruned are not missed': one(ROWS, 'Math.max(after, row.oldest - 1)', 'after', 7),
  'knowledge is as young as the end of its query': one(
    FEED,
    'const snapshot = await this.#changes.since(asked, this.#platform.clock());',
    'const snapshot = { ...(await this.#changes.since(asked, this.#platform.clock())), knownAt: this.#platform.clock() };',
    10,
  ),
  'a record is as young as the end of its query': one(
    LOOKUP,
    'for (const [handle, record] of records) this.#caches.keep(handle, record);',
    'for (const [handle, record] of records) this.#caches.keep(handle, { ...record, readAt: this.#platform.clock() });',
    14,
  ),
  'a snapshot is believed without its stamp': one(
    FEED,
    'if (this.#knowledge.accept(snapshot)) this.#postpone();',
    'if (this.#knowledge.accept({ ...snapshot, knownAt: this.#platform.clock() })) this.#postpone();',
  ),
  'knowledge may have any age': several(
    { file: FEED, find: '<= this.#timing.usableMs;', replace: '< Infinity;' },
    { file: CACHES, find: 'oldestMs > 0 && ageMs <= oldestMs', replace: 'oldestMs > 0' },
  ),
  'floors are looked at before the wait for KV': several(
    {
      file: KNOWLEDGE,
      find: '  /** What is known, as a snapshot',
      replace: `  copy(): Knowledge {
    const copy = new Knowledge(this.#limit);
    copy.#generation = this.#generation;
    copy.#from = this.#from;
    for (const [subject, seq] of this.#floors) copy.#floors.set(subject, seq);
    return copy;
  }

  /** What is known, as a snapshot`,
    },
    {
      file: CACHES,
      find: '  async read(open',
      replace: '  before: Knowledge;\n\n  async read(open',
    },
    {
      file: CACHES,
      find: '    const lacking = this.#lacking(asked, NONE);',
      replace: '    this.before = this.#knowledge.copy();\n    const lacking = this.#lacking(asked, NONE);',
    },
    {
      file: CACHES,
      find: 'if (record === undefined || !isOf(record, wanted) || !this.#knowledge.covers(record)) return null;',
      replace: `const known = source === 'kv' ? this.before : this.#knowledge;
    if (record === undefined || !isOf(record, wanted) || !known.covers(record)) return null;`,
    },
  ),
  'no sync is ever due': one(FEED, 'if (now < this.#dueAt ||', 'if (now > 0 ||'),
  'the generation of a record does not matter': one(
    KNOWLEDGE,
    'record.generation === this.#generation &&',
    '',
  ),
  'another generation is not noticed': one(KNOWLEDGE, 'isAnother(snapshot, asked) ||', '', 9),
  'another generation is not seen in a record': one(
    KNOWLEDGE,
    'const isOther = isAnother({ generation }, asked);',
    'const isOther = false;',
    14,
  ),
  'a database that lacks what it had is not noticed': one(
    KNOWLEDGE,
    'snapshot.newest < asked.highest;',
    'false;',
  ),
  'what was asked before all was forgotten is believed': one(
    KNOWLEDGE,
    'if (asked.life !== this.#life) return false;\n    const isOther = isAnother(snapshot, asked)',
    'const isOther = isAnother(snapshot, asked)',
    4,
  ),
  'snapshots from before all was forgotten are believed': one(
    KNOWLEDGE,
    'if (isEarlier || snapshot',
    'if (snapshot',
    2,
  ),
  'a record is put without what it was read as of': one(
    CACHES,
    'this.#memory.put(handle, record);\n    if (this.#limits.usableMs > 0',
    'this.#memory.put(handle, { ...record, asOf: Infinity });\n    if (this.#limits.usableMs > 0',
  ),
  'an isolate does not heed its own changes': one(
    FEED,
    'this.#knowledge.raise(changed, seq,',
    'this.#knowledge.raise([], seq,',
    2,
  ),
  'an answer of D1 that was overtaken is used': one(
    LOOKUP,
    'answer !== undefined && !(answer.record !== null && this.#knowledge.isPast(answer.record))',
    'answer !== undefined',
    4,
  ),
  'what is cached by the id of a key outlives its changes': one(
    CACHES,
    'if (record === undefined || !isOf(record, wanted) || !this.#knowledge.covers(record)) return null;',
    "if (record === undefined || !isOf(record, wanted) || (!wanted.handle.startsWith('key_') && !this.#knowledge.covers(record))) return null;",
  ),
  'expiry is left to the cache': one('core/decide.ts', 'if (isExpired(endOf(judged), now))', 'if (false)'),
  'maxStaleness does not matter to memory': one(
    CACHES,
    'Math.min(maxAgeMs ?? Infinity, this.#limits.usableMs)',
    '(void maxAgeMs, this.#limits.usableMs)',
  ),
  'maxStaleness does not matter while D1 fails': one(
    CACHES,
    ' || wanted.maxAgeMs !== null || graceMs',
    ' || graceMs',
  ),
  'a grace has no end': one(CACHES, 'if (ageMs > usableMs + graceMs) return null;', '', 3),
  'what is degraded is not called so': one(CACHES, 'isDegraded: ageMs > usableMs', 'isDegraded: false'),
  'while D1 fails, known changes do not matter': one(
    CACHES,
    'if (!isOf(record, wanted) || this.#knowledge.isPast(record)) return null;\n    const ageMs',
    'if (!isOf(record, wanted)) return null;\n    const ageMs',
  ),
  'a change is told apart from its batch': several({
    file: COMMIT,
    find: '      results = await this.#db.batch(this.#statements(mutation, now));',
    replace: `      const all = this.#statements(mutation, now);
      const told = mutation.steps.filter(({ write }) => write.kind !== 'insert_key').length;
      const last = all.length - keysOf(mutation).length - 1;
      const changes = all.splice(last - told, told);
      results = await this.#db.batch(all);
      for (const change of changes) await change.run();`,
  }),
  'an account tells no change': one(
    COMMIT,
    "write.kind !== 'insert_key'",
    "write.kind !== 'insert_key' && !write.kind.endsWith('_account')",
  ),
  'a lost answer is taken for a failure': one(
    COMMIT,
    "if (fault instanceof Unavailable) return { kind: 'unknown' };\n      throw fault;\n    }\n    return",
    'throw fault;\n    }\n    return',
  ),
  'a change is in force by the bound after it was asked for': one(
    'keyring/changes.ts',
    'effectiveBy: this.#effectiveBy(judged.weakens)',
    'effectiveBy: judged.weakens ? now + this.#boundMs : null',
  ),
  'a revocation that could not go on is called undone': one(
    'keyring/lineages.ts',
    'if (!(error instanceof Unavailable)) throw error;\n    }\n    return refuse',
    'throw error;\n    }\n    return refuse',
  ),
  'a read of KV is waited for without end': one(
    CACHES,
    'await within(this.#platform, CACHE_PATIENCE_MS, this.#cache.get(handles))',
    'await this.#cache.get(handles)',
  ),
  'D1 is waited for without end': one(LOOKUP, 'deadline - startedAt', '1_000_000'),
  'a change that takes something away tells no time': one(
    'keyring/changes.ts',
    'return takesAway ? this.#platform.clock() + this.#boundMs : null;',
    'void takesAway; return null;',
  ),
  'an edit of an account overwrites what came between': one(
    'store/guards.ts',
    "case 'update_account':\n      return { condition: UNCHANGED_ACCOUNT, values: [id, write.row.revision] };",
    "case 'update_account':\n      return null;",
    6,
  ),
  'what KV answered is said to come from D1': one(
    CACHES,
    '{ record, source, ageMs, isDegraded: false }',
    "{ record, source: source === 'kv' ? 'd1' : source, ageMs, isDegraded: false }",
  ),
  'where no staleness is allowed caches answer nevertheless': one(
    FEED,
    'Math.max(0, maxStalenessSeconds - IN_FLIGHT_SECONDS) * 1_000',
    'Math.max(60, maxStalenessSeconds - IN_FLIGHT_SECONDS) * 1_000',
  ),
  'pruning keeps nothing': one(
    'store/changes.ts',
    '(SELECT max(seq) FROM changes) - ?1',
    '(SELECT max(seq) FROM changes) + 0 * ?1',
  ),
  'a first use ends nothing': one('verifier/uses.ts', 'this.#succession.note(record);', '', 4),
};
