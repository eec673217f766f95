import { Problem } from '../scripts/problem.ts';
import { fileToWrite, parsedArguments } from './arguments.ts';

export const SUITES = ['warm', 'minting', 'growth'] as const;

export interface Options {
  /** How often each side runs. */
  readonly rounds: number;
  /** How long one run takes. */
  readonly seconds: number;
  /** Keys in the large database. */
  readonly keys: number;
  /** Which part is measured; null: all of them. */
  readonly only: (typeof SUITES)[number] | null;
  /** Where the report goes as JSON; null: nowhere. */
  readonly json: string | null;
}

export const USAGE = `Usage: npm run bench -- [--rounds 9] [--seconds 1] [--keys 1000000] [--only SUITE] [--json FILE]

Measures Mintmark in workerd beside a bare Worker, each in turn, and prints a table.

  --rounds N   how often each side runs, an odd number from 1 to 99
  --seconds N  how long each run takes, from 0.05 to 60
  --keys N     keys in the large database, from 1000 to 10000000
  --only SUITE one of ${SUITES.join(', ')}
  --json FILE  writes the same as JSON`;

/** Null: help is asked for. Throws a Problem that names the option and its rule. */
export function readOptions(args: readonly string[]): Options | null {
  const { values } = parsedArguments({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '1' },
      keys: { type: 'string', default: '1000000' },
      only: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const rounds = numberIn('--rounds', values.rounds, 1, 99);
  if (rounds % 2 !== 1) throw new Problem(`--rounds must be an odd number, so that one is in the middle.`);
  const keys = numberIn('--keys', values.keys, 1_000, 10_000_000);
  if (!Number.isInteger(keys)) throw new Problem('--keys must be a whole number.');
  const only = SUITES.find((suite) => suite === values.only) ?? null;
  if (only === null && values.only !== undefined)
    throw new Problem(`--only must be one of ${SUITES.join(', ')}.`);
  return {
    rounds,
    seconds: numberIn('--seconds', values.seconds, 0.05, 60),
    keys,
    only,
    json: fileToWrite('--json', values.json),
  };
}

function numberIn(name: string, text: string, lowest: number, highest: number): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= lowest && number <= highest))
    throw new Problem(`${name} must be a number from ${lowest} to ${highest}.`);
  return number;
}
