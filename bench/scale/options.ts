import { Problem } from '../../scripts/problem.ts';
import { MAX_CHANGES_TOLD, USAGE_FLUSH_INTERVAL_MS } from '../../src/core/constants.ts';
import { fileToWrite, parsedArguments } from '../arguments.ts';
import type { World } from './simulation.ts';

/** What is asked of a run. */
export interface Options {
  /** In the order of growth. */
  readonly growth: readonly World[];
  /** The last of these among others, in each of which one thing differs. */
  readonly variants: readonly World[];
  /** Where the report goes, beside the screen. */
  readonly json: string | null;
}

interface Rule {
  readonly usual?: number;
  readonly least: number;
  readonly most: number;
  readonly isWhole?: boolean;
  readonly help: string;
}

/** Steps of growth: keys, and verifications a second. */
const STEPS = [
  [10_000, 10],
  [100_000, 100],
  [1_000_000, 1_000],
  [10_000_000, 10_000],
] as const;

/** Simulated in each step, unless that takes longer than a few hours. */
const VERIFICATIONS = 800_000;
const MAX_SECONDS = 10_800;
/** Fewer would tell nothing. */
const LEAST_VERIFICATIONS = 200;

const RULES = {
  keys: { least: 1, most: 50_000_000, isWhole: true, help: 'one step alone, with --rate' },
  rate: { least: 0.1, most: 100_000, help: 'verifications a second, with --keys' },
  cities: { usual: 300, least: 1, most: 10_000, isWhole: true, help: 'where verifications come from' },
  'key-exponent': { usual: 1, least: 0, most: 3, help: 'how unequal keys are, by Zipf' },
  'city-exponent': { usual: 1, least: 0, most: 3, help: 'how unequal cities are' },
  changes: { usual: 0.01, least: 0, most: 100_000, help: 'of keys in a day, by the number of keys' },
  'changes-told': {
    usual: MAX_CHANGES_TOLD,
    least: 1,
    most: 100_000,
    isWhole: true,
    help: 'in the snapshot',
  },
  'uses-each': {
    usual: USAGE_FLUSH_INTERVAL_MS / 1_000,
    least: 1,
    most: 86_400,
    help: 'seconds: last uses are written',
  },
  'isolate-rate': { usual: 20, least: 0.01, most: 100_000, help: 'verifications a second for one isolate' },
  'isolate-lifetime': { usual: 1_800, least: 1, most: 10_000_000, help: 'seconds, on average' },
  'isolate-idle': { usual: 60, least: 1, most: 10_000_000, help: 'seconds without a request that end one' },
  seconds: { least: 20, most: 10_000_000, help: `simulated; else ${VERIFICATIONS} verifications' time` },
  seed: { usual: 1, least: 0, most: 4_294_967_295, isWhole: true, help: 'of chance' },
} as const satisfies Readonly<Record<string, Rule>>;

type Name = keyof typeof RULES;
type UsualName = { [N in Name]: (typeof RULES)[N] extends { usual: number } ? N : never }[Name];

export const USAGE = `npm run bench:scale -- [options]
Simulates isolates in many cities, KV and D1, and prints what grows with keys and verifications: a few steps, and the last of
them with other changes. The first half of each simulated time settles, and is not counted.
${Object.entries(RULES)
  .map(([name, rule]) => `  --${name.padEnd(17)} ${described(rule)}`)
  .join('\n')}
  --json FILE         writes all that was found there, too`;

function described({ usual, least, most, help }: Rule): string {
  return `${help} (${usual === undefined ? '' : `${usual}; `}${least} to ${most})`;
}

/** Reads a command line; null: it asks for help. Throws a Problem that names the option and its rule. */
export function readOptions(args: readonly string[]): Options | null {
  const text = { type: 'string' } as const;
  const { values } = parsedArguments({
    args: [...args],
    options: {
      keys: text,
      rate: text,
      cities: text,
      'key-exponent': text,
      'city-exponent': text,
      changes: text,
      'changes-told': text,
      'uses-each': text,
      'isolate-rate': text,
      'isolate-lifetime': text,
      'isolate-idle': text,
      seconds: text,
      seed: text,
      json: text,
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return null;

  const given = (name: Name): number | undefined => numberOf(name, values[name]);
  const usual = (name: UsualName): number => given(name) ?? RULES[name].usual;
  const [keys, rate, seconds] = [given('keys'), given('rate'), given('seconds')];
  if ((keys === undefined) !== (rate === undefined)) throw new Problem('--keys and --rate go together');
  if (seconds !== undefined && seconds * (rate ?? STEPS[0][1]) < LEAST_VERIFICATIONS) {
    throw new Problem(`--seconds is long enough for ${LEAST_VERIFICATIONS} verifications`);
  }
  const isOneStep = keys !== undefined && rate !== undefined;
  const growth = (isOneStep ? [[keys, rate] as const] : STEPS).map(([ofKeys, ofRate]): World => ({
    keys: ofKeys,
    rate: ofRate,
    cities: usual('cities'),
    keyExponent: usual('key-exponent'),
    cityExponent: usual('city-exponent'),
    changesADay: usual('changes'),
    changesTold: usual('changes-told'),
    usesEachSeconds: usual('uses-each'),
    isolateRate: usual('isolate-rate'),
    isolateLifetimeSeconds: usual('isolate-lifetime'),
    isolateIdleSeconds: usual('isolate-idle'),
    seconds: seconds ?? Math.max(RULES.seconds.least, Math.min(MAX_SECONDS, VERIFICATIONS / ofRate)),
    seed: usual('seed'),
  }));
  const largest = growth.at(-1);
  const variants = isOneStep || largest === undefined ? [] : variantsOf(largest);
  return { growth, variants, json: fileToWrite('--json', values.json) };
}

/** Without changes, with few, as it is; and with a snapshot that tells more, or last uses that are written less often. */
function variantsOf(world: World): World[] {
  const { changesADay, changesTold, usesEachSeconds } = world;
  return [
    { ...world, changesADay: 0 },
    { ...world, changesADay: changesADay / 10 },
    world,
    { ...world, changesTold: 10 * changesTold },
    { ...world, usesEachSeconds: 4 * usesEachSeconds },
  ];
}

function numberOf(name: Name, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const { least, most, isWhole = false }: Rule = RULES[name];
  const number = Number(text);
  const fits =
    text.trim() !== '' && number >= least && number <= most && (!isWhole || Number.isInteger(number));
  if (!fits)
    throw new Problem(
      `--${name} is ${isWhole ? 'a whole number' : 'a number'} from ${least} to ${most}, not '${text}'`,
    );
  return number;
}
