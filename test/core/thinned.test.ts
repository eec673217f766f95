import { beforeEach, expect, it } from 'vitest';

import type { LogEntry } from '../../src/core/platform.ts';
import { thinned } from '../../src/core/thinned.ts';

let now: number;
let logged: LogEntry[];
let log: (entry: LogEntry) => void;

beforeEach(() => {
  now = 1_000_000;
  logged = [];
  log = thinned({ clock: () => now, log: (entry) => logged.push(entry) }, 2);
});

const refused = (reason: number): LogEntry => ({ level: 'info', event: 'credential_refused', reason });

it('writes what comes in small numbers as it is', () => {
  for (let reason = 0; reason < 5; reason++, now += 500) log(refused(reason));
  expect(logged).toEqual([0, 1, 2, 3, 4].map(refused));
});

it('writes so many a second of a flood, and tells how many were left out', () => {
  for (let reason = 0; reason < 1_000; reason++) log(refused(reason));
  expect(logged).toEqual([refused(0), refused(1)]);
  now += 999;
  log(refused(1_000));
  expect(logged).toHaveLength(2);
  now += 1;
  log(refused(1_001));
  log(refused(1_002));
  expect(logged.slice(2)).toEqual([{ ...refused(1_001), unlogged: 999 }, refused(1_002)]);
});

it('goes on where the clock steps back', () => {
  for (const reason of [0, 1, 2]) log(refused(reason));
  now -= 3_600_000;
  log(refused(3));
  expect(logged.at(-1)).toEqual({ ...refused(3), unlogged: 1 });
});
