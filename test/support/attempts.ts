import { expect } from 'vitest';

import { dumpTables, type Answer, type TestService } from './service.ts';

/** Holds of every answer. */
export function expectCommonHeaders({ headers }: Answer): void {
  expect(headers.get('X-Request-Id')).toMatch(/^[A-Za-z0-9_-]{8,64}$/);
  expect(headers.get('Cache-Control')).toBe('no-store');
}

/** All rows but the times of last uses, which every call moves. */
export async function tables(service: TestService): Promise<Record<string, string>> {
  await service.settle();
  const { key_usage: _, ...rest } = await dumpTables();
  return rest;
}

/** Sends each attempt, and holds what comes of it to its outcome; none may change anything. */
export async function refusesEach<Attempt extends { readonly outcome: string }>(
  service: TestService,
  attempts: Readonly<Record<string, Attempt>>,
  send: (attempt: Attempt) => Promise<Answer>,
  outcomeOf: (answer: Answer, attempt: Attempt, title: string) => string,
): Promise<Answer[]> {
  const before = await tables(service);
  const cases = Object.entries(attempts);
  const answers: Answer[] = [];
  const outcomes: [string, string][] = [];
  for (const [title, attempt] of cases) {
    const answer = await send(attempt);
    answers.push(answer);
    outcomes.push([title, outcomeOf(answer, attempt, title)]);
  }
  expect(Object.fromEntries(outcomes)).toEqual(
    Object.fromEntries(cases.map(([title, { outcome }]) => [title, outcome])),
  );
  expect(await tables(service)).toEqual(before);
  return answers;
}

/** Sends each to a valid call of its own, which must succeed; gives back what each answer was. */
export async function acceptsEach<Attempt>(
  attempts: Readonly<Record<string, Attempt>>,
  success: number,
  send: (attempt: Attempt) => Promise<Answer>,
): Promise<Record<string, Answer>> {
  const answers: Record<string, Answer> = {};
  for (const [title, attempt] of Object.entries(attempts)) {
    const answer = await send(attempt);
    expect(answer.status, `${title}: ${answer.text}`).toBe(success);
    expectCommonHeaders(answer);
    answers[title] = answer;
  }
  return answers;
}

/**
 * Makes a mutation anew for each statement of its batch, lets that one fail, and holds that no row is left of it. Gives back
 * what each was answered.
 */
export async function failingEachStatement(
  service: TestService,
  prepare: () => Promise<() => Promise<Answer>>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let statements = 1;
  for (let failing = 0; failing < statements; failing++) {
    const mutate = await prepare();
    const before = await dumpTables();
    service.d1Hooks.rewrite = (batch, db) => {
      statements = batch.length;
      return batch.with(
        failing,
        db.prepare('INSERT INTO assertions (caller_live) VALUES (json(?))').bind('{'),
      );
    };
    answers.push(await mutate());
    delete service.d1Hooks.rewrite;
    expect(await dumpTables()).toEqual(before);
  }
  return answers;
}
