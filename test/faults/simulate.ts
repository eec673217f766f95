/** Runs seeded histories of the service, and shrinks the first that breaks a promise: `npm run simulate -- --help`. */
import { parseArgs } from 'node:util';

import * as fc from 'fast-check';

import { MUTANTS } from './mutants.ts';
import { loadProduction } from './production.ts';
import { Simulator } from './simulation.ts';
import { histories } from './steps.ts';
import { makeCryptoSynchronous } from './synchronous_crypto.ts';

const USAGE = `npm run simulate -- [--histories 10000] [--seed N] [--path P] [--mutant NAME [--shrink]]
--seed and --path repeat what a failure printed. --mutant breaks a rule of the production code first, to see that it is
found, and --shrink by what:
${Object.keys(MUTANTS).join(', ')}`;

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    path: { type: 'string' },
    mutant: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    help: { type: 'boolean' },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const NONE = { patches: [], seed: undefined };
const mutant = values.mutant === undefined ? NONE : MUTANTS[values.mutant];
if (mutant === undefined) {
  console.error(USAGE);
  process.exit(2);
}

makeCryptoSynchronous();
const seed = values.seed === undefined ? mutant.seed : Number(values.seed);
const simulator = new Simulator(await loadProduction(mutant.patches));
const startedAt = performance.now();
const result = await fc.check(
  fc.asyncProperty(histories, async (history) => {
    const violation = await simulator.run(history);
    if (violation !== null) throw new Error(violation);
  }),
  {
    numRuns: Number(values.histories),
    // That a mutant is found is enough; shrinking takes longer than finding.
    endOnFailure: values.mutant !== undefined && !values.shrink,
    ...(seed === undefined ? {} : { seed }),
    ...(values.path === undefined ? {} : { path: values.path }),
  },
);
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);

if (!result.failed) {
  console.log(`${result.numRuns} histories, seed ${result.seed}, ${seconds} s: every promise was kept.`);
} else {
  const [history] = result.counterexample ?? [];
  console.log(
    `A promise was broken in history ${result.numRuns} of seed ${result.seed}, after ${seconds} s.`,
  );
  if (history !== undefined) {
    console.log(`\nThe shortest history found (${JSON.stringify(history.climate)}):\n`);
    const violation = await simulator.run(history, (line) => console.log(line));
    console.log(`\n${violation}`);
  }
  console.log(`\nAgain: npm run simulate -- --seed=${result.seed} --path=${result.counterexamplePath ?? ''}`);
  process.exitCode = 1;
}
