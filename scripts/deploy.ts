import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { MIN_ROOT_KEY_LENGTH } from '../src/core/constants.ts';
import { rootKeyFault } from '../src/core/root_keys.ts';
import { askSecret } from './ask_secret.ts';
import { writeBundle } from './bundle.ts';
import { PLANS, STEPS, type StepName } from './deploy_plan.ts';
import { Problem, reportProblem } from './problem.ts';
import { jsonOf, launch, run, succeeded } from './run_wrangler.ts';
import { makeRootKey, makeSigningKey, ROOT_KEY_NAME, SIGNING_KEY_NAME } from './secrets.ts';
import { sharedArgs } from './wrangler.ts';

interface Options {
  config: string | undefined;
  env: string | undefined;
  isDryRun: boolean;
}

/** What the steps find out. */
interface Outcome {
  address?: string;
  /** The names of those that are there. */
  secrets: readonly string[];
  madeRootKey?: string;
}

function argsOf(name: StepName, { config, env }: Options): readonly string[] {
  return [...STEPS[name].args, ...sharedArgs({ config, env })];
}

async function namesIn(args: readonly string[]): Promise<string[]> {
  return ((await jsonOf(args)) as { name: string }[]).map(({ name }) => name);
}

/** wrangler reports where it deployed to in a file of JSON lines. */
async function upload(args: readonly string[]): Promise<string | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'mintmark-deploy-'));
  const report = join(directory, 'report.jsonl');
  try {
    await run(args, { WRANGLER_OUTPUT_FILE_PATH: report });
    const entries = readFileSync(report, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; targets?: string[] });
    return entries.find(({ type }) => type === 'deploy')?.targets?.[0];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What a deploy needs of wrangler's configuration, which may be another file than ours. */
async function readConfiguration({ config, env }: Options): Promise<{ readonly databaseName: string }> {
  const { unstable_readConfig } = await import('wrangler');
  const { d1_databases: databases, rules } = unstable_readConfig({ config, env }) as {
    d1_databases: { binding: string; database_name?: string }[];
    rules: { type: string; globs: readonly string[] }[];
  };
  if (!rules.some(({ type, globs }) => type === 'ESModule' && globs.includes('**/*.mjs')))
    throw new Problem(
      `wrangler's configuration needs rules = [{ type = "ESModule", globs = ["**/*.mjs"] }], by which the Worker's modules are uploaded.`,
    );
  const databaseName = databases.find(({ binding }) => binding === 'DB')?.database_name;
  if (databaseName === undefined)
    throw new Problem(
      "wrangler's configuration needs a D1 database with the binding DB and a database_name.",
    );
  return { databaseName };
}

/** The one in the environment, or else the one typed, or else a random one. */
async function chooseRootKey(): Promise<{ value: string; isMade: boolean }> {
  const given = process.env[ROOT_KEY_NAME];
  if (given !== undefined) {
    const fault = rootKeyFault(given);
    if (fault !== null) throw new Problem(`${ROOT_KEY_NAME} in the environment can't be used. ${fault}`);
    return { value: given, isMade: false };
  }
  while (process.stdin.isTTY && process.stdout.isTTY) {
    const typed = await askSecret(
      `Paste a root key of at least ${MIN_ROOT_KEY_LENGTH} characters, or press Enter to have one made: `,
    );
    if (typed === '') break;
    const fault = rootKeyFault(typed);
    if (fault === null) return { value: typed, isMade: false };
    console.log(fault);
  }
  return { value: makeRootKey(), isMade: true };
}

async function put(args: readonly string[], secret: string): Promise<void> {
  const wrangler = launch(args, ['pipe', 'inherit', 'inherit']);
  wrangler.stdin?.end(secret);
  await succeeded(wrangler, args);
}

const EXECUTE: Record<
  Exclude<StepName, 'findDatabase'>,
  (args: readonly string[], outcome: Outcome) => Promise<void>
> = {
  async upload(args, outcome) {
    await writeBundle();
    const address = await upload(args);
    if (address !== undefined) outcome.address = address;
  },
  async migrate(args) {
    // In a terminal it would ask before it applies them.
    await run(args, { CI: '1' });
  },
  async findSecrets(args, outcome) {
    outcome.secrets = await namesIn(args);
  },
  async putRootKey(args, outcome) {
    if (outcome.secrets.includes(ROOT_KEY_NAME)) return;
    const rootKey = await chooseRootKey();
    await put(args, rootKey.value);
    if (rootKey.isMade) outcome.madeRootKey = rootKey.value;
  },
  async putSigningKey(args, { secrets }) {
    if (!secrets.includes(SIGNING_KEY_NAME)) await put(args, makeSigningKey());
  },
};

async function dryRun(options: Options): Promise<void> {
  await readConfiguration(options);
  await writeBundle();
  await run([...argsOf('upload', options), '--dry-run']);
  const line = (name: StepName) => `wrangler ${argsOf(name, options).join(' ')}  (${STEPS[name].purpose})`;
  console.log(`\nTo tell a first deploy from a later one:\n  ${line('findDatabase')}`);
  for (const { title, steps } of Object.values(PLANS)) {
    console.log(`\n${title}:\n${steps.map((name, index) => `  ${index + 1}. ${line(name)}`).join('\n')}`);
  }
}

async function deploy(options: Options): Promise<void> {
  const { databaseName } = await readConfiguration(options);
  const names = await namesIn(argsOf('findDatabase', options));
  const plan = PLANS[names.includes(databaseName) ? 'later' : 'first'];
  const outcome: Outcome = { secrets: [] };
  for (const name of plan.steps) await EXECUTE[name](argsOf(name, options), outcome);

  const { address, madeRootKey } = outcome;
  console.log(`\nMintmark is deployed${address === undefined ? '' : `: ${address}`}`);
  if (madeRootKey !== undefined) console.log(`\nRoot key, shown this once: ${madeRootKey}`);
  if (address !== undefined)
    console.log(
      `\nTry it: curl -sS ${address}/health/ready\nThen make a first key, as the README shows, with this address and your root key.`,
    );
}

function parseOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        config: { type: 'string', short: 'c' },
        env: { type: 'string', short: 'e' },
        'dry-run': { type: 'boolean' },
      },
    });
    return { config: values.config, env: values.env, isDryRun: values['dry-run'] ?? false };
  } catch (error) {
    throw new Problem(
      `${error instanceof Error ? error.message : String(error)}\nUsage: npm run deploy -- [--dry-run] [--config FILE] [--env NAME]`,
    );
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  await (options.isDryRun ? dryRun(options) : deploy(options));
  return 0;
}

process.exitCode = await main().catch(reportProblem);
