import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

import { Problem } from './problem.ts';
import { PROJECT_ROOT, wranglerEnvironment, wranglerPath } from './wrangler.ts';

export function launch(
  args: readonly string[],
  stdio: StdioOptions,
  env: Record<string, string> = {},
): ChildProcess {
  return spawn(process.execPath, [wranglerPath(), ...args], {
    cwd: PROJECT_ROOT,
    env: wranglerEnvironment(env),
    stdio,
  });
}

/** A command as a person reads it: an argument of several lines, which is SQL, is left out. */
export function commandLine(args: readonly string[]): string {
  return ['wrangler', ...args.map((arg) => (arg.includes('\n') ? '…' : arg))].join(' ');
}

/** Waits for it to end. `unread` is what it wrote that nobody has seen, which is shown if it failed. */
export async function succeeded(
  wrangler: ChildProcess,
  args: readonly string[],
  unread: Promise<string> | string = '',
): Promise<void> {
  const [code] = (await once(wrangler, 'close')) as [number | null];
  if (code === 0) return;
  process.stderr.write(await unread);
  const signIn = args.includes('--local') ? '' : ' To sign in: npx wrangler login';
  throw new Problem(
    `\`${commandLine(args)}\` failed; its reason is above. Nothing after it was done, and it is safe to run this again.${signIn}`,
    code ?? 1,
  );
}

/** Runs it in view of whoever runs this. */
export async function run(args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  await succeeded(launch(args, 'inherit', env), args);
}

/** What it writes, as JSON: for commands that are told to write that. */
export async function jsonOf(args: readonly string[]): Promise<unknown> {
  const wrangler = launch(args, ['ignore', 'pipe', 'inherit']);
  const output = wrangler.stdout === null ? '' : text(wrangler.stdout);
  await succeeded(wrangler, args, output);
  return JSON.parse(await output);
}
