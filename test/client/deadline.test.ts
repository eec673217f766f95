import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { createClient } from '../../src/client/client.ts';
import { timeoutOf, within } from '../../src/client/deadline.ts';

const never = () => new Promise<never>(() => undefined);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('work within a time', () => {
  test('comes to its value, and leaves no timer', async () => {
    expect(await within(1_000, () => 'at once')).toBe('at once');
    expect(await within(1_000, async () => 'later')).toBe('later');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('comes to what it throws, and leaves no timer', async () => {
    const broken = new Error('broken');
    const fails = async () => Promise.reject(broken);
    const throws = () => {
      throw broken;
    };
    for (const work of [fails, throws]) await expect(within(1_000, work)).rejects.toBe(broken);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends once the time is up and no sooner, whether or not it listens', async () => {
    const ended = vi.fn<(error: unknown) => void>();
    const waiting = within(1_000, never).catch(ended);
    await vi.advanceTimersByTimeAsync(999);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    expect(String(ended.mock.lastCall)).toBe('Error: no answer within 1000 ms');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is told by its signal, with the same reason, when the time is up, and not before', async () => {
    const signals: AbortSignal[] = [];
    const waiting = within(1_000, (signal) => {
      signals.push(signal);
      return never();
    }).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await vi.advanceTimersByTimeAsync(1);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(signals[0]?.reason).toBe(await waiting);
  });

  test('that ended in time is told nothing', async () => {
    const signals: AbortSignal[] = [];
    await within(1_000, (signal) => signals.push(signal));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  });
});

describe('a time to wait', () => {
  test.for([1, 2_500, 10_000])('may be %d ms', (ms) => expect(timeoutOf(ms, 10_000)).toBe(ms));

  test.for([0, -1, 1.5, 10_001, Infinity, NaN, '1000', null, {}])('can’t be %j', (ms) =>
    expect(() => timeoutOf(ms as number, 10_000)).toThrow(TypeError),
  );
});

describe('a client that is told to wait a minute', () => {
  const client = createClient({
    url: 'https://keys.example.com',
    credential: 'x',
    timeoutMs: 60_000,
    fetch: never,
  });

  test.for<[string, number, () => Promise<object>]>([
    ['does so for an answer', 60_000, () => client.whoami()],
    [
      'waits ten seconds for a verdict, which is good for no longer',
      10_000,
      () => client.verify({ key: 'x' }),
    ],
  ])('%s', async ([, ms, call]) => {
    const ended = vi.fn<(answer: object) => void>();
    const waiting = call().then(ended);
    await vi.advanceTimersByTimeAsync(ms - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await waiting;
    expect(ended.mock.lastCall).toMatchObject([{ error: { status: 503, code: 'unavailable' } }]);
  });
});
