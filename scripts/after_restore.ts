import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';

import { DEFAULT_MAX_STALENESS_SECONDS } from '../src/core/constants.ts';
import { confirm } from './ask.ts';
import { Problem, reportProblem } from './problem.ts';
import { beginLife, COUNT_LIVE_KEYS, requestIdOf, type NewLife } from './restore_sql.ts';
import { commandLine, jsonOf, run } from './run_wrangler.ts';
import { sharedArgs, type SharedOptions } from './wrangler.ts';

interface Options extends SharedOptions {
  isLocal: boolean;
  isDryRun: boolean;
  /** Null: not said, so it is asked where somebody can answer. */
  isFreezing: boolean | null;
}

const USAGE =
  'Usage: npm run after-restore -- [--freeze | --no-freeze] [--dry-run] [--local [--persist-to DIRECTORY]] [--config FILE] [--env NAME]';

function databaseArgs(options: Options): string[] {
  const persistTo = options.persistTo === undefined ? [] : ['--persist-to', options.persistTo];
  return [options.isLocal ? '--local' : '--remote', ...persistTo, ...sharedArgs(options)];
}

function migrationArgs(options: Options): string[] {
  return ['d1', 'migrations', 'apply', 'DB', ...databaseArgs(options)];
}

function executeArgs(sql: string, options: Options): string[] {
  return ['d1', 'execute', 'DB', ...databaseArgs(options), '--json', '--command', sql];
}

/** The one row of the last statement. */
async function query<Row>(sql: string, options: Options): Promise<Row> {
  const answers = (await jsonOf(executeArgs(sql, options))) as { results: Row[] }[];
  const row = answers.at(-1)?.results[0];
  if (row === undefined) throw new Error('the last statement has one row');
  return row;
}

function newLife(at: number): NewLife {
  return { generation: randomBytes(16).toString('hex'), at };
}

const keys = (count: number): string => (count === 1 ? '1 key' : `${count} keys`);

async function chooseFreezing(live: number, { isFreezing }: Options): Promise<boolean> {
  if (isFreezing !== null) return isFreezing;
  if (live === 0 || !process.stdin.isTTY || !process.stdout.isTTY) return false;
  return await confirm(
    'Freeze them? [y/N] ',
    'Stopped: no key was frozen, and caches go on with what they hold. Run this again.',
  );
}

function frozenReport(count: number, life: NewLife): string {
  return count === 0
    ? 'No key was live, so none was frozen.'
    : `Frozen: ${keys(count)}. The audit trail has them under the request id ${requestIdOf(life)}. Enable those that are known good: PATCH /v1/api-keys/{id} with {"enabled":true}`;
}

function unfrozenReport(live: number, options: Options): string {
  if (live === 0) return 'No key is live, so there was none to freeze.';
  const reason =
    options.isFreezing === null && !(process.stdin.isTTY && process.stdout.isTTY)
      ? ', as there is no terminal to ask in'
      : '';
  const where = databaseArgs(options).filter((arg) => arg !== '--remote');
  return `NOT frozen: ${keys(live)}${reason}. A key that was revoked after the restore point passes again. To freeze all that are live: ${['npm run after-restore -- --freeze', ...where].join(' ')}`;
}

async function afterRestore(options: Options): Promise<void> {
  // In a terminal it would ask before it applies them.
  await run(migrationArgs(options), { CI: '1' });

  const { live, now } = await query<{ live: number; now: number }>(COUNT_LIVE_KEYS, options);
  // Keys expire by the database's clock here: this machine's may be off.
  const aheadMs = now - Date.now();
  if (live > 0)
    console.log(
      `\nLive in the restored database: ${keys(live)}. Any may have been revoked, disabled or narrowed after the restore point. To freeze is to disable them all, until those that are known good are enabled again.`,
    );
  const isFreezing = await chooseFreezing(live, options);

  const life = newLife(Date.now() + aheadMs);
  const { frozen } = await query<{ frozen: number }>(beginLife(life, { isFreezing }), options);
  const paragraphs = [
    `The generation is renewed: caches forget what they hold, and every verification answers by the restored database within ${DEFAULT_MAX_STALENESS_SECONDS} seconds, or what MAX_STALENESS_SECONDS says.`,
    isFreezing ? frozenReport(frozen, life) : unfrozenReport(live, options),
    'What was minted after the restore point is gone: those secrets answer NOT_FOUND, and their holders need new keys.',
  ];
  console.log(paragraphs.map((paragraph) => `\n${paragraph}`).join('\n'));
}

function dryRun(options: Options): void {
  const life = newLife(Date.now());
  const execute = (sql: string, purpose: string) =>
    `${commandLine(executeArgs(sql, options))}  (${purpose})\n\n${sql.trimEnd().replace(/^/gm, '     ')}\n`;
  const freeze = execute(
    beginLife(life, { isFreezing: true }),
    'freeze the keys that are live, and renew the generation',
  );
  const renew = execute(beginLife(life, { isFreezing: false }), 'renew the generation');
  const steps = [
    `${commandLine(migrationArgs(options))}  (apply the migrations that are new)`,
    execute(COUNT_LIVE_KEYS, 'how many keys are live, and what time is it there?'),
    ...(options.isFreezing === null
      ? [`To freeze:\n     ${freeze}\n     Or not to:\n     ${renew}`]
      : [options.isFreezing ? freeze : renew]),
  ];
  console.log(`\n${steps.map((step, index) => `  ${index + 1}. ${step}`).join('\n')}`);
}

function parseOptions(args: string[]): Options {
  try {
    const { values } = parseArgs({
      args,
      options: {
        freeze: { type: 'boolean' },
        'no-freeze': { type: 'boolean' },
        'dry-run': { type: 'boolean' },
        local: { type: 'boolean' },
        'persist-to': { type: 'string' },
        config: { type: 'string', short: 'c' },
        env: { type: 'string', short: 'e' },
      },
    });
    if (values.freeze && values['no-freeze']) throw new Error('--freeze and --no-freeze exclude each other.');
    if (values['persist-to'] !== undefined && !values.local)
      throw new Error('--persist-to says where the data of --local is.');
    return {
      config: values.config,
      env: values.env,
      persistTo: values['persist-to'],
      isLocal: values.local ?? false,
      isDryRun: values['dry-run'] ?? false,
      isFreezing: values.freeze ? true : values['no-freeze'] ? false : null,
    };
  } catch (error) {
    throw new Problem(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  await (options.isDryRun ? dryRun(options) : afterRestore(options));
  return 0;
}

process.exitCode = await main().catch(reportProblem);
