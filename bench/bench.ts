import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';

import manifest from '../package.json' with { type: 'json' };
import { reportProblem } from '../scripts/problem.ts';
import { bundleAll } from './bundle.ts';
import { startChild } from './child.ts';
import { decide, type Judge } from './contest.ts';
import { readOptions, USAGE, type Options } from './options.ts';
import type { Comparison, Report } from './report.ts';
import { measureGrowth } from './suites/growth.ts';
import { measureMinting } from './suites/minting.ts';
import { measureStartUp } from './suites/startup.ts';
import { measureWarm } from './suites/warm.ts';
import { markdownOf } from './table.ts';

async function measure(options: Options): Promise<Report> {
  const at = new Date().toISOString();
  const { code, size } = await bundleAll();
  const comparisons: Comparison[] = [];
  const judge: Judge = async (contest) => {
    const comparison = await decide(contest, options);
    comparisons.push(comparison);
    process.stderr.write(`${comparison.name}: ${comparison.ratio.toFixed(2)} × ${comparison.beside}\n`);
  };
  using rival = await startChild('better_auth.ts');
  const isWanted = (suite: Options['only']): boolean => options.only === null || options.only === suite;
  if (isWanted('warm')) await measureWarm(code, rival.side, judge);
  if (isWanted('minting')) await measureMinting(code, judge);
  if (isWanted('growth')) await measureGrowth(code, options.keys, judge);
  return {
    at,
    machine: `${availableParallelism()} cores of ${cpus()[0]?.model ?? 'an unknown CPU'}, ${process.platform}`,
    versions: {
      Node: process.versions.node,
      workerd: workerdVersion(),
      'better-auth': manifest.devDependencies['better-auth'],
    },
    rounds: options.rounds,
    secondsEach: options.seconds,
    comparisons,
    startUp: await measureStartUp(code, options.rounds),
    size,
  };
}

/** Miniflare brings it, so no version of ours is pinned. */
function workerdVersion(): string {
  const { version } = createRequire(import.meta.url)('workerd/package.json') as { version: string };
  return version;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  const report = await measure(options);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  console.log(markdownOf(report));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = reportProblem(error);
}
