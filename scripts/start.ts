import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';

import { rootKeyFault } from '../src/core/root_keys.ts';
import { ensureRootKey, readRootKey } from './dev_vars.ts';
import { firstKeyBlocks } from './first_key.ts';
import { Problem, reportProblem } from './problem.ts';
import { endGroups, exitCodeOf, groupEnded, startGroup } from './process_group.ts';
import { ROOT_KEY_NAME } from './root_key.ts';
import {
  PROJECT_ROOT,
  sharedArgs,
  sharedOptions,
  wranglerEnvironment,
  wranglerPath,
  type SharedOptions,
} from './wrangler.ts';

const PARENT_POLL_MS = 250;

/** wrangler's choice: beside the config, and an environment's own file before the common one. */
function devVarsPath({ config, env }: SharedOptions): string {
  const common = resolve(PROJECT_ROOT, config === undefined ? '.' : dirname(config), '.dev.vars');
  const own = `${common}.${env ?? process.env['CLOUDFLARE_ENV'] ?? ''}`;
  return existsSync(own) ? own : common;
}

async function migrate(options: SharedOptions): Promise<void> {
  const persistTo = options.persistTo === undefined ? [] : ['--persist-to', options.persistTo];
  const args = ['d1', 'migrations', 'apply', 'DB', '--local', ...persistTo, ...sharedArgs(options)];
  const wrangler = startGroup(process.execPath, [wranglerPath(), ...args], {
    cwd: PROJECT_ROOT,
    // In a terminal it would ask before it applies them.
    env: wranglerEnvironment({ CI: '1' }),
  });
  let output = '';
  wrangler.stdout.on('data', (chunk) => (output += String(chunk)));
  wrangler.stderr.on('data', (chunk) => (output += String(chunk)));
  const code = await groupEnded(wrangler);
  if (code === 0) return;
  throw new Problem(
    `${output}\nThe local database could not be brought up to date, so nothing was started. What wrangler said is above.`,
    code,
  );
}

/** An address that a client on this machine can use, from the one that wrangler listens on. */
function clientAddress(listening: string): string {
  return listening.replace(/^(https?:\/\/)(?:0\.0\.0\.0|\*|\[?::\]?)(?=:\d+$)/, '$1localhost');
}

function welcome(address: string, rootKey: string, devVars: string): string {
  const fault = rootKeyFault(rootKey);
  const blocks = firstKeyBlocks(address, rootKey).map(
    ({ title, commands }, index) => `${index + 1}. ${title}\n\n${commands}`,
  );
  const next =
    fault === null
      ? ['Paste these into another shell, in order, as often as you like.', ...blocks]
      : [`${fault} Root is refused until you change this one and start again.`];
  return [`Mintmark is ready: ${address}`, `Root key (kept in ${basename(devVars)}): ${rootKey}`, ...next]
    .map((paragraph) => `\n${paragraph}\n`)
    .join('');
}

/** Serves until wrangler ends, and says how it ended. */
async function serve(args: readonly string[], devVars: string): Promise<number> {
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
    // Read again, as wrangler has: another start may have added a key meanwhile.
    process.stdout.write(welcome(clientAddress(listening), readRootKey(devVars) ?? '', devVars));
  });
  createInterface(wrangler.stderr).on('line', (line) => {
    portIsTaken ||= /address already in use \(\S+:\d+\)/i.test(line);
  });
  const code = await groupEnded(wrangler);
  if (isReady)
    throw new Problem(
      'wrangler ended by itself, so Mintmark is down. What it said last is above.',
      code || 1,
    );
  if (portIsTaken)
    throw new Problem(
      'The port is taken. End what listens on it, or choose another: npm start -- --port 8788',
      code,
    );
  if (code !== 0) throw new Problem('wrangler could not start; its reason is above.', code);
  return code;
}

/** Nobody can press a key there: wrangler's standard input is closed, and its output goes through a pipe. */
function withoutHotkeys(args: readonly string[]): readonly string[] {
  const isChosen = args.some((arg) => /^--(no-)?show-interactive-dev-session\b/.test(arg));
  return isChosen ? args : ['--show-interactive-dev-session=false', ...args];
}

async function start(args: readonly string[]): Promise<number> {
  if (args.some((arg) => /^--env-?file\b/i.test(arg))) {
    throw new Problem(
      `With --env-file wrangler reads no .dev.vars, where npm start keeps ${ROOT_KEY_NAME}. Leave the option out, or run npx wrangler dev yourself.`,
    );
  }
  const options = sharedOptions(args);
  const devVars = devVarsPath(options);
  ensureRootKey(devVars);
  await migrate(options);
  return await serve(args, devVars);
}

/** Resolves to an exit code once this process should end: by a signal, or with whoever started it. */
function askedToEnd(): Promise<number> {
  return new Promise((end) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => end(exitCodeOf(signal)));
    // Nobody reads any more (`npm start | head`).
    process.stdout.on('error', () => end(exitCodeOf('SIGPIPE')));
    // A killed npm tells nobody; the process it started gets another parent.
    const parent = process.ppid;
    setInterval(() => process.ppid !== parent && end(exitCodeOf('SIGHUP')), PARENT_POLL_MS).unref();
  });
}

const code = await Promise.race([askedToEnd(), start(process.argv.slice(2))]).catch(reportProblem);
await endGroups();
process.exit(code);
