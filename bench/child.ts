import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import type { Sample, Side } from './contest.ts';

/** A side that runs in a process of its own, as `file` has it: told a number of calls, it tells what they took. */
export async function startChild(file: string): Promise<{ readonly side: Side } & Disposable> {
  const child = fork(join(import.meta.dirname, file), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${file} ended by itself`);
  });
  ended.catch(() => {});
  const told = async (): Promise<unknown> => (await Promise.race([once(child, 'message'), ended]))[0];
  await told();
  return {
    side: async (calls) => {
      child.send(calls);
      return (await told()) as Sample;
    },
    [Symbol.dispose]: () => child.disconnect(),
  };
}
