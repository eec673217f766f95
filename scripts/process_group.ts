import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Long enough for wrangler to stop workerd and write its state. */
const GRACE_MS = 5_000;

const groups = new Set<ChildProcess>();
let ending = false;

/** The exit code that a shell reports for a process ended by this signal. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * Starts a process as the leader of a group of its own, so that what it starts in turn can be ended with it,
 * even when it has died first. It has no standard input: it is in no terminal's foreground.
 */
export function startGroup(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): ChildProcessByStdio<null, Readable, Readable> {
  if (ending) throw new Error('no group starts while the others are being ended');
  const leader = spawn(command, args, {
    ...options,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  groups.add(leader);
  return leader;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // None of it is left.
  }
}

/**
 * Asks the leader to end, as wrangler then ends its own processes in order, and ends at once what is left when
 * it has gone or the time is up.
 */
async function endGroup(leader: ChildProcess): Promise<void> {
  const gone = new Promise<void>((resolve) => leader.once('exit', () => resolve()));
  const hasGone = leader.exitCode !== null || leader.signalCode !== null;
  if (!hasGone && leader.kill('SIGTERM')) await Promise.race([gone, sleep(GRACE_MS)]);
  killGroup(leader);
  groups.delete(leader);
}

/**
 * Waits for the leader to end, ends what it left behind, and waits until all output has arrived.
 * Resolves to the exit code as a shell would say it.
 */
export async function groupEnded(leader: ChildProcess): Promise<number> {
  const closed = new Promise((resolve) => leader.once('close', resolve));
  const code = await new Promise<number>((resolve, reject) => {
    leader.once('error', reject);
    leader.once('exit', (exitCode, signal) =>
      resolve(signal === null ? (exitCode ?? 1) : exitCodeOf(signal)),
    );
  });
  await endGroup(leader);
  await closed;
  return code;
}

/** Ends every group; from here on none starts. */
export async function endGroups(): Promise<void> {
  ending = true;
  await Promise.all([...groups].map(endGroup));
}

// The last resort when this process falls to an error of its own.
process.on('exit', () => {
  for (const leader of groups) killGroup(leader);
});
