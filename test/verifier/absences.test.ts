import { beforeEach, expect, test } from 'vitest';

import type { OrganizationId } from '../../src/core/id.ts';
import type { Digest } from '../../src/core/secret.ts';
import { Absences } from '../../src/verifier/absences.ts';

const LIMIT = 3;
const TTL_MS = 5_000;
const MINE: OrganizationId = 'org_1';
const THEIRS: OrganizationId = 'org_2';

const digest = (index: number): Digest => index.toString(16).padStart(64, '0') as Digest;

let absences: Absences;

beforeEach(() => {
  absences = new Absences(LIMIT, TTL_MS);
});

test('is remembered for its time from when D1 was asked, and no longer', () => {
  absences.note(MINE, digest(1), 1_000);
  expect(absences.readAt(MINE, digest(1), 1_000 + TTL_MS - 1)).toBe(1_000);
  expect(absences.readAt(MINE, digest(1), 1_000 + TTL_MS)).toBeUndefined();
});

test('says nothing to another organization, nor to who asks for anyone’s', () => {
  absences.note(MINE, digest(1), 1_000);
  absences.note(null, digest(2), 1_000);
  for (const whose of [THEIRS, null]) expect(absences.readAt(whose, digest(1), 1_000)).toBeUndefined();
  for (const whose of [MINE, THEIRS]) expect(absences.readAt(whose, digest(2), 1_000)).toBeUndefined();
});

test('is bounded in number, and what was found longest ago is forgotten first', () => {
  for (let index = 1; index <= LIMIT; index++) absences.note(MINE, digest(index), index);
  absences.note(MINE, digest(1), 10);
  absences.note(MINE, digest(4), 11);
  const remembered = [1, 2, 3, 4].filter((index) => absences.readAt(MINE, digest(index), 11) !== undefined);
  expect(remembered).toEqual([1, 3, 4]);
});

test('is forgotten with everything else', () => {
  absences.note(MINE, digest(1), 1_000);
  absences.clear();
  expect(absences.readAt(MINE, digest(1), 1_000)).toBeUndefined();
});
