import { setTimeout as sleep } from 'node:timers/promises';

import { freePort, isListening, run } from '../../scripts/project_copy.ts';
import { PATH } from './installed.ts';

const PATIENCE_MS = 30_000;

export interface Server {
  readonly port: number;
  readonly stop: () => Promise<void>;
}

/** Starts in a folder what then listens on the port that it is told. */
export async function startServer(
  directory: string,
  commandFor: (port: number) => readonly string[],
  env: Record<string, string> = {},
): Promise<Server> {
  const port = await freePort();
  const [program = '', ...args] = commandFor(port);
  const server = run(program, args, directory, { ...env, PATH });
  let hasEnded = false;
  void server.ended.then(() => (hasEnded = true));
  const stop = async () => {
    if (!hasEnded) process.kill(server.pid, 'SIGTERM');
    await server.ended;
  };
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isListening(port))) {
    if (hasEnded || Date.now() > deadline) {
      await stop();
      throw new Error(`${program} does not start:\n${server.output()}`);
    }
    await sleep(20);
  }
  return { port, stop };
}

/** What a text has once, and what it is to have instead. */
export type Change = readonly [from: string, to: string];

export function changed(text: string, changes: readonly Change[]): string {
  let result = text;
  for (const [from, to] of changes) {
    const parts = result.split(from);
    if (parts.length !== 2) throw new Error(`${from} is there ${parts.length - 1} times`);
    result = parts.join(to);
  }
  return result;
}
