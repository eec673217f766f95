import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

import { rootKeyFault } from '../src/core/root_keys.ts';
import { ensureSecret, readSecret } from './dev_vars.ts';
import { firstKeyBlocks } from './first_key.ts';
import { Problem } from './problem.ts';
import { groupEnded, startGroup } from './process_group.ts';
import { ROOT_KEY_NAME, SIGNING_KEY_NAME } from './secrets.ts';
import { serve } from './serve.ts';
import {
  PROJECT_ROOT,
  sharedArgs,
  sharedOptions,
  wranglerEnvironment,
  wranglerPath,
  type SharedOptions,
} from './wrangler.ts';

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

/** What is wrong with the settings, for which every call is refused. */
async function faultsOf(address: string): Promise<readonly string[]> {
  try {
    const response = await fetch(`${address}/health`);
    const { errors = [] } = (await response.json()) as { errors?: { path: string; message: string }[] };
    return errors.map(({ path, message }) => `${path} ${message}`);
  } catch {
    // It ended, or cannot be reached by this address: that shows by itself.
    return [];
  }
}

function misconfigured(address: string, faults: readonly string[]): string {
  return `\nMintmark is served at ${address}, and refuses every call until its settings are mended:\n\n${faults.map((fault) => `  ${fault}\n`).join('')}\nMend .dev.vars, and start again.\n`;
}

/**
 * Serves Mintmark on this machine, with wrangler's arguments, until wrangler ends. Before that its database is brought up to
 * date, and a root key made where there is none. `anotherPort` is a command that takes another port.
 */
export async function serveMintmark(
  args: readonly string[],
  anotherPort: string,
  onReady: () => void = () => {},
): Promise<number> {
  if (args.some((arg) => /^--env-?file\b/i.test(arg))) {
    throw new Problem(
      `With --env-file wrangler reads no .dev.vars, where npm start keeps ${ROOT_KEY_NAME}. Leave the option out, or run npx wrangler dev yourself.`,
    );
  }
  const options = sharedOptions(args);
  const devVars = devVarsPath(options);
  ensureSecret(devVars, ROOT_KEY_NAME);
  ensureSecret(devVars, SIGNING_KEY_NAME);
  await migrate(options);
  const report = async (address: string): Promise<void> => {
    const faults = await faultsOf(address);
    // Read again, as wrangler has: another start may have added a key meanwhile.
    const text = welcome(address, readSecret(devVars, ROOT_KEY_NAME) ?? '', devVars);
    process.stdout.write(faults.length === 0 ? text : misconfigured(address, faults));
    onReady();
  };
  return await serve('Mintmark', args, anotherPort, (address) => void report(address));
}
