import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

import { Problem } from './problem.ts';
import { groupEnded, startGroup } from './process_group.ts';
import { PROJECT_ROOT, wranglerEnvironment, wranglerPath } from './wrangler.ts';

/**
 * Runs `wrangler dev` in view until it ends, and tells once where it listens. Throws a Problem with what can be done about
 * its end; `anotherPort` is the command that would have taken another port.
 */
export async function serve(
  name: string,
  args: readonly string[],
  anotherPort: string,
  onReady: (address: string) => void,
): Promise<number> {
  const wrangler = startGroup(process.execPath, [wranglerPath(), 'dev', ...withoutHotkeys(args)], {
    cwd: PROJECT_ROOT,
    env: wranglerEnvironment(),
  });
  let isReady = false;
  let portIsTaken = false;
  wrangler.stdout.pipe(process.stdout, { end: false });
  wrangler.stderr.pipe(process.stderr, { end: false });
  createInterface(wrangler.stdout).on('line', (line) => {
    const listening = /Ready on (https?:\/\/\S+)/.exec(stripVTControlCharacters(line))?.[1];
    if (listening === undefined || isReady) return;
    isReady = true;
    onReady(clientAddress(listening));
  });
  createInterface(wrangler.stderr).on('line', (line) => {
    portIsTaken ||= /address already in use \(\S+:\d+\)/i.test(line);
  });
  const code = await groupEnded(wrangler);
  if (isReady)
    throw new Problem(`wrangler ended by itself, so ${name} is down. What it said last is above.`, code || 1);
  if (portIsTaken)
    throw new Problem(`The port is taken. End what listens on it, or choose another: ${anotherPort}`, code);
  if (code !== 0) throw new Problem('wrangler could not start; its reason is above.', code);
  return code;
}

/** Nobody can press a key there: wrangler's standard input is closed, and its output goes through a pipe. */
function withoutHotkeys(args: readonly string[]): readonly string[] {
  const isChosen = args.some((arg) => /^--(no-)?show-interactive-dev-session\b/.test(arg));
  return isChosen ? args : ['--show-interactive-dev-session=false', ...args];
}

/** An address that a client on this machine can use, from the one that wrangler listens on. */
function clientAddress(listening: string): string {
  return listening.replace(/^(https?:\/\/)(?:0\.0\.0\.0|\*|\[?::\]?)(?=:\d+$)/, '$1localhost');
}
