import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';

import { Knowledge, type Position, type Snapshot } from '../../src/core/knowledge.ts';
import type { KeyRecord } from '../../src/core/records.ts';

const GENERATION = 'first life';
const ROOMY = 1_000;

/** Of key_1, which is account sa_1's in organization org_1. */
const record = (asOf: number, generation = GENERATION): KeyRecord => ({
  key: {
    id: 'key_1',
    userId: null,
    name: '',
    environment: 'live',
    scopes: null,
    metadata: {},
    enabled: true,
    createdAt: 0,
    expiresAt: null,
    revokedAt: null,
    supersedes: null,
    revokedTokens: [],
    revision: 1,
  },
  account: { id: 'sa_1', permissions: [], role: null, disabledAt: null, revision: 1 },
  organization: {
    id: 'org_1',
    slug: '',
    keyPrefix: 'mk',
    personalKeyPermissions: [],
    maxLiveKeys: null,
    maxKeyLifetime: null,
    revision: 1,
  },
  generation,
  asOf,
  readAt: 0,
});

const personal = (asOf: number): KeyRecord => ({ ...record(asOf), account: null });

/** What D1 says when asked from the start, unless told otherwise. */
const snapshot = (newest: number, told: Partial<Snapshot> = {}): Snapshot => ({
  generation: GENERATION,
  from: 0,
  newest,
  changes: [],
  knownAt: 1_000,
  ...told,
});

let knowledge: Knowledge;

/** As one query asked now and answered at once. */
const learn = (told: Snapshot): boolean => knowledge.learn(told, knowledge.position);

beforeEach(() => {
  knowledge = new Knowledge(ROOMY);
});

describe('an isolate that knows nothing', () => {
  test('uses no record, holds none for past, and has nothing to tell', () => {
    expect(knowledge.covers(record(1_000_000))).toBe(false);
    expect(knowledge.isPast(record(0))).toBe(false);
    expect(knowledge.knownAt).toBe(-Infinity);
    expect(knowledge.snapshot(ROOMY)).toBeNull();
  });

  test('asks D1 from the start', () => {
    expect(knowledge.position.seq).toBe(0);
  });
});

describe('a record', () => {
  test.each(['key_1', 'sa_1', 'org_1'])('from before a known change of %s may not be used', (subject) => {
    learn(snapshot(5, { changes: [[subject, 5]] }));
    expect(knowledge.covers(record(4))).toBe(false);
    expect(knowledge.isPast(record(4))).toBe(true);
    expect(knowledge.covers(record(5))).toBe(true);
    expect(knowledge.isPast(record(5))).toBe(false);
  });

  test('is not touched by the changes of others, nor one without an account by any account’s', () => {
    learn(
      snapshot(7, {
        changes: [
          ['sa_2', 5],
          ['key_2', 6],
          ['sa_1', 7],
        ],
      }),
    );
    expect(knowledge.covers(personal(0))).toBe(true);
    expect(knowledge.covers(record(6))).toBe(false);
  });

  test('from before what knowledge reaches back to may not be used, changed or not', () => {
    learn(snapshot(900, { from: 800 }));
    expect(knowledge.covers(record(799))).toBe(false);
    expect(knowledge.covers(record(800))).toBe(true);
  });

  test('of another life of the database may not be used', () => {
    learn(snapshot(5));
    expect(knowledge.covers(record(5, 'another life'))).toBe(false);
    expect(knowledge.isPast(record(5, 'another life'))).toBe(true);
  });
});

describe('what D1 answers', () => {
  test('moves on the position that is asked from, and the time', () => {
    learn(snapshot(5, { knownAt: 1_000 }));
    expect(knowledge.position.seq).toBe(5);
    learn(snapshot(9, { from: 5, knownAt: 2_000 }));
    expect(knowledge.position.seq).toBe(9);
    expect(knowledge.knownAt).toBe(2_000);
  });

  test('joins on to what was known, so older records stay of use', () => {
    learn(snapshot(5));
    learn(snapshot(9, { from: 5 }));
    expect(knowledge.covers(record(0))).toBe(true);
  });

  test('with a gap to what was known makes every record from before its reach unusable', () => {
    learn(snapshot(5));
    learn(snapshot(2_000, { from: 1_000 }));
    expect(knowledge.covers(record(999))).toBe(false);
    expect(knowledge.covers(record(1_000))).toBe(true);
  });

  test('overtaken by a later one lowers nothing, and is no sign of a restore', () => {
    learn(snapshot(5, { changes: [['key_1', 5]] }));
    const early = knowledge.position;
    const late = knowledge.position;
    const told = snapshot(9, { from: 5, changes: [['key_1', 9]], knownAt: 3_000 });
    expect(knowledge.learn(told, late)).toBe(false);
    expect(knowledge.learn(snapshot(6, { from: 5, changes: [['key_1', 6]], knownAt: 2_000 }), early)).toBe(
      false,
    );
    expect(knowledge.knownAt).toBe(3_000);
    expect(knowledge.position.seq).toBe(9);
    expect(knowledge.covers(record(8))).toBe(false);
  });

  test('to a question from before anything was known cannot tell which of two generations is the later', () => {
    const asked = knowledge.position;
    learn(snapshot(5));
    expect(knowledge.learn(snapshot(9, { generation: 'second life', knownAt: 2_000 }), asked)).toBe(false);
    expect(knowledge.knownAt).toBe(1_000);
    expect(knowledge.covers(record(5))).toBe(true);
    // Of the same one it is as good as any.
    expect(knowledge.learn(snapshot(9, { knownAt: 2_000 }), asked)).toBe(false);
    expect(knowledge.knownAt).toBe(2_000);
  });

  test.each([
    ['of another generation', snapshot(9, { generation: 'second life' })],
    ['with fewer changes than were known', snapshot(4)],
  ])('%s makes the isolate forget everything', (_, told) => {
    learn(snapshot(5, { changes: [['key_1', 5]] }));
    const before = knowledge.position;
    expect(learn(told)).toBe(true);
    expect(knowledge.position.seq).toBe(told.newest);
    // What was known of the other database does not hold for this one.
    expect(knowledge.covers(record(0, told.generation))).toBe(true);
    // Nor does what was asked of it and comes late.
    knowledge.learn(snapshot(6, { knownAt: 9_000, changes: [['key_1', 6]] }), before);
    expect(knowledge.knownAt).toBe(1_000);
    expect(knowledge.covers(record(0, told.generation))).toBe(true);
  });
});

describe('a snapshot from a cache', () => {
  test('is taken where nothing is known, and judged by its own time', () => {
    expect(knowledge.accept(snapshot(5, { from: 2, changes: [['key_1', 5]], knownAt: 1_000 }))).toBe(true);
    expect(knowledge.knownAt).toBe(1_000);
    expect(knowledge.position.seq).toBe(5);
    expect(knowledge.covers(record(4))).toBe(false);
    expect(knowledge.covers(personal(1))).toBe(false);
    expect(knowledge.covers(personal(4))).toBe(false);
    expect(knowledge.covers({ ...personal(2), key: { ...personal(2).key, id: 'key_2' } })).toBe(true);
  });

  test('that is no younger than what is known says nothing', () => {
    learn(snapshot(5, { knownAt: 1_000 }));
    for (const knownAt of [999, 1_000]) {
      expect(knowledge.accept(snapshot(9, { changes: [['key_1', 9]], knownAt }))).toBe(false);
    }
    expect(knowledge.covers(record(5))).toBe(true);
  });

  test.each([
    ['of another generation', snapshot(9, { generation: 'second life', knownAt: 2_000 })],
    ['with fewer changes than are known', snapshot(4, { knownAt: 2_000 })],
  ])('%s never makes an isolate forget, and is not believed', (_, told) => {
    learn(snapshot(5, { changes: [['key_1', 5]] }));
    expect(knowledge.accept(told)).toBe(false);
    expect(knowledge.knownAt).toBe(1_000);
    expect(knowledge.covers(record(5))).toBe(true);
    expect(knowledge.covers(record(4))).toBe(false);
  });

  test('from before everything was forgotten is not believed any more', () => {
    learn(snapshot(5));
    knowledge.forget(5_000);
    // The clock that stamped it may be a second ahead.
    expect(knowledge.accept(snapshot(9, { knownAt: 6_000 }))).toBe(false);
    expect(knowledge.knownAt).toBe(-Infinity);
    expect(knowledge.accept(snapshot(9, { knownAt: 6_001 }))).toBe(true);
  });

  test('told by one isolate tells another the same', () => {
    learn(
      snapshot(7, {
        from: 2,
        changes: [
          ['sa_1', 3],
          ['key_1', 7],
        ],
        knownAt: 1_500,
      }),
    );
    const told = knowledge.snapshot(ROOMY);
    expect(told).toEqual(
      snapshot(7, {
        from: 2,
        changes: [
          ['sa_1', 3],
          ['key_1', 7],
        ],
        knownAt: 1_500,
      }),
    );
  });

  test('of fewer changes than are known reaches back less far', () => {
    learn(
      snapshot(7, {
        changes: [
          ['sa_1', 3],
          ['sa_2', 5],
          ['key_2', 7],
        ],
      }),
    );
    expect(knowledge.snapshot(2)).toMatchObject({
      from: 3,
      changes: [
        ['sa_2', 5],
        ['key_2', 7],
      ],
    });
    const other = new Knowledge(ROOMY);
    other.accept(knowledge.snapshot(2) ?? snapshot(0));
    expect(other.covers(record(2))).toBe(false);
    expect(other.covers(record(3))).toBe(true);
  });
});

describe('a change that this isolate made', () => {
  test('is known at once, and does not make the rest of its knowledge younger', () => {
    learn(snapshot(5, { knownAt: 1_000 }));
    expect(knowledge.raise(['key_1'], 6, GENERATION, knowledge.position, 9_000)).toBe(false);
    expect(knowledge.covers(record(5))).toBe(false);
    expect(knowledge.covers(record(6))).toBe(true);
    expect(knowledge.knownAt).toBe(1_000);
    // Other isolates' changes may lie between, so D1 is still asked from where it was.
    expect(knowledge.position.seq).toBe(5);
  });

  test('made before anything else is known makes nothing young', () => {
    knowledge.raise(['key_1'], 6, GENERATION, knowledge.position, 9_000);
    expect(knowledge.knownAt).toBe(-Infinity);
    expect(knowledge.isPast(record(5))).toBe(true);
    expect(knowledge.snapshot(ROOMY)).toBeNull();
    learn(snapshot(6, { changes: [['key_1', 6]] }));
    expect(knowledge.covers(record(5))).toBe(false);
  });

  test('outlives an answer that D1 began before it', () => {
    learn(snapshot(5));
    const asked = knowledge.position;
    knowledge.raise(['key_1'], 6, GENERATION, knowledge.position, 9_000);
    knowledge.learn(snapshot(5, { from: 5, knownAt: 8_000 }), asked);
    expect(knowledge.covers(record(5))).toBe(false);
  });

  test('that only added something tells a cold isolate which life this is, and takes nothing from it', () => {
    expect(knowledge.raise([], 6, 'second life', knowledge.position, 9_000)).toBe(false);
    expect(knowledge.accept(snapshot(5, { knownAt: 20_000 }))).toBe(false);
    expect(knowledge.accept(snapshot(5, { generation: 'second life', knownAt: 8_000 }))).toBe(true);
  });

  test('in another life of the database makes the isolate forget everything', () => {
    learn(snapshot(5));
    const asked = knowledge.position;
    expect(knowledge.raise(['key_1'], 6, 'second life', knowledge.position, 9_000)).toBe(true);
    expect(knowledge.knownAt).toBe(-Infinity);
    expect(knowledge.accept(snapshot(5, { knownAt: 8_999 }))).toBe(false);
    knowledge.learn(snapshot(5, { knownAt: 9_000 }), asked);
    expect(knowledge.knownAt).toBe(-Infinity);
  });
});

describe('what D1 answered to anything else', () => {
  test('tells a cold isolate which life this is, so that a cache can tell it of no other', () => {
    expect(knowledge.notice(record(5), knowledge.position, 1_000)).toBe(false);
    expect(knowledge.accept(snapshot(7, { generation: 'another life', knownAt: 2_000 }))).toBe(false);
    expect(knowledge.accept(snapshot(7, { knownAt: 2_000 }))).toBe(true);
  });

  test('of another life than was known makes the isolate forget everything', () => {
    learn(snapshot(7));
    expect(knowledge.notice(record(8, 'another life'), knowledge.position, 2_000)).toBe(true);
    expect(knowledge.knownAt).toBe(-Infinity);
    expect(knowledge.covers(record(7))).toBe(false);
    expect(knowledge.accept(snapshot(7, { knownAt: 2_000 }))).toBe(false);
  });

  test('to a question from before anything was known, or was forgotten, says nothing against what is known', () => {
    const early = knowledge.position;
    learn(snapshot(7));
    expect(knowledge.notice(record(8, 'another life'), early, 2_000)).toBe(false);
    const { position } = knowledge;
    knowledge.forget(1_500);
    learn(snapshot(9, { generation: 'another life', knownAt: 2_000 }));
    expect(knowledge.notice(record(8), position, 2_500)).toBe(false);
    expect(knowledge.covers(record(9, 'another life'))).toBe(true);
  });
});

describe('forgetting for want of room', () => {
  test('makes every record from before the change that was forgotten unusable, never usable', () => {
    knowledge = new Knowledge(2);
    learn(
      snapshot(7, {
        changes: [
          ['key_1', 5],
          ['sa_8', 6],
          ['sa_9', 7],
        ],
      }),
    );
    expect(knowledge.covers(record(4))).toBe(false);
    expect(knowledge.covers(record(5))).toBe(true);
  });

  test('takes the change that is longest ago', () => {
    knowledge = new Knowledge(2);
    learn(
      snapshot(6, {
        changes: [
          ['sa_8', 5],
          ['sa_9', 6],
        ],
      }),
    );
    learn(snapshot(7, { from: 6, changes: [['sa_8', 7]] }));
    learn(snapshot(8, { from: 7, changes: [['sa_7', 8]] }));
    expect(knowledge.covers(record(6))).toBe(true);
    expect(knowledge.covers(record(5))).toBe(false);
  });

  test('does not lower what is known of a subject that is heard of late', () => {
    learn(snapshot(2));
    knowledge.raise(['key_1'], 9, GENERATION, knowledge.position, 0);
    learn(snapshot(9, { from: 2, changes: [['key_1', 3]] }));
    expect(knowledge.covers(record(8))).toBe(false);
  });
});

/**
 * The rule itself, against every way to learn: a record that may be used misses no change that was committed before
 * `knownAt`; and where nothing was forgotten, a record that misses none may be used.
 */
describe('of any history, learned in any way,', () => {
  const SUBJECTS = ['key_1', 'sa_1', 'org_1', 'key_2', 'sa_2', 'org_2'];
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('change' as const), subject: fc.constantFrom(...SUBJECTS) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('ask' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cached' as const), which: fc.nat(3) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('own' as const), subject: fc.constantFrom(...SUBJECTS) }),
    },
  );

  test('a record that may be used misses no change that is to be known', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 4 }),
        (steps, room, told) => {
          const known = new Knowledge(room);
          const history: { subject: string; seq: number }[] = [];
          const underway: { asked: Position; answer: Snapshot }[] = [];
          const published: Snapshot[] = [];
          const own = new Map<string, number>();
          // Time goes by the number of changes, so `knownAt` says which of them are to be known.
          const commit = (subject: string) => history.push({ subject, seq: history.length + 1 });
          for (const taken of steps) {
            if (taken.kind === 'change') commit(taken.subject);
            if (taken.kind === 'own') {
              const seq = commit(taken.subject);
              known.raise([taken.subject], seq, GENERATION, known.position, seq);
              own.set(taken.subject, seq);
            }
            if (taken.kind === 'ask') {
              const asked = known.position;
              const answer = answerTo(history, asked.seq, told);
              underway.push({ asked, answer });
              published.push(answerTo(history, 0, told));
            }
            if (taken.kind === 'answer') {
              const [given] = underway.splice(taken.which, 1);
              if (given !== undefined) known.learn(given.answer, given.asked);
            }
            if (taken.kind === 'cached') {
              const given = published[taken.which];
              if (given !== undefined) known.accept(given);
            }
            for (let asOf = 0; asOf <= history.length; asOf++) {
              if (!known.covers(record(asOf))) continue;
              const missed = history.filter(
                ({ subject, seq }) =>
                  ['key_1', 'sa_1', 'org_1'].includes(subject) &&
                  seq > asOf &&
                  (seq <= known.knownAt || seq <= (own.get(subject) ?? 0)),
              );
              expect(missed).toEqual([]);
            }
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('a record that misses none may be used, as long as there is room', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...SUBJECTS), { maxLength: 30 }), fc.nat(30), (subjects, at) => {
        const history = subjects.map((subject, index) => ({ subject, seq: index + 1 }));
        const known = new Knowledge(ROOMY);
        known.learn(answerTo(history.slice(0, at), 0, ROOMY), known.position);
        known.learn(answerTo(history, known.position.seq, ROOMY), known.position);
        for (let asOf = 0; asOf <= history.length; asOf++) {
          const misses = history.some(
            ({ subject, seq }) => ['key_1', 'sa_1', 'org_1'].includes(subject) && seq > asOf,
          );
          expect(known.covers(record(asOf))).toBe(!misses);
        }
      }),
    );
  });

  /** What D1 would say of these changes when asked from a position, of at most so many. */
  function answerTo(
    history: readonly { subject: string; seq: number }[],
    after: number,
    limit: number,
  ): Snapshot {
    const later = history.filter(({ seq }) => seq > after);
    const told = later.slice(-limit);
    return snapshot(history.length, {
      from: later.length > limit ? (later.at(-limit - 1)?.seq ?? 0) : Math.min(after, history.length),
      changes: told.map(({ subject, seq }) => [subject, seq]),
      knownAt: history.length,
    });
  }
});
